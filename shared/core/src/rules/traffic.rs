//! 4xx: weights and listeners.

use super::{Check, CheckedService, Evidence, Findings, RefusedWrites, Rule, Words};
use crate::{
    annotation::{self, EffectiveValue},
    backends::{Backends, Mode},
    finding::{Need, Severity},
    object::EndpointSlice,
    outcome::Outcome,
    patch::PatchOp,
    route::Route,
    weight::WeightSetting,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB401",
        severity: Severity::Info,
        evidence: &[Evidence::Nodes, Evidence::Endpoints, Evidence::ClbApi],
        en: Words {
            title: "effective share differs from the nominal one",
            ccm: "Divides the weight by the number of backends, drops the remainder and gives each at least 1.",
            fix: "use a weight that the number of backends divides",
        },
        zh: Words {
            title: "实际流量占比与名义占比不符",
            ccm: "用权重除以后端服务器数量，舍去余数，且每个至少为 1。",
            fix: "使用能被后端服务器数量整除的权重",
        },
        source: &["CCM 2.14: vgroups.go, podPercentAlgorithm"],
        bad: "weight 5 over 10 nodes beside a server with 95: 10 of 105, not 5 of 100",
        good: "weights that are multiples of the number of backends",
        check: Check::Migrated(effective_share),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB402",
        severity: Severity::Warning,
        evidence: &[Evidence::Nodes, Evidence::Endpoints],
        en: Words {
            title: "weight is smaller than the number of backends",
            ccm: "Gives each backend at least 1, so the sum is the number of backends, not the weight.",
            fix: "use 0, or at least the number of backends",
        },
        zh: Words {
            title: "权重小于后端服务器数量",
            ccm: "每个后端服务器的权重至少为 1，因此总和等于后端服务器数量，而不是所设的权重。",
            fix: "设为 0，或不小于后端服务器数量",
        },
        source: &["CCM 2.14: vgroups.go, podPercentAlgorithm"],
        bad: "weight 2 over 3 nodes: 1, 1, 1",
        good: "weight 3 over 3 nodes, or 0",
        check: Check::Migrated(floor),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB407",
        severity: Severity::Warning,
        evidence: &[Evidence::ClbApi],
        en: Words {
            title: "listener does not count weights",
            ccm: "Does not touch the scheduler of a reused CLB's listener. With rr, weights are not expected to matter (real behaviour not verified).",
            fix: "set the listener's scheduler to wrr in the console or by the API: the annotation has no effect on a reused CLB",
        },
        zh: Words {
            title: "监听不按权重转发",
            ccm: "复用 CLB 时不修改监听的调度算法。调度算法为 rr 时，权重预计不起作用（实际行为未经验证）。",
            fix: "在控制台或通过 API 将监听的调度算法设为 wrr：复用 CLB 时注解不生效",
        },
        source: &[
            "CCM 2.14: model_applier.go, applyListeners",
            "CCM 2.14: listeners.go, setDefaultValueForListener",
            "CLB documentation: CreateLoadBalancerTCPListener, Scheduler",
        ],
        bad: "Scheduler: rr",
        good: "Scheduler: wrr",
        refuses: RefusedWrites::Transfers,
        check: Check::Migrated(scheduler),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB413",
        severity: Severity::Warning,
        evidence: &[Evidence::ClbApi],
        en: Words {
            title: "session persistence on the listener",
            ccm: "Does not touch it. Weights steer new clients only; known ones stay where they are, and the share moves slowly.",
            fix: "switch persistence off on the listener for the time of the move, or wait for the clients",
        },
        zh: Words {
            title: "监听开启了会话保持",
            ccm: "不修改该设置。权重只影响新的客户端，已有的客户端仍访问原来的后端服务器，流量占比变化缓慢。",
            fix: "迁移期间关闭监听的会话保持，或等待客户端切换",
        },
        source: &[
            "CCM 2.14: model_applier.go, applyListeners",
            "CLB documentation: CreateLoadBalancerTCPListener, PersistenceTimeout",
            "CLB documentation: CreateLoadBalancerHTTPListener, StickySession",
        ],
        bad: "PersistenceTimeout: 1000, or StickySession: on",
        good: "PersistenceTimeout: 0 and StickySession: off during the move",
        check: Check::Migrated(persistence),
        ..Rule::DEFAULT
    },
];

/// Points between nominal and effective share that are worth a word.
const TOLERANCE: f64 = 0.02;

