//! The answer of `preview`.

use std::io::{self, Write};

use clbmigrate_core::{
    object::ObjectRef,
    rules::{self, Language},
};

use super::{
    TableOptions,
    findings::{no_findings, write_finding, write_finding_briefly},
    not_looked::{RuleCount, write_not_looked},
    preview_lines,
    shares::{BAR, SMALLEST_BAR, number, number_if_any, share, weight},
    unknown::{AskedRoute, write_unknown},
};
use crate::output::{
    json::{
        ChangeFindings, ChangedRoute, Finding, GroupBackend, Participant, ParticipantKind, Preview,
        RouteState, Severity,
    },
    style::{ERROR, FAINT, PLAIN, STRONG, Terminal, WARNING},
    table::{Column, ItemColumns, Table},
    text::{Text, count},
};

/// How many backends are shown of a group with more.
const SHOWN: usize = 12;

/// Writes what a change would do. `targets` are the Services it is about, changed or not.
pub fn preview(
    preview: &Preview,
    targets: &[ObjectRef],
    terminal: Terminal,
    options: TableOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    preview_lines::summary_line(preview, targets).write_lines(out, 0, terminal.width)?;
    for reason in &preview.reasons {
        Text::plain(format!("because {reason}")).write_lines(out, 2, terminal.width)?;
    }
    for route in preview.routes.iter().filter(|route| route.after.unreached.is_some()) {
        let group = &route.vserver_group;
        let text =
            format!("no running listener sends to group {group}: clients may feel nothing of it");
        Text::styled(WARNING, text).write_lines(out, 2, terminal.width)?;
    }
    if preview.summary.errors > 0 {
        let errors = count(preview.summary.errors, "error");
        Text::styled(ERROR, format!("introduces {errors}, see below")).write_lines(
            out,
            2,
            terminal.width,
        )?;
    }
    let diff = preview_lines::diff(preview);
    if !diff.is_empty() {
        writeln!(out)?;
    }
    for line in diff {
        // Whole, whatever the width: this is what somebody copies.
        line.write(out)?;
        writeln!(out)?;
    }
    for route in &preview.routes {
        writeln!(out)?;
        write_route(route, terminal, options, out)?;
    }
    writeln!(out)?;
    write_findings(preview, terminal, options, out)?;
    Ok(())
}

/// The verdict, the diff and what is introduced, with errors or without: for a change that nobody is
/// asked about.
pub fn preview_brief(
    preview: &Preview,
    has_errors: bool,
    terminal: Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    preview_lines::summary_line(preview, &[]).write_lines(out, 0, terminal.width)?;
    for line in preview_lines::diff(preview) {
        line.write(out)?;
        writeln!(out)?;
    }
    let is_told = |of: &&Finding| has_errors || of.allowed || of.severity != Severity::Error;
    for finding in preview.findings.introduced.iter().filter(is_told) {
        write_finding(finding, 2, terminal, false, out)?;
    }
    Ok(())
}

fn write_route(
    route: &ChangedRoute,
    terminal: Terminal,
    options: TableOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let clb = if route.clb.is_empty() { "?" } else { &route.clb };
    let port = route.port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    let group = if route.vserver_group.is_empty() { "?" } else { &route.vserver_group };
    Text::styled(STRONG, format!("CLB {clb}   group {group}   port {port}")).write_lines(
        out,
        0,
        terminal.width,
    )?;
    for line in preview_lines::arithmetic(route, options) {
        line.write_lines(out, 0, terminal.width)?;
    }
    writeln!(out)?;
    let (table, left_out) = backends(route, options);
    if !table.is_empty() {
        table.write(out, terminal, &table.widths())?;
        if left_out > 0 {
            Text::styled(
                FAINT,
                format!("{} and {left_out} more backends (-o wide shows all)", terminal.ellipsis()),
            )
            .write_lines(out, 0, terminal.width)?;
        }
        writeln!(out)?;
    }
    let mut table = shares(route, 0, terminal, options);
    // Two bars, each with one column between the number and it.
    let room = match terminal.width {
        None => Some(BAR),
        Some(width) => Table::room(&table.widths(), width, 2 * (SMALLEST_BAR + 1))
            .map(|room| (room / 2).saturating_sub(1).min(BAR)),
    };
    if let Some(room) = room {
        table = shares(route, room, terminal, options);
    }
    table.write(out, terminal, &table.widths())?;
    let asked =
        AskedRoute { clb: &route.clb, vgroup: &route.vserver_group, is_live: options.is_live };
    write_unknown(&route.after.unknown_parts, asked, terminal, out)?;
    Ok(())
}

/// A backend, before and after.
struct BackendRow<'r> {
    backend: &'r GroupBackend,
    participant: String,
    before: Option<u32>,
    after: Option<u32>,
}

