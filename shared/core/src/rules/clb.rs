//! 0xx: whether CCM takes the CLB that a Service names, and what of the Service reaches it.

use super::{
    Check, CheckedService, Evidence, FindingBuilder, Findings, RefusedWrites, Rule, Words,
};
use crate::{
    annotation::{self, EffectiveValue},
    finding::Severity,
    listener,
    patch::PatchOp,
    round::{Failure, Mismatch, NotReusable},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB028",
        severity: Severity::Error,
        also: &[Evidence::ClbApi],
        en: Words {
            title: "no CLB has this id",
            ccm: "Asks the cloud for the CLB by this id, whatever it looks like. The cloud answers InvalidLoadBalancerId.NotFound, and each round fails: nothing is written, no backend is registered.",
            fix: "set the id of the CLB, as the console and aliyun slb DescribeLoadBalancers show it",
        },
        zh: Words {
            title: "CLB 实例 ID 无效或不存在",
            ccm: "不检查 ID 的格式，直接用它查询 CLB 实例。云端返回 InvalidLoadBalancerId.NotFound，每轮调谐都失败：不写入任何内容，也不注册后端服务器。",
            fix: "填写真实的 CLB 实例 ID，可在控制台查看，或执行 aliyun slb DescribeLoadBalancers 查询",
        },
        source: &[
            "CCM 2.14: slb/loadbalancer.go, FindLoadBalancer",
            "CLB documentation: DescribeLoadBalancerAttribute",
        ],
        bad: "…-loadbalancer-id: \"203.0.113.7\", \"${CLB_ID}\", \"rsp-bp1example\", or an id that the CLB API does not know",
        good: "…-loadbalancer-id: \"lb-bp1example\"",
        hides: &["CLB022", "CLB023", "CLB029"],
        refuses: RefusedWrites::Standing,
        check: Check::OnClb(no_such_clb),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB029",
        severity: Severity::Error,
        also: &[Evidence::OldObject, Evidence::ClbApi],
        en: Words {
            title: "CCM refuses this CLB for this Service",
            ccm: "Does not bind a Service that has the address of another CLB, and uses no CLB that it made itself or that the API server has. What the Service wants of a CLB's attributes and the CLB has not, it cannot change. The cloud takes no backend of another VPC. Every round fails.",
            fix: "make a new Service for this CLB",
        },
        zh: Words {
            title: "CCM 不允许该 Service 使用这个 CLB 实例",
            ccm: "Service 已有其他 CLB 实例的地址时，拒绝绑定；CCM 自己创建的和 API Server 使用的 CLB 实例也不能复用。Service 要求的属性与 CLB 实例不符时，CCM 无法修改该属性；CLB 实例与集群不在同一个 VPC 时，后端服务器无法注册。每轮调谐都失败。",
            fix: "为这个 CLB 实例新建 Service",
        },
        source: &[
            "CCM 2.14: model_applier.go, isLoadBalancerReusable",
            "CCM 2.14: loadbalancer.go, Update",
            "ACK documentation: considerations for LoadBalancer Services",
        ],
        bad: "…-loadbalancer-id: \"lb-bp1example\" added to a Service that has an address",
        good: "a new Service with …-loadbalancer-id: \"lb-bp1example\"",
        refuses: RefusedWrites::Standing,
        check: Check::Failures(refused_clb),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB031",
        severity: Severity::Warning,
        en: Words {
            title: "an annotation of listeners has no effect on a reused CLB",
            ccm: "Neither reads nor writes the listeners of a CLB that it did not make, unless force-override-listeners is exactly \"true\". A value that cannot be read fails the round all the same.",
            fix: "set it on the listener itself, and remove the annotation",
        },
        zh: Words {
            title: "监听类注解对复用的 CLB 实例不生效",
            ccm: "复用已有的 CLB 实例时，除非 force-override-listeners 的值恰好是 \"true\"，否则既不读取也不修改监听：调度算法、连接优雅中断、健康检查、会话保持、访问控制、证书等注解都不生效。不过注解值格式有误时，整轮调谐仍会失败。",
            fix: "直接在 CLB 实例的监听上配置，并删除该注解",
        },
        source: &["CCM 2.14: model_applier.go, Apply", "CCM 2.14: listeners.go, BuildLocalModel"],
        bad: "…-loadbalancer-connection-drain: \"on\" beside …-loadbalancer-id and …-loadbalancer-vgroup-port",
        good: "connection draining set on the CLB's listener, in the console or by its API",
        check: Check::OnClb(without_effect),
        ..Rule::DEFAULT
    },
];

fn no_such_clb(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(EffectiveValue { key, text }) = checked.annotations().effective(annotation::ID) else {
        return;
    };
    let Some(problem) = annotation::clb_id_problem(text) else {
        return unknown_to_the_cloud(checked, key, text, out);
    };
    let tidy = annotation::tidy_clb_id(text);
    let fix = match tidy {
        Some(tidy) => format!("set {key}: \"{tidy}\""),
        None => format!(
            "set {key} to the CLB's id, as the console and aliyun slb DescribeLoadBalancers show it"
        ),
    };
    checked
        .finding(out)
        .annotation(key, text)
        .fix(fix)
        .patch(tidy.map(|tidy| PatchOp::set_annotation(key, tidy)))
        .emit(format!("{text:?} is no CLB's id: {problem}. The cloud finds no such CLB, and CCM fails each round: nothing is written"));
}

