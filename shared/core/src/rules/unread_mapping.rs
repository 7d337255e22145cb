//! 0xx: a mapping that CCM does not read.

use super::{Check, CheckedService, Findings, RefusedWrites, Rule, Words, mapping};
use crate::{
    annotation::{self, EffectiveValue},
    finding::Severity,
    mapping::Mapping,
    patch::PatchOp,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB007",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "vgroup-ids is not read by CCM",
            ccm: "Never read this key of older articles: it makes a group of its own, and traffic never arrives.",
            fix: "use …-loadbalancer-vgroup-port: \"GROUP:PORT\"",
        },
        zh: Words {
            title: "CCM 不读取 vgroup-ids",
            ccm: "从未读取过旧文章中的这个注解：CCM 会自建虚拟服务器组，流量永远到不了。",
            fix: "改用 …-loadbalancer-vgroup-port: \"GROUP:PORT\"",
        },
        source: &[
            "CCM 2.14: annotations.go, VGroupPort",
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
        ],
        bad: "…-loadbalancer-vgroup-ids: \"80:rsp-bp1example\"",
        good: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80\"",
        hides: &["CLB002", "CLB018", "CLB019"],
        reveals: &["CLB008"],
        refuses: RefusedWrites::Standing,
        check: Check::Candidate(old_key),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB008",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "mapping without CLB id",
            ccm: "Ignores the mapping and makes a CLB of its own.",
            fix: "add the CLB's id",
        },
        zh: Words {
            title: "设置了映射，但未指定 CLB 实例 ID",
            ccm: "忽略映射，并自行创建一个 CLB 实例。",
            fix: "补上 CLB 实例 ID",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
            "CCM 2.14: loadbalancer.go, BuildLocalModel",
        ],
        bad: "…-loadbalancer-vgroup-port without …-loadbalancer-id",
        good: "…-loadbalancer-id: \"lb-bp1example\" beside the mapping",
        hides: &["CLB002"],
        refuses: RefusedWrites::Standing,
        check: Check::Candidate(no_clb),
        ..Rule::DEFAULT
    },
];

fn old_key(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let keys = checked.annotations().iter();
    for (key, text) in
        keys.filter(|(k, _)| annotation::suffix_of(k) == Some(annotation::VGROUP_IDS))
    {
        let mapping = Mapping::parse(text);
        let ports = &checked.service().spec.ports;
        let turned: Vec<String> = mapping
            .entries()
            .iter()
            .map(|entry| match (entry.group.trim(), entry.port.map(str::trim)) {
                (port, Some(group)) if port.parse::<u16>().is_ok() => format!("{group}:{port}"),
                (group, Some(port)) => format!("{group}:{port}"),
                (group, None) => match ports.as_slice() {
                    [port] => format!("{group}:{}", port.port),
                    _ => format!("{group}:PORT"),
                },
            })
            .collect();
        let works = annotation::full_key(annotation::VGROUP_PORT);
        let value = turned.join(",");
        let is_mapped = checked.annotations().effective(annotation::VGROUP_PORT).is_some();
        let add = (!is_mapped).then(|| PatchOp::add_annotation(&works, value.clone()));
        checked.finding(out)
            .annotation(key, text)
            .fix(if is_mapped {
                format!("remove {key}; {works} is set already")
            } else {
                format!("replace it by {works}: \"{value}\"")
            })
            .patch([PatchOp::remove_annotation(key)].into_iter().chain(add))
            .emit("CCM does not read this key of older articles: it makes a group of its own, and traffic never arrives");
    }
}

fn no_clb(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) = mapping::mapping_annotation(checked) else { return };
    if !text.is_empty() && checked.clb().is_empty() {
        let id = annotation::full_key(annotation::ID);
        checked
            .finding(out)
            .annotation(key, text)
            .fix(format!("add {id} with the id of the CLB these groups belong to"))
            .emit("without a CLB id CCM ignores the mapping and makes a CLB of its own");
    }
}
