//! 0xx: annotation keys, and where they stand.

use super::{AnyObject, Check, CheckedService, Evidence, Findings, Rule, Words};
use crate::{
    annotation::{self, EffectiveValue, LEGACY_PREFIX, PREFIX},
    finding::Severity,
    outcome::unread_annotations,
    patch::PatchOp,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB009",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "both prefixes are set with different values",
            ccm: "Reads the key with the new prefix as soon as it exists, even with an empty value, and ignores the old one.",
            fix: "remove the key with the old prefix",
        },
        zh: Words {
            title: "新旧前缀的同名注解取值不同",
            ccm: "只要存在新前缀的注解，即使值为空，也以它为准，旧前缀的注解被忽略。",
            fix: "删除旧前缀的注解",
        },
        source: &["CCM 2.14: annotations.go, Get"],
        bad: "…/alibaba-cloud-loadbalancer-weight: \"20\" and …/alicloud-loadbalancer-weight: \"80\"",
        good: "only …/alibaba-cloud-loadbalancer-weight",
        check: Check::Candidate(two_prefixes),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB015",
        severity: Severity::Warning,
        evidence: &[],
        en: Words {
            title: "annotation changes the shared CLB itself",
            ccm: "Applies name, spec, tags, protection and charge to the CLB, whoever else uses it; tags of others are removed.",
            fix: "remove the annotation and set the property on the CLB itself",
        },
        zh: Words {
            title: "注解会修改共享的 CLB 实例",
            ccm: "名称、规格、标签、保护和计费设置直接应用到 CLB 实例，不管还有谁在使用；其他人的标签会被移除。",
            fix: "删除该注解，在 CLB 实例上直接设置",
        },
        source: &["CCM 2.14: loadbalancer.go, Update"],
        bad: "…-loadbalancer-name: \"shop\" on a Service that reuses a CLB",
        good: "set these in the CLB console",
        check: Check::OnClb(shared_clb),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB018",
        severity: Severity::Warning,
        evidence: &[],
        en: Words {
            title: "unknown annotation, close to a known one",
            ccm: "Does not read it, and says nothing.",
            fix: "check the key against the documentation of your CCM",
        },
        zh: Words {
            title: "未知注解，与已知注解相近",
            ccm: "不读取该注解，也不给出任何提示。",
            fix: "对照所用 CCM 版本的文档检查注解名",
        },
        source: &["CCM 2.14: annotations.go"],
        bad: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-wieght: \"20\"",
        good: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"20\"",
        check: Check::Candidate(unknown_key),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB021",
        severity: Severity::Warning,
        evidence: &[],
        en: Words {
            title: "CCM's Service annotation where nobody reads it",
            ccm: "Reads metadata.annotations of Services only.",
            fix: "move the annotation to metadata.annotations of the Service",
        },
        zh: Words {
            title: "CCM 的 Service 注解写在了无人读取的位置",
            ccm: "只读取 Service 的 metadata.annotations。",
            fix: "将注解移到 Service 的 metadata.annotations 下",
        },
        source: &["CCM 2.14: annotations.go, Get"],
        bad: "…-loadbalancer-id under spec, on a Deployment, or in its pod template",
        good: "…-loadbalancer-id under metadata.annotations of the Service",
        check: Check::Object(misplaced),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB032",
        severity: Severity::Warning,
        evidence: &[],
        also: &[Evidence::OldObject],
        en: Words {
            title: "CLB annotations on a Service that is no load balancer",
            ccm: "Does not look at a Service of another type, whatever its annotations.",
            fix: "set type: LoadBalancer, or remove the annotation",
        },
        zh: Words {
            title: "非 LoadBalancer 类型的 Service 带有 CLB 注解",
            ccm: "不处理其他类型的 Service，无论带有什么注解。",
            fix: "设置 type: LoadBalancer，或删除该注解",
        },
        source: &["CCM 2.14: service_utils.go, NeedCLB"],
        bad: "type: ClusterIP with …-loadbalancer-weight: \"20\"",
        good: "type: LoadBalancer",
        check: Check::OtherType(no_load_balancer),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB027",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "annotation value is not a string",
            ccm: "Never sees it: the API server refuses the object.",
            fix: "put the value in quotes",
        },
        zh: Words {
            title: "注解的值不是字符串",
            ccm: "看不到该对象：API Server 拒绝接收。",
            fix: "给值加上引号",
        },
        source: &["Kubernetes: API reference, ObjectMeta, annotations"],
        bad: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: 80",
        good: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"80\"",
        check: Check::Object(not_a_string),
        ..Rule::DEFAULT
    },
];

fn two_prefixes(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    for (old_key, old) in checked.annotations().iter() {
        let Some(suffix) = old_key.strip_prefix(LEGACY_PREFIX) else { continue };
        let new_key = format!("{PREFIX}{suffix}");
        let Some(new) = checked.annotations().get(&new_key).filter(|new| *new != old) else {
            continue;
        };
        checked
            .finding(out)
            .annotation(old_key, old)
            .fix(format!("remove {old_key}, or set both to the same value"))
            .patch([PatchOp::remove_annotation(old_key)])
            .emit(format!("{old:?} is not read: {new_key} is set too, to {new:?}, and wins"));
    }
}

