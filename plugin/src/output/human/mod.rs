//! Answers as text for people: tables, bars and sentences.

mod change;
mod explain;
mod findings;
mod preview;
mod preview_lines;
mod shares;
mod status;
mod transfer;
mod webhook;

use clbmigrate_core::{finding::Severity, rules::Language};

use super::{
    json::{NotLooked, Object},
    style::{self, PLAIN, severity_style},
    text::Text,
};

pub use change::change_report;
pub use explain::{rule, rules};
pub use findings::{CheckScope, check};
pub use preview::{preview, preview_brief};
pub use preview_lines::label;
pub use status::status;
pub use transfer::transfer_report;
pub use webhook::webhook;

/// How much a table shows.
#[derive(Debug, Clone, Copy)]
pub struct TableOptions {
    /// Whether all columns are shown, and nothing is shortened.
    pub is_wide: bool,
    /// Whether the snapshot has several clusters, so that names need their context.
    pub has_contexts: bool,
}

/// `Service shop/web (a)`.
fn name_of(object: &Object) -> String {
    let namespace = object.namespace.as_ref().map(|namespace| format!("{namespace}/"));
    let context = object.context.as_ref().map(|context| format!(" ({context})"));
    let Object { kind, name, .. } = object;
    format!("{kind} {}{name}{}", namespace.unwrap_or_default(), context.unwrap_or_default())
}

fn severity_word(severity: Severity, language: Language) -> Text {
    Text::styled(severity_style(severity), severity.name(language))
}

/// `not looked at: …`, with what is missing for the same reason and the same rules in one line.
fn not_looked_lines(not_looked: &[NotLooked], is_wide: bool, language: Language) -> Vec<Text> {
    let mut groups: Vec<(&str, &[String], Vec<&str>)> = Vec::new();
    for missing in not_looked {
        let same = groups
            .iter_mut()
            .find(|(why, rules, _)| *why == missing.why && *rules == missing.rules.as_slice());
        match same {
            Some((.., whats)) => whats.push(&missing.what),
            None => groups.push((&missing.why, &missing.rules, vec![&missing.what])),
        }
    }
    let lines = groups.into_iter().map(|(why, rules, whats)| {
        let shown = if is_wide { whats.len() } else { 3 };
        let mut what = whats.iter().take(shown).copied().collect::<Vec<_>>().join(", ");
        if whats.len() > shown {
            let more = whats.len() - shown;
            what = language
                .pick(format!("{what} and {more} more"), format!("{what} 等 {} 项", whats.len()));
        }
        let head = Text::styled(style::WARNING, language.pick("not looked at", "未检查"));
        if rules.is_empty() {
            return head.and(
                PLAIN,
                language.pick(format!(": {what} ({why})"), format!("：{what}（{why}）")),
            );
        }
        let rules = rules.join(", ");
        head.and(
            PLAIN,
            language.pick(
                format!(": {what} ({why}), so silent: {rules}"),
                format!("：{what}（{why}），因此未执行：{rules}"),
            ),
        )
    });
    lines.collect()
}
