//! The table of `status`.

use std::io::{self, Write};

use clbmigrate_core::rules::Language;

use super::{
    TableOptions,
    shares::{BAR, SMALLEST_BAR, number, number_if_any, share, weight},
    unknown::{AskedRoute, unknown_lines},
};
use crate::output::{
    json::{Mode, Outcome, Participant, Problem, Route, RouteList, Unrouted},
    style::{ERROR, FAINT, GOOD, PLAIN, STRONG, Terminal, WARNING, outcome_style, severity_style},
    table::{Column, ItemColumns, Table},
    text::Text,
};

/// Writes all routes, then the Services in none.
pub fn status(
    list: &RouteList,
    terminal: Terminal,
    options: TableOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    let build = |bar: usize| -> Vec<Table> {
        list.routes.iter().map(|route| table(route, bar, terminal, options)).collect()
    };
    let (tables, widths) = fitting(&build, terminal.width);
    for (index, (route, table)) in list.routes.iter().zip(&tables).enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        header(route).write_lines(out, 0, terminal.width)?;
        for problem in &route.problems {
            problem_line(problem).write_lines(out, 2, terminal.width)?;
        }
        table.write(out, terminal, &widths)?;
        let asked =
            AskedRoute { clb: &route.clb, vgroup: &route.vserver_group, is_live: options.is_live };
        for line in unknown_lines(&route.unknown_parts, asked) {
            line.write_lines(out, 0, terminal.width)?;
        }
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
    let taken = Table::total_width(&bare.1);
    // What is left of the line is for the bars, but for one column between the number and its bar.
    let room = width.saturating_sub(taken + 1).min(BAR);
    if taken > width {
        // Paragraphs instead of rows, each with a bar of its own.
        with_bar(SMALLEST_BAR)
    } else if room >= SMALLEST_BAR {
        with_bar(room)
    } else {
        bare
    }
}

/// `CLB lb-… (name, address)   group rsp-… (name)   port 80   complete`.
fn header(route: &Route) -> Text {
    let clb = if route.clb.is_empty() { "?" } else { &route.clb };
    let mut text = Text::styled(STRONG, format!("CLB {clb}"));
    let known: Vec<&str> =
        [&route.clb_name, &route.clb_address].into_iter().flatten().map(String::as_str).collect();
    if !known.is_empty() {
        text = text.and(PLAIN, format!(" ({})", known.join(", ")));
    }
    let group = if route.vserver_group.is_empty() { "?" } else { &route.vserver_group };
    text = text.and(PLAIN, "   ").and(STRONG, format!("group {group}"));
    if let Some(name) = &route.vserver_group_name {
        text = text.and(PLAIN, format!(" ({name})"));
    }
    text = text.and(PLAIN, "   ").and(
        STRONG,
        match route.port {
            Some(port) => format!("port {port}"),
            None => "port ?".to_owned(),
        },
    );
    text = text.and(PLAIN, "   ");
    match (route.complete, route.weight_sum) {
        (true, 0) => text.and(ERROR, "nobody serves: the weights sum up to 0"),
        (true, _) => text.and(GOOD, "complete"),
        (false, _) => text.and(WARNING, "incomplete"),
    }
}

fn table(route: &Route, bar: usize, terminal: Terminal, options: TableOptions) -> Table {
    let columns = columns(bar, terminal, options);
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
        .with(Column::number("BACKENDS"), |of| number(of.backends))
        .with(Column::number("READY"), |of| number_if_any(of.ready))
        .with_if(is_wide, Column::number("HEALTHY"), |of| number_if_any(of.healthy))
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
