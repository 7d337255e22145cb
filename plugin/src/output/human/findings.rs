//! The report of `check`.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use clbmigrate_core::{
    finding::Severity,
    patch::PatchOp,
    rules::{self, Language, Rule},
};

use super::{
    name_of,
    not_looked::{RuleCount, write_not_looked},
    severity_word,
};
use crate::output::{
    json::{CheckReport, Finding, Summary},
    printable::Detail,
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
    /// How many Services with CLB annotations no rule judges, for another controller takes them.
    pub not_judged: usize,
    /// How many rules were run.
    pub rules: usize,
    /// How many inputs could not be read.
    pub unread: usize,
    /// Whether clusters were read, not files.
    pub is_live: bool,
}

/// Writes findings by object, what was not looked at, and the count.
pub fn check(
    document: &CheckReport,
    scope: CheckScope,
    terminal: Terminal,
    detail: Detail,
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
        write_finding(finding, 0, terminal, detail.is_wide, out)?;
        writeln!(out)?;
    }
    let rules = RuleCount::new(scope.rules, &document.not_looked, scope.is_live);
    if write_not_looked(&document.not_looked, &rules, terminal, detail, out)? {
        writeln!(out)?;
    }
    let line = summary_line(document.summary, scope, &rules, terminal.language);
    line.write_lines(out, 0, terminal.width)
}

/// A finding in full, indented by that many columns. What is said of the rule is in the language of
/// the terminal, what is said of the object in English.
pub fn write_finding(
    finding: &Finding,
    indent: usize,
    terminal: Terminal,
    is_wide: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let language = terminal.language;
    let rule = rules::find(&finding.rule);
    let colon = language.pick(": ", "：");
    let mut write = |text: Text, indent| text.write_lines(out, indent, terminal.width);
    let titled = |title: &str, style, text: &str| {
        Text::styled(STRONG, title).and(PLAIN, colon).and(style, text)
    };
    match rule.filter(|_| language == Language::Chinese) {
        None => {
            write(headline(finding), indent)?;
            write(Text::plain(&finding.message), indent + 2)?;
            write(titled("fix", PLAIN, &finding.fix), indent + 2)?;
        }
        Some(rule) => {
            write(titled_headline(finding, rule), indent)?;
            let whose = Text::styled(STRONG, "对象").and(PLAIN, colon);
            write(whose.join(place(finding, language)), indent + 2)?;
            write(titled("详情", PLAIN, &finding.message), indent + 2)?;
            write(titled("修复", PLAIN, rule.zh.fix), indent + 2)?;
            if finding.fix != rule.en.fix {
                write(titled("操作", PLAIN, &finding.fix), indent + 2)?;
            }
        }
    }
    if !is_wide {
        return Ok(());
    }
    if let Some(rule) = rule {
        write(
            titled(language.pick("CCM", "CCM 的行为"), PLAIN, rule.words(language).ccm),
            indent + 2,
        )?;
    }
    for operation in &finding.patch {
        let text = match operation {
            PatchOp::Add { path, value } => format!("add {path} {value}"),
            PatchOp::Replace { path, value } => format!("replace {path} {value}"),
            PatchOp::Remove { path } => format!("remove {path}"),
        };
        write(titled(language.pick("patch", "补丁"), FAINT, &text), indent + 2)?;
    }
    Ok(())
}

/// A finding in a line, indented by that many columns.
pub fn write_finding_briefly(
    finding: &Finding,
    indent: usize,
    terminal: Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rule = rules::find(&finding.rule).filter(|_| terminal.language == Language::Chinese);
    let line = rule.map_or_else(
        || headline(finding),
        |rule| {
            let line = titled_headline(finding, rule).and(PLAIN, "   ");
            line.join(place(finding, terminal.language))
        },
    );
    line.write_lines(out, indent, terminal.width)
}

