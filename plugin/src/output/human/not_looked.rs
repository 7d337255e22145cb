//! What could not be looked at: how many rules need more, or each thing that is missing.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use clbmigrate_core::rules::Language;

use crate::output::{
    json::{Need, NotLooked},
    printable::Detail,
    style::{PLAIN, Terminal, WARNING},
    text::Text,
};

/// How many things that are missing for the same reason are named.
const NAMED: usize = 3;

/// The rules that were run, and those of them that could not look.
#[derive(Debug, Clone)]
pub struct RuleCount {
    /// How many were run.
    pub run: usize,
    /// What those need that stay silent, by rule. Where a rule needs several things, the one that is
    /// the most work.
    needs: BTreeMap<String, Need>,
    is_live: bool,
}

impl RuleCount {
    /// The count of rules of which `run` were run. `is_live` is whether clusters were read, not files.
    pub fn new(run: usize, not_looked: &[NotLooked], is_live: bool) -> Self {
        let mut needs: BTreeMap<String, Need> = BTreeMap::new();
        for missing in not_looked {
            let Some(need) = missing.need else { continue };
            for rule in &missing.rules {
                let known = needs.entry(rule.clone()).or_insert(need);
                *known = need.max(*known);
            }
        }
        Self { run, needs, is_live }
    }

    /// How many could look at everything that they need.
    pub fn looked(&self) -> usize {
        self.run.saturating_sub(self.needs.len())
    }

    /// Whether all of them could.
    pub fn is_complete(&self) -> bool {
        self.needs.is_empty()
    }

    /// `19 of 47 rules need more: a cluster dump for 12, the CLB API for 7; -v lists them`.
    fn line(&self, language: Language) -> Text {
        let needed = [
            Need::ClearInput,
            Need::ClusterObjects,
            Need::ClbApi,
            Need::BackendType,
            Need::ClusterId,
        ];
        let parts = needed.into_iter().filter_map(|need| {
            let rules = self.needs.values().filter(|of| **of == need).count();
            let what = self.in_words(need, language);
            let part =
                language.pick(format!("{what} for {rules}"), format!("{what}（{rules} 条）"));
            (rules > 0).then_some(part)
        });
        let parts = parts.collect::<Vec<_>>().join(language.pick(", ", "、"));
        let (silent, run) = (self.needs.len(), self.run);
        let (head, more) = match language {
            Language::English => {
                let verb = if silent == 1 { "needs" } else { "need" };
                (
                    format!("{silent} of {run} rules {verb} more"),
                    format!(": {parts}; -v lists them"),
                )
            }
            Language::Chinese => {
                (format!("{run} 条规则中 {silent} 条缺少依据"), format!("：{parts}；-v 列出详情"))
            }
        };
        Text::styled(WARNING, head).and(PLAIN, more)
    }

    fn in_words(&self, need: Need, language: Language) -> &'static str {
        match need {
            Need::ClearInput => language.pick("input without contradictions", "无矛盾的输入"),
            Need::ClusterObjects if self.is_live => language.pick("cluster objects", "集群对象"),
            Need::ClusterObjects => language.pick("a cluster dump", "集群对象的导出"),
            Need::ClbApi => language.pick("the CLB API", "CLB API 的应答"),
            Need::BackendType => "--backend-type",
            Need::ClusterId => "--cluster-id",
        }
    }
}

/// Writes what could not be looked at: the objects that no rule judges, and how many rules need more;
/// with `-v`, all that is missing. Returns whether there was anything to write.
pub fn write_not_looked(
    not_looked: &[NotLooked],
    rules: &RuleCount,
    terminal: Terminal,
    detail: Detail,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let is_listed = |of: &&NotLooked| detail.is_verbose || of.rules.is_empty();
    let listed: Vec<&NotLooked> = not_looked.iter().filter(is_listed).collect();
    let mut lines = lines(&listed, detail.is_wide, terminal.language);
    if !detail.is_verbose && !rules.is_complete() {
        lines.push(rules.line(terminal.language));
    }
    for line in &lines {
        line.write_lines(out, 0, terminal.width)?;
    }
    Ok(!lines.is_empty())
}

