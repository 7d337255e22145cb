//! 4xx: changes of a migrated Service's mapping and CLB.

use super::{Check, CheckedChange, Evidence, Findings, Rule, Words, change::text};
use crate::{
    annotation::{self, EffectiveValue},
    backends::{self, SkipReason},
    clb_answers::RegisteredBackend,
    finding::Severity,
    identity::NamedKey,
    mapping::Mapping,
    object::Service,
    outcome::PortResult,
    patch::PatchOp,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB405",
        severity: Severity::Error,
        evidence: &[Evidence::OldObject],
        also: &[Evidence::ClusterId, Evidence::ClbApi],
        en: Words {
            title: "mapping moved to another group in one step",
            ccm: "Registers in the new group and forgets the old one: the backends stay there with full weight, and nobody updates them.",
            fix: "add a release entry for the old group, and drop it in a second step",
        },
        zh: Words {
            title: "映射一步切换到另一个虚拟服务器组",
            ccm: "在新的虚拟服务器组中注册，不再处理旧的：后端服务器以全部权重留在其中，无人更新。",
            fix: "先为旧的虚拟服务器组添加释放条目（端口为 0），第二步再删除该条目",
        },
        source: &[
            "CCM 2.14: vgroups.go, DescribeVServerGroups",
            "CCM 2.14: model_applier.go, cleanup",
            "observed with CCM 2.14",
        ],
        bad: "…-loadbalancer-vgroup-port: \"rsp-bp1example:80\" becomes \"rsp-bp2example:80\"",
        good: "first \"rsp-bp2example:80,rsp-bp1example:0\", then \"rsp-bp2example:80\"",
        is_of_intent: true,
        check: Check::Change(moved),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB406",
        severity: Severity::Error,
        evidence: &[Evidence::OldObject],
        also: &[Evidence::ClusterId, Evidence::ClbApi],
        en: Words {
            title: "mapping or CLB id removed or changed on a live Service",
            ccm: "Without mapping makes a group of its own and leaves the backends in the old one as orphans; a removed or changed CLB id it refuses, and the Service freezes.",
            fix: "set the weight to 0 and delete the Service; for another CLB make a new Service",
        },
        zh: Words {
            title: "在用的 Service 删除了映射，或删除、更换了 CLB 实例 ID",
            ccm: "没有映射时自建虚拟服务器组，旧组中的后端服务器成为残留；删除或更换 CLB 实例 ID 会被拒绝，Service 冻结。",
            fix: "先将权重设为 0，再删除 Service；要换用其他 CLB 实例，请新建 Service",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
            "CCM 2.14: model_applier.go, isLoadBalancerReusable",
            "CCM 2.14: model_applier.go, applyLoadBalancerAttribute",
        ],
        bad: "…-loadbalancer-vgroup-port removed",
        good: "weight 0, then a release entry \"rsp-bp1example:0\", then delete the Service",
        hides: &["CLB029"],
        is_of_intent: true,
        check: Check::Change(unbound),
        ..Rule::DEFAULT
    },
];

fn moved(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let Some(new) = checked.present() else { return };
    let (Some(was), Some(is)) = (checked.before.mapping(), checked.mapping_after()) else { return };
    let moves = left_behind(checked, new, was, is);
    let Some(EffectiveValue { key, text }) =
        new.metadata.annotations.effective(annotation::VGROUP_PORT)
    else {
        return;
    };
    let real: Vec<&(&str, u16, Option<&str>)> =
        moves.iter().filter(|(_, _, to)| to.is_some()).collect();
    if let Some((from, port, Some(to))) = real.first() {
        let mut groups: Vec<&str> = real.iter().map(|(from, ..)| *from).collect();
        groups.dedup();
        let releases = groups.iter().map(|group| format!("{group}:0"));
        let first = std::iter::once(text.to_owned()).chain(releases).collect::<Vec<_>>().join(",");
        checked.finding(out)
            .annotation(key, text)
            .fix(format!("in two steps: first {key}: \"{first}\", and once the group is clean {key}: \"{text}\""))
            .patch([PatchOp::set_annotation(key, first)])
            .emit(format!(
                "port {port} moves from group {from} to {to} in one step: the backends in {from} stay there with their weights, and nobody updates them"
            ));
    }
}

