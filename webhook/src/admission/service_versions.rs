//! A Service before and after, judged in its neighbourhood.

use std::sync::Arc;

use clbmigrate_core::{
    annotation,
    change::ServiceChange,
    finding::Report,
    index::{Index, ServiceRef},
    object::{ObjectRef, Service},
    prediction::Prediction,
    rules::{self, ChangeSet},
    snapshot::{Cluster, Snapshot},
};

use super::{
    ratchet,
    ruling::Rulings,
    scene::{Around, Ground},
};
use crate::config::{Config, Mode};

/// The rule that asks for EndpointSlices before it refuses.
const EMPTIED: &str = "CLB412";

/// A Service, before and after; at least one of them.
pub(super) struct Pair {
    pub old: Option<Arc<Service>>,
    pub new: Option<Arc<Service>>,
    /// Whether it begins to rule over workloads or groups that it did not before, or in another way.
    /// Only then is something said of workloads: an edit of the weight is not the moment.
    pub is_bound_anew: bool,
}

/// What was made of a pair.
pub(super) struct Judged {
    pub rulings: Rulings,
    /// Whether a rule that may refuse it has to see the EndpointSlices first.
    pub wants_slices: bool,
}

impl Pair {
    /// The two versions.
    pub fn new(old: Option<Arc<Service>>, new: Option<Arc<Service>>) -> Self {
        let is_bound_anew = match (&old, &new) {
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
        Self { old, new, is_bound_anew }
    }

    /// Both versions that there are.
    pub fn both(&self) -> impl Iterator<Item = &Service> {
        self.old.iter().chain(&self.new).map(Arc::as_ref)
    }

    /// The versions that may be bound to different groups.
    pub fn bound(&self) -> impl Iterator<Item = &Service> {
        let old = self.old.as_deref().filter(|_| self.new.is_none() || self.is_bound_anew);
        old.into_iter().chain(self.new.as_deref())
    }

    /// The Service's name in messages.
    pub fn label(&self) -> String {
        let meta = self.both().last().map(|service| &service.metadata);
        let (namespace, name) = meta.map_or(("", ""), |meta| (meta.namespace(), &meta.name));
        let name = if name.is_empty() { "(new)" } else { name };
        format!("Service {namespace}/{name}")
    }

    /// Whether `other` is a version of this Service.
    fn is(&self, other: &Service) -> bool {
        self.both().any(|own| {
            own.metadata.name == other.metadata.name
                && own.metadata.namespace == other.metadata.namespace
        })
    }

    /// Runs the rules over the change, and those over the old version as far as there is something to
    /// excuse.
    pub fn judge(&self, ground: Ground<'_>, around: &Around) -> Judged {
        let mut around = around.clone();
        around.services.retain(|neighbour| !self.is(neighbour));
        let snapshots = [&self.old, &self.new].map(|it| ground.with_service(it.as_ref(), &around));
        let [before, after] = snapshots.each_ref().map(Index::new);
        let at_home = |snapshot, service: &Option<Arc<Service>>| {
            service_ref_of(snapshot, service.as_deref()?)
        };
        let (old, new) = (at_home(before.snapshot, &self.old), at_home(after.snapshot, &self.new));
        let Some(service_ref) = new.or(old) else {
            return Judged { rulings: Rulings::default(), wants_slices: false };
        };
        let changes = [ServiceChange {
            object: service_ref.service.object_ref(None),
            cluster: service_ref.cluster_index,
            old: old.map(|service_ref| service_ref.service),
            new: new.map(|service_ref| service_ref.service),
        }];
        let prediction = Prediction::new(&before, &after, &changes);
        let change = ChangeSet { before: &before, services: &changes, prediction: &prediction };
        let report = match new {
            Some(service_ref) => rules::check_service(&after, Some(change), service_ref),
            None => rules::check_removed(&after, change),
        };
        let namespace = service_ref.service.metadata.namespace();
        let [ServiceChange { object, .. }] = &changes;
        self.rule(report, ground.config, namespace, object, || {
            old.map(|service_ref| rules::check_service(&before, None, service_ref))
                .unwrap_or_default()
        })
    }

    fn rule(
        &self,
        report: Report,
        config: &Config,
        namespace: &str,
        object: &ObjectRef,
        before: impl FnOnce() -> Report,
    ) -> Judged {
        let lacks = report.not_looked.iter().any(|what| what.rules.contains(&EMPTIED));
        let brakes = match (&self.old, &self.new) {
            (Some(old), Some(new)) => ratchet::only_brakes(old, new),
            _ => false,
        };
        let may_refuse = |id| {
            let rule = rules::find(id);
            rule.is_some_and(|rule| config.mode(rule, rule.severity, namespace) == Mode::Deny)
        };
        let wants_slices = lacks && !brakes && may_refuse(EMPTIED);
        let mut rulings =
            Rulings::new(report.findings, config, namespace, |reviewed| reviewed == object);
        if let (true, Some(old), Some(new)) = (rulings.denies(), &self.old, &self.new) {
            if brakes {
                rulings.excuse(|_| Some("the weight is lowered, so it passes: "));
            } else {
                let before = before();
                rulings.excuse(|finding| {
                    ratchet::excuse(finding, &before, &new.metadata.annotations)
                        .or_else(|| ratchet::excuse_by_fix(finding, &before, old, new))
                });
            }
        }
        Judged { rulings, wants_slices }
    }
}

fn backend_type(service: &Service) -> Option<&str> {
    service.metadata.annotations.get(annotation::BACKEND_TYPE)
}

/// Where a Service sits in a small snapshot that was made for it.
fn service_ref_of<'w>(snapshot: &'w Snapshot, service: &Service) -> Option<ServiceRef<'w>> {
    let cluster: &Cluster = snapshot.clusters.first()?;
    let service = cluster.services().find(|seated| std::ptr::eq(*seated, service))?;
    Some(ServiceRef { cluster_index: 0, cluster, service })
}
