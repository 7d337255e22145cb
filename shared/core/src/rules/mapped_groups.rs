//! 0xx: the groups that a mapping names, against those of the CLB.

use super::{Check, CheckedService, Evidence, Findings, Rule, Words, mapping::mapping_annotation};
use crate::{annotation::EffectiveValue, finding::Severity, identity::NamedKey, mapping::Mapping};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB022",
        severity: Severity::Error,
        evidence: &[Evidence::ClbApi],
        en: Words {
            title: "group is not in this CLB",
            ccm: "Does not find the group, drops the port without a word, and registers nothing: a silent drain.",
            fix: "name a group that exists in this CLB",
        },
        zh: Words {
            title: "虚拟服务器组不在该 CLB 实例中",
            ccm: "找不到该虚拟服务器组，不报错，直接跳过该端口，不注册任何后端服务器：静默清空。",
            fix: "填写该 CLB 实例中存在的虚拟服务器组",
        },
        source: &[
            "CCM 2.14: vgroups.go, getVgroupById",
            "CLB documentation: DescribeVServerGroups",
        ],
        bad: "…-loadbalancer-vgroup-port names a group that DescribeVServerGroups of the CLB does not list",
        good: "a group of this very CLB",
        check: Check::Migrated(unknown_group),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB023",
        severity: Severity::Error,
        evidence: &[Evidence::ClbApi],
        en: Words {
            title: "group was made by CCM itself",
            ccm: "Refuses to reuse a group named k8s/<port>/<service>/<namespace>/<cluster id>, drops the port without a word: a silent drain.",
            fix: "make a group in the console and map that",
        },
        zh: Words {
            title: "虚拟服务器组由 CCM 自己创建",
            ccm: "拒绝复用名称形如 k8s/<port>/<service>/<namespace>/<cluster id> 的虚拟服务器组，不报错，直接跳过该端口：静默清空。",
            fix: "在控制台新建虚拟服务器组，并在映射中使用它",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
            "CCM 2.14: slb/vgroup.go, DescribeVServerGroups",
        ],
        bad: "a group named k8s/30080/web/shop/…",
        good: "a group made by hand, with a name of your own",
        check: Check::Migrated(group_of_ccm),
        ..Rule::DEFAULT
    },
];

/// What CCM does about a port whose group it does not use.
const REGISTERS_NOTHING: &str = "CCM registers nothing and reports success";

/// The groups that a mapping names for ports.
fn named_groups<'a>(mapping: &'a Mapping<'_>) -> impl Iterator<Item = &'a str> {
    let named = mapping.entries().iter().filter(|e| e.port.is_some() && !e.is_release());
    named.map(|entry| entry.group.trim())
}

fn unknown_group(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    let Some(groups) = checked.groups(out) else { return };
    for group in named_groups(mapping) {
        if !groups.iter().any(|(id, _)| *id == group) {
            let ids: Vec<&str> = groups.iter().map(|(id, _)| *id).take(8).collect();
            checked
                .finding(out)
                .annotation(key, text)
                .fix(format!("name a group of CLB {}, which has {}", checked.clb(), ids.join(", ")))
                .emit(format!(
                    "group {group} is not in CLB {}: {}",
                    checked.clb(),
                    checked.on_skipped_port(REGISTERS_NOTHING)
                ));
        }
    }
}

fn group_of_ccm(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    let Some(groups) = checked.groups(out) else { return };
    for group in named_groups(mapping) {
        let ccms = groups.iter().find(|(id, name)| *id == group && NamedKey::parse(name).is_some());
        if let Some((_, name)) = ccms {
            checked.finding(out).annotation(key, text).emit(format!(
                "group {group} is named {name}, so CCM made it itself and refuses to reuse it: {}",
                checked.on_skipped_port(REGISTERS_NOTHING)
            ));
        }
    }
}
