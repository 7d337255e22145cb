//! 0xx: annotation values that CCM cannot use, or uses otherwise than meant.

use super::{Check, CheckedService, Findings, RefusedWrites, Rule, Words};
use crate::{
    annotation::{self, EffectiveValue, ValueError},
    backends::{self},
    finding::Severity,
    listener,
    patch::PatchOp,
    version::Behaviour,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB001",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "weight is not an integer from 0 to 100",
            ccm: "Drops the port without a word, takes every backend of the Service out of the group, writes a Normal event and stores the new hash: a silent drain that nothing retries. An empty value counts as not set: 100 for each backend.",
            fix: "set an integer from 0 to 100, without spaces or percent sign",
        },
        zh: Words {
            title: "权重不是 0 到 100 之间的整数",
            ccm: "不报错，直接跳过该端口，并从虚拟服务器组中移除该 Service 的全部后端服务器；事件为 Normal，新哈希照常写入，之后不再重试，即静默清空。空值等同于未设置：每个后端服务器的权重为 100。",
            fix: "设为 0 到 100 之间的整数，不带空格和百分号",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
            "CCM 2.14: vgroups.go, BuildLocalModel",
        ],
        bad: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"101\"",
        good: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"100\"",
        check: Check::Migrated(weight),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB002",
        severity: Severity::Warning,
        evidence: &[],
        en: Words {
            title: "weight is set but ignored",
            ccm: "Honours the weight only where both the CLB's id and a mapping are set; without them it does not even look at it, and each backend has weight 100.",
            fix: "add the CLB's id and the mapping, or remove the weight",
        },
        zh: Words {
            title: "设置了权重但不生效",
            ccm: "仅当同时设置了 CLB 实例 ID 和映射时，权重才生效；缺少任何一项都不会读取权重，每个后端服务器的权重为 100。",
            fix: "补上 CLB 实例 ID 和映射，或删除权重",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
            "CCM 2.14: vgroups.go, podNumberAlgorithm",
        ],
        bad: "…-loadbalancer-weight: \"20\" without …-loadbalancer-vgroup-port",
        good: "…-loadbalancer-id, …-loadbalancer-vgroup-port and …-loadbalancer-weight together",
        check: Check::Candidate(ignored_weight),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB011",
        severity: Severity::Warning,
        evidence: &[],
        en: Words {
            title: "ignore-weight-update is on together with a weight",
            ccm: "Suppresses every update that differs in weight only: edits of the weight do nothing.",
            fix: "remove the annotation before moving traffic",
        },
        zh: Words {
            title: "设置了权重，却开启了 ignore-weight-update",
            ccm: "仅有权重不同的更新一律不执行：修改权重不起作用。",
            fix: "迁移流量前先删除该注解",
        },
        source: &["CCM 2.14: vgroups.go, diff"],
        bad: "…-loadbalancer-ignore-weight-update: \"on\" beside …-loadbalancer-weight",
        good: "no …-loadbalancer-ignore-weight-update",
        refuses: RefusedWrites::Standing,
        check: Check::Candidate(ignored_updates),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB012",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "default-weight is not an integer from 0 to 100",
            ccm: "Reads it for every Service, and drops every port without a word where it cannot: a silent drain.",
            fix: "set an integer from 0 to 100, or remove the annotation",
        },
        zh: Words {
            title: "default-weight 不是 0 到 100 之间的整数",
            ccm: "对每个 Service 都读取该注解；值无效时不报错，直接跳过所有端口：静默清空。",
            fix: "设为 0 到 100 之间的整数，或删除该注解",
        },
        source: &[
            "CCM 2.14: vgroups.go, buildVGroupForServicePort",
            "CCM 2.14: vgroups.go, BuildLocalModel",
        ],
        bad: "…-loadbalancer-default-weight: \"101\"",
        good: "…-loadbalancer-default-weight: \"100\"",
        check: Check::Candidate(default_weight),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB013",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "backend-type is neither eni nor ecs",
            ccm: "Compares with exactly \"eni\"; any other value means nodes, \"ENI\" too.",
            fix: "write eni or ecs in lower case",
        },
        zh: Words {
            title: "backend-type 既不是 eni 也不是 ecs",
            ccm: "只认 \"eni\" 这一种写法；其他任何值（包括 \"ENI\"）都表示以节点为后端。",
            fix: "写成小写的 eni 或 ecs",
        },
        source: &["CCM 2.14: service_utils.go, IsENIBackendType"],
        bad: "service.beta.kubernetes.io/backend-type: \"ENI\"",
        good: "service.beta.kubernetes.io/backend-type: \"eni\"",
        check: Check::Candidate(backend_type),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB014",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "a listener or health-check value cannot be read",
            ccm: "Fails the whole round before anything is written, even where listeners are not touched: backends and weights freeze, new pods are not registered.",
            fix: "write the plain number, or PROTOCOL:PORT without quotes",
        },
        zh: Words {
            title: "监听或健康检查的取值无法解析",
            ccm: "尚未写入任何内容，整轮调谐就失败，即使并不管理监听：后端服务器和权重冻结，新 Pod 不会注册。",
            fix: "直接写数字，或写 PROTOCOL:PORT，不带引号",
        },
        source: &[
            "CCM 2.14: listeners.go, buildListenerFromServicePort",
            "CCM 2.14: listeners.go, protocol",
        ],
        bad: "…-loadbalancer-healthy-threshold: \"3s\" or …-loadbalancer-protocol-port: \"'https:443'\"",
        good: "…-loadbalancer-healthy-threshold: \"3\" and …-loadbalancer-protocol-port: \"https:443\"",
        reveals: &["CLB003", "CLB029"],
        check: Check::Candidate(unreadable_annotations),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB016",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "backend-label is malformed or has spaces",
            ccm: "An entry without '=' fails the whole round; an entry with spaces matches no node, and all nodes leave the group.",
            fix: "write KEY=VALUE, several separated by commas without spaces",
        },
        zh: Words {
            title: "backend-label 格式错误或含有空格",
            ccm: "条目缺少 '=' 时，整轮调谐失败；条目含空格时，匹配不到任何节点，全部节点移出虚拟服务器组。",
            fix: "写成 KEY=VALUE，多个条目用英文逗号分隔，不带空格",
        },
        source: &["CCM 2.14: backend.go, filterOutByLabel"],
        bad: "…-loadbalancer-backend-label: \"pool=web, zone=a\"",
        good: "…-loadbalancer-backend-label: \"pool=web,zone=a\"",
        hides: &["CLB020"],
        reveals: &["CLB003", "CLB029"],
        check: Check::Candidate(backend_label),
        ..Rule::DEFAULT
    },
];

