//! Clusters whose input is contradictory: an object is there twice with other content. What CCM has
//! written is unknown there. So nothing is said of weights and groups, and no fix that could be
//! typed is offered: it might remove a backend that serves.

use super::{Check, Family, Rule, checked::of_context, findings::ReportBuilder};
use crate::{
    finding::{Finding, Need, Report},
    object::ObjectRef,
    snapshot::{Cluster, Contradiction, Snapshot},
};

/// How many objects are named one by one.
const NAMED: usize = 3;

/// What tells the files of two clusters apart.
const HINT: &str = "if these are two clusters, give the files of each a name: -f a=… -f b=…";

/// The clusters at hand whose input is contradictory.
pub(crate) struct ContradictoryClusters<'s> {
    clusters: Vec<&'s Cluster>,
}

impl<'s> ContradictoryClusters<'s> {
    /// Those of these snapshots. One that stands in several counts once, as its last state has it.
    pub fn of(snapshots: impl IntoIterator<Item = &'s Snapshot>) -> Self {
        let mut clusters: Vec<&Cluster> = Vec::new();
        let all = snapshots.into_iter().flat_map(|snapshot| &snapshot.clusters);
        for cluster in all.filter(|cluster| !cluster.contradictions().is_empty()) {
            clusters.retain(|known| known.context != cluster.context);
            clusters.push(cluster);
        }
        Self { clusters }
    }

    /// Whether a rule is silent about the Services of a cluster; for `None`, about groups.
    pub fn silences(&self, rule: &Rule, cluster: Option<&Cluster>) -> bool {
        let is_it = |of: &&Cluster| cluster.is_none_or(|cluster| of.context == cluster.context);
        rule.family() == Family::Traffic && self.clusters.iter().any(is_it)
    }

    /// Tells what was not looked at. The rules about changes count where there is a change.
    pub(super) fn note(&self, rules: &[&'static Rule], has_change: bool, to: &mut ReportBuilder) {
        let of_change = |rule: &Rule| matches!(rule.check, Check::Change(_) | Check::Departure(_));
        for cluster in &self.clusters {
            let why = format!("{}; {HINT}", in_words(cluster.contradictions()));
            let silent = rules.iter().filter(|rule| {
                rule.family() == Family::Traffic && (has_change || !of_change(rule))
            });
            for rule in silent {
                let mut found = Vec::new();
                let what = || format!("contradictory input{}", of_context(cluster));
                to.findings_of(rule, &mut found).missing(Need::ClearInput, what, &why);
            }
        }
    }

    /// Takes from findings about these clusters what could be typed, and the findings of silent rules.
    pub fn clear(&self, findings: &mut Vec<Finding>) {
        findings.retain_mut(|finding| {
            let Some(cluster) = self.cluster_of(&finding.object) else { return true };
            finding.patch.clear();
            finding.fix = format!(
                "resolve the contradictory input first: {}; remove the wrong one, or {HINT}",
                in_words(cluster.contradictions())
            );
            super::find(finding.rule).is_none_or(|rule| rule.family() != Family::Traffic)
        });
    }

    /// The same for a report.
    pub(super) fn clear_report(&self, mut report: Report) -> Report {
        self.clear(&mut report.findings);
        self.clear(&mut report.hidden);
        report
    }

    /// The contradictory cluster that an object belongs to. A group belongs to all clusters.
    fn cluster_of(&self, object: &ObjectRef) -> Option<&'s Cluster> {
        let is_group = object.kind == "VServerGroup";
        let mut clusters = self.clusters.iter();
        clusters.find(|cluster| is_group || cluster.context == object.context).copied()
    }
}

/// `Service shop/web is in a.yaml:1 and b.yaml:1 with other content, and 4 more objects`.
fn in_words(contradictions: &[Contradiction]) -> String {
    let named: Vec<String> = contradictions.iter().take(NAMED).map(ToString::to_string).collect();
    let named = named.join(", ");
    match contradictions.len().saturating_sub(NAMED) {
        0 => named,
        1 => format!("{named}, and 1 more object"),
        more => format!("{named}, and {more} more objects"),
    }
}