fn effective_share(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(WeightSetting { total: Some(weight), .. }) = checked.weight_setting() else { return };
    if checked.no_answers(out) {
        return;
    }
    for route in checked.routes() {
        if !route.is_measurable {
            missing_parts(checked, route, out);
            continue;
        }
        let Some(own) = route.participants.iter().find(|p| checked.is(p)) else { continue };
        if own.outcome != Some(Outcome::Applied) {
            continue;
        }
        let Some(sum) = own.expected_weight_sum else {
            checked.note_missing_inputs(out);
            continue;
        };
        let (others_nominal, others_sum) = others(route, checked);
        let nominal = ratio(u64::from(weight), u64::from(weight) + others_nominal);
        let effective = ratio(sum, sum + others_sum);
        if (nominal - effective).abs() <= TOLERANCE {
            continue;
        }
        let better = better_weights(checked, route, others_nominal, others_sum, weight);
        let fix = match better.as_slice() {
            [] => "no weight of this Service comes closer; use a weight that the number of backends divides, or fewer backends".to_owned(),
            weights => format!(
                "nearest better weights: {}",
                weights.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        };
        let EffectiveValue { key, text } = found_weight(checked);
        checked.finding(out).annotation(key, text).fix(fix).emit(format!(
            "nominal {:.1} %, effective {:.1} % ({sum} of {}): CCM divides {weight} by {} backends",
            nominal * 100.0,
            effective * 100.0,
            sum + others_sum,
            own.expected_backends,
        ));
    }
}

fn found_weight<'a>(checked: &CheckedService<'_, 'a>) -> EffectiveValue<'a> {
    checked
        .annotations()
        .effective(annotation::WEIGHT)
        .unwrap_or(EffectiveValue { key: "", text: "" })
}

fn missing_parts(checked: &CheckedService<'_, '_>, route: &Route<'_>, out: &mut Findings<'_>) {
    if checked.answer(route.key.vgroup, out).is_some() {
        let need = route.unknown.iter().find_map(|of| of.need).unwrap_or(Need::ClbApi);
        let what = || format!("all of group {}", route.key.vgroup);
        out.missing(need, what, &route.unknown_in_words());
    }
}

/// What the others hold: by their nominal weights, and as CCM would have written it.
fn others(route: &Route<'_>, checked: &CheckedService<'_, '_>) -> (u64, u64) {
    let others = route.participants.iter().filter(|p| !checked.is(p));
    others.fold((0, 0), |(nominal, sum), participant| {
        let actual = participant.weight_sum.unwrap_or_default();
        let expected = participant.expected_weight_sum.unwrap_or(actual);
        let own = participant.weight.map_or(expected, u64::from);
        (nominal + own, sum + expected)
    })
}

#[allow(clippy::cast_precision_loss, reason = "sums of weights are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The weights nearest to `weight` whose effective share is within the tolerance of their nominal
/// one, one below and one above.
fn better_weights(
    checked: &CheckedService<'_, '_>,
    route: &Route<'_>,
    others_nominal: u64,
    others_sum: u64,
    weight: u32,
) -> Vec<u32> {
    let Some(port) = route.key.port else { return Vec::new() };
    let fits = |candidate: &u32| {
        let sum = checked.weight_sum_with(port, *candidate);
        let nominal = ratio(u64::from(*candidate), u64::from(*candidate) + others_nominal);
        (nominal - ratio(sum, sum + others_sum)).abs() <= TOLERANCE
    };
    let below = (1..weight).rev().find(fits);
    let above = (weight + 1..=100).find(fits);
    below.into_iter().chain(above).collect()
}

fn floor(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(WeightSetting { total: Some(weight @ 1..), .. }) = checked.weight_setting() else {
        return;
    };
    // In Cluster mode there are no more backends than nodes and pods.
    let (nodes, slices) = (checked.nodes_at_hand(), checked.slices_at_hand());
    if let (Some(Mode::Cluster), Some(nodes)) = (checked.mode(), nodes) {
        let pods = slices.map_or(0, EndpointSlice::addresses_in);
        let has_pods = slices.is_some() || !nodes.iter().any(|node| node.is_virtual);
        if has_pods && weight as usize >= nodes.len() + pods {
            return;
        }
    }
    let mut most = Backends::none();
    for port in &checked.round().ports {
        match port.result.expected() {
            Some(backends) if backends.len() > most.len() => most = backends,
            None if checked.outcome() < Outcome::Frozen => checked.note_missing_inputs(out),
            _ => {}
        }
    }
    let count = u32::try_from(most.len()).unwrap_or(u32::MAX);
    if weight < count {
        let sum = most.weight_sum();
        let EffectiveValue { key, text } = found_weight(checked);
        let enough = (count <= 100).then(|| PatchOp::set_annotation(key, count.to_string()));
        checked
            .finding(out)
            .annotation(key, text)
            .fix(if count <= 100 {
                format!("set {key}: \"{count}\" or more, or \"0\"")
            } else {
                "100 is the most: use fewer backends, for example pods of a smaller Service"
                    .to_owned()
            })
            .patch(enough)
            .emit(format!(
                "weight {weight} over {count} backends: each gets at least 1, {sum} in all"
            ));
    }
}

fn scheduler(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    for listener in checked.listeners(out).unwrap_or_default() {
        if !matches!(listener.scheduler.as_str(), "" | "wrr" | "wlc") {
            let key = checked.annotations().key_of(annotation::VGROUP_PORT);
            checked.finding(out).at(annotation::field_path(&key)).value(&listener.scheduler).emit(
                format!(
                    "listener {}/{} of CLB {} has scheduler {}: weights are not expected to count",
                    listener.protocol,
                    listener.port,
                    checked.clb(),
                    listener.scheduler
                ),
            );
        }
    }
}

fn persistence(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    for listener in checked.listeners(out).unwrap_or_default() {
        if let Some(persistence) = listener.persistence() {
            let key = checked.annotations().key_of(annotation::VGROUP_PORT);
            checked.finding(out).at(annotation::field_path(&key)).value(&persistence).emit(format!(
                "listener {}/{} of CLB {} has {persistence}: weights steer new clients only, and the share moves slowly",
                listener.protocol,
                listener.port,
                checked.clb()
            ));
        }
    }
}
