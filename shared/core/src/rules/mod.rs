//! The catalogue of rules, and the engine that runs them.
//!
//! A rule is an id, the evidence it needs, and a pure function over what is at hand. Documentation,
//! `explain` and the tests come from the same list. Ids never change their meaning.

mod across;
mod allowances;
mod change;
mod checked;
mod clb;
mod contradictory;
mod engine;
mod failures;
mod findings;
mod groups;
mod identity;
mod joining;
mod keys;
mod language;
mod mapped_groups;
mod mapped_ports;
mod mapping;
mod nodes;
mod not_judged;
mod quota;
mod reached;
mod rebinding;
mod replacement;
mod rule;
mod serving;
mod shared_group;
mod standing;
mod traffic;
mod unread_mapping;
mod values;
mod workloads;

pub use allowances::unknown_allowances;
pub use checked::{CheckedChange, CheckedService, CheckedWorkload};
pub(crate) use contradictory::ContradictoryClusters;
pub use engine::{
    ChangeSet, Scope, check, check_removed, check_service, check_service_by, check_workloads,
};
pub use findings::{FindingBuilder, Findings};
pub use language::Language;
pub use not_judged::why_not_judged;
pub use rule::{AnyObject, AtReview, Check, Evidence, Family, Harms, RefusedWrites, Rule, Words};

use std::sync::LazyLock;

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
            unread_mapping::RULES,
            mapped_groups::RULES,
            mapped_ports::RULES,
            across::RULES,
            identity::RULES,
            workloads::RULES,
            traffic::RULES,
            clb::RULES,
            reached::RULES,
            quota::RULES,
            joining::RULES,
            failures::RULES,
            groups::RULES,
            change::RULES,
            serving::RULES,
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
