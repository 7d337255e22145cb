//! The names that controllers give their pods.

use super::{Workload, WorkloadKind};

/// The characters of random parts of names, and of pod template hashes (Kubernetes 1.36:
/// `apimachinery/pkg/util/rand`).
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";

/// How many random characters end a pod's name, and how long what stands before them can be (Kubernetes
/// 1.36: `apiserver/pkg/storage/names`).
const SUFFIX: usize = 5;
const LONGEST_BASE: usize = 58;

fn is_random(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| RANDOM.contains(c))
}

impl Workload {
    /// Whether a pod of that name may be one that the workload's controller has made. It tells of pods
    /// that are gone. What of a long name was cut is not missed.
    pub fn may_have_made(&self, pod: &str) -> bool {
        let name = self.metadata.name.as_str();
        let after_name = || pod.strip_prefix(name)?.strip_prefix('-').filter(|_| !name.is_empty());
        match self.kind {
            WorkloadKind::Pod => pod == name,
            WorkloadKind::StatefulSet | WorkloadKind::AdvancedStatefulSet => after_name()
                .is_some_and(|part| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit())),
            WorkloadKind::Deployment | WorkloadKind::Rollout => has_generated_name(pod, |base| {
                let hash = base.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
                let is_whole = hash.and_then(|hash| hash.strip_suffix('-')).is_some_and(is_random);
                is_whole || is_cut(base, &format!("{name}-"))
            }),
            _ => has_generated_name(pod, |base| {
                base.strip_prefix(name) == Some("-") || is_cut(base, &format!("{name}-"))
            }),
        }
    }
}

/// Whether a name is a base of which `is_base` holds, with a random suffix.
fn has_generated_name(name: &str, is_base: impl Fn(&str) -> bool) -> bool {
    let at = name.len().checked_sub(SUFFIX);
    let parts = at.and_then(|at| name.split_at_checked(at));
    parts.is_some_and(|(base, suffix)| is_random(suffix) && is_base(base))
}

/// Whether a base is as long as can be, and agrees with what it would begin with.
fn is_cut(base: &str, start: &str) -> bool {
    base.len() == LONGEST_BASE && (base.starts_with(start) || start.starts_with(base))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn workload(kind: WorkloadKind, name: &str) -> Workload {
        let object = json!({"metadata": {"name": name}, "spec": {}});
        Workload::deserialize(kind, object).expect("a workload")
    }

    #[rstest]
    #[case(WorkloadKind::Deployment, "web", "web-7d4b8c9f5-x2x4z", true)]
    #[case(WorkloadKind::Deployment, "web", "web-a-7d4b8c9f5-x2x4z", false)]
    #[case(WorkloadKind::Deployment, "web-7d4b8c9f5", "web-7d4b8c9f5-x2x4z", false)]
    #[case(WorkloadKind::Deployment, "web", "web-7d4b8c9f5-x2x4a", false)]
    #[case(WorkloadKind::Deployment, "web", "web-x2x4z", false)]
    #[case(WorkloadKind::Deployment, "web", "web", false)]
    #[case(WorkloadKind::Deployment, "web", "é", false)]
    #[case(WorkloadKind::Rollout, "web", "web-7d4b8c9f5-x2x4z", true)]
    #[case(WorkloadKind::StatefulSet, "web", "web-12", true)]
    #[case(WorkloadKind::StatefulSet, "web", "web-", false)]
    #[case(WorkloadKind::StatefulSet, "web", "web-a-1", false)]
    #[case(WorkloadKind::AdvancedStatefulSet, "web", "web-0", true)]
    #[case(WorkloadKind::DaemonSet, "web", "web-x2x4z", true)]
    #[case(WorkloadKind::DaemonSet, "web", "web-7d4b8c9f5-x2x4z", false)]
    #[case(WorkloadKind::CloneSet, "web", "web-x2x4z", true)]
    #[case(WorkloadKind::Pod, "web", "web", true)]
    #[case(WorkloadKind::Pod, "web", "web-0", false)]
    fn a_pod_is_known_by_its_name(
        #[case] kind: WorkloadKind,
        #[case] name: &str,
        #[case] pod: &str,
        #[case] is: bool,
    ) {
        assert_eq!(workload(kind, name).may_have_made(pod), is);
    }

    #[rstest]
    #[case::in_the_hash(50, true)]
    #[case::in_the_name(60, true)]
    fn a_name_that_was_cut_is_known_by_what_is_left(#[case] length: usize, #[case] is: bool) {
        let name = "n".repeat(length);
        let base = format!("{name}-7d4b8c9f5-")[..LONGEST_BASE].to_owned();
        let deployment = workload(WorkloadKind::Deployment, &name);
        assert_eq!(deployment.may_have_made(&format!("{base}x2x4z")), is);
        assert!(!deployment.may_have_made(&format!("{}x2x4z", &base[1..])));
        assert!(!deployment.may_have_made(&format!("m{}x2x4z", &base[1..])));
    }
}
