//! CLB306: how many pods are left while a workload replaces them.

use super::{CheckedWorkload, Findings};
use crate::object::{DEFAULT_MIN_REPLICAS, WorkloadKind};

/// Kubernetes' default of `replicas`, also of argo-rollouts and kruise.
const DEFAULT_REPLICAS: u32 = 1;

/// The fewest pods that a workload runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replicas {
    /// As its manifest says.
    Written(u32),
    /// The default, for its manifest leaves the number out.
    LeftOut,
    /// As an autoscaler may leave it.
    Autoscaled(u32),
}

impl Replicas {
    /// `None` for a workload that has no number of replicas, or whose default is not known.
    fn of(checked: &CheckedWorkload<'_, '_>) -> Option<Self> {
        let workload = checked.workload;
        if workload.kind.is_daemon() || workload.kind == WorkloadKind::Pod {
            return None;
        }
        match (workload.replicas, checked.autoscaler_minimum()) {
            // An autoscaler leaves a workload alone that has no replicas.
            (Some(0), _) => Some(Self::Written(0)),
            (_, Some(minimum)) => Some(Self::Autoscaled(minimum.max(DEFAULT_MIN_REPLICAS))),
            (Some(replicas), None) => Some(Self::Written(replicas)),
            (None, None) => (workload.kind != WorkloadKind::Other).then_some(Self::LeftOut),
        }
    }

    fn count(self) -> u32 {
        match self {
            Self::Written(count) | Self::Autoscaled(count) => count,
            Self::LeftOut => DEFAULT_REPLICAS,
        }
    }
}

/// Judges whether a rollout, or the end of a pod, leaves no pod that serves.
pub(super) fn gap(checked: &CheckedWorkload<'_, '_>, out: &mut Findings<'_>) {
    let checked = checked.running();
    let workload = checked.workload;
    let replicas = Replicas::of(&checked);
    let count = replicas.map(Replicas::count);
    if workload.kind == WorkloadKind::Pod || count == Some(0) {
        return;
    }
    let strategy = &workload.strategy;
    // Of one replica, each share is all; that is told by itself.
    let of = count.filter(|count| *count > 1);
    let takes_all = strategy.max_unavailable.as_ref();
    let takes_all = takes_all.filter(|max| strategy.kind != "OnDelete" && max.is_all_of(of));
    if workload.kind == WorkloadKind::Deployment && strategy.kind == "Recreate" {
        checked
            .finding(out)
            .at("spec.strategy.type")
            .value("Recreate")
            .fix("set type: RollingUpdate, and run at least two replicas")
            .emit("a rollout removes all pods before it starts new ones");
    } else if let Some(max) = takes_all {
        checked
            .finding(out)
            .at(max.path)
            .value(max.text.as_str())
            .fix("set maxUnavailable: 1, so that pods are replaced one by one")
            .emit("a rollout may remove all pods at once");
    } else if let (Some(replicas), Some(1)) = (replicas, count) {
        let finding = checked.finding(out).at("spec.replicas");
        let message = match replicas {
            Replicas::Written(_) => "with one replica, nothing serves while its pod moves",
            Replicas::LeftOut => {
                "it has one replica, for none are named: nothing serves while its pod moves"
            }
            Replicas::Autoscaled(_) => {
                "its autoscaler may leave one replica: nothing serves while its pod moves"
            }
        };
        match replicas {
            Replicas::Written(_) => finding.value("1").emit(message),
            Replicas::LeftOut => finding.emit(message),
            Replicas::Autoscaled(_) => finding
                .fix("set minReplicas of its autoscaler to 2 or more, and replace pods one by one")
                .emit(message),
        }
    }
}
