//! A pod template with hooks, made of one without.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{INJECTED, InjectionRecord, Note, Reason};
use crate::object::{DEFAULT_GRACE_PERIOD_SECONDS, PodSpec};

/// What happens to containers that have no preStop hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingHooks {
    /// They are given one.
    Add,
    /// They stay without; only what was given before is kept up.
    Leave,
}

/// A template that was made, equal to the one it was made of where nothing had to change.
#[derive(Debug)]
pub(super) struct PatchedTemplate {
    pub template: Value,
    pub notes: Vec<Note>,
}

const ANNOTATIONS: &str = "annotations";
const GRACE: &str = "terminationGracePeriodSeconds";
const LIFECYCLE: &str = "lifecycle";
const PRE_STOP: &str = "preStop";
const SLEEP: &str = "sleep";

/// Gives the template's containers hooks of so many seconds, the grace period their time, and the
/// record what was done. A pure function of its arguments, whatever was done before: that makes an
/// object applied again equal to the stored one.
pub(super) fn with_hooks(
    template: &Value,
    record: Option<&InjectionRecord>,
    seconds: u32,
    hooks: MissingHooks,
) -> Result<PatchedTemplate, Reason> {
    let mut made = PatchedTemplate { template: template.clone(), notes: Vec::new() };
    let containers = add_hooks(&mut made, record, seconds, hooks)?;
    let spec = made.template.get_mut("spec").and_then(Value::as_object_mut);
    let spec = spec.ok_or_else(|| Reason::Unreadable("spec is no map".to_owned()))?;
    let sent = grace(spec)?;
    let raised = record.filter(|record| record.grace == sent);
    if containers.is_empty() {
        // Lowering the grace period could cut the hooks that took the place of ours. The record
        // remembers that it was raised, lest it be raised once more with the next hook.
        let left = raised.map(|record| InjectionRecord { containers, ..record.clone() });
        write_record(&mut made.template, record, left.as_ref())?;
        return Ok(made);
    }
    let before = raised.map_or(sent, |record| record.grace_before);
    let wanted = before.saturating_add(i64::from(seconds));
    let longest = longest_sleep(spec)?.unwrap_or_default();
    let least = longest.saturating_add(1);
    let grace = wanted.max(least);
    if grace != sent {
        spec.insert(GRACE.to_owned(), grace.into());
        if longest > i64::from(seconds) && least > wanted {
            made.notes.push(Note::LongOwnHook { seconds: longest, grace });
        }
    }
    let new = InjectionRecord { containers, seconds, grace_before: before, grace };
    write_record(&mut made.template, record, Some(&new))?;
    Ok(made)
}

/// Gives the main containers their hooks and returns the names of those whose hook is ours.
fn add_hooks(
    made: &mut PatchedTemplate,
    record: Option<&InjectionRecord>,
    seconds: u32,
    hooks: MissingHooks,
) -> Result<Vec<String>, Reason> {
    let no_list = || Reason::Unreadable("spec.containers is no list of maps".to_owned());
    let list = made.template.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    let mut ours = Vec::new();
    for container in list.ok_or_else(no_list)? {
        let container = container.as_object_mut().ok_or_else(no_list)?;
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let given = record.filter(|record| record.names(&name)).map(|record| record.seconds);
        match PreStopState::read(container, given) {
            PreStopState::None if hooks == MissingHooks::Add => {
                set_sleep(container, seconds)?;
                if given.is_some() {
                    made.notes.push(Note::HookRestored { container: name.clone() });
                }
                ours.push(name);
            }
            PreStopState::Ours => {
                set_sleep(container, seconds)?;
                ours.push(name);
            }
            PreStopState::OursBesideOwn => {
                // A manifest's hook was merged into ours; the API server takes one of them only.
                map_in(container, LIFECYCLE)
                    .and_then(|lifecycle| map_in(lifecycle, PRE_STOP))
                    .map(|pre_stop| pre_stop.remove(SLEEP));
                made.notes.push(Note::OwnHook { container: name });
            }
            PreStopState::Own if given.is_some() => {
                made.notes.push(Note::OwnHook { container: name });
            }
            PreStopState::None | PreStopState::Own => {}
        }
    }
    Ok(ours)
}

/// A container's preStop hook, in the light of the record.
enum PreStopState {
    None,
    Ours,
    OursBesideOwn,
    Own,
}

