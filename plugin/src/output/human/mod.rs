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

use super::{
    json::{Finding, NotLooked, Object},
    style::{self, FAINT, PLAIN, STRONG, severity_style},
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

/// `error CLB001 Service shop/web (a)   file.yaml:12`.
fn headline(finding: &Finding) -> Text {
    let severity = finding.severity.into();
    let head = severity_word(severity)
        .and(PLAIN, " ")
        .and(STRONG, &finding.rule)
        .and(PLAIN, format!(" {}", name_of(&finding.object)));
    let head =
        if finding.allowed { head.and(FAINT, " (allowed by clbmigrate.io/allow)") } else { head };
    match &finding.source {
        Some(source) => head.and(FAINT, format!("   {source}")),
        None => head,
    }
}

fn severity_word(severity: clbmigrate_core::finding::Severity) -> Text {
    Text::styled(severity_style(severity), severity.as_str())
}

/// `not looked at: …`, with what is missing for the same reason and the same rules in one line.
fn not_looked_lines(not_looked: &[NotLooked], is_wide: bool) -> Vec<Text> {
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
            what = format!("{what} and {} more", whats.len() - shown);
        }
        Text::styled(style::WARNING, "not looked at")
            .and(PLAIN, format!(": {what} ({why}), so silent: {}", rules.join(", ")))
    });
    lines.collect()
}