/// `error CLB001 Service shop/web (a)   file.yaml:12`.
fn headline(finding: &Finding) -> Text {
    let language = Language::English;
    let head = severity_word(finding.severity.into(), language).and(PLAIN, " ");
    head.and(STRONG, &finding.rule).and(PLAIN, " ").join(place(finding, language))
}

/// `错误 CLB001 权重不是 0 到 100 之间的整数`.
fn titled_headline(finding: &Finding, rule: &Rule) -> Text {
    let head = severity_word(finding.severity.into(), Language::Chinese).and(PLAIN, " ");
    head.and(STRONG, &finding.rule).and(PLAIN, format!(" {}", rule.zh.title))
}

/// `Service shop/web (a)   file.yaml:12`.
fn place(finding: &Finding, language: Language) -> Text {
    let mut place = Text::plain(name_of(&finding.object));
    if finding.allowed {
        let allowed = " (allowed by clbmigrate.io/allow)";
        place = place.and(FAINT, language.pick(allowed, "（已由 clbmigrate.io/allow 放行）"));
    }
    match &finding.source {
        Some(source) => place.and(FAINT, format!("   {source}")),
        None => place,
    }
}

/// `3 Services, 2 workloads judged by 28 of 47 rules: 2 errors, 1 warning, 0 infos`; `3 Services,
/// 2 workloads: no findings of 28 rules`.
fn summary_line(
    summary: Summary,
    judged: CheckScope,
    rules: &RuleCount,
    language: Language,
) -> Text {
    let CheckScope { services, workloads, not_judged, unread, .. } = judged;
    let objects = language.pick(
        format!("{}, {}", count(services, "Service"), count(workloads, "workload")),
        format!("{services} 个 Service、{workloads} 个工作负载"),
    );
    let not_judged_words = language.pick(
        format!("; {} not judged", count(not_judged, "Service")),
        format!("；{not_judged} 个 Service 未检查"),
    );
    let unread_words = language.pick(
        format!("; {} could not be read", count(unread, "input")),
        format!("；{unread} 个输入无法读取"),
    );
    let left_out = [(not_judged, not_judged_words), (unread, unread_words)];
    let left_out: String =
        left_out.into_iter().filter(|(number, _)| *number > 0).map(|(_, words)| words).collect();
    // Where nothing was judged, that nothing was found says nothing.
    if summary == Summary::default() && services == 0 && not_judged > 0 {
        return Text::plain(objects).and(WARNING, left_out);
    }
    let colon = language.pick(": ", "：");
    if summary == Summary::default() {
        let style = if left_out.is_empty() { GOOD } else { PLAIN };
        let none = no_findings(rules, language);
        return Text::plain(objects).and(PLAIN, colon).and(style, none).and(WARNING, left_out);
    }
    let (run, looked) = (rules.run, rules.looked());
    let by =
        if rules.is_complete() { count(run, "rule") } else { format!("{looked} of {run} rules") };
    let scope = language
        .pick(format!("{objects} judged by {by}"), format!("按 {looked} 条规则检查了 {objects}"));
    let mut text = Text::plain(scope).and(PLAIN, colon);
    for (index, severity) in Severity::ALL.into_iter().enumerate() {
        let number = summary.count(severity);
        let gap = if index == 0 { "" } else { language.pick(", ", "，") };
        let style = if number > 0 { severity_style(severity) } else { FAINT };
        let counted = language.pick(
            count(number, severity.as_str()),
            format!("{number} 个{}", severity.name(Language::Chinese)),
        );
        text = text.and(PLAIN, gap).and(style, counted);
    }
    text.and(WARNING, left_out)
}

/// `no findings of 28 rules`: of those that could look.
pub fn no_findings(rules: &RuleCount, language: Language) -> String {
    let looked = rules.looked();
    language.pick(
        format!("no findings of {}", count(looked, "rule")),
        format!("{looked} 条规则未发现问题"),
    )
}
