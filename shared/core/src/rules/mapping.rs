//! 0xx: the mapping of vServer groups to Service ports.

use super::{Check, CheckedService, Evidence, Findings, Rule, Words};
use crate::{
    annotation::{self, EffectiveValue},
    backends,
    finding::Severity,
    mapping::{Mapping, MappingEntry, is_decimal},
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
    Rule {
        id: "CLB005",
        severity: Severity::Error,
        evidence: &[],
        also: &[Evidence::OldObject],
        en: Words {
            title: "mapping names no port of the Service",
            ccm: "Compares the text with the decimal spec.ports[].port: not targetPort, not nodePort, not a name. An entry that fits none maps nothing; the port gets a group of CCM's own, to which no listener points.",
            fix: "name the Service port",
        },
        zh: Words {
            title: "映射中的端口不是该 Service 的端口",
            ccm: "按文本与 spec.ports[].port 的十进制值比较，不看 targetPort、nodePort，也不看端口名称。匹配不上的条目不起作用；该端口会得到 CCM 自建的虚拟服务器组，没有监听转发到它。",
            fix: "填写 Service 的端口号",
        },
        source: &[
            "CCM 2.14: listeners.go, vgroup",
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
        ],
        bad: "…-loadbalancer-vgroup-port: \"rsp-bp1example:8080\" for port 80",
        good: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80\"",
        hides: &["CLB019"],
        check: Check::Migrated(no_such_port),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB006",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "two entries for one port",
            ccm: "Takes the first; out of the group of the second it cleans its own backends.",
            fix: "keep one entry a port",
        },
        zh: Words {
            title: "同一端口有两个映射条目",
            ccm: "采用第一个条目；在第二个条目的虚拟服务器组中，清理该 Service 自己的后端服务器。",
            fix: "每个端口只保留一个条目",
        },
        source: &["CCM 2.14: listeners.go, vgroup", "CCM 2.14: model_applier.go, cleanup"],
        bad: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80,rsp-bp2example:80\"",
        good: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80\"",
        hides: &["CLB019"],
        check: Check::Migrated(two_entries),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB019",
        severity: Severity::Warning,
        evidence: &[],
        en: Words {
            title: "a Service port without mapping",
            ccm: "Makes a group k8s/… of its own on the shared CLB for it, with the Service's weight; no listener points there.",
            fix: "add an entry for the port, or take the port out of the Service",
        },
        zh: Words {
            title: "Service 有端口未配置映射",
            ccm: "在共享的 CLB 上为该端口自建虚拟服务器组 k8s/…，并采用该 Service 的权重；没有监听转发到它。",
            fix: "为该端口添加映射条目，或从 Service 中去掉该端口",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
            "CCM 2.14: model_applier.go, applyVGroups",
        ],
        bad: "ports 80 and 443, …-loadbalancer-vgroup-port: \"rsp-bp1example:80\"",
        good: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80,rsp-bp2example:443\"",
        check: Check::Migrated(unmapped),
        ..Rule::DEFAULT
    },
];

pub(super) fn mapping_annotation<'a>(
    checked: &CheckedService<'_, 'a>,
) -> Option<EffectiveValue<'a>> {
    checked.annotations().effective(annotation::VGROUP_PORT)
}

/// A corrected mapping as fix and patch.
fn corrected(key: &str, value: &str) -> (String, [PatchOp; 1]) {
    (format!("set {key}: \"{value}\""), [PatchOp::set_annotation(key, value)])
}

fn join<'a>(entries: impl IntoIterator<Item = &'a str>) -> String {
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

fn no_such_port(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    let ports = &checked.service().spec.ports;
    let numbers = || ports.iter().map(|port| port.port.to_string()).collect::<Vec<_>>().join(", ");
    let entries = mapping.entries();
    never_held(checked, mapping, out);
    for entry in entries.iter().filter(|entry| !entry.is_release()) {
        let Some(written) = entry.port else { continue };
        if ports.iter().any(|port| is_decimal(written, port.port)) {
            continue;
        }
        let meant = entry
            .meant(ports)
            .filter(|(_, port)| ports.iter().any(|known| known.port == *port))
            .map(|(group, port)| format!("{group}:{port}"));
        let tidy: String = entry.text.chars().filter(|c| !c.is_whitespace()).collect();
        let draft = checked.finding(out).annotation(key, text).parts([tidy]);
        let draft = match &meant {
            Some(meant) => {
                let is_taken = |port| entries.iter().any(|e| e.port == Some(port));
                let is_double = meant.rsplit(':').next().is_some_and(is_taken);
                let kept = entries.iter().filter(|e| *e != entry || !is_double);
                let value = join(kept.map(|e| if e == entry { meant.as_str() } else { e.text }));
                let (fix, patch) = corrected(key, &value);
                draft.fix(fix).patch(patch)
            }
            None => draft.fix(format!("name one of the Service's ports: {}", numbers())),
        };
        draft.emit(format!(
            "entry {:?} names port {written:?}; this Service has {}. CCM maps nothing to {} and makes a group of its own, to which no listener points",
            entry.text,
            numbers(),
            entry.group,
        ));
    }
}

/// Release entries of groups that the Service neither held nor released before.
fn never_held(checked: &CheckedService<'_, '_>, mapping: &Mapping<'_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) = mapping_annotation(checked) else { return };
    let Some(was) = checked.old().and_then(backends::mapping) else { return };
    for entry in mapping.entries().iter().filter(|entry| entry.is_release()) {
        if was.entries().iter().any(|known| known.group == entry.group) {
            continue;
        }
        let rest = mapping.entries().iter().filter(|e| *e != entry).map(|e| e.text);
        let (fix, patch) = corrected(key, &join(rest));
        let draft = checked.finding(out).annotation(key, text).parts([entry.text]);
        draft.fix(fix).patch(patch).emit(format!(
            "entry {:?} releases group {}, which this Service never held",
            entry.text, entry.group
        ));
    }
}

fn two_entries(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    let entries = mapping.entries();
    let mut kept: Vec<&MappingEntry<'_>> = Vec::new();
    let mut double: Vec<&MappingEntry<'_>> = Vec::new();
    for entry in entries {
        let is_known = kept.iter().any(|known| known.port == entry.port);
        let counts = entry.port.is_some() && !entry.is_release();
        if counts && is_known { double.push(entry) } else { kept.push(entry) }
    }
    let Some(first) = double.first() else { return };
    let winner = kept.iter().find(|entry| entry.port == first.port).map_or("", |entry| entry.group);
    let (fix, patch) = corrected(key, &join(kept.iter().map(|entry| entry.text)));
    let draft =
        checked.finding(out).annotation(key, text).parts(double.iter().map(|e| e.text.trim()));
    draft.fix(fix).patch(patch).emit(format!(
        "port {} has two entries: the first wins, so {winner} is used, and CCM takes its backends out of {}",
        first.port.unwrap_or_default(),
        first.group,
    ));
}

fn unmapped(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    for port in &checked.service().spec.ports {
        if mapping.group_of(port.port) == Ok(None) {
            checked.finding(out)
                .annotation(key, text)
                .parts([port.port.to_string()])
                .fix(format!("add an entry GROUP:{} to {key}, or take the port out of the Service", port.port))
                .emit(format!(
                    "port {} has no entry: CCM makes a group of its own for it, to which no listener points",
                    port.port
                ));
        }
    }
}
