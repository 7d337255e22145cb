use serde::Deserialize;
use serde_json::Value;

use super::{
    Action, Decision, INJECTED, InjectionRecord, Note, PRE_STOP_SECONDS, Reason, SECONDS, diff,
    template::{self, MissingHooks, PatchedTemplate},
};
use crate::{
    annotation::INJECT,
    object::{Annotations, ControllerReference, Labels, ObjectMeta, PodLabels, WorkloadKind},
};

/// The operation of an admission request.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// The workload is created.
    Create,
    /// The workload is updated.
    Update {
        /// The stored object, as Kubernetes' JSON.
        old: &'a Value,
    },
}

/// A workload that somebody sends to an API server.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its kind. Jobs, `CronJobs` and `ReplicaSets` have no kind here, for they never get a hook.
    pub kind: WorkloadKind,
    /// Whether it is created or updated.
    pub operation: Operation<'a>,
    /// The object as it was sent, as Kubernetes' JSON.
    pub object: &'a Value,
    /// For a Pod, the annotations of the workload behind it ([`workload_behind`]), if they are at
    /// hand. They count where the Pod itself has none.
    pub controller_annotations: Option<&'a Annotations>,
}

/// What else decides whether a workload gets a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectionContext {
    /// How long a hook sleeps where the workload does not say, in seconds, within [`SECONDS`].
    pub seconds: u32,
    /// Whether there are nodes and the kubelet of each is [`super::NATIVE_SLEEP`] or newer.
    pub nodes_sleep: bool,
    /// Whether a migrated Service of its namespace selects its pods.
    pub is_selected: bool,
    /// Whether its namespace has the label `clbmigrate.io/inject=enabled`. Matters for Pods only.
    pub namespace_is_labelled: bool,
}

/// A workload whose pod template may be changed, as far as the workload itself tells.
#[derive(Debug)]
pub struct ExaminedWorkload<'a> {
    kind: WorkloadKind,
    is_new: bool,
    template: &'a Value,
    /// Where the template stands in the object, as a JSON Pointer.
    pointer: &'static str,
    stored: Option<&'a Value>,
    record: Option<InjectionRecord>,
    stored_record: Option<InjectionRecord>,
    name: String,
    labels: Labels,
    off: Option<Reason>,
    switch: Option<String>,
    seconds: Option<String>,
}

/// Written by kubelets on what the API server shows of their static pods.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Why a workload of that kind gets no hook with this value of its annotation
/// `clbmigrate.io/inject`; `None` where the value does not prevent it.
pub(crate) fn opt_out_reason(kind: WorkloadKind, switch: Option<&str>) -> Option<Reason> {
    match (kind, switch) {
        (_, Some("disabled")) => Some(Reason::OptedOut),
        (kind, switch) if kind.is_daemon() && switch != Some("enabled") => Some(Reason::NotOptedIn),
        _ => None,
    }
}

