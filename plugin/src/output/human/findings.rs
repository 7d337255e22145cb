//! The report of `check`.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use clbmigrate_core::{finding::Severity, patch::PatchOp, rules};

use super::{headline, not_looked_lines};
use crate::output::{
    json::{CheckReport, Finding, Summary},
    style::{FAINT, GOOD, PLAIN, STRONG, Terminal, WARNING, severity_style},
    text::{Text, count},
};

/// How much the rules have looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckScope {
    /// How many Services CCM takes that carry CLB annotations.
    pub services: usize,
    /// How many workloads stand behind the mapped ones of them.
    pub workloads: usize,
    /// How many rules were run.
    pub rules: usize,
    /// How many inputs could not be read.
    pub unread: usize,
}

/// Writes findings by object, what was not looked at, and the count.
pub fn check(
    document: &CheckReport,
    scope: CheckScope,
    terminal: Terminal,
    is_wide: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    // Rules that look at groups, or at workloads, speak later of an object that came before.
    let mut first = HashMap::new();
    for (index, finding) in document.findings.iter().enumerate() {
        first.entry(&finding.object).or_insert(index);
    }
    let mut findings: Vec<&Finding> = document.findings.iter().collect();
    findings.sort_by_key(|finding| first.get(&finding.object));
    for finding in findings {
        write_finding(finding, 0, terminal, is_wide, out)?;
        writeln!(out)?;
    }
    let lines = not_looked_lines(&document.not_looked, is_wide);
    for line in &lines {
        line.write_lines(out, 0, terminal.width)?;
    }
    if !lines.is_empty() {
        writeln!(out)?;
    }
    summary_line(document.summary, scope).write_lines(out, 0, terminal.width)
}

/// A finding in full, indented by that many columns.
pub fn write_finding(
    finding: &Finding,
    indent: usize,
    terminal: Terminal,
    is_wide: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    headline(finding).write_lines(out, indent, terminal.width)?;
    Text::plain(&finding.message).write_lines(out, indent + 2, terminal.width)?;
    Text::styled(STRONG, "fix").and(PLAIN, format!(": {}", finding.fix)).write_lines(
        out,
        indent + 2,
        terminal.width,
    )?;
    if !is_wide {
        return Ok(());
    }
    if let Some(rule) = rules::find(&finding.rule) {
        Text::styled(STRONG, "CCM").and(PLAIN, format!(": {}", rule.en.ccm)).write_lines(
            out,
            indent + 2,
            terminal.width,
        )?;
    }
    for operation in &finding.patch {
        let text = match operation {
            PatchOp::Add { path, value } => format!("add {path} {value}"),
            PatchOp::Replace { path, value } => format!("replace {path} {value}"),
            PatchOp::Remove { path } => format!("remove {path}"),
        };
        Text::styled(STRONG, "patch").and(FAINT, format!(": {text}")).write_lines(
            out,
            indent + 2,
            terminal.width,
        )?;
    }
    Ok(())
}

/// `3 Services, 2 workloads judged by 47 rules: 2 errors, 1 warning, 0 infos`.
fn summary_line(summary: Summary, judged: CheckScope) -> Text {
    let scope = format!(
        "{}, {} judged by {}",
        count(judged.services, "Service"),
        count(judged.workloads, "workload"),
        count(judged.rules, "rule")
    );
    let unread = match judged.unread {
        0 => String::new(),
        number => format!("; {} could not be read", count(number, "input")),
    };
    if summary == Summary::default() {
        let style = if judged.unread == 0 { GOOD } else { PLAIN };
        let text = Text::plain(format!("{scope}: ")).and(style, "no findings");
        return text.and(WARNING, unread);
    }
    let mut text = Text::plain(format!("{scope}: "));
    for (index, severity) in Severity::ALL.into_iter().enumerate() {
        let number = summary.count(severity);
        let gap = if index == 0 { "" } else { ", " };
        let style = if number > 0 { severity_style(severity) } else { FAINT };
        text = text.and(PLAIN, gap).and(style, count(number, severity.as_str()));
    }
    text.and(WARNING, unread)
}