fn shared_clb(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    for (known, EffectiveValue { key, text }) in checked.known().iter().copied() {
        if known.kind.changes_clb() && !text.is_empty() {
            checked
                .finding(out)
                .annotation(key, text)
                .fix(format!("remove {key} and set it on the CLB itself"))
                .patch([PatchOp::remove_annotation(key)])
                .emit(format!(
                    "CCM applies this to CLB {} itself, whoever else uses it",
                    checked.clb()
                ));
        }
    }
}

fn unknown_key(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let annotations = checked.annotations();
    for (key, value) in annotations.iter() {
        if let Some(meant) = annotation::nearest_known_key(key) {
            let is_there = annotation::suffix_of(&meant).map_or_else(
                || annotations.get(&meant).is_some(),
                |suffix| annotations.effective(suffix).is_some(),
            );
            let add = (!is_there).then(|| PatchOp::add_annotation(&meant, value));
            checked
                .finding(out)
                .annotation(key, value)
                .fix(if is_there {
                    format!("remove {key}; {meant} is set already")
                } else {
                    format!("write {meant}: {value:?}")
                })
                .patch([PatchOp::remove_annotation(key)].into_iter().chain(add))
                .emit(format!("CCM does not read this key; {meant} was probably meant"));
        } else if is_unknown(key) {
            checked
                .finding(out)
                .annotation(key, value)
                .severity(Severity::Info)
                .emit("CCM 2.14 does not know this key; a newer CCM may");
        }
    }
}

fn is_unknown(key: &str) -> bool {
    annotation::suffix_of(key).is_some_and(|suffix| {
        suffix != annotation::VGROUP_IDS && annotation::find_known(suffix).is_none()
    })
}

/// Kinds whose annotations people take for a Service's.
const WORKLOADS: [&str; 8] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Pod",
    "Job",
    "CronJob",
    "ReplicaSet",
    "ReplicationController",
];

fn no_load_balancer(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let unread = unread_annotations(checked.old(), checked.service(), checked.version());
    let kind = checked.service().spec.kind.as_deref().unwrap_or("ClusterIP");
    for (key, _) in unread {
        let value = checked.annotations().get(&key).unwrap_or_default();
        checked.finding(out).annotation(&key, value).emit(format!(
            "nobody reads this key: the Service has type {kind}, and CCM looks at LoadBalancer alone"
        ));
    }
}

fn misplaced(any: &AnyObject<'_>, out: &mut Findings<'_>) {
    let of_workload = WORKLOADS.contains(&any.object.kind.as_str());
    let own = of_workload.then_some(("metadata.annotations", &any.meta.annotations));
    for (path, annotations) in own.into_iter().chain(any.misplaced) {
        for key in annotations.keys().filter(|key| is_ccms(key)) {
            let value = annotations.get(key).unwrap_or_default();
            out.finding(any.meta, any.object.clone())
                .at(format!("{path}[{key}]"))
                .value(value)
                .fix(format!("move {key} to metadata.annotations of the Service"))
                .emit(format!("nobody reads this key under {path} of a {}", any.object.kind));
        }
    }
}

fn is_ccms(key: &str) -> bool {
    annotation::suffix_of(key).is_some() || key == annotation::BACKEND_TYPE
}

fn not_a_string(any: &AnyObject<'_>, out: &mut Findings<'_>) {
    let own = ("metadata.annotations", &any.meta.annotations);
    for (path, annotations) in [own].into_iter().chain(any.misplaced) {
        for (key, value) in annotations.not_strings() {
            let quoted = match value {
                serde_json::Value::Number(number) if !number.is_f64() => Some(number.to_string()),
                serde_json::Value::Bool(switch) => Some(switch_word(key, *switch).to_owned()),
                _ => None,
            };
            let fix = match &quoted {
                Some(text) => format!("write {key}: \"{text}\""),
                None => format!("put the value of {key} in quotes"),
            };
            let pointer = format!(
                "/{}/{}",
                path.replace('.', "/"),
                key.replace('~', "~0").replace('/', "~1")
            );
            let patch = quoted.map(|text| PatchOp::Replace { path: pointer, value: text.into() });
            out.finding(any.meta, any.object.clone())
                .at(format!("{path}[{key}]"))
                .value(value.to_string())
                .fix(fix)
                .patch(patch)
                .emit(format!("{value} is not a string, and the API server refuses the object"));
        }
    }
}

/// The word an unquoted `on` or `true` stood for: YAML takes them for the same.
fn switch_word(key: &str, switch: bool) -> &'static str {
    let is_boolean =
        key.ends_with(annotation::FORCE_OVERRIDE) || annotation::suffix_of(key).is_none();
    match (is_boolean, switch) {
        (true, true) => "true",
        (true, false) => "false",
        (false, true) => "on",
        (false, false) => "off",
    }
}
