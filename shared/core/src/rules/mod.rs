//! The catalogue of rules, and the engine that runs them.
//!
//! A rule is an id, the evidence it needs, and a pure function over what is at hand. Documentation,
//! `explain` and the tests come from the same list. Ids never change their meaning.

mod across;
mod change;
mod checked;
mod engine;
mod failures;
mod findings;
mod groups;
mod identity;
mod keys;
mod mapped_groups;
mod mapping;
mod nodes;
mod rebinding;
mod traffic;
mod values;
mod workloads;

pub use checked::{CheckedChange, CheckedService, CheckedWorkload};
pub use engine::{
    ChangeSet, Scope, check, check_removed, check_service, check_workloads, unknown_allowances,
};
pub use findings::{FindingBuilder, Findings};

use std::sync::LazyLock;

use crate::{
    finding::Severity,
    index::Index,
    object::{ObjectMeta, ObjectRef},
    prediction::Prediction,
    round::Failure,
};

/// A rule.
pub struct Rule {
    /// `CLBnnn`.
    pub id: &'static str,
    /// What is wrong, in a line.
    pub title: &'static str,
    /// The severity of its worst finding.
    pub severity: Severity,
    /// What it needs to look at, besides the object itself.
    pub evidence: &'static [Evidence],
    /// What CCM, or whoever acts, does about it.
    pub ccm: &'static str,
    /// An example that fires.
    pub bad: &'static str,
    /// The same, done right.
    pub good: &'static str,
    /// What to do, where a finding has nothing more exact to say.
    pub fix: &'static str,
    /// Rules whose findings about the same object follow from this rule's, and are hidden.
    pub hides: &'static [&'static str],
    /// What it judges, with the function that does it.
    pub check: Check,
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

impl Evidence {
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
    pub misplaced: Option<(&'static str, &'o crate::object::Annotations)>,
}

impl Rule {
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

    /// What the rule judges, in words.
    pub fn subject(&self) -> &'static str {
        match self.check {
            Check::Object(_) => "any object",
            Check::Candidate(_) => "a candidate: a Service CCM takes with a CLB annotation",
            Check::OnClb(_) => "a candidate with a CLB id",
            Check::Migrated(_) => "a migrated Service: CLB id and mapping",
            Check::Workload(_) => "a workload that a migrated Service selects",
            Check::Change(_) => "a change of a migrated Service",
            Check::Departure(_) => "a change of a candidate with a CLB id",
            Check::Failures(_) => "a round of CCM over a candidate",
            Check::OtherType(_) => {
                "a Service of another type than LoadBalancer with a CLB annotation"
            }
            Check::Groups(_) => "a vServer group",
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

/// All rules, in the order of their ids.
pub fn catalogue() -> impl Iterator<Item = &'static Rule> {
    all().iter().copied()
}

/// The same as a slice.
fn all() -> &'static [&'static Rule] {
    static ALL: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
        let families = [
            values::RULES,
            keys::RULES,
            nodes::RULES,
            mapping::RULES,
            mapped_groups::RULES,
            across::RULES,
            identity::RULES,
            workloads::RULES,
            traffic::RULES,
            failures::RULES,
            groups::RULES,
            change::RULES,
            rebinding::RULES,
        ];
        let mut all: Vec<&'static Rule> = families.into_iter().flatten().collect();
        all.sort_by_key(|rule| rule.id);
        all
    });
    &ALL
}

/// The rule of that id, in upper or lower case; `None` where there is none.
pub fn find(id: &str) -> Option<&'static Rule> {
    let exact = all().binary_search_by_key(&id, |rule| rule.id).ok();
    let exact = exact.and_then(|index| all().get(index).copied());
    exact.or_else(|| catalogue().find(|rule| rule.id.eq_ignore_ascii_case(id)))
}
