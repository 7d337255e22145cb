//! Which rules of the catalogue policies hold, each with its expression, and why they do not hold the
//! others.

use clbmigrate_core::{
    finding::Severity,
    rules::{Check, Evidence, Family, Rule},
};

use super::{annotations, mapping};

/// What a rule judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judges {
    /// A Service that CCM takes and that carries a CLB annotation.
    Candidate,
    /// A candidate with CLB and mapping.
    Migrated,
    /// What an update does to a migrated Service.
    Change,
}

/// A rule that policies hold.
pub struct HeldRule {
    /// The rule's id.
    pub id: &'static str,
    /// What it judges.
    pub judges: Judges,
    /// What it finds in one version of the Service: a template of a list of texts.
    pub found: fn() -> String,
    /// What it finds in the new version alone, beside the old one.
    pub brought: Option<fn() -> String>,
    /// What of the rule is not held; empty where all is.
    pub lacks: &'static str,
}

const fn held(
    id: &'static str,
    judges: Judges,
    found: fn() -> String,
    lacks: &'static str,
) -> HeldRule {
    HeldRule { id, judges, found, brought: None, lacks }
}

use Judges::{Candidate, Change, Migrated};

/// The rules that policies hold.
pub const HELD: &[HeldRule] = &[
    held("CLB001", Migrated, annotations::weight, "the warning of an empty weight"),
    held(
        "CLB003",
        Migrated,
        mapping::malformed,
        "the warning of a second colon; a mapping without a CLB's id",
    ),
    held("CLB004", Migrated, mapping::spaces, ""),
    HeldRule {
        id: "CLB005",
        judges: Migrated,
        found: mapping::no_such_port,
        brought: Some(mapping::never_held),
        lacks: "",
    },
    held("CLB006", Migrated, mapping::two_entries, ""),
    held("CLB007", Candidate, annotations::old_mapping_key, ""),
    held("CLB008", Candidate, annotations::mapping_without_clb, ""),
    held("CLB009", Candidate, annotations::two_prefixes, ""),
    held("CLB012", Candidate, annotations::default_weight, ""),
    held("CLB013", Candidate, annotations::backend_type, ""),
    held("CLB014", Candidate, annotations::unreadable, "forward-port"),
    held("CLB016", Candidate, annotations::backend_label, ""),
    held("CLB028", Candidate, annotations::clb_id, "whether the cloud knows the CLB"),
    held(
        "CLB030",
        Candidate,
        annotations::no_node_port,
        "clusters in which pods are the backends by default",
    ),
    held(
        "CLB101",
        Migrated,
        mapping::two_ports,
        "that ports which lead to the same backends share a group",
    ),
    held(
        "CLB403",
        Change,
        annotations::weight_removed,
        "nodes and other participants: every removal counts",
    ),
    held("CLB405", Change, mapping::moved, "what the CLB API says of the group"),
    held("CLB406", Change, mapping::unbound, "release entries, for which the group is read"),
];

/// Why policies do not hold a rule of the catalogue that is not in the table.
pub fn why_not_held(rule: &Rule) -> &'static str {
    match (rule.id, rule.family()) {
        _ if rule.severity < Severity::Error => "refuses nothing; `check` tells it",
        ("CLB027", _) => "is about files; the API server refuses such an object itself",
        ("CLB102" | "CLB103", _) => "needs claims, for two writes can come at once",
        ("CLB404", _) => "needs to know what is in the group, and who else carries the traffic",
        (_, Family::Workloads) => "judges a workload together with the Services that select it",
        (_, Family::Identity) => "needs the cluster's id",
        _ if rule.needs(Evidence::ClbApi) => "needs the CLB API",
        _ if matches!(rule.check, Check::Failures(_)) => {
            "needs CCM's round, computed from the cluster and the cloud"
        }
        _ => "needs other objects of the cluster",
    }
}

#[cfg(test)]
mod tests {
    use clbmigrate_core::rules;

    use super::*;

    #[test]
    fn every_rule_of_the_table_is_an_error_of_the_catalogue_and_stands_once() {
        for (at, held) in HELD.iter().enumerate() {
            let rule = rules::find(held.id).expect("the catalogue has it");
            assert_eq!(rule.severity, Severity::Error, "{}", held.id);
            assert!(HELD.iter().take(at).all(|other| other.id < held.id), "{}", held.id);
        }
    }

    #[test]
    fn every_rule_that_the_webhook_may_deny_is_held_or_has_a_reason_of_its_own() {
        let errors = rules::catalogue().filter(|rule| rule.severity == Severity::Error);
        for rule in errors.filter(|rule| HELD.iter().all(|held| held.id != rule.id)) {
            assert!(!why_not_held(rule).starts_with("refuses nothing"), "{}", rule.id);
        }
    }
}
