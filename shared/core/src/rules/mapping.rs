//! 0xx: the mapping of vServer groups to Service ports.

use super::{Check, CheckedService, Findings, Rule, Words};
use crate::{
    annotation::{self, EffectiveValue},
    finding::Severity,
    mapping::{Mapping, MappingEntry},
    patch::PatchOp,
    round::Failure,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB003",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "mapping is malformed",
            ccm: "An entry without colon, or an empty one, fails the whole round: nothing is written, weights and backends freeze. What follows a second colon is dropped.",
            fix: "write GROUP:PORT, several separated by commas",
        },
        zh: Words {
            title: "虚拟服务器组映射格式错误",
            ccm: "条目缺少冒号或为空时，整轮调谐失败：不写入任何内容，权重和后端服务器冻结。第二个冒号之后的内容被丢弃。",
            fix: "写成 GROUP:PORT（虚拟服务器组 ID 和 Service 端口），多个条目用英文逗号分隔",
        },
        source: &["CCM 2.14: vgroups.go, getVGroupIDs", "CCM 2.14: listeners.go, vgroup"],
        bad: "…-loadbalancer-vgroup-port: \"rsp-bp1example\"",
        good: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80\"",
        hides: &["CLB019"],
        reveals: &["CLB029"],
        check: Check::Failures(malformed),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB004",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "mapping has spaces",
            ccm: "Trims nothing. A space before a group makes it an unknown one: a silent drain. A space after a port makes it no port: CCM makes a group of its own, and traffic never arrives.",
            fix: "remove the spaces",
        },
        zh: Words {
            title: "虚拟服务器组映射中有空格",
            ccm: "不去除任何空格。虚拟服务器组 ID 前有空格，就成了不存在的组：静默清空。端口后有空格，就匹配不到端口：CCM 另建自己的虚拟服务器组，流量永远到不了。",
            fix: "删除空格",
        },
        source: &["CCM 2.14: listeners.go, vgroup", "CCM 2.14: vgroups.go, getVgroupById"],
        bad: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80, rsp-bp2example:443\"",
        good: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80,rsp-bp2example:443\"",
        hides: &["CLB005", "CLB019"],
        check: Check::Migrated(spaces),
        ..Rule::DEFAULT
    },
];

pub(super) fn mapping_annotation<'a>(
    checked: &CheckedService<'_, 'a>,
) -> Option<EffectiveValue<'a>> {
    checked.annotations().effective(annotation::VGROUP_PORT)
}

/// A corrected mapping as fix and patch.
pub(super) fn corrected(key: &str, value: &str) -> (String, Option<PatchOp>) {
    (format!("set {key}: \"{value}\""), Some(PatchOp::set_annotation(key, value)))
}

pub(super) fn join<'a>(entries: impl IntoIterator<Item = &'a str>) -> String {
    entries.into_iter().collect::<Vec<_>>().join(",")
}

/// Where CCM has a CLB of its own for the Service, it looks the groups up in that.
fn malformed_without_clb(
    checked: &CheckedService<'_, '_>,
    failures: &[Failure],
    out: &mut Findings<'_>,
) {
    let Some(EffectiveValue { key, text }) = mapping_annotation(checked) else { return };
    for failure in failures.iter().filter(|of| matches!(of, Failure::Mapping(_))) {
        checked.finding(out).annotation(key, text).fix(format!("remove {key}")).emit(format!(
            "{failure}: CCM fails the whole round, nothing is written, weights and backends freeze"
        ));
    }
}

/// Judges the mapping of a Service that goes as well, for there, too, CCM looks its groups up.
fn malformed(checked: &CheckedService<'_, '_>, failures: &[Failure], out: &mut Findings<'_>) {
    if checked.mapping().is_none() {
        malformed_without_clb(checked, failures, out);
        return;
    }
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    let bad: Vec<&MappingEntry<'_>> =
        mapping.entries().iter().filter(|e| e.port.is_none()).collect();
    if let Some(first) = bad.first() {
        let problem = if first.text.trim().is_empty() {
            format!("empty entry at character {}", first.position)
        } else {
            format!("entry {:?} at character {} has no colon", first.text, first.position)
        };
        let draft =
            checked.finding(out).annotation(key, text).parts(bad.iter().map(|e| e.text.trim()));
        let draft = match completed(checked, mapping) {
            Some(value) => {
                let (fix, patch) = corrected(key, &value);
                draft.fix(fix).patch(patch)
            }
            None => draft,
        };
        draft.emit(format!(
            "{problem}: CCM fails the whole round, nothing is written, weights and backends freeze"
        ));
    }
    if mapping.entries().iter().any(|entry| entry.has_more) {
        let cut = mapping.entries().iter().map(|entry| match entry.port {
            Some(port) => format!("{}:{port}", entry.group),
            None => entry.text.to_owned(),
        });
        let (fix, patch) = corrected(key, &cut.collect::<Vec<_>>().join(","));
        let long = mapping.entries().iter().filter(|entry| entry.has_more);
        let draft = checked.finding(out).annotation(key, text).parts(long.map(|entry| entry.text));
        draft
            .severity(Severity::Warning)
            .fix(fix)
            .patch(patch)
            .emit("CCM drops what follows a second colon");
    }
}

/// The mapping without its empty entries, and with the port where only one is possible.
fn completed(checked: &CheckedService<'_, '_>, mapping: &Mapping<'_>) -> Option<String> {
    let entries: Vec<&MappingEntry<'_>> =
        mapping.entries().iter().filter(|entry| !entry.text.trim().is_empty()).collect();
    match (entries.as_slice(), checked.service().spec.ports.as_slice()) {
        ([only], [port]) if only.port.is_none() => {
            Some(format!("{}:{}", only.group.trim(), port.port))
        }
        (entries, _) if !entries.is_empty() && entries.iter().all(|e| e.port.is_some()) => {
            Some(join(entries.iter().map(|entry| entry.text)))
        }
        _ => None,
    }
}

fn spaces(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) = mapping_annotation(checked) else { return };
    let Some(position) = text.chars().position(char::is_whitespace) else { return };
    let tidy: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (fix, patch) = corrected(key, &tidy);
    let spaced = text.split(',').filter(|entry| entry.contains(char::is_whitespace));
    let draft = checked.finding(out).annotation(key, text).parts(spaced);
    draft.fix(fix).patch(patch).emit(format!(
        "white space at character {}: CCM trims nothing, so it looks for a group or port of that very name, and this Service's backends leave the group or go where no listener points",
        position + 1
    ));
}
