//! Rules, for people.

use std::io::{self, Write};

use clbmigrate_core::rules::Rule;

use super::severity_word;
use crate::output::{
    style::{FAINT, PLAIN, STRONG, Terminal},
    table::{Column, Table},
    text::Text,
};

/// Writes all rules in a table, family by family.
pub fn rules(
    rules: impl Iterator<Item = &'static Rule>,
    terminal: Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let columns = vec![Column::text("RULE"), Column::text("SEVERITY"), Column::text("TITLE")];
    let mut tables: Vec<(&'static str, Table)> = Vec::new();
    for rule in rules {
        let family = rule.family().as_str();
        if tables.last().is_none_or(|(last, _)| *last != family) {
            tables.push((family, Table::new(columns.clone(), 1)));
        }
        if let Some((_, table)) = tables.last_mut() {
            table.row(vec![
                Text::styled(STRONG, rule.id),
                severity_word(rule.severity),
                Text::plain(rule.en.title),
            ]);
        }
    }
    let widths = Table::common_widths(tables.iter().map(|(_, table)| table));
    for (index, (family, table)) in tables.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        Text::styled(FAINT, family).write_lines(out, 0, terminal.width)?;
        table.write(out, terminal, &widths)?;
    }
    Ok(())
}

/// Writes one rule in full.
pub fn rule(rule: &Rule, terminal: Terminal, out: &mut dyn Write) -> io::Result<()> {
    Text::styled(STRONG, rule.id).and(PLAIN, format!(": {}", rule.en.title)).write_lines(
        out,
        0,
        terminal.width,
    )?;
    writeln!(out)?;
    let evidence: Vec<&str> = rule.evidence.iter().map(|evidence| evidence.as_str()).collect();
    let evidence =
        if evidence.is_empty() { "the object alone".to_owned() } else { evidence.join(", ") };
    let lines = [
        ("severity", severity_word(rule.severity)),
        ("judges", Text::plain(rule.subject())),
        ("looks at", Text::plain(evidence)),
        ("CCM", Text::plain(rule.en.ccm)),
    ];
    for (title, text) in lines {
        Text::styled(STRONG, format!("{title}: ")).join(text).write_lines(
            out,
            0,
            terminal.width,
        )?;
    }
    for (title, example) in [("bad", rule.bad), ("good", rule.good)] {
        Text::styled(STRONG, format!("{title}:")).write_lines(out, 0, terminal.width)?;
        for line in example.lines() {
            // An example stays as it is typed.
            Text::plain(format!("  {line}")).write(out)?;
            writeln!(out)?;
        }
    }
    Text::styled(STRONG, "fix: ").and(PLAIN, rule.en.fix).write_lines(out, 0, terminal.width)?;
    if !rule.hides.is_empty() {
        Text::styled(STRONG, "hides: ")
            .and(PLAIN, format!("{}, which follow from it", rule.hides.join(", ")))
            .write_lines(out, 0, terminal.width)?;
    }
    Ok(())
}
