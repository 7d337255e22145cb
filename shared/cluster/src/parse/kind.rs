use clbmigrate_core::object::WorkloadKind;

/// The kinds of objects that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Node,
    EndpointSlice,
    Pod,
    Workload(WorkloadKind),
    Autoscaler,
    Namespace,
    ConfigMap,
    MutatingWebhookConfiguration,
    /// A kind that is not used.
    Other,
}

impl Kind {
    /// The kind of this name in the API group of `apiVersion`, or of this name alone without one.
    pub fn of(api_version: Option<&str>, kind: &str) -> Self {
        if let Some(kind) = WorkloadKind::of(api_version.map(group_of), kind) {
            return if kind == WorkloadKind::Pod { Self::Pod } else { Self::Workload(kind) };
        }
        let known = Self::named(kind);
        let groups: &[&str] = match known {
            Self::Service | Self::Node | Self::Namespace | Self::ConfigMap => &[""],
            Self::EndpointSlice => &["discovery.k8s.io"],
            Self::Autoscaler => &["autoscaling"],
            Self::MutatingWebhookConfiguration => &["admissionregistration.k8s.io"],
            Self::Pod | Self::Workload(_) | Self::Other => return Self::Other,
        };
        match api_version {
            Some(version) if !groups.contains(&group_of(version)) => Self::Other,
            _ => known,
        }
    }

    /// The kind of this name in the API group that has it here.
    fn named(kind: &str) -> Self {
        if let Some(kind) = WorkloadKind::of(None, kind) {
            return if kind == WorkloadKind::Pod { Self::Pod } else { Self::Workload(kind) };
        }
        match kind {
            "Service" => Self::Service,
            "Node" => Self::Node,
            "EndpointSlice" => Self::EndpointSlice,
            "HorizontalPodAutoscaler" => Self::Autoscaler,
            "Namespace" => Self::Namespace,
            "ConfigMap" => Self::ConfigMap,
            "MutatingWebhookConfiguration" => Self::MutatingWebhookConfiguration,
            _ => Self::Other,
        }
    }

    /// Whether no kind that is told apart has this name, in any API group.
    pub fn is_foreign(kind: &str) -> bool {
        Self::named(kind) == Self::Other
    }

    /// The name of a kind that is skipped, with its API group where the name is that of a known
    /// kind.
    pub fn label(api_version: Option<&str>, kind: &str) -> String {
        match api_version {
            Some(version) if Self::of(api_version, kind) != Self::named(kind) => {
                format!("{kind}.{}", group_of(version)).trim_end_matches('.').to_owned()
            }
            _ => kind.to_owned(),
        }
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::core(Some("v1"), "Service", Kind::Service)]
    #[case::without_version(None, "Service", Kind::Service)]
    #[case::foreign(Some("serving.knative.dev/v1"), "Service", Kind::Other)]
    #[case::slice(Some("discovery.k8s.io/v1beta1"), "EndpointSlice", Kind::EndpointSlice)]
    #[case::old(Some("extensions/v1beta1"), "Deployment", Kind::Workload(WorkloadKind::Deployment))]
    #[case::scaler(Some("autoscaling/v2"), "HorizontalPodAutoscaler", Kind::Autoscaler)]
    #[case::rollout(Some("argoproj.io/v1alpha1"), "Rollout", Kind::Workload(WorkloadKind::Rollout))]
    #[case::rollout_of_kruise(Some("rollouts.kruise.io/v1beta1"), "Rollout", Kind::Other)]
    #[case::clone_set(
        Some("apps.kruise.io/v1alpha1"),
        "CloneSet",
        Kind::Workload(WorkloadKind::CloneSet)
    )]
    #[case::advanced_stateful_set(
        Some("apps.kruise.io/v1beta1"),
        "StatefulSet",
        Kind::Workload(WorkloadKind::AdvancedStatefulSet)
    )]
    #[case::advanced_daemon_set(
        Some("apps.kruise.io/v1alpha1"),
        "DaemonSet",
        Kind::Workload(WorkloadKind::AdvancedDaemonSet)
    )]
    #[case::pod(Some("v1"), "Pod", Kind::Pod)]
    #[case::pod_of_another_group(Some("example.com/v1"), "Pod", Kind::Other)]
    #[case::unknown(Some("v1"), "Secret", Kind::Other)]
    fn a_kind_is_told_by_name_and_group(
        #[case] api_version: Option<&str>,
        #[case] kind: &str,
        #[case] expected: Kind,
    ) {
        assert_eq!(Kind::of(api_version, kind), expected);
    }

    #[test]
    fn a_skipped_kind_shows_its_group_only_where_the_name_would_mislead() {
        assert_eq!(
            Kind::label(Some("serving.knative.dev/v1"), "Service"),
            "Service.serving.knative.dev"
        );
        assert_eq!(Kind::label(Some("batch/v1"), "Job"), "Job");
        assert_eq!(Kind::label(Some("v1"), "Deployment"), "Deployment");
    }
}
