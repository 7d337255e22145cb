//! 4xx: what stands in a group, against what CCM would have written.

use std::collections::BTreeMap;

use super::{
    Check, CheckedService, Evidence, Findings, Rule, Words,
    checked::{missing_answer, missing_cluster_id},
};
use crate::{
    annotation::{self, EffectiveValue},
    backends,
    finding::Severity,
    index::Index,
    object::ObjectRef,
    outcome::Outcome,
    prediction::Prediction,
    route::{Participant, ParticipantKind, Route},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB408",
        severity: Severity::Warning,
        evidence: &[Evidence::ClusterId, Evidence::ClbApi],
        also: &[Evidence::OldObject, Evidence::Nodes],
        en: Words {
            title: "orphan in the group",
            ccm: "Never removes or re-weighs a backend whose description is not of one of its present Services; it takes traffic for ever.",
            fix: "remove the backend from the group",
        },
        zh: Words {
            title: "虚拟服务器组中有残留的后端服务器",
            ccm: "描述不属于任何现有 Service 的后端服务器，既不移除，也不调整权重；它会一直接收流量。",
            fix: "从虚拟服务器组中移除该后端服务器",
        },
        source: &["CCM 2.14: vgroups.go, isBackendManagedByMyService", "observed with CCM 2.14"],
        bad: "a backend described k8s/30080/web/shop/… after Service shop/web has gone",
        good: "only backends that somebody looks after",
        check: Check::Groups(orphans),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB409",
        severity: Severity::Error,
        evidence: &[Evidence::Nodes, Evidence::Endpoints, Evidence::ClbApi],
        also: &[Evidence::ClusterId],
        en: Words {
            title: "group differs from what CCM would have written",
            ccm: "Has no periodic resync: a console edit stays until the next event. A group emptied of a Service's backends is what a silent drain leaves.",
            fix: "make CCM write the group again: any annotation edit of the Service does",
        },
        zh: Words {
            title: "虚拟服务器组与 CCM 应写入的内容不一致",
            ccm: "没有定期同步：在控制台上的修改会保留到下一次事件。某个 Service 的后端服务器全部消失，是静默清空的结果。",
            fix: "让 CCM 重新写入虚拟服务器组：修改该 Service 的任意注解即可",
        },
        source: &[
            "CCM 2.14: event_handler.go",
            "CCM 2.14: model_applier.go, cleanup",
            "observed with CCM 2.14",
        ],
        bad: "a node's weight is 5 in the group and 26 by the annotation",
        good: "the group carries what the annotations say",
        check: Check::Migrated(drift),
        ..Rule::DEFAULT
    },
];

/// What becomes of backends that nobody looks after.
const FOR_EVER: &str = "nobody will remove it";

fn orphans(index: &Index<'_>, prediction: &Prediction, out: &mut Findings<'_>) {
    for cluster in
        index.snapshot.clusters.iter().filter(|_| !index.snapshot.clb_answers.groups.is_empty())
    {
        if cluster.id.is_none() {
            missing_cluster_id(cluster, out);
        }
    }
    let mut vgroups: Vec<&str> = Vec::new();
    for (key, members) in index.routes() {
        let Some(answer) = index.snapshot.clb_answers.groups.get(key.vgroup) else {
            if !members.is_empty() {
                missing_answer(key.vgroup, out);
            }
            continue;
        };
        if vgroups.contains(&key.vgroup) {
            continue;
        }
        vgroups.push(key.vgroup);
        let route = Route::build(index, *key, prediction);
        let is_bound = |p: &&Participant<'_>| {
            index.bound_to(key.vgroup).any(|binding| {
                let meta = &binding.service_ref.service.metadata;
                binding.service_ref.cluster.context == p.context
                    && meta.name == p.name
                    && meta.namespace() == p.namespace
            })
        };
        for (at, participant) in route.participants.iter().enumerate() {
            let ours = route.backends_of(at).find(|b| index.cluster_of_instance(b.id).is_some());
            let (problem, future) = match (participant.kind, ours) {
                (ParticipantKind::Orphan, _) if is_bound(&participant) => continue,
                (ParticipantKind::Orphan, _) if is_released(index, participant, key.vgroup) => (
                    format!(
                        "backends of Service {} are there still, though its mapping releases the group",
                        participant.label()
                    ),
                    "CCM removes them in the next round over a change of the Service that succeeds",
                ),
                (ParticipantKind::Orphan, _) => (
                    format!(
                        "backends of Service {} are left over: the Service is gone, or mapped elsewhere",
                        participant.label()
                    ),
                    FOR_EVER,
                ),
                (ParticipantKind::External | ParticipantKind::Remote, Some(backend)) => (
                    format!(
                        "{} is a node of a cluster at hand, but its backend is not described as any Service's of that cluster",
                        backend.id
                    ),
                    FOR_EVER,
                ),
                _ => continue,
            };
            let object = ObjectRef {
                context: None,
                kind: "VServerGroup".to_owned(),
                namespace: None,
                name: key.vgroup.to_owned(),
            };
            let meta =
                crate::object::ObjectMeta { origin: answer.origin.clone(), ..Default::default() };
            let sum = participant.weight_sum.unwrap_or_default();
            out.finding(&meta, object)
                .at(participant.path())
                .value(sum.to_string())
                .fix(format!(
                    "if nobody needs it: aliyun slb RemoveVServerGroupBackendServers --VServerGroupId {} --BackendServers '[…]' with its ServerId, Port and Type",
                    key.vgroup
                ))
                .emit(format!(
                    "{problem}; {future}, and it takes {:.1} % of the traffic",
                    participant.share_of_known * 100.0
                ));
        }
    }
}