/// What a careless value was meant to be, where that leaves no doubt.
fn tidy_percent(text: &str) -> Option<String> {
    let tidy = text.trim().trim_matches(['"', '\'']).trim_end_matches('%').trim();
    annotation::parse_weight(tidy).is_ok().then(|| tidy.to_owned())
}

fn weight(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) = checked.annotations().effective(annotation::WEIGHT)
    else {
        return;
    };
    if text.is_empty() {
        let draft = checked.finding(out).annotation(key, text).severity(Severity::Warning);
        draft
            .fix(format!("set a weight, for example {key}: \"0\""))
            .emit("an empty weight counts as not set: CCM gives each backend 100");
    } else if let Err(error) = annotation::parse_weight(text) {
        let groups = checked.vgroups().join(", ");
        percent_finding(
            checked,
            out,
            EffectiveValue { key, text },
            &error,
            &checked.on_skipped_port(&format!(
                "CCM would take every backend of this Service out of group {groups} and report success"
            )),
        );
    }
}

fn percent_finding(
    checked: &CheckedService<'_, '_>,
    out: &mut Findings<'_>,
    EffectiveValue { key, text }: EffectiveValue<'_>,
    error: &ValueError,
    consequence: &str,
) {
    let tidy = tidy_percent(text);
    let fix = match &tidy {
        Some(tidy) => format!("set {key}: \"{tidy}\""),
        None => format!("set {key} to an integer from 0 to 100"),
    };
    checked
        .finding(out)
        .annotation(key, text)
        .fix(fix)
        .patch(tidy.map(|tidy| PatchOp::set_annotation(key, tidy)))
        .emit(format!("{text:?}: {error}; {consequence}"));
}

fn ignored_weight(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) = checked.annotations().effective(annotation::WEIGHT)
    else {
        return;
    };
    if text.is_empty() || checked.mapping().is_some() {
        return;
    }
    let missing = match (checked.clb(), checked.annotations().text(annotation::VGROUP_PORT)) {
        ("", "") => "neither a CLB id nor a mapping is",
        ("", _) => "no CLB id is",
        _ => "no mapping is",
    };
    checked
        .finding(out)
        .annotation(key, text)
        .emit(format!("weight {text} is ignored, for {missing} set: each backend has weight 100"));
}