/// Groups that a port was mapped to and that the new mapping does not name any more, with the group
/// the port is mapped to now.
fn left_behind<'a>(
    checked: &CheckedChange<'_, '_>,
    new: &Service,
    was: &Mapping<'a>,
    is: &Mapping<'a>,
) -> Vec<(&'a str, u16, Option<&'a str>)> {
    let mut left = Vec::new();
    for port in checked.old().spec.ports.iter().map(|port| port.port) {
        let Ok(Some(from)) = was.group_of(port) else { continue };
        if is.entries().iter().any(|entry| entry.group == from) {
            continue;
        }
        // A group that CCM could not use never held anything of this Service.
        if !backends::is_possible_group_id(from) {
            continue;
        }
        if matches!(
            checked.before.round().port(port),
            Some(PortResult::Skipped(SkipReason::NoSuchGroup(_) | SkipReason::MadeByCcm(_)))
        ) {
            continue;
        }
        let is_there = new.spec.ports.iter().any(|known| known.port == port);
        let to = is.group_of(port).ok().flatten().filter(|_| is_there);
        left.push((from, port, to));
    }
    left
}

fn unbound(checked: &CheckedChange<'_, '_>, out: &mut Findings<'_>) {
    let Some(new) = checked.present() else { return };
    let old = checked.old();
    let (old_id, new_id) = (text(old, annotation::ID), text(new, annotation::ID));
    // Behind an id that no CLB has, CCM never had anything.
    if annotation::clb_id_problem(old_id).is_some() {
        return;
    }
    if old_id != new_id {
        let key = old.metadata.annotations.key_of(annotation::ID);
        let mapping_key = old.metadata.annotations.key_of(annotation::VGROUP_PORT);
        let mapping = text(new, annotation::VGROUP_PORT)
            .is_empty()
            .then(|| PatchOp::add_annotation(&mapping_key, text(old, annotation::VGROUP_PORT)));
        let message = if new_id.is_empty() {
            format!(
                "the id of CLB {old_id} is removed: CCM reports failure, and the backends stay in their group as orphans"
            )
        } else {
            format!(
                "the CLB changes from {old_id} to {new_id}: CCM refuses that once the Service has an address, and its backends stay behind"
            )
        };
        checked
            .finding(out)
            .annotation(&key, new_id)
            .fix(format!("set {key}: \"{old_id}\" again; for another CLB make a new Service"))
            .patch([Some(PatchOp::add_annotation(&key, old_id)), mapping].into_iter().flatten())
            .emit(message);
        return;
    }
    let key = old.metadata.annotations.key_of(annotation::VGROUP_PORT);
    let written = text(old, annotation::VGROUP_PORT);
    let Some(is) = checked.mapping_after() else {
        checked.finding(out)
            .annotation(&key, "")
            .fix(format!("set {key}: \"{written}\" again"))
            .patch([PatchOp::add_annotation(&key, written)])
            .emit("the mapping is removed: CCM makes a group of its own, and the backends stay in the old one as orphans");
        return;
    };
    let Some(was) = checked.before.mapping() else { return };
    let present = text(new, annotation::VGROUP_PORT);
    for (from, port, to) in left_behind(checked, new, was, is) {
        if to.is_none() {
            checked.finding(out)
                .annotation(&key, present)
                .fix(format!("add a release entry first: {key}: \"{present},{from}:0\""))
                .patch([PatchOp::set_annotation(&key, format!("{present},{from}:0"))])
                .emit(format!("the entry of port {port} is removed: its backends stay in group {from} as orphans"));
        }
    }
    for group in dropped_releases(checked, was, is) {
        checked.finding(out)
            .annotation(&key, present)
            .fix(format!("keep {group}:0 until the group is clean: {key}: \"{present},{group}:0\""))
            .patch([PatchOp::set_annotation(&key, format!("{present},{group}:0"))])
            .emit(format!("the release entry of group {group} is dropped while backends of this Service are still in it: nobody will remove them"));
    }
}

/// Groups whose release entry goes while the group's answer still shows the Service's backends.
fn dropped_releases<'a>(
    checked: &CheckedChange<'_, '_>,
    was: &Mapping<'a>,
    is: &Mapping<'_>,
) -> Vec<&'a str> {
    let released = was.entries().iter().filter(|entry| entry.is_release()).map(|entry| entry.group);
    let dropped = released.filter(|group| !is.entries().iter().any(|entry| entry.group == *group));
    let old = checked.old();
    let own_id = checked.before.cluster_id_at_hand();
    let is_own = |backend: &RegisteredBackend| {
        NamedKey::parse(&backend.description).is_some_and(|key| {
            key.service == old.metadata.name
                && key.namespace == old.metadata.namespace()
                && match own_id {
                    Some(id) => id == key.cluster_id,
                    None => checked.before.owns(backend),
                }
        })
    };
    let held =
        |group: &&str| checked.answer_at_hand(group).is_some_and(|g| g.backends.iter().any(is_own));
    dropped.filter(held).collect()
}
