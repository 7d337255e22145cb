//! The table of `status`.

use std::io::{self, Write};

use super::{
    Options,
    shares::{BAR, SMALLEST_BAR, number, number_if_any, share, weight},
};
use crate::output::{
    json::{Outcome, Participant, Problem, Route, RouteList, Unrouted},
    style::{ERROR, FAINT, GOOD, Look, PLAIN, STRONG, WARNING, of_outcome, of_severity},
    table::{Column, Table},
    text::Text,
};

/// Writes all routes, then the Services in none.
pub fn status(
    list: &RouteList,
    look: Look,
    options: Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let build = |bar: usize| -> Vec<Table> {
        list.routes.iter().map(|route| table(route, bar, look, options)).collect()
    };
    let (tables, widths) = fitting(&build, look.width);
    for (index, (route, table)) in list.routes.iter().zip(&tables).enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        header(route).write_lines(out, 0, look.width)?;
        for problem in &route.problems {
            problem_line(problem).write_lines(out, 2, look.width)?;
        }
        table.write(out, look, &widths)?;
        for unknown in &route.unknown {
            Text::styled(WARNING, "unknown")
                .and(PLAIN, format!(": {unknown}"))
                .write_lines(out, 0, look.width)?;
        }
    }
    if !list.unrouted.is_empty() {
        if !list.routes.is_empty() {
            writeln!(out)?;
        }
        unrouted(&list.unrouted, look, options, out)?;
    }
    Ok(())
}

/// Tables with bars as long as there is room for, and the widths that suit them all.
fn fitting(build: &dyn Fn(usize) -> Vec<Table>, width: Option<usize>) -> (Vec<Table>, Vec<usize>) {
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
    let names = &route.names;
    let clb = if route.clb.is_empty() { "?" } else { &route.clb };
    let mut text = Text::styled(STRONG, format!("CLB {clb}"));
    let known: Vec<&str> = [names.clb.as_str(), names.address.as_str()]
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect();
    if !known.is_empty() {
        text = text.and(PLAIN, format!(" ({})", known.join(", ")));
    }
    text = text.and(PLAIN, "   ").and(STRONG, format!("group {}", route.vserver_group));
    if !names.vserver_group.is_empty() {
        text = text.and(PLAIN, format!(" ({})", names.vserver_group));
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

fn table(route: &Route, bar: usize, look: Look, options: Options) -> Table {
    let mut columns = Vec::new();
    if options.has_contexts {
        columns.push(Column::text("CONTEXT"));
    }
    columns.extend([Column::text("NAME"), Column::text("MODE")]);
    columns.extend([Column::number("WEIGHT"), Column::number("BACKENDS"), Column::number("READY")]);
    if options.is_wide {
        columns.push(Column::number("HEALTHY"));
    }
    columns.push(Column::number("SUM"));
    if options.is_wide {
        columns.extend([Column::number("WANT"), Column::text("OUTCOME")]);
    }
    columns.push(Column::text("SHARE"));

    let mut table = Table::new(columns, if options.has_contexts { 2 } else { 1 });
    for of in &route.participants {
        table.row(row(of, bar, look, options));
        for note in notes(of) {
            table.note(note);
        }
    }
    table
}

fn row(of: &Participant, bar: usize, look: Look, options: Options) -> Vec<Text> {
    let mut cells = Vec::new();
    if options.has_contexts {
        cells.push(Text::plain(of.context.as_deref().unwrap_or("-")));
    }
    cells.push(Text::plain(&of.standing.label));
    cells.push(Text::plain(of.mode.map_or("-", |mode| mode.as_str())));
    cells.extend([weight(of), number(of.backends), number_if_any(of.ready)]);
    if options.is_wide {
        cells.push(number_if_any(of.healthy));
    }
    cells.push(sum(of, options));
    if options.is_wide {
        cells.push(number_if_any(of.expected_weight_sum));
        cells.push(match of.outcome {
            Some(outcome) => outcome_word(outcome),
            None => Text::plain("-"),
        });
    }
    cells.push(share(of, bar, look));
    cells
}

/// `78`, or `0, want 78` where CCM would have written something else.
fn sum(of: &Participant, options: Options) -> Text {
    let sum = number(of.weight_sum);
    match (of.weight_sum, of.expected_weight_sum) {
        (Some(is), Some(want)) if is != want && !options.is_wide => {
            sum.and(ERROR, format!(", want {want}"))
        }
        _ => sum,
    }
}

fn outcome_word(outcome: Outcome) -> Text {
    let outcome = outcome.into();
    Text::styled(of_outcome(outcome), outcome.as_str())
}

/// Lines under a row.
fn notes(of: &Participant) -> Vec<Text> {
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
fn problem_line(problem: &Problem) -> Text {
    let severity = problem.severity.into();
    let rule = problem.rule.as_ref().map(|rule| format!(" {rule}")).unwrap_or_default();
    super::severity_word(severity)
        .and(of_severity(severity), rule)
        .and(PLAIN, format!(" {}", problem.message))
}

fn unrouted(
    list: &[Unrouted],
    look: Look,
    options: Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    Text::styled(STRONG, "In no route").write_lines(out, 0, look.width)?;
    let mut columns = Vec::new();
    if options.has_contexts {
        columns.push(Column::text("CONTEXT"));
    }
    columns.extend([Column::text("NAME"), Column::text("OUTCOME")]);
    let mut table = Table::new(columns, if options.has_contexts { 2 } else { 1 });
    for of in list {
        let mut cells = Vec::new();
        if options.has_contexts {
            cells.push(Text::plain(of.context.as_deref().unwrap_or("-")));
        }
        cells.push(Text::plain(format!("{}/{}", of.namespace, of.name)));
        cells.push(outcome_word(of.outcome));
        table.row(cells);
        for reason in &of.reasons {
            table.note(Text::styled(FAINT, reason));
        }
        for problem in &of.problems {
            table.note(problem_line(problem));
        }
    }
    table.write(out, look, &table.widths())
}
