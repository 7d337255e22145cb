//! `JUnit` XML, which continuous integration shows as a test report: a suite a family of rules, a
//! case a rule.

use std::io::{self, Write};

use clbmigrate_cluster::Problem;
use clbmigrate_core::{
    finding::{Finding, NotLooked},
    rules::{self, Check, Family, Rule},
};
use quick_xml::{Writer, events::BytesText};

use super::printable::FindingsReport;
use crate::error::Error;

/// Writes the report. Findings that fail the run are failures, others are told; a rule that
/// could not look is skipped, not passed.
pub fn write(findings: FindingsReport<'_>, out: &mut dyn Write) -> Result<(), Error> {
    let problems = findings.problems;
    let not_looked = findings.report.not_looked.iter();
    let not_judged: Vec<&NotLooked> = not_looked.filter(|one| one.rules.is_empty()).collect();
    let inputs = problems.len() + not_judged.len();
    let cases: Vec<Case<'_>> = rules::catalogue()
        .filter(|rule| !matches!(rule.check, Check::Change(_)))
        .map(|rule| Case::new(rule, findings))
        .collect();
    let mut families: Vec<Family> = cases.iter().map(|case| case.rule.family()).collect();
    families.dedup();

    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let mut writer = Writer::new_with_indent(&mut *out, b' ', 2);
    let failures = cases.iter().filter(|case| case.fails()).count();
    writer
        .create_element("testsuites")
        .with_attributes([
            ("name", "kubectl clbmigrate check"),
            ("tests", (cases.len() + inputs).to_string().as_str()),
            ("failures", failures.to_string().as_str()),
            ("errors", problems.len().to_string().as_str()),
        ])
        .write_inner_content(|writer| {
            for family in families {
                let cases = cases.iter().filter(|case| case.rule.family() == family);
                write_family(writer, family, &cases.collect::<Vec<_>>())?;
            }
            if inputs == 0 { Ok(()) } else { write_inputs(writer, problems, &not_judged) }
        })?;
    writeln!(out)?;
    Ok(())
}

/// A rule, and what it said.
struct Case<'r> {
    rule: &'static Rule,
    failing: Vec<&'r Finding>,
    remaining: Vec<&'r Finding>,
    not_looked: Vec<String>,
}

impl<'r> Case<'r> {
    fn new(rule: &'static Rule, findings: FindingsReport<'r>) -> Self {
        let report = findings.report;
        let own = report.findings.iter().filter(|finding| finding.rule == rule.id);
        let (failing, remaining) = own.partition(|finding| (findings.fails)(finding));
        let missing = report.not_looked.iter().filter(|missing| missing.rules.contains(&rule.id));
        let not_looked =
            missing.map(|missing| format!("{} ({})", missing.what, missing.why)).collect();
        Self { rule, failing, remaining, not_looked }
    }

    fn fails(&self) -> bool {
        !self.failing.is_empty()
    }

    /// Silent because it could not look.
    fn is_skipped(&self) -> bool {
        self.failing.is_empty() && self.remaining.is_empty() && !self.not_looked.is_empty()
    }
}

fn write_family<W: Write>(
    writer: &mut Writer<W>,
    family: Family,
    cases: &[&Case<'_>],
) -> io::Result<()> {
    let failures = cases.iter().filter(|case| case.fails()).count();
    let skipped = cases.iter().filter(|case| case.is_skipped()).count();
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", family.as_str()),
            ("tests", cases.len().to_string().as_str()),
            ("failures", failures.to_string().as_str()),
            ("errors", "0"),
            ("skipped", skipped.to_string().as_str()),
        ])
        .write_inner_content(|writer| {
            for case in cases {
                write_case(writer, family, case)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn write_case<W: Write>(writer: &mut Writer<W>, family: Family, case: &Case<'_>) -> io::Result<()> {
    let name = format!("{} {}", case.rule.id, case.rule.en.title);
    let element = writer
        .create_element("testcase")
        .with_attributes([("classname", family.as_str()), ("name", name.as_str())]);
    if case.failing.is_empty() && case.remaining.is_empty() && case.not_looked.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    element.write_inner_content(|writer| {
        if let Some(first) = case.failing.first() {
            writer
                .create_element("failure")
                .with_attributes([
                    ("message", clean(&first.message).as_str()),
                    ("type", first.severity.as_str()),
                ])
                .write_text_content(BytesText::new(&clean(&texts(&case.failing))))?;
        }
        if case.is_skipped() {
            let message = format!("not looked at: {}", case.not_looked.join("; "));
            let message = clean(&message);
            writer
                .create_element("skipped")
                .with_attributes([("message", message.as_str())])
                .write_empty()?;
        }
        let mut details = texts(&case.remaining);
        if !case.is_skipped() && !case.not_looked.is_empty() {
            details = format!("{details}not looked at: {}\n", case.not_looked.join("; "));
        }
        if !details.is_empty() {
            writer
                .create_element("system-out")
                .write_text_content(BytesText::new(&clean(&details)))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What could not be read, and what no rule judges.
fn write_inputs<W: Write>(
    writer: &mut Writer<W>,
    problems: &[Problem],
    not_judged: &[&NotLooked],
) -> io::Result<()> {
    let unread = problems.iter().map(|of| ("error", of.file.as_str(), of.to_string()));
    let skipped = not_judged.iter().map(|of| {
        ("skipped", of.what.as_str(), format!("not looked at: {} ({})", of.what, of.why))
    });
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", "input"),
            ("tests", (problems.len() + not_judged.len()).to_string().as_str()),
            ("failures", "0"),
            ("errors", problems.len().to_string().as_str()),
            ("skipped", not_judged.len().to_string().as_str()),
        ])
        .write_inner_content(|writer| {
            for (result, name, message) in unread.chain(skipped) {
                let (name, message) = (clean(name), clean(&message));
                writer
                    .create_element("testcase")
                    .with_attributes([("classname", "input"), ("name", name.as_str())])
                    .write_inner_content(|writer| {
                        writer
                            .create_element(result)
                            .with_attributes([("message", message.as_str())])
                            .write_empty()?;
                        Ok(())
                    })?;
            }
            Ok(())
        })?;
    Ok(())
}

fn texts(findings: &[&Finding]) -> String {
    let texts = findings.iter().map(|finding| {
        let source = finding.source.as_ref().map(|source| format!("   {source}"));
        format!(
            "{} {} {}{}\n{}\nfix: {}\n",
            finding.severity.as_str(),
            finding.rule,
            finding.object,
            source.unwrap_or_default(),
            finding.message,
            finding.fix
        )
    });
    texts.collect()
}

/// Without the characters that XML cannot hold at all.
fn clean(text: &str) -> String {
    let is_allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_allowed(&c) { c } else { '\u{fffd}' }).collect()
}
