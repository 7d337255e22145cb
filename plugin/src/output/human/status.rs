//! The table of `status`.

use std::io::{self, Write};

use clbmigrate_core::rules::Language;

use super::{
    TableOptions,
    shares::{BAR, SMALLEST_BAR, number, number_if_any, share, weight},
    unknown::{AskedRoute, write_unknown},
    write_parts,
};
use crate::output::{
    json::{Mode, Outcome, Participant, Problem, Route, RouteList, RouteListener, Unrouted},
    style::{ERROR, FAINT, GOOD, PLAIN, STRONG, Terminal, WARNING, outcome_style, severity_style},
    table::{Column, ItemColumns, Table},
    text::{Text, count},
};

/// Writes all routes, then the Services in none.
pub fn status(
    list: &RouteList,
    terminal: Terminal,
    options: TableOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut participants = list.routes.iter().flat_map(|route| &route.participants);
    let has_health = options.detail.is_wide || participants.any(|of| of.healthy.is_some());
    let build = |bar: usize| -> Vec<Table> {
        let columns = columns(bar, has_health, terminal, options);
        list.routes.iter().map(|route| table(route, &columns, options)).collect()
    };
    let (tables, widths) = fitting(&build, terminal.width);
    for (index, (route, table)) in list.routes.iter().zip(&tables).enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write_parts(header(route), terminal, out)?;
        for problem in &route.problems {
            problem_line(problem).write_lines(out, 2, terminal.width)?;
        }
        table.write(out, terminal, &widths)?;
        let asked =
            AskedRoute { clb: &route.clb, vgroup: &route.vserver_group, is_live: options.is_live };
        write_unknown(&route.unknown_parts, asked, terminal, out)?;
    }
    if !list.unrouted.is_empty() {
        if !list.routes.is_empty() {
            writeln!(out)?;
        }
        unrouted(&list.unrouted, terminal, options, out)?;
    }
    let has_more = !list.routes.is_empty() || !list.unrouted.is_empty();
    if has_more && !list.not_judged.is_empty() {
        writeln!(out)?;
    }
    for of in &list.not_judged {
        let text = format!(": {} ({})", super::name_of(&of.object), of.why);
        let line = Text::styled(WARNING, "not judged").and(PLAIN, text);
        line.write_lines(out, 0, terminal.width)?;
    }
    Ok(())
}

/// Tables with bars as long as there is room for, and the widths that suit them all.
pub(super) fn fitting(
    build: &dyn Fn(usize) -> Vec<Table>,
    width: Option<usize>,
) -> (Vec<Table>, Vec<usize>) {
    let with_bar = |bar: usize| {
        let tables = build(bar);
        let widths = Table::common_widths(&tables);
        (tables, widths)
    };
    let Some(width) = width else { return with_bar(BAR) };
    let bare = with_bar(0);
    if Table::room(&bare.1, width, 0).is_none() {
        // Paragraphs instead of rows, each with a bar of its own.
        return with_bar(SMALLEST_BAR);
    }
    // What is left of the line is for the bars, but for one column between the number and its bar.
    match Table::room(&bare.1, width, SMALLEST_BAR + 1) {
        Some(room) => with_bar((room - 1).min(BAR)),
        None => bare,
    }
}

/// `CLB lb-… (name, address)   group rsp-… (name)   port 80   listener tcp/80 wrr   complete`.
fn header(route: &Route) -> Vec<Text> {
    let or_unknown = |id: &str| if id.is_empty() { "?".to_owned() } else { id.to_owned() };
    let mut clb = Text::styled(STRONG, format!("CLB {}", or_unknown(&route.clb)));
    let known: Vec<&str> =
        [&route.clb_name, &route.clb_address].into_iter().flatten().map(String::as_str).collect();
    if !known.is_empty() {
        clb = clb.and(PLAIN, format!(" ({})", known.join(", ")));
    }
    let mut group = Text::styled(STRONG, format!("group {}", or_unknown(&route.vserver_group)));
    if let Some(name) = &route.vserver_group_name {
        group = group.and(PLAIN, format!(" ({name})"));
    }
    let port = route.port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    let state = match (route.complete, route.weight_sum) {
        (true, 0) => Text::styled(ERROR, "nobody serves: the weights sum up to 0"),
        (true, _) => Text::styled(GOOD, "complete"),
        (false, _) => Text::styled(WARNING, "incomplete"),
    };
    let mut parts = vec![clb, group, Text::styled(STRONG, format!("port {port}"))];
    parts.extend(route.listeners.as_deref().and_then(listeners));
    parts.push(state);
    parts
}

/// `listener tcp/80 wrr`; `None` without any.
fn listeners(of: &[RouteListener]) -> Option<Text> {
    let (first, others) = of.split_first()?;
    let title = if others.is_empty() { "listener " } else { "listeners " };
    let first = Text::plain(title).join(listener(first));
    Some(others.iter().fold(first, |text, of| text.and(PLAIN, ", ").join(listener(of))))
}

/// `tcp/80 wrr`.
fn listener(of: &RouteListener) -> Text {
    let protocol = of.protocol.as_deref().unwrap_or("?");
    let mut text = Text::plain(format!("{protocol}/{}", of.port));
    if let Some(scheduler) = &of.scheduler {
        // CLB documentation: round robin sends to all alike, whatever their weights.
        let style = if scheduler == "rr" { WARNING } else { PLAIN };
        text = text.and(PLAIN, " ").and(style, scheduler);
    }
    match of.health_check {
        Some(false) => text.and(PLAIN, " ").and(WARNING, "without health check"),
        _ => text,
    }
}

