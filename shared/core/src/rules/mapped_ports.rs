//! 0xx: which ports of the Service a mapping names.

use super::{
    Check, CheckedService, Evidence, Findings, Rule, Words,
    mapping::{corrected, join, mapping_annotation},
    shared_group::{SharedGroup, label, protocols_of, service_per_protocol},
};
use crate::{
    annotation::EffectiveValue,
    backends,
    finding::Severity,
    mapping::{Mapping, MappingEntry, is_decimal},
};

pub(super) const RULES: &[Rule] = &[
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
            fix: "keep one entry a port; for two protocols of one number, make a Service for each",
        },
        zh: Words {
            title: "同一端口有两个映射条目",
            ccm: "采用第一个条目；在第二个条目的虚拟服务器组中，清理该 Service 自己的后端服务器。",
            fix: "每个端口只保留一个条目；同一端口号的不同协议，拆分为各自的 Service",
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

fn no_such_port(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    let ports = &checked.service().spec.ports;
    let numbers = || {
        let mut numbers: Vec<String> = ports.iter().map(|port| port.port.to_string()).collect();
        numbers.dedup();
        numbers.join(", ")
    };
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
    let (mut fix, mut patch) = corrected(key, &join(kept.iter().map(|entry| entry.text)));
    let mut why = "";
    if let Some(apart) = per_protocol(checked, mapping, &double) {
        (fix, patch) = (apart, None);
        why = " for all protocols, which CCM does not tell apart here";
    }
    let draft =
        checked.finding(out).annotation(key, text).parts(double.iter().map(|e| e.text.trim()));
    draft.fix(fix).patch(patch).emit(format!(
        "port {} has two entries: the first wins{why}, so {winner} is used, and CCM takes its backends out of {}",
        first.port.unwrap_or_default(),
        first.group,
    ));
}

/// What to do where an entry that stands twice names a port of several protocols, which without the
/// second entry would share a group and flip-flop (CLB101).
fn per_protocol(
    checked: &CheckedService<'_, '_>,
    mapping: &Mapping<'_>,
    double: &[&MappingEntry<'_>],
) -> Option<String> {
    let is_double = |number| double.iter().any(|of| of.port.is_some_and(|p| is_decimal(p, number)));
    let shared = SharedGroup::all(checked.service(), checked.mode(), mapping);
    let unstable = shared.iter().filter(|shared| !shared.is_stable);
    let mut ambiguous = unstable.flat_map(|shared| shared.ambiguous(checked.service()));
    let (number, protocols) = ambiguous.find(|(number, _)| is_double(*number))?;
    let named = mapping.entries().iter();
    let named = named.filter(|of| of.port.is_some_and(|port| is_decimal(port, number)));
    let mut groups: Vec<&str> = Vec::new();
    for entry in named {
        if !groups.contains(&entry.group) {
            groups.push(entry.group);
        }
    }
    Some(service_per_protocol(number, &protocols, &groups))
}

fn unmapped(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let (Some(mapping), Some(EffectiveValue { key, text })) =
        (checked.mapping(), mapping_annotation(checked))
    else {
        return;
    };
    for port in &checked.service().spec.ports {
        if mapping.group_of(port.port) == Ok(None) {
            let protocols = protocols_of(checked.service(), port.port);
            let (name, fix) = if protocols.len() > 1 {
                let fix = service_per_protocol(port.port, &protocols, &[]);
                (label(port.port, &port.protocol), fix)
            } else {
                let number = port.port;
                let fix = format!(
                    "add an entry GROUP:{number} to {key}, or take the port out of the Service"
                );
                (number.to_string(), fix)
            };
            let draft = checked.finding(out).annotation(key, text).parts([name.as_str()]);
            draft.fix(fix).emit(format!(
                "port {name} has no entry: CCM makes a group of its own for it, to which no listener points"
            ));
        }
    }
}