/// `not looked at: …`, with what is missing for the same reason and the same rules in one line.
fn lines(not_looked: &[&NotLooked], is_wide: bool, language: Language) -> Vec<Text> {
    let mut groups: Vec<(&str, &[String], Vec<&str>)> = Vec::new();
    for missing in not_looked {
        let same = groups
            .iter_mut()
            .find(|(why, rules, _)| *why == missing.why && *rules == missing.rules.as_slice());
        match same {
            Some((.., whats)) => whats.push(&missing.what),
            None => groups.push((&missing.why, &missing.rules, vec![&missing.what])),
        }
    }
    let lines = groups.into_iter().map(|(why, rules, whats)| {
        let shown = if is_wide { whats.len() } else { NAMED };
        let mut what = whats.iter().take(shown).copied().collect::<Vec<_>>().join(", ");
        if whats.len() > shown {
            let more = whats.len() - shown;
            what = language
                .pick(format!("{what} and {more} more"), format!("{what} 等 {} 项", whats.len()));
        }
        let head = Text::styled(WARNING, language.pick("not looked at", "未检查"));
        if rules.is_empty() {
            return head.and(
                PLAIN,
                language.pick(format!(": {what} ({why})"), format!("：{what}（{why}）")),
            );
        }
        let rules = rules.join(", ");
        head.and(
            PLAIN,
            language.pick(
                format!(": {what} ({why}), so silent: {rules}"),
                format!("：{what}（{why}），因此未执行：{rules}"),
            ),
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn missing(need: Need, rules: &[&str]) -> NotLooked {
        NotLooked {
            what: "what".to_owned(),
            why: "why".to_owned(),
            need: Some(need),
            rules: rules.iter().map(ToString::to_string).collect(),
        }
    }

    fn written(not_looked: &[NotLooked], detail: Detail, language: Language) -> String {
        let terminal = Terminal { width: None, unicode: true, language, has_titles: true };
        let rules = RuleCount::new(47, not_looked, false);
        let mut out = Vec::new();
        write_not_looked(not_looked, &rules, terminal, detail, &mut out).expect("memory");
        String::from_utf8(strip_ansi_escapes::strip(&out)).expect("text")
    }

    #[rstest]
    #[case(
        Language::English,
        "3 of 47 rules need more: a cluster dump for 1, the CLB API for 2; -v lists them\n"
    )]
    #[case(
        Language::Chinese,
        "47 条规则中 3 条缺少依据：集群对象的导出（1 条）、CLB API 的应答（2 条）；-v 列出详情\n"
    )]
    fn a_rule_that_needs_two_things_counts_once(#[case] language: Language, #[case] line: &str) {
        let not_looked = [
            missing(Need::ClusterObjects, &["CLB301", "CLB401"]),
            missing(Need::ClbApi, &["CLB401", "CLB408"]),
        ];
        assert_eq!(written(&not_looked, Detail::default(), language), line);
        assert_eq!(RuleCount::new(47, &not_looked, false).looked(), 44);
    }

    #[test]
    fn verbose_lists_what_is_missing_instead() {
        let detail = Detail { is_wide: false, is_verbose: true };
        let not_looked = [missing(Need::ClusterId, &["CLB201"])];
        let line = "not looked at: what (why), so silent: CLB201\n";
        assert_eq!(written(&not_looked, detail, Language::English), line);
    }

    #[test]
    fn an_object_that_no_rule_judges_is_named_and_no_rule_counts_as_silent() {
        let other = NotLooked { need: None, ..missing(Need::ClbApi, &[]) };
        let shown = written(&[other], Detail::default(), Language::English);
        assert_eq!(shown, "not looked at: what (why)\n");
    }

    #[test]
    fn nothing_is_written_where_nothing_is_missing() {
        assert_eq!(written(&[], Detail::default(), Language::English), "");
    }
}