/// Whether the mapping of a participant's Service names the group, though for no port: CCM then takes
/// its backends out.
fn is_released(index: &Index<'_>, participant: &Participant<'_>, vgroup: &str) -> bool {
    let clusters = &index.snapshot.clusters;
    let cluster = clusters.iter().find(|cluster| cluster.context == participant.context);
    let service =
        cluster.and_then(|cluster| cluster.service(&participant.namespace, &participant.name));
    let mapping = service.filter(|service| service.is_taken_by_ccm()).and_then(backends::mapping);
    mapping.is_some_and(|mapping| mapping.entries().iter().any(|entry| entry.group == vgroup))
}

fn drift(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    if checked.no_answers(out) {
        return;
    }
    for route in checked.routes() {
        let Some(answer) = checked.answer(route.key.vgroup, out) else { continue };
        let Some((at, own)) = route.participants.iter().enumerate().find(|(_, p)| checked.is(p))
        else {
            continue;
        };
        // What a predicted round will have written cannot differ.
        if !own.is_measured || own.outcome != Some(Outcome::Applied) {
            continue;
        }
        if own.expected_weight_sum.is_none() {
            checked.note_missing_inputs(out);
            continue;
        }
        let there = backends_in(route, at);
        let written = |rounds| {
            let route = checked.route_after_rounds(route, rounds);
            let at = route.participants.iter().position(|of| checked.is(of));
            at.map_or_else(BTreeMap::new, |at| backends_in(&route, at))
        };
        if is_as_computed(checked, route, &there) {
            continue;
        }
        let wanted = written(1);
        // Where ports share a group, CCM returns to what is there a round later (CLB101).
        if wanted == there || written(2) == there {
            continue;
        }
        let EffectiveValue { key, text } = checked
            .annotations()
            .effective(annotation::VGROUP_PORT)
            .unwrap_or(EffectiveValue { key: "", text: "" });
        let message = if there.is_empty() {
            format!(
                "group emptied: group {} has none of the {} backends CCM would have registered, so this Service's share is 0",
                answer.id,
                wanted.len()
            )
        } else {
            format!("group {}: {}", answer.id, differences(&wanted, &there).join("; "))
        };
        let meta = &checked.service().metadata;
        checked.finding(out)
            .annotation(key, text)
            .fix(format!(
                "make CCM write the group again, by any annotation edit: kubectl annotate service {} -n {} --overwrite clbmigrate.io/resync=$(date +%s)",
                meta.name,
                meta.namespace()
            ))
            .emit(message);
    }
}

/// A participant's weights in a route, by server and port.
type Weights = BTreeMap<(String, u16), u32>;

fn backends_in(route: &Route<'_>, at: usize) -> Weights {
    let backends = route.backends_of(at);
    backends.map(|backend| ((backend.id.to_owned(), backend.port), backend.weight)).collect()
}

/// Whether the group has what CCM computes for its one port there, so that no round needs to be
/// carried out to see that it would change nothing.
fn is_as_computed(checked: &CheckedService<'_, '_>, route: &Route<'_>, there: &Weights) -> bool {
    let Some(port) = route.key.port else { return false };
    let mut results = checked.round().ports_numbered(port);
    let (Some(only), None) = (results.next(), results.next()) else { return false };
    let Some(expected) = only.result.expected() else { return false };
    expected.len() == there.len()
        && expected.iter().all(|backend| {
            there.get(&(backend.target.id().to_owned(), backend.port)) == Some(&backend.weight)
        })
}

fn differences(wanted: &Weights, there: &Weights) -> Vec<String> {
    const MOST: usize = 5;
    let mut found = Vec::new();
    for (at @ (id, port), weight) in wanted {
        match there.get(at) {
            None => found.push(format!(
                "{id}:{port} is missing, CCM would have registered it with {weight}"
            )),
            Some(is) if is != weight => {
                found.push(format!("{id}:{port} has weight {is}, CCM would have written {weight}"));
            }
            Some(_) => {}
        }
    }
    let extra = there.iter().filter(|(at, _)| !wanted.contains_key(*at));
    found.extend(extra.map(|((id, port), weight)| {
        format!("{id}:{port} with weight {weight} is there, CCM would have removed it")
    }));
    if found.len() > MOST {
        let more = found.len() - MOST;
        found.truncate(MOST);
        found.push(format!("and {more} more"));
    }
    found
}
