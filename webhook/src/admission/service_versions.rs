//! The two versions of a Service under review, judged beside its neighbours.

use std::sync::{Arc, LazyLock};

use clbmigrate_core::{
    annotation,
    change::ServiceChange,
    finding::Report,
    index::{Index, ServiceRef},
    object::{ObjectRef, Service},
    prediction::Prediction,
    rules::{self, AtReview, ChangeSet, Evidence, Rule},
    snapshot::{Cluster, Snapshot},
};

use super::{
    context::{Neighbours, ReviewContext},
    decision::{AdmissionDecision, Remark},
    ratcheting::{self, OldVersion},
};
use crate::{
    config::{Config, Mode},
    rights::speaks_at_review,
};

/// A Service before and after the change. On CREATE there is no old version, on DELETE no new one.
pub(super) struct ServiceVersions {
    pub old: Option<Arc<Service>>,
    pub new: Option<Arc<Service>>,
    /// Whether the change may bind the Service to other workloads or vServer groups, or bind it in
    /// another way. Only then are findings on workloads reported: an edit of the weight is not the moment.
    pub changes_binding: bool,
}

/// The decision on a change, and whether more evidence could alter it.
pub(super) struct Evaluation {
    pub decision: AdmissionDecision,
    /// Whether a rule that could deny the change was silent for want of the EndpointSlices.
    pub needs_slices: bool,
}

impl ServiceVersions {
    /// The versions before and after; at least one of them.
    pub fn new(old: Option<Arc<Service>>, new: Option<Arc<Service>>) -> Self {
        let changes_binding = match (&old, &new) {
            (Some(old), Some(new)) => {
                let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
                let differs = |suffix| was.text(suffix) != is.text(suffix);
                old.spec != new.spec
                    || differs(annotation::ID)
                    || differs(annotation::VGROUP_PORT)
                    || backend_type(old) != backend_type(new)
            }
            (_, new) => new.is_some(),
        };
        Self { old, new, changes_binding }
    }

    /// The versions that there are, the old one first.
    pub fn all(&self) -> impl Iterator<Item = &Service> {
        self.old.iter().chain(&self.new).map(Arc::as_ref)
    }

    /// The versions that may be bound to different groups: the old one counts only where the change
    /// may bind the Service anew, or deletes it.
    pub fn with_own_bindings(&self) -> impl Iterator<Item = &Service> {
        let old = self.old.as_deref().filter(|_| self.new.is_none() || self.changes_binding);
        old.into_iter().chain(self.new.as_deref())
    }

    /// The Service's name; empty where it is still to be made up.
    pub fn name(&self) -> &str {
        self.all().last().map_or("", |service| &service.metadata.name)
    }

    /// How messages name the Service: `Service shop/web`.
    pub fn label(&self) -> String {
        let meta = self.all().last().map(|service| &service.metadata);
        let (namespace, name) = meta.map_or(("", ""), |meta| (meta.namespace(), &meta.name));
        let name = if name.is_empty() { "(new)" } else { name };
        format!("Service {namespace}/{name}")
    }

    /// Whether `other` is a version of this Service.
    fn is_version_of_this(&self, other: &Service) -> bool {
        self.all().any(|own| {
            own.metadata.name == other.metadata.name
                && own.metadata.namespace == other.metadata.namespace
        })
    }

    /// Runs the rules over the change, and over the old version where the change would be denied.
    pub fn evaluate(&self, context: ReviewContext<'_>, neighbours: &Neighbours) -> Evaluation {
        let mut neighbours = neighbours.clone();
        neighbours.services.retain(|neighbour| !self.is_version_of_this(neighbour));
        let snapshots = [&self.old, &self.new]
            .map(|it| context.snapshot_with_service(it.as_ref(), &neighbours));
        let [before, after] = snapshots.each_ref().map(Index::new);
        let find =
            |snapshot, service: &Option<Arc<Service>>| service_ref(snapshot, service.as_deref()?);
        let (old, new) = (find(before.snapshot, &self.old), find(after.snapshot, &self.new));
        let Some(service) = new.or(old) else {
            return Evaluation { decision: AdmissionDecision::default(), needs_slices: false };
        };
        let changes = [ServiceChange {
            object: service.service.object_ref(None),
            cluster: service.cluster_index,
            old: old.map(|old| old.service),
            new: new.map(|new| new.service),
        }];
        let prediction = Prediction::for_rules(&before, &after, &changes);
        let change = ChangeSet { before: &before, services: &changes, prediction: &prediction };
        let report = match new {
            Some(service) => rules::check_service(&after, Some(change), service),
            None => rules::check_removed(&after, change),
        };
        let namespace = service.service.metadata.namespace();
        let [ServiceChange { object, .. }] = &changes;
        let old = old.map(|old| OldVersion::new(&before, old));
        self.decide(report, context.config, namespace, object, old.as_ref())
    }

    fn decide(
        &self,
        report: Report,
        config: &Config,
        namespace: &str,
        object: &ObjectRef,
        old_version: Option<&OldVersion<'_, '_>>,
    ) -> Evaluation {
        let only_lowers_weight = match (&self.old, &self.new) {
            (Some(old), Some(new)) => ratcheting::only_lowers_weight(old, new),
            _ => false,
        };
        let may_deny = |rule: &Rule| {
            rule.at_review == AtReview::ByMode
                && config.mode(rule, rule.severity, namespace) == Mode::Deny
        };
        let mut silent = report.not_looked.iter().flat_map(|missing| &missing.rules);
        let needs_slices = !only_lowers_weight
            && silent.any(|id| slices_rules().any(|rule| rule.id == *id && may_deny(rule)));
        let mut decision = AdmissionDecision::new(report.findings, config, namespace, |reviewed| {
            reviewed == object
        });
        if let (Some(old), Some(new)) = (old_version, &self.new) {
            if only_lowers_weight {
                decision.downgrade_denials(|_| Some(Remark::LowersWeight));
            } else {
                decision.downgrade_denials(|finding| old.excuse(finding, new));
            }
        }
        Evaluation { decision, needs_slices }
    }
}

/// The rules that are silent here without the EndpointSlices.
fn slices_rules() -> impl Iterator<Item = &'static Rule> {
    static RULES: LazyLock<Vec<&Rule>> = LazyLock::new(|| {
        let needing = |rule: &&Rule| rule.needs(Evidence::Endpoints) && speaks_at_review(rule);
        rules::catalogue().filter(needing).collect()
    });
    RULES.iter().copied()
}

fn backend_type(service: &Service) -> Option<&str> {
    service.metadata.annotations.get(annotation::BACKEND_TYPE)
}

/// The reference to a Service in the small snapshot that was made for it.
fn service_ref<'w>(world: &'w Snapshot, service: &Service) -> Option<ServiceRef<'w>> {
    let cluster: &Cluster = world.clusters.first()?;
    let service = cluster.services().find(|candidate| std::ptr::eq(*candidate, service))?;
    Some(ServiceRef { cluster_index: 0, cluster, service })
}