/// Reads a workload. Fails with the reason where it stays as it is, whatever Services and nodes
/// there are.
pub fn examine(request: Request<'_>) -> Result<ExaminedWorkload<'_>, Reason> {
    let Request { kind, operation, object, controller_annotations } = request;
    let is_pod = kind == WorkloadKind::Pod;
    let old = match operation {
        Operation::Update { .. } if is_pod => return Err(Reason::PodExists),
        Operation::Update { old } => Some(old),
        Operation::Create => None,
    };
    let metadata = meta(object)?;
    if metadata.deletion_timestamp.is_some() {
        return Err(Reason::Terminating);
    }
    if metadata.annotations.keys().any(|key| key == MIRROR) {
        return Err(Reason::Mirror);
    }
    if metadata.controller.is_some() && !is_pod {
        return Err(Reason::Controlled);
    }
    let controller = ControllerReference::behind(&metadata).map(|controller| controller.kind);
    if controller.as_deref() == Some("Job") {
        return Err(Reason::OfJob);
    }
    let pointer = if is_pod { "" } else { "/spec/template" };
    let template = object.pointer(pointer).ok_or_else(|| missing("spec.template"))?;
    let stored = old.and_then(|old| old.pointer(pointer));
    if stored == Some(template) {
        return Err(Reason::TemplateUnchanged);
    }
    let of_template = meta(template)?;
    let record = of_template.annotations.get(INJECTED).map(InjectionRecord::parse).transpose();
    let record = record.map_err(Reason::BadRecord)?;
    let setting = |key: &str| {
        let inherited = controller_annotations.and_then(|annotations| annotations.get(key));
        metadata.annotations.get(key).or(inherited).map(str::to_owned)
    };
    let switch = setting(INJECT);
    let judged_as = match controller.as_deref() {
        Some("DaemonSet") => WorkloadKind::DaemonSet,
        _ => kind,
    };
    let off = opt_out_reason(judged_as, switch.as_deref());
    if let (Some(reason), None) = (&off, &record) {
        return Err(reason.clone());
    }
    Ok(ExaminedWorkload {
        kind,
        is_new: old.is_none(),
        template,
        pointer,
        stored,
        record,
        stored_record: stored.and_then(recorded),
        name: metadata.name,
        labels: of_template.labels,
        off,
        switch,
        seconds: setting(PRE_STOP_SECONDS),
    })
}

/// The workload behind a Pod, given as Kubernetes' JSON ([`ControllerReference::behind`]). `None`
/// where no controller owns it, or it cannot be read.
pub fn workload_behind(pod: &Value) -> Option<ControllerReference> {
    ControllerReference::behind(&meta(pod).ok()?)
}

fn meta(object: &Value) -> Result<ObjectMeta, Reason> {
    let metadata = object.get("metadata").filter(|metadata| !metadata.is_null());
    metadata
        .map_or_else(|| Ok(ObjectMeta::default()), ObjectMeta::deserialize)
        .map_err(|error| Reason::Unreadable(format!("metadata: {error}")))
}

fn missing(path: &str) -> Reason {
    Reason::Unreadable(format!("{path} is missing"))
}

/// The record of a template, if it has one that can be used.
fn recorded(template: &Value) -> Option<InjectionRecord> {
    let text = template.pointer("/metadata/annotations")?.get(INJECTED)?.as_str()?;
    InjectionRecord::parse(text).ok()
}

impl ExaminedWorkload<'_> {
    /// The labels of its pods, for Services to select.
    pub fn labels(&self) -> PodLabels<'_> {
        PodLabels::new(self.kind, &self.name, &self.labels)
    }

    /// Decides what to add to the workload. About an object that already has this decision's patch,
    /// the decision is [`Action::Untouched`].
    pub fn decide(&self, settings: InjectionContext) -> Decision {
        let obstacle = self.obstacle(settings);
        if let (Some(reason), None) = (&obstacle, &self.record) {
            let reason = match reason {
                Reason::NodesTooOld if !self.lacks_hooks() => Reason::OwnHooks,
                reason => reason.clone(),
            };
            return Decision { action: Action::Untouched(reason), notes: Vec::new() };
        }
        let hooks = if obstacle.is_none() { MissingHooks::Add } else { MissingHooks::Leave };
        let mut notes = Vec::new();
        if hooks == MissingHooks::Add {
            notes.extend(self.unknown_switch());
        }
        let seconds = self.seconds(hooks, settings, &mut notes);
        let made = match self.reapplied(hooks, seconds) {
            Some(made) => Ok(made),
            None => template::with_hooks(self.template, self.record.as_ref(), seconds, hooks),
        };
        let action = match made {
            Ok(made) => {
                notes.extend(made.notes);
                self.action(&made.template, obstacle)
            }
            Err(reason) => Action::Untouched(reason),
        };
        Decision { action, notes }
    }

    /// Why it gets no hook that it has not got yet.
    fn obstacle(&self, settings: InjectionContext) -> Option<Reason> {
        if let Some(reason) = &self.off {
            Some(reason.clone())
        } else if self.kind == WorkloadKind::Pod && !settings.namespace_is_labelled {
            Some(Reason::NamespaceNotLabelled)
        } else if !settings.is_selected {
            Some(Reason::NotSelected)
        } else if settings.nodes_sleep {
            None
        } else {
            Some(Reason::NodesTooOld)
        }
    }

    fn lacks_hooks(&self) -> bool {
        let made = template::with_hooks(self.template, None, *SECONDS.start(), MissingHooks::Add);
        !matches!(made, Ok(made) if made.template == *self.template)
    }

    fn unknown_switch(&self) -> Option<Note> {
        let value = self.switch.as_deref()?;
        let is_known = matches!(value, "enabled" | "disabled");
        (!is_known).then(|| Note::UnknownSwitch { value: value.to_owned() })
    }

    /// How long its hooks are to sleep.
    ///
    /// New seconds come with a change of the template, but not with a template that comes from
    /// elsewhere with a record of its own: `kubectl rollout undo`, half-way through a rollout, must
    /// find the `ReplicaSet` whose pods still run; and a Pod is what its workload's template says.
    fn seconds(
        &self,
        hooks: MissingHooks,
        settings: InjectionContext,
        notes: &mut Vec<Note>,
    ) -> u32 {
        let stored = self.stored_record.as_ref().map(|stored| stored.seconds);
        match &self.record {
            Some(record)
                if hooks == MissingHooks::Leave
                    || self.kind == WorkloadKind::Pod
                    || !(self.is_new || stored == Some(record.seconds)) =>
            {
                record.seconds
            }
            _ => self.configured_seconds(settings.seconds, notes),
        }
    }

    fn configured_seconds(&self, by_default: u32, notes: &mut Vec<Note>) -> u32 {
        let Some(value) = &self.seconds else { return by_default };
        match value.parse().ok().filter(|seconds| SECONDS.contains(seconds)) {
            Some(seconds) => seconds,
            None => {
                notes.push(Note::BadSeconds { value: value.clone(), used: by_default });
                by_default
            }
        }
    }

    /// The stored template, if what was sent becomes just that with the stored seconds: the same
    /// manifest once more.
    fn reapplied(&self, hooks: MissingHooks, seconds: u32) -> Option<PatchedTemplate> {
        let stored = self.stored_record.as_ref().map(|stored| stored.seconds);
        let stored = stored.filter(|stored| hooks == MissingHooks::Add && *stored != seconds)?;
        let made = template::with_hooks(self.template, self.record.as_ref(), stored, hooks).ok()?;
        (Some(&made.template) == self.stored).then_some(made)
    }

    fn action(&self, made: &Value, obstacle: Option<Reason>) -> Action {
        let patch = diff::patch_between(self.pointer, self.template, made);
        if !patch.is_empty() {
            return Action::Patched(patch);
        }
        Action::Untouched(obstacle.unwrap_or_else(|| {
            let has_ours = self.record.as_ref().is_some_and(|record| !record.containers.is_empty());
            if has_ours { Reason::Complete } else { Reason::OwnHooks }
        }))
    }
}