fn table(route: &Route, columns: &ItemColumns<'_, Participant>, options: TableOptions) -> Table {
    let mut table = columns.table(if options.has_contexts { 2 } else { 1 });
    for of in &route.participants {
        table.row(columns.cells(of));
        for note in notes(of) {
            table.note(note);
        }
    }
    table
}

/// The columns of a route's table: when each is shown, its title, and what it says of a participant.
fn columns<'c>(
    bar: usize,
    has_health: bool,
    terminal: Terminal,
    options: TableOptions,
) -> ItemColumns<'c, Participant> {
    let TableOptions { detail, has_contexts, .. } = options;
    let is_wide = detail.is_wide;
    ItemColumns::<Participant>::new()
        .with_if(has_contexts, Column::text("CONTEXT"), |of| or_dash(of.context.as_deref()))
        .with(Column::text("NAME"), |of| Text::plain(of.label()))
        .with(Column::text("MODE"), |of| or_dash(of.mode.map(Mode::as_str)))
        .with(Column::number("WEIGHT"), weight)
        .with(Column::number("BACKENDS"), backends)
        .with(Column::number("READY"), |of| of.ready.map_or_else(dash, pods))
        .with_if(has_health, Column::number("HEALTHY"), healthy)
        .with(Column::number("SUM"), move |of| sum(of, options))
        .with_if(is_wide, Column::number("WANT"), |of| number_if_any(of.expected_weight_sum))
        .with_if(is_wide, Column::text("OUTCOME"), |of| of.outcome.map_or_else(dash, outcome_word))
        .with(Column::text("SHARE"), move |of| share(of, bar, is_wide, terminal))
}

pub(super) fn or_dash(word: Option<&str>) -> Text {
    word.map_or_else(dash, Text::plain)
}

fn dash() -> Text {
    Text::plain("-")
}

/// `3 nodes`: what CCM counts by the mode (CCM 2.14: `vgroups.go`), or what a server outside has.
pub(super) fn backends(of: &Participant) -> Text {
    let Some(number) = of.backends else { return Text::styled(WARNING, "?") };
    let what = match of.mode {
        Some(Mode::Cluster | Mode::Local) => "node",
        Some(Mode::Eni) => "pod",
        // Each server outside is a participant by itself, with a backend for each of its ports.
        Some(Mode::External) if number > 1 => "port",
        Some(Mode::External) => "server",
        // Of a Service that is not at hand.
        None if of.outcome.is_none() => "server",
        None => return Text::plain(number.to_string()),
    };
    Text::plain(count(number, what))
}

/// `4 pods`.
pub(super) fn pods(number: usize) -> Text {
    Text::plain(count(number, "pod"))
}

/// `2/3`: the backends that are healthy, of all.
pub(super) fn healthy(of: &Participant) -> Text {
    match (of.healthy, of.backends) {
        (Some(healthy), Some(all)) if healthy < all => {
            Text::styled(ERROR, format!("{healthy}/{all}"))
        }
        (healthy, _) => number_if_any(healthy),
    }
}

/// `78`, or `0, want 78` where CCM would have written something else.
pub(super) fn sum(of: &Participant, options: TableOptions) -> Text {
    let sum = number(of.weight_sum);
    match (of.weight_sum, of.expected_weight_sum) {
        (Some(is), Some(want)) if is != want && !options.detail.is_wide => {
            sum.and(ERROR, format!(", want {want}"))
        }
        _ => sum,
    }
}

pub(super) fn outcome_word(outcome: Outcome) -> Text {
    let outcome = outcome.into();
    Text::styled(outcome_style(outcome), outcome.as_str())
}

/// Lines under a row.
pub(super) fn notes(of: &Participant) -> Vec<Text> {
    let mut notes = Vec::new();
    if let Some(outcome) = of.outcome.filter(|outcome| *outcome != Outcome::Applied) {
        notes.push(because(outcome, &of.reasons));
    }
    notes.extend(of.problems.iter().map(problem_line));
    notes
}

/// `drained: port 80: …`.
fn because(outcome: Outcome, reasons: &[String]) -> Text {
    let word = outcome_word(outcome);
    if reasons.is_empty() { word } else { word.and(PLAIN, format!(": {}", reasons.join("; "))) }
}

/// `warning CLB303 no preStop hook`.
pub(super) fn problem_line(problem: &Problem) -> Text {
    let severity = problem.severity.into();
    let rule = problem.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
    super::severity_word(severity, Language::English)
        .and(severity_style(severity), rule)
        .and(PLAIN, format!(" {}", problem.message))
}

fn unrouted(
    list: &[Unrouted],
    terminal: Terminal,
    options: TableOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    Text::styled(STRONG, "In no route").write_lines(out, 0, terminal.width)?;
    let columns = ItemColumns::<Unrouted>::new()
        .with_if(options.has_contexts, Column::text("CONTEXT"), |of| or_dash(of.context.as_deref()))
        .with(Column::text("NAME"), |of| Text::plain(format!("{}/{}", of.namespace, of.name)))
        .with(Column::text("OUTCOME"), |of| outcome_word(of.outcome));
    let mut table = columns.table(if options.has_contexts { 2 } else { 1 });
    for of in list {
        table.row(columns.cells(of));
        for reason in &of.reasons {
            table.note(Text::styled(FAINT, reason));
        }
        for problem in &of.problems {
            table.note(problem_line(problem));
        }
    }
    table.write(out, terminal, &table.widths())
}
