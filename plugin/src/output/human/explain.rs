//! Rules, for people.

use std::io::{self, Write};

use clbmigrate_core::rules::{Language, Rule};

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
    let language = terminal.language;
    let [id, severity, title] =
        language.pick(["RULE", "SEVERITY", "TITLE"], ["规则", "级别", "问题"]);
    let columns = vec![Column::text(id), Column::text(severity), Column::prose(title)];
    let mut tables: Vec<(&'static str, Table)> = Vec::new();
    for rule in rules {
        let family = rule.family().name(language);
        if tables.last().is_none_or(|(last, _)| *last != family) {
            tables.push((family, Table::new(columns.clone(), 1)));
        }
        if let Some((_, table)) = tables.last_mut() {
            table.row(vec![
                Text::styled(STRONG, rule.id),
                severity_word(rule.severity, language),
                Text::plain(rule.words(language).title),
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
    let language = terminal.language;
    let words = rule.words(language);
    let write = |out: &mut dyn Write, text: Text| text.write_lines(out, 0, terminal.width);
    let head = Text::styled(STRONG, rule.id).and(PLAIN, language.pick(": ", "："));
    write(out, head.and(PLAIN, words.title))?;
    writeln!(out)?;
    let labelled = |english, chinese| label(language, language.pick(english, chinese));
    write(out, labelled("severity", "级别").join(severity_word(rule.severity, language)))?;
    write(out, labelled("judges", "检查对象").and(PLAIN, rule.subject(language)))?;
    write(out, labelled("looks at", "依据").and(PLAIN, rule.evidence_in_words(language)))?;
    write(out, labelled("CCM", "CCM 的行为").and(PLAIN, words.ccm))?;
    for (title, example) in [
        (language.pick("bad", "错误示例"), rule.bad),
        (language.pick("good", "正确示例"), rule.good),
    ] {
        write(out, label(language, title).trimmed())?;
        for line in example.lines() {
            // An example stays as it is typed.
            Text::plain(format!("  {line}")).write(out)?;
            writeln!(out)?;
        }
    }
    write(out, labelled("fix", "修复").and(PLAIN, words.fix))?;
    if let Some(told) = rule.exemption_in_words(language) {
        write(out, labelled("exemption", "放行").and(PLAIN, told))?;
    }
    if !rule.hides.is_empty() {
        let hidden = rule.hides.join(language.pick(", ", "、"));
        let why = language.pick(", which follow from it", "（由该问题引起，不再单独报告）");
        write(out, labelled("hides", "隐藏").and(PLAIN, hidden + why))?;
    }
    for source in rule.sources(language) {
        write(out, labelled("source", "来源").and(FAINT, source))?;
    }
    Ok(())
}

/// The name of what follows: `fix: `, `修复：`.
fn label(language: Language, name: &str) -> Text {
    Text::styled(STRONG, format!("{name}{}", language.pick(": ", "：")))
}