fn ignored_updates(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) =
        checked.annotations().effective(annotation::IGNORE_WEIGHT_UPDATE)
    else {
        return;
    };
    if backends::ignores_weight_update(checked.service(), checked.version())
        && !checked.annotations().text(annotation::WEIGHT).is_empty()
    {
        checked.finding(out)
            .annotation(key, text)
            .fix(format!("remove {key}"))
            .patch([PatchOp::remove_annotation(key)])
            .emit("while this is on, edits of the weight do nothing: CCM suppresses updates that differ in weight only");
    }
}

fn default_weight(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(found) = checked.annotations().effective(annotation::DEFAULT_WEIGHT) else { return };
    if !checked.version().has(Behaviour::ReadsDefaultWeight) {
        return;
    }
    if let (false, Err(error)) = (found.text.is_empty(), annotation::parse_weight(found.text)) {
        percent_finding(
            checked,
            out,
            found,
            &error,
            "CCM drops every port of this Service without a word, and its backends leave the group",
        );
    }
}

fn backend_type(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let key = annotation::BACKEND_TYPE;
    let Some(text) = checked.annotations().get(key) else { return };
    if text.is_empty() || annotation::BACKEND_TYPES.contains(&text) {
        return;
    }
    let meant = text.trim().to_lowercase();
    let known = annotation::BACKEND_TYPES.contains(&meant.as_str()).then_some(meant);
    let fix = known.as_ref().map_or_else(
        || format!("set {key}: \"eni\" for pods or \"ecs\" for nodes"),
        |meant| format!("set {key}: \"{meant}\""),
    );
    checked
        .finding(out)
        .annotation(key, text)
        .fix(fix)
        .patch(known.map(|meant| PatchOp::set_annotation(key, meant)))
        .emit(format!("{text:?} means nodes to CCM: only exactly \"eni\" means pods"));
}

fn unreadable_annotations(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    for unreadable in
        listener::unreadable_among(checked.service(), checked.known(), checked.version())
    {
        let tidy = readable(checked, &unreadable);
        let listener::UnreadableAnnotation { key, text, problem } = &unreadable;
        let fix = match &tidy {
            Some(tidy) => format!("set {key}: \"{tidy}\""),
            None => format!("correct or remove {key}"),
        };
        checked.finding(out)
            .annotation(key, text)
            .fix(fix)
            .patch(tidy.map(|tidy| PatchOp::set_annotation(key, tidy)))
            .emit(format!("{problem}. CCM fails the whole round: nothing is written, weights and backends freeze"));
    }
}

/// What an unreadable value was meant to be, where CCM can read that: without white space, quotes
/// and empty entries, with colons for equals signs, and with protocols in lower case.
fn readable(
    checked: &CheckedService<'_, '_>,
    listener::UnreadableAnnotation { key, text, .. }: &listener::UnreadableAnnotation,
) -> Option<String> {
    let bare: String = text.chars().filter(|c| !c.is_whitespace() && !"\"'".contains(*c)).collect();
    let entries: Vec<&str> = bare.split(',').filter(|entry| !entry.is_empty()).collect();
    let tidy = entries.join(",");
    let meant = [tidy.to_lowercase(), tidy.replace('=', ":"), tidy];
    let meant = meant.into_iter().rev().filter(|meant| !meant.is_empty() && meant != text);
    let mut service = checked.service().clone();
    meant.into_iter().find(|meant| {
        service.metadata.annotations.set(key, meant);
        let unreadable = listener::unreadable_annotations(&service, checked.version());
        unreadable.iter().all(|other| other.key != *key)
    })
}

fn backend_label(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) =
        checked.annotations().effective(annotation::BACKEND_LABEL)
    else {
        return;
    };
    let problem = match backends::backend_label_error(checked.service()) {
        Some(error) => format!("{error}. CCM fails the whole round"),
        None if text.contains(char::is_whitespace) => {
            "CCM trims nothing, so an entry with a space matches no node, and all nodes leave the group".to_owned()
        }
        None => return,
    };
    let tidy: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let tidy = if tidy.contains('=') { tidy } else { tidy.replace(':', "=") };
    let tidy = tidy.trim_matches(',').to_owned();
    let is_good =
        tidy.split(',').all(|entry| entry.split_once('=').is_some_and(|(k, _)| !k.is_empty()));
    let fix = if is_good {
        format!("set {key}: \"{tidy}\"")
    } else {
        format!("set {key}: \"KEY=VALUE\"")
    };
    checked
        .finding(out)
        .annotation(key, text)
        .fix(fix)
        .patch(is_good.then(|| PatchOp::set_annotation(key, tidy)))
        .emit(problem);
}
