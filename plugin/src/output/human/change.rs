//! What a command that wrote one Service did.

use std::io::{self, Write};

use clbmigrate_core::annotation;

use crate::output::{
    json::{ChangeReport, ChangeState, TypeChange},
    style::{STRONG, Terminal},
    text::Text,
};

/// Writes what happens to the traffic where that is as it is written, a line for each annotation that
/// changes, and the state in words. `name` is the Service's, as kubectl takes it.
pub fn change_report(
    report: &ChangeReport,
    name: &str,
    traffic: Option<&str>,
    terminal: Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let ChangeReport { annotations, change, message, state, .. } = report;
    let mut write = |text: Text| text.write_lines(out, 0, terminal.width);
    let stands =
        [ChangeState::DryRun, ChangeState::Written, ChangeState::Done, ChangeState::Unverified];
    if let Some(traffic) = traffic.filter(|_| stands.contains(state)) {
        write(Text::styled(STRONG, traffic))?;
    }
    let afterwards = match state {
        ChangeState::RolledBack => ", taken back",
        ChangeState::PutBack => ", put back by somebody else",
        _ => "",
    };
    for annotation in annotations {
        let short = annotation::suffix_of(&annotation.key).unwrap_or(&annotation.key);
        let short = short.strip_prefix("loadbalancer-").unwrap_or(short);
        let value = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
        let (old, new) = (value(&annotation.old), value(&annotation.new));
        write(Text::plain(format!("{name} {short} {old} -> {new}{afterwards}")))?;
    }
    if let Some(TypeChange { old, new }) = &report.service_type {
        write(Text::plain(match old {
            Some(old) => format!("{name} type {old} -> {new}"),
            None => format!("{name} is new, of type {new}"),
        }))?;
    }
    write(Text::plain(match change {
        Some(id) => format!("change {id}: {message}"),
        None if annotations.is_empty() => format!("{name} {message}"),
        None => message.clone(),
    }))
}
