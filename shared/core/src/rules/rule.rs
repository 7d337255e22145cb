//! What the catalogue says of a rule.

use crate::{
    finding::{Need, Severity},
    index::Index,
    object::{Annotations, ObjectMeta, ObjectRef},
    prediction::Prediction,
    round::Failure,
};

use super::{CheckedChange, CheckedService, CheckedWorkload, Findings};

/// A rule, with everything that is particular to it.
pub struct Rule {
    /// `CLBnnn`.
    pub id: &'static str,
    /// The severity of its worst finding.
    pub severity: Severity,
    /// What it looks at besides the object itself. Without it the rule is silent.
    pub evidence: &'static [Evidence],
    /// What it looks at as well where that is at hand. Without it the rule speaks all the same.
    pub also: &'static [Evidence],
    /// What it says, in English.
    pub en: Words,
    /// What it says, in Chinese.
    pub zh: Words,
    /// Where the facts come from: a file of CCM's source, a page of the vendor's documentation, or
    /// what was observed. At least one.
    pub source: &'static [&'static str],
    /// An example that fires.
    pub bad: &'static str,
    /// The same, done right.
    pub good: &'static str,
    /// Rules whose findings about the same object follow from this rule's, and are hidden.
    pub hides: &'static [&'static str],
    /// Rules whose errors may have stood behind an error of this one all along: CCM makes no better use
    /// of the object under this one. Its fix may bring them to light.
    pub reveals: &'static [&'static str],
    /// Whom its findings harm.
    pub harms: Harms,
    /// When the plugin refuses to write.
    pub refuses: RefusedWrites,
    /// What the webhook may do about its findings.
    pub at_review: AtReview,
    /// Whether somebody may well mean what it finds. By default the webhook lets an object be exempt
    /// from such rules alone: nobody means a weight of 101.
    pub is_of_intent: bool,
    /// What it judges, with the function that does it.
    pub check: Check,
}

/// The texts of a rule in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// What is wrong, in a line.
    pub title: &'static str,
    /// What CCM, or whoever acts, does about it.
    pub ccm: &'static str,
    /// What to do, where a finding has nothing more exact to say.
    pub fix: &'static str,
}

/// Whom a rule's findings harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harms {
    /// The object alone.
    Itself,
    /// Those that share a group, a listener or an identity with it, or its clients at once. At a
    /// review, nothing that the object was before excuses it.
    Others,
}

/// The writes that the plugin refuses under a rule, without `--force`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedWrites {
    /// A change that brings an error of the rule.
    NewErrors,
    /// The same, and a change of a Service that has a finding of it already, for no weight works
    /// under it.
    Standing,
    /// As `NewErrors`, and a transfer of shares in a route that has a finding of any severity.
    Transfers,
}

/// What the webhook may do about a rule's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtReview {
    /// What the rule's mode says.
    ByMode,
    /// Warn at most, for what the rule looks at comes and goes without anybody's request.
    WarnOnly,
}

