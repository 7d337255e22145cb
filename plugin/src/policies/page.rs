//! The table of `docs/policies.md`.

use std::fmt::Write;

use clbmigrate_core::rules;

use super::table::{HELD, why_not_held};

/// All rules of the catalogue as a table: held, held in part, or not held and why.
pub fn table_of_rules() -> String {
    let mut table = "| rule | what is wrong | policy |\n|---|---|---|\n".to_owned();
    for rule in rules::catalogue() {
        let held = HELD.iter().find(|held| held.id == rule.id);
        let policy = match held {
            Some(held) if held.lacks.is_empty() => "held".to_owned(),
            Some(held) => format!("held in part; not held: {}", held.lacks),
            None => format!("not held: it {}", why_not_held(rule)),
        };
        let anchor = rule.id.to_lowercase();
        let title = rule.en.title.replace('|', "\\|");
        // Writing to memory does not fail.
        let _ = writeln!(table, "| [{}](rules.md#{anchor}) | {title} | {policy} |", rule.id);
    }
    table
}
