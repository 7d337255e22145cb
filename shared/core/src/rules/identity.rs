//! 2xx: whose backend is whose.

use super::{Check, CheckedService, Evidence, Findings, Harms, Rule, Words};
use crate::{finding::Severity, identity::DEFAULT_CLUSTER_ID};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB201",
        severity: Severity::Error,
        evidence: &[Evidence::ClusterId],
        en: Words {
            title: "cluster id is not unique",
            ccm: "Tells its own backends by service, namespace and cluster id alone. Two clusters that agree in all three delete each other's backends, round after round.",
            fix: "give the cluster an id of its own in CCM's cloud-config, or end the Service's name in the cluster's suffix (--cluster-suffix)",
        },
        zh: Words {
            title: "集群 ID 不唯一",
            ccm: "只凭 Service 名称、命名空间和集群 ID 识别自己的后端服务器。三者都相同的两个集群，每轮调谐都会互相删除对方的后端服务器。",
            fix: "在 CCM 的 cloud-config 中为集群设置唯一的 ID，或让 Service 名称以本集群的后缀结尾（--cluster-suffix）",
        },
        source: &[
            "CCM 2.14: vgroups.go, isBackendManagedByMyService",
            "CCM 2.14: metadata.go, CLUSTER_ID",
        ],
        bad: "two self-built clusters without Global.clusterID: both are \"clusterid\"",
        good: "a clusterID of its own in each cluster's cloud-config, or Services named web-a and web-b",
        harms: Harms::Others,
        check: Check::Migrated(not_unique),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB202",
        severity: Severity::Error,
        evidence: &[Evidence::ClusterId],
        en: Words {
            title: "cluster id is malformed",
            ccm: "Writes the id into every description and splits that at '/': with one inside, it does not recognise its own backends, and never updates or removes them.",
            fix: "set an id of at most 40 letters, digits, '-', '.' or '_'",
        },
        zh: Words {
            title: "集群 ID 格式错误",
            ccm: "将集群 ID 写入每条描述，并按 '/' 拆分：ID 中含有 '/' 时，CCM 认不出自己的后端服务器，既不更新也不移除。",
            fix: "设置不超过 40 个字符的 ID，只含字母、数字、'-'、'.' 或 '_'",
        },
        source: &["CCM 2.14: load_balancer.go, LoadVGroupNamedKey"],
        bad: "clusterid: shop/production",
        good: "clusterid: c0123456789abcdef0123456789abcdef",
        harms: Harms::Others,
        check: Check::Migrated(malformed),
        ..Rule::DEFAULT
    },
    Rule {
        id: "CLB203",
        severity: Severity::Error,
        evidence: &[],
        en: Words {
            title: "the name carries another cluster's suffix",
            ccm: "Does not mind; the Service was probably applied to the wrong cluster.",
            fix: "apply it to the other cluster, or rename it",
        },
        zh: Words {
            title: "名称带有其他集群的后缀",
            ccm: "不检查名称；该 Service 很可能部署到了错误的集群。",
            fix: "部署到另一个集群，或改名",
        },
        source: &["CCM 2.14: vgroups.go, isBackendManagedByMyService"],
        bad: "Service web-b in the cluster whose suffix is -a",
        good: "Service web-a in the cluster whose suffix is -a",
        harms: Harms::Others,
        check: Check::Migrated(wrong_suffix),
        ..Rule::DEFAULT
    },
];

/// Longest id that makes sense: ACK's have 33 characters, a UUID has 36.
const LONGEST_ID: usize = 40;

fn has_own_suffix(checked: &CheckedService<'_, '_>) -> bool {
    let suffix = checked.suffix();
    !suffix.is_empty() && checked.service().metadata.name.ends_with(suffix)
}

fn not_unique(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(id) = checked.cluster_id(out) else { return };
    if has_own_suffix(checked) {
        return;
    }
    let problem = if let Some(twin) = checked.other_cluster_with_id(id) {
        format!("cluster id {id:?} is {twin}'s too")
    } else if id == DEFAULT_CLUSTER_ID {
        format!("cluster id {id:?} is what every CCM without an id of its own uses")
    } else {
        return;
    };
    let name = &checked.service().metadata.name;
    checked.finding(out).at("metadata.name").value(name).emit(format!(
        "{problem}: a Service of this name and namespace in another such cluster and this one delete each other's backends"
    ));
}

fn malformed(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let Some(id) = checked.cluster_id(out) else { return };
    let is_known = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let problem = if id.is_empty() {
        "is empty".to_owned()
    } else if let Some(bad) = id.chars().find(|c| !is_known(*c)) {
        format!("contains {bad:?}")
    } else if id.chars().count() > LONGEST_ID {
        format!("has {} characters", id.chars().count())
    } else {
        return;
    };
    checked.finding(out).value(id).emit(format!(
        "cluster id {id:?} {problem}: CCM could not tell its own backends by their description"
    ));
}

fn wrong_suffix(checked: &CheckedService<'_, '_>, out: &mut Findings<'_>) {
    let name = &checked.service().metadata.name;
    if has_own_suffix(checked) {
        return;
    }
    for (other, suffix) in checked.other_suffixes().filter(|(_, suffix)| name.ends_with(suffix)) {
        checked
            .finding(out)
            .at("metadata.name")
            .value(name)
            .emit(format!("the name ends in {suffix:?}, the suffix of {other}"));
    }
}