/// What a rule judges, with the function that does it.
#[derive(Clone, Copy)]
pub enum Check {
    /// Any object that can carry annotations.
    Object(fn(&AnyObject<'_>, &mut Findings<'_>)),
    /// A Service CCM takes that carries a CLB annotation, or a key meant as one.
    Candidate(fn(&CheckedService<'_, '_>, &mut Findings<'_>)),
    /// A candidate that names a CLB.
    OnClb(fn(&CheckedService<'_, '_>, &mut Findings<'_>)),
    /// A candidate with CLB and mapping.
    Migrated(fn(&CheckedService<'_, '_>, &mut Findings<'_>)),
    /// A workload that a migrated Service selects.
    Workload(fn(&CheckedWorkload<'_, '_>, &mut Findings<'_>)),
    /// A migrated Service, old against new.
    Change(fn(&CheckedChange<'_, '_>, &mut Findings<'_>)),
    /// A candidate that names a CLB, old against new, with or without a mapping.
    Departure(fn(&CheckedChange<'_, '_>, &mut Findings<'_>)),
    /// Why the round over a candidate fails.
    Failures(fn(&CheckedService<'_, '_>, &[Failure], &mut Findings<'_>)),
    /// A Service of another type that carries a CLB annotation.
    OtherType(fn(&CheckedService<'_, '_>, &mut Findings<'_>)),
    /// The groups' answers.
    Groups(fn(&Index<'_>, &Prediction, &mut Findings<'_>)),
}

/// What a rule may need to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// The object before the change.
    OldObject,
    /// All nodes of the cluster.
    Nodes,
    /// The Service's EndpointSlices.
    Endpoints,
    /// Workloads the Service selects.
    Workloads,
    /// The cluster's id.
    ClusterId,
    /// Answers of the CLB API.
    ClbApi,
}

impl Words {
    const NONE: Self = Self { title: "", ccm: "", fix: "" };
}

impl Evidence {
    /// All kinds of evidence.
    pub const ALL: [Self; 6] = [
        Self::OldObject,
        Self::Nodes,
        Self::Endpoints,
        Self::Workloads,
        Self::ClusterId,
        Self::ClbApi,
    ];

    /// What has to be given where it is not at hand.
    pub fn need(self) -> Need {
        match self {
            Self::OldObject | Self::Nodes | Self::Endpoints | Self::Workloads => {
                Need::ClusterObjects
            }
            Self::ClusterId => Need::ClusterId,
            Self::ClbApi => Need::ClbApi,
        }
    }

    /// The evidence's name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OldObject => "old object",
            Self::Nodes => "nodes",
            Self::Endpoints => "endpoints",
            Self::Workloads => "workloads",
            Self::ClusterId => "cluster id",
            Self::ClbApi => "CLB API",
        }
    }
}

/// An object of any kind, for the rules that judge objects of any kind.
pub struct AnyObject<'o> {
    /// Its name.
    pub object: ObjectRef,
    /// Its metadata.
    pub meta: &'o ObjectMeta,
    /// Annotations that were found elsewhere than in `metadata`, with the path of that place.
    pub misplaced: Option<(&'static str, &'o Annotations)>,
}

impl Rule {
    /// What most rules have in common. An entry of the catalogue takes nothing else from it.
    pub(super) const DEFAULT: Self = Self {
        id: "",
        severity: Severity::Info,
        evidence: &[],
        also: &[],
        en: Words::NONE,
        zh: Words::NONE,
        source: &[],
        bad: "",
        good: "",
        hides: &[],
        reveals: &[],
        harms: Harms::Itself,
        refuses: RefusedWrites::NewErrors,
        at_review: AtReview::ByMode,
        is_of_intent: false,
        check: Check::Object(|_, _| {}),
    };

    /// Whether it is handed that evidence, where that is at hand.
    pub fn looks_at(&self, evidence: Evidence) -> bool {
        self.evidence.contains(&evidence) || self.also.contains(&evidence)
    }

    /// Whether it is silent without that evidence.
    pub fn needs(&self, evidence: Evidence) -> bool {
        self.evidence.contains(&evidence)
    }

    /// The rule's family, which the first digit of its id tells.
    pub fn family(&self) -> Family {
        match self.id.as_bytes().get(3) {
            Some(b'0') => Family::Annotations,
            Some(b'1') => Family::Bindings,
            Some(b'2') => Family::Identity,
            Some(b'3') => Family::Workloads,
            _ => Family::Traffic,
        }
    }
}

/// What a group of rules is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// 0xx: annotations of one Service.
    Annotations,
    /// 1xx: Services that share a group.
    Bindings,
    /// 2xx: whose backend is whose.
    Identity,
    /// 3xx: pods that come and go.
    Workloads,
    /// 4xx: changes, weights and the cloud's truth.
    Traffic,
}

impl Family {
    /// The family's name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Annotations => "annotations of one Service",
            Self::Bindings => "Services that share a group",
            Self::Identity => "whose backend is whose",
            Self::Workloads => "pods that come and go",
            Self::Traffic => "changes, weights and the cloud's truth",
        }
    }
}