impl PreStopState {
    /// `given` is what the container was given.
    fn read(container: &Map<String, Value>, given: Option<u32>) -> Self {
        let hook = container.get(LIFECYCLE).and_then(|lifecycle| lifecycle.get(PRE_STOP));
        let hook = match hook {
            None | Some(Value::Null) => return Self::None,
            Some(hook) => hook,
        };
        let handlers = || hook.as_object().into_iter().flatten().filter(|(_, how)| !how.is_null());
        let sleeps = hook.get(SLEEP).and_then(|sleep| sleep.get("seconds"));
        let is_ours = given.is_some() && sleeps.and_then(Value::as_u64) == given.map(u64::from);
        match handlers().count() {
            // A client older than the native sleep read ours and wrote nothing back.
            0 if given.is_some() => Self::None,
            1 if is_ours => Self::Ours,
            2.. if is_ours => Self::OursBesideOwn,
            _ => Self::Own,
        }
    }
}

fn set_sleep(container: &mut Map<String, Value>, seconds: u32) -> Result<(), Reason> {
    let hook = json!({SLEEP: {"seconds": seconds}});
    let lifecycle = map_in(container, LIFECYCLE)
        .ok_or_else(|| Reason::Unreadable("a container's lifecycle is no map".to_owned()))?;
    if lifecycle.get(PRE_STOP) != Some(&hook) {
        lifecycle.insert(PRE_STOP.to_owned(), hook);
    }
    Ok(())
}

/// The map of that name in `parent`, made where there is none; `None` where it is something else.
fn map_in<'v>(parent: &'v mut Map<String, Value>, key: &str) -> Option<&'v mut Map<String, Value>> {
    let member = parent.entry(key).or_insert(Value::Null);
    if member.is_null() {
        *member = json!({});
    }
    member.as_object_mut()
}

fn grace(spec: &Map<String, Value>) -> Result<i64, Reason> {
    match spec.get(GRACE) {
        None | Some(Value::Null) => Ok(DEFAULT_GRACE_PERIOD_SECONDS.into()),
        Some(value) => value
            .as_i64()
            .ok_or_else(|| Reason::Unreadable(format!("spec.{GRACE}: {value} is no number"))),
    }
}

/// The longest preStop hook whose length can be read, in seconds.
fn longest_sleep(spec: &Map<String, Value>) -> Result<Option<i64>, Reason> {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), spec.get(key)?.clone())));
    let spec = PodSpec::deserialize(Value::Object(containers.collect()))
        .map_err(|error| Reason::Unreadable(format!("spec: {error}")))?;
    Ok(spec.longest_sleep().map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX)))
}

fn write_record(
    template: &mut Value,
    old: Option<&InjectionRecord>,
    new: Option<&InjectionRecord>,
) -> Result<(), Reason> {
    if old == new {
        return Ok(());
    }
    let annotations = template
        .as_object_mut()
        .and_then(|template| map_in(template, "metadata"))
        .and_then(|metadata| map_in(metadata, ANNOTATIONS))
        .ok_or_else(|| Reason::Unreadable("metadata.annotations is no map".to_owned()))?;
    match new {
        Some(record) => annotations.insert(INJECTED.to_owned(), record.to_text().into()),
        None => annotations.remove(INJECTED),
    };
    Ok(())
}

/// A pod template, in Kubernetes' JSON, without what its record says was added; unchanged where it
/// has no record. The grace period stays long enough for hooks that others have written since. Maps
/// that become empty are removed, for nobody can tell whether the client sent them. Fails where the
/// record or the template cannot be read.
pub fn remove_hooks(template: &Value) -> Result<Value, Reason> {
    let mut bare = template.clone();
    let text = bare.pointer("/metadata/annotations").and_then(|known| known.get(INJECTED));
    let Some(text) = text.and_then(Value::as_str) else { return Ok(bare) };
    let record = InjectionRecord::parse(text).map_err(Reason::BadRecord)?;
    let containers = bare.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
        let given = record.names(name).then_some(record.seconds);
        if matches!(PreStopState::read(container, given), PreStopState::Ours) {
            remove_member(container, LIFECYCLE, PRE_STOP);
        }
    }
    if let Some(spec) = bare.get_mut("spec").and_then(Value::as_object_mut)
        && grace(spec)? == record.grace
    {
        let least = longest_sleep(spec)?.map_or(i64::MIN, |longest| longest.saturating_add(1));
        spec.insert(GRACE.to_owned(), record.grace_before.max(least).into());
    }
    if let Some(metadata) = bare.get_mut("metadata").and_then(Value::as_object_mut) {
        remove_member(metadata, ANNOTATIONS, INJECTED);
    }
    Ok(bare)
}

fn remove_member(parent: &mut Map<String, Value>, map: &str, key: &str) {
    let Some(inner) = parent.get_mut(map).and_then(Value::as_object_mut) else { return };
    inner.remove(key);
    if inner.is_empty() {
        parent.remove(map);
    }
}
