//! The labels that pods carry: those of their template, and those that their controller adds.

use super::{
    Labels, Service, Workload, WorkloadKind,
    controller::{POD_TEMPLATE_HASH, ROLLOUT_HASH},
};

/// The labels of a workload's pods, as far as the workload tells them.
#[derive(Debug, Clone, Copy)]
pub struct PodLabels<'a> {
    kind: WorkloadKind,
    /// The workload's name; empty where the API server is still to make one up.
    name: &'a str,
    template: &'a Labels,
    /// Labels that some of the pods carry for a time.
    temporary: &'a [(String, String)],
}

/// What a controller writes as the value of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Something that the workload does not tell.
    Any,
    /// A number from 0 on.
    Ordinal,
    /// The workload's name, a dash and a number: the pod's name.
    NameAndOrdinal,
    /// The workload's name, a dash and something that the workload does not tell.
    NameAndHash,
}

/// A label that the controllers of some kinds add to their pods.
struct AddedLabel {
    key: &'static str,
    by: &'static [WorkloadKind],
    value: Value,
}

const fn added(key: &'static str, by: &'static [WorkloadKind], value: Value) -> AddedLabel {
    AddedLabel { key, by, value }
}

/// The labels that controllers add (Kubernetes 1.36: `stateful_set_utils.go`, `daemon/update.go`,
/// `deployment/sync.go`; argo-rollouts 1.8: `DefaultRolloutUniqueLabelKey`; kruise 1.8:
/// `cloneset/utils`, `pub/lifecycle.go`; kruise rollouts 0.6: `RolloutIDLabel`).
const ADDED: [AddedLabel; 12] = {
    use WorkloadKind::{
        AdvancedDaemonSet, AdvancedStatefulSet, CloneSet, DaemonSet, Deployment, Rollout,
        StatefulSet,
    };
    const STATEFUL: &[WorkloadKind] = &[StatefulSet, AdvancedStatefulSet];
    const DAEMONS: &[WorkloadKind] = &[DaemonSet, AdvancedDaemonSet];
    const OF_KRUISE: &[WorkloadKind] = &[CloneSet, AdvancedStatefulSet, AdvancedDaemonSet];
    const ROLLED_OUT: &[WorkloadKind] =
        &[Deployment, StatefulSet, DaemonSet, CloneSet, AdvancedStatefulSet, AdvancedDaemonSet];
    const REVISION_HASH: &str = "controller-revision-hash";
    [
        added(POD_TEMPLATE_HASH, &[Deployment, CloneSet], Value::Any),
        // A Rollout may take its template from a Deployment.
        added(ROLLOUT_HASH, &[Rollout, Deployment], Value::Any),
        added("statefulset.kubernetes.io/pod-name", STATEFUL, Value::NameAndOrdinal),
        added("apps.kubernetes.io/pod-index", STATEFUL, Value::Ordinal),
        added(REVISION_HASH, STATEFUL, Value::NameAndHash),
        added(REVISION_HASH, DAEMONS, Value::Any),
        added(REVISION_HASH, &[CloneSet], Value::Any),
        added("pod-template-generation", DAEMONS, Value::Ordinal),
        added("apps.kruise.io/cloneset-instance-id", &[CloneSet], Value::Any),
        added("lifecycle.apps.kruise.io/state", OF_KRUISE, Value::Any),
        added("rollouts.kruise.io/rollout-id", ROLLED_OUT, Value::Any),
        added("rollouts.kruise.io/rollout-batch-id", ROLLED_OUT, Value::Any),
    ]
};

/// Whether the controller of a workload may write that label on a pod.
fn may_be_added(kind: WorkloadKind, name: &str, key: &str, value: &str) -> bool {
    let mut of_key = ADDED.iter().filter(|label| label.key == key);
    of_key.any(|label| label.by.contains(&kind) && label.value.may_be(value, name))
}

impl Value {
    /// Whether the controller of a workload of that name may write `text`.
    fn may_be(self, text: &str, name: &str) -> bool {
        let of_name = || text.strip_prefix(name)?.strip_prefix('-').filter(|_| !name.is_empty());
        match self {
            Self::Any => true,
            Self::Ordinal => is_ordinal(text),
            Self::NameAndOrdinal => of_name().is_some_and(is_ordinal),
            Self::NameAndHash => of_name().is_some_and(|hash| !hash.is_empty()),
        }
    }
}

/// Whether a text is a number as controllers write it.
fn is_ordinal(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (text == "0" || !text.starts_with('0'))
}

impl<'a> PodLabels<'a> {
    /// The labels of the pods of a workload that has this kind, name and labels in its template.
    pub fn new(kind: WorkloadKind, name: &'a str, template: &'a Labels) -> Self {
        Self { kind, name, template, temporary: &[] }
    }

    /// The labels that the workload itself names, as `(key, value)`. A Service that selects any of
    /// its pods by another label does so by one that a controller adds.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let temporary = self.temporary.iter().map(|(key, value)| (key, value));
        self.template.iter().chain(temporary).map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether a pod may carry that label.
    fn may_hold(self, key: &str, value: &str) -> bool {
        self.template.get(key).is_some_and(|known| known == value)
            || self.temporary.iter().any(|(known, text)| known == key && text == value)
            || may_be_added(self.kind, self.name, key, value)
    }
}

impl Workload {
    /// The labels of its pods.
    pub fn pod_labels(&self) -> PodLabels<'_> {
        let template = match self.kind {
            WorkloadKind::Pod => &self.metadata.labels,
            _ => &self.template.metadata.labels,
        };
        let temporary = self.strategy.temporary_labels.as_slice();
        PodLabels { temporary, ..PodLabels::new(self.kind, &self.metadata.name, template) }
    }

    /// Whether a Service that selects pods of it selects all of them: by labels that its template has,
    /// and none that its controller adds.
    pub fn is_wholly_selected_by(&self, service: &Service) -> bool {
        let template = self.pod_labels().template;
        let is_common = |(key, value): (&String, &String)| template.get(key) == Some(value);
        service.spec.selector.iter().all(is_common)
    }

    /// How many of its pods stand behind a Service that selects some: all, or at least one of them;
    /// `None` where their number is not known.
    pub fn replicas_behind(&self, service: &Service) -> Option<u32> {
        let is_whole = self.is_wholly_selected_by(service);
        self.replicas.map(|replicas| if is_whole { replicas } else { replicas.min(1) })
    }
}

impl Service {
    /// Whether the selector may match some of the pods that carry these labels. An empty one matches
    /// none.
    pub fn selects_pods(&self, labels: PodLabels<'_>) -> bool {
        let selector = &self.spec.selector;
        !selector.is_empty() && selector.iter().all(|(key, value)| labels.may_hold(key, value))
    }

    /// The pairs of the selector by which to look for the Service among the pairs of pods' labels
    /// ([`PodLabels::pairs`]): all but those that a controller may have added.
    pub fn lookup_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.spec.selector.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        pairs.filter(|(key, _)| !ADDED.iter().any(|label| label.key == *key))
    }

    /// Whether no pod can be selected by both Services: they want different values of one label.
    pub fn excludes_pods_of(&self, other: &Self) -> bool {
        let others = &other.spec.selector;
        let differs =
            |(key, value): (&String, &String)| others.get(key).is_some_and(|v| v != value);
        self.spec.selector.iter().any(differs)
    }
}