/// The backends, those that change first where not all are shown; and how many are not.
fn backends(route: &ChangedRoute, options: TableOptions) -> (Table, usize) {
    let mut rows: Vec<BackendRow<'_>> = Vec::new();
    let participant = |side: &RouteState, backend: &GroupBackend| match side
        .participants
        .get(backend.participant)
    {
        Some(of) if of.kind == ParticipantKind::External => "external".to_owned(),
        Some(of) => preview_lines::label(of, options.has_contexts),
        None => String::new(),
    };
    let mut known = std::collections::HashMap::new();
    for backend in &route.before.backends {
        known.insert((&backend.id, backend.port, &backend.description), rows.len());
        let participant = participant(&route.before, backend);
        rows.push(BackendRow { backend, participant, before: Some(backend.weight), after: None });
    }
    for backend in &route.after.backends {
        let same = known.get(&(&backend.id, backend.port, &backend.description));
        let after = Some(backend.weight);
        match same.and_then(|index| rows.get_mut(*index)) {
            Some(row) => row.after = after,
            None => {
                let participant = participant(&route.after, backend);
                rows.push(BackendRow { backend, participant, before: None, after });
            }
        }
    }
    let left_out = if options.detail.is_wide { 0 } else { rows.len().saturating_sub(SHOWN) };
    if left_out > 0 {
        rows.sort_by_key(|row| row.before == row.after);
        rows.truncate(SHOWN);
    }
    let columns = ItemColumns::<BackendRow<'_>>::new()
        .with(Column::text("BACKEND"), |row| Text::plain(&row.backend.id))
        .with(Column::number("PORT"), |row| Text::plain(row.backend.port.to_string()))
        .with(Column::number("BEFORE"), |row| number_if_any(row.before))
        .with(Column::number("AFTER"), weight_after)
        .with(Column::text("OF"), |row| Text::plain(&row.participant))
        .with_if(options.detail.is_wide, Column::text("DESCRIPTION"), |row| {
            Text::styled(FAINT, &row.backend.description)
        });
    let mut table = columns.table(1);
    for row in &rows {
        table.row(columns.cells(row));
    }
    (table, left_out)
}

/// A backend's weight afterwards, in bold where it changes.
fn weight_after(row: &BackendRow<'_>) -> Text {
    match row.after {
        None => Text::styled(ERROR, "-"),
        Some(_) if row.after == row.before => number(row.after),
        Some(weight) => Text::styled(STRONG, weight.to_string()),
    }
}

/// Weights, sums and shares of all participants, before and after.
fn shares(route: &ChangedRoute, bar: usize, terminal: Terminal, options: TableOptions) -> Table {
    let columns = ["NAME", "WEIGHT", "SUM", "SHARE BEFORE", "AFTER"].map(Column::text).to_vec();
    let mut table = Table::new(columns, 1);
    let is_same = |a: &Participant, b: &Participant| {
        a.kind == b.kind && a.context == b.context && a.label() == b.label()
    };
    let (before, after) = (&route.before.participants, &route.after.participants);
    // A Service may stand beside backends of its name whose cluster nobody knows.
    let is_exact =
        |a: &Participant, b: &Participant| is_same(a, b) && a.is_member() == b.is_member();
    let old_of = |new: &Participant| {
        let exact = before.iter().find(|old| is_exact(old, new));
        exact.or_else(|| {
            let free = |old: &&Participant| !after.iter().any(|other| is_exact(old, other));
            before.iter().filter(free).find(|old| is_same(old, new))
        })
    };
    let pairs: Vec<_> = after.iter().map(|new| (old_of(new), Some(new))).collect();
    let is_paired = |old: &&Participant| {
        pairs.iter().any(|(paired, _)| paired.is_some_and(|paired| std::ptr::eq(paired, *old)))
    };
    let gone: Vec<&Participant> = before.iter().filter(|old| !is_paired(old)).collect();
    for (old, new) in pairs.into_iter().chain(gone.into_iter().map(|old| (Some(old), None))) {
        let Some(of) = new.or(old) else { continue };
        let nothing = || Text::plain("-");
        let change = |value: fn(&Participant) -> Text| {
            let (was, is) = (old.map_or_else(nothing, value), new.map_or_else(nothing, value));
            if was == is { is } else { was.and(PLAIN, format!(" {} ", terminal.arrow())).join(is) }
        };
        let sum = |of: &Participant| number(of.weight_sum);
        table.row(vec![
            Text::plain(preview_lines::label(of, options.has_contexts)),
            change(weight),
            change(sum),
            old.map_or_else(nothing, |of| share(of, bar, options.detail.is_wide, terminal)),
            new.map_or_else(nothing, |of| share(of, bar, options.detail.is_wide, terminal)),
        ]);
    }
    table
}

/// Writes what the change brings, fixes and leaves, and what could not be looked at. Where there is
/// nothing of it, a line says so.
fn write_findings(
    preview: &Preview,
    terminal: Terminal,
    options: TableOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let language = terminal.language;
    let rules = RuleCount::new(rules::catalogue().count(), &preview.not_looked, options.is_live);
    let ChangeFindings { introduced, fixed, unchanged } = &preview.findings;
    if introduced.is_empty() {
        let text = if fixed.is_empty() && unchanged.is_empty() {
            no_findings(&rules, language)
        } else {
            no_new_findings(&rules, language)
        };
        Text::plain(text).write_lines(out, 0, terminal.width)?;
    }
    for (name, findings) in [
        (language.pick("findings introduced", "新增的问题"), introduced),
        (language.pick("fixed", "已修复的问题"), fixed),
        (language.pick("unchanged", "未变的问题"), unchanged),
    ] {
        if findings.is_empty() {
            continue;
        }
        let title = Text::styled(STRONG, format!("{name}{}", language.pick(": ", "：")));
        let title = title.and(PLAIN, findings.len().to_string());
        title.write_lines(out, 0, terminal.width)?;
        let is_new = std::ptr::eq(findings, introduced);
        for finding in findings {
            if is_new || options.detail.is_wide {
                write_finding(finding, 2, terminal, options.detail.is_wide, out)?;
            } else {
                write_finding_briefly(finding, 2, terminal, out)?;
            }
        }
    }
    write_not_looked(&preview.not_looked, &rules, terminal, options.detail, out)?;
    Ok(())
}

fn no_new_findings(rules: &RuleCount, language: Language) -> String {
    let looked = rules.looked();
    language.pick(
        format!("no new findings of {}", count(looked, "rule")),
        format!("{looked} 条规则未发现新问题"),
    )
}