/// What the CLB API says of an id that may be one.
fn unknown_to_the_cloud(
    checked: &CheckedService<'_, '_>,
    key: &str,
    text: &str,
    out: &mut Findings<'_>,
) {
    checked.note_unread_clb(out);
    let Some(unknown) = checked.unknown_clb() else { return };
    checked
        .finding(out)
        .annotation(key, text)
        .fix(format!(
            "set {key} to the id of a CLB in the cluster's region and account; or, if another account or region was meant, ask there (--clb-profile, --clb-region) or nobody (--no-clb)"
        ))
        .emit(format!(
            "there is no CLB {text:?} in {}: InvalidLoadBalancerId.NotFound. If that is the cluster's region and account, CCM fails each round: nothing is written",
            unknown.place()
        ));
}

fn refused_clb(checked: &CheckedService<'_, '_>, failures: &[Failure], out: &mut Findings<'_>) {
    for failure in failures {
        match failure {
            Failure::NotReusable(why) => not_reusable(checked, why, out),
            Failure::Mismatch(mismatch) => mismatched(checked, mismatch, out),
            Failure::OtherVpc { .. } | Failure::ClbGone(_) | Failure::NoClb(_) => {
                let fate = failure.fate();
                about_the_id(checked, out).emit(format!("{failure}. {fate}"));
            }
            _ => {}
        }
    }
}

/// Begins a finding about the annotation that names the CLB. A Service that names none has the path
/// of its annotations.
fn about_the_id<'f, 'a: 'f>(
    checked: &CheckedService<'_, 'a>,
    out: &'f mut Findings<'_>,
) -> FindingBuilder<'f> {
    let finding = checked.finding(out);
    match checked.annotations().effective(annotation::ID) {
        Some(EffectiveValue { key, text }) => finding.annotation(key, text),
        None => finding.at("metadata.annotations"),
    }
}

fn not_reusable(checked: &CheckedService<'_, '_>, why: &NotReusable, out: &mut Findings<'_>) {
    let failure = Failure::NotReusable(why.clone());
    let fate = failure.fate();
    let finding = about_the_id(checked, out);
    let finding = match why {
        NotReusable::MadeByKubernetes { .. } => finding.fix(
            "make a CLB of your own, in the console or with aliyun slb CreateLoadBalancer, and a new Service for it",
        ),
        NotReusable::OtherAddress { .. } | NotReusable::OtherClb { .. } => finding,
    };
    finding.emit(format!("{failure}. {fate}"));
}

fn mismatched(checked: &CheckedService<'_, '_>, mismatch: &Mismatch, out: &mut Findings<'_>) {
    let fate = Failure::from(mismatch.clone()).fate();
    let annotations = checked.annotations();
    let (suffix, found) = (mismatch.attribute, mismatch.found.as_str());
    if checked.service().needs_clean_up() || annotations.text(suffix) == found {
        // CCM compares at the end of a Service, too, where it wants nothing of the CLB.
        about_the_id(checked, out)
            .fix("set the weight to 0, remove the Service's backends from its groups by hand, and then its finalizer")
            .emit(format!("CCM wants to let go of the Service. {mismatch}. {fate}"));
        return;
    }
    let Some(EffectiveValue { key, text }) = annotations.effective(suffix) else {
        let key = annotations.key_of(suffix);
        about_the_id(checked, out)
            .fix(format!("set {key}: \"{found}\", or use another CLB"))
            .patch([PatchOp::add_annotation(&key, found)])
            .emit(format!("without {suffix} CCM wants {:?}. {mismatch}. {fate}", mismatch.wanted));
        return;
    };
    checked
        .finding(out)
        .annotation(key, text)
        .fix(format!("set {key}: \"{found}\", or use another CLB"))
        .patch([PatchOp::set_annotation(key, found)])
        .emit(format!("{mismatch}. {fate}"));
}

fn without_effect(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let annotations = checked.annotations();
    let overrides = annotations.text(annotation::FORCE_OVERRIDE);
    if overrides == "true" {
        return;
    }
    let unreadable =
        listener::unreadable_among(checked.service(), checked.known(), checked.version());
    for (known, EffectiveValue { key, text }) in checked.known().iter().copied() {
        let is_unreadable = unreadable.iter().any(|bad| bad.key == key);
        if text.is_empty() || is_unreadable || !annotation::is_of_listener(known.suffix) {
            continue;
        }
        let unless = match overrides {
            "" => String::new(),
            other => format!(
                " (force-override-listeners is {other:?}, and only exactly \"true\" counts)"
            ),
        };
        let name = known.suffix.trim_start_matches("loadbalancer-");
        checked
            .finding(out)
            .annotation(key, text)
            .fix(format!(
                "set it on the listener of {} itself, in the console or with aliyun slb SetLoadBalancerTCPListenerAttribute and its like for UDP, HTTP and HTTPS, and remove {key}",
                checked.clb()
            ))
            .patch([PatchOp::remove_annotation(key)])
            .emit(format!(
                "{name} {text:?} has no effect: CCM did not make CLB {}, and leaves its listeners alone{unless}",
                checked.clb()
            ));
    }
}
