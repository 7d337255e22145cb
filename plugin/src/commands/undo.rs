//! `undo`.

use std::collections::BTreeSet;

use clbmigrate_core::{
    annotation,
    history::{self, History, HistoryEntry, Part, ValueChange},
    index::ServiceRef,
    patch::{AnnotationEdit, ServiceEdit},
    transfer::{Standing, Whole},
};

use super::left_out;
use crate::{
    change::{self, Intent, Leniency, PlanContext, SideIntent, WriteOptions, weight_edit},
    clb::Scope,
    cli::UndoArgs,
    error::{Error, Exit},
    output::Printer,
    request::Request,
    selection::Selection,
    session::Session,
    target,
};

/// Takes the last change back.
pub fn run(args: &UndoArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let request = args.write.request(&args.access, &args.contexts)?;
    let name = target::parse_name(&args.target)?;
    let options = WriteOptions {
        write: &args.write,
        input: &request,
        is_unverified: args.unverified,
        lever: Some(&args.target),
        scope: Scope::service(name),
    };
    let session = Session::open(&request)?;
    let Some(entry) = last_of_several(name, &session, &request)? else {
        session.single_connection()?;
        let plan = |plan_context: &PlanContext<'_>| plan_service(args, plan_context);
        return change::carry_out(&session, &plan, &options, printer);
    };
    left_out::refuse(&entry)?;
    let input = with_recorded_contexts(&entry, &session, &request, printer);
    let session = if input.contexts == request.contexts { session } else { Session::open(&input)? };
    let scope = entry.whole.as_ref().map_or(Scope::service(name), |of| Scope::change(name, of));
    let options = WriteOptions { input: &input, scope, ..options };
    let plan = |plan_context: &PlanContext<'_>| plan_whole(&entry, plan_context);
    change::carry_out(&session, &plan, &options, printer)
}

/// The last change of the Service of that name, if it is one of several sides.
fn last_of_several(
    name: &str,
    session: &Session,
    input: &Request,
) -> Result<Option<HistoryEntry>, Error> {
    let namespaces = session.namespaces(input);
    let mut found: Vec<HistoryEntry> = Vec::new();
    for connection in session.connections() {
        let namespace = namespaces.over(connection);
        let service = session.block_on(connection.service(namespace, name))?;
        let Some(service) = service else { continue };
        let Ok(history) = service.history() else { continue };
        // Without the cluster's UID, the Service's own tells.
        let cluster_uid = session.block_on(connection.cluster_uid()).unwrap_or_default();
        let meta = service.service().map(|service| service.metadata).unwrap_or_default();
        let of_it = |entry: &&HistoryEntry| entry.is_of(cluster_uid.as_deref(), &meta);
        found.extend(history.last_to_undo().filter(of_it).cloned());
    }
    if found.is_empty() && input.contexts.len() > 1 {
        return Err(nothing_to_undo(name, session));
    }
    let of_several = found.iter().find(|entry| entry.whole.is_some());
    let Some(entry) = of_several else { return Ok(None) };
    let other = found.iter().find(|other| other.change != entry.change);
    match other {
        None => Ok(Some(entry.clone())),
        Some(other) => Err(Error::Usage {
            message: format!(
                "svc/{name}: the last change is {} in one cluster and {} in another",
                entry.change, other.change
            ),
            hints: vec!["name the cluster whose last change is meant: --context NAME".to_owned()],
        }),
    }
}

/// No cluster of several holds a change to take back.
fn nothing_to_undo(name: &str, session: &Session) -> Error {
    let unreachable = session.unreachable().iter().map(ToString::to_string);
    let mut hints: Vec<String> = unreachable.collect();
    hints.push("set a weight by hand: kubectl clbmigrate set".to_owned());
    Error::NotFound {
        message: format!(
            "svc/{name} has no change of this tool to undo in {}",
            session.contexts().join(", ")
        ),
        hints,
    }
}

/// The flags, with the contexts that the record names besides those that are looked at. A name proves
/// nothing: a context counts only where its cluster is the recorded one.
fn with_recorded_contexts(
    entry: &HistoryEntry,
    session: &Session,
    input: &Request,
    printer: &mut Printer,
) -> Request {
    let mut contexts: Vec<String> = session.contexts().into_iter().map(str::to_owned).collect();
    let mut known = BTreeSet::new();
    for connection in session.connections() {
        // Where it cannot be read, the Service proves its cluster.
        known.extend(session.block_on(connection.cluster_uid()).ok().flatten());
    }
    let services = entry.whole.iter().flat_map(|whole| &whole.parts);
    let services = services.filter_map(|part| match part {
        Part::Service(of) => Some(of),
        Part::Servers(_) => None,
    });
    for of in services {
        let (Some(context), Some(uid)) = (&of.context, &of.cluster_uid) else { continue };
        // Flags of one cluster are for that one.
        let is_open = known.contains(uid) || contexts.contains(context);
        if is_open || input.connect.flag_of_one_cluster().is_some() {
            continue;
        }
        let found = session.block_on(async {
            let connection = input.connect.access(Some(context)).connect().await.ok()?;
            connection.cluster_uid().await.ok()?
        });
        if found.as_ref() == Some(uid) {
            contexts.push(context.clone());
            known.insert(uid.clone());
        } else {
            printer.note(&format!(
                "context {context} is not the cluster that change {} touched",
                entry.change
            ));
        }
    }
    if contexts.len() == session.contexts().len() {
        return input.clone();
    }
    Request { contexts, context: None, ..input.clone() }
}

/// What takes a change of several sides back: the parts that are as it left them.
fn plan_whole(entry: &HistoryEntry, plan_context: &PlanContext<'_>) -> Result<Intent, Error> {
    let snapshot = plan_context.index.snapshot;
    let whole = entry.whole.as_ref().map(|whole| whole.located(&entry.change, snapshot));
    let mut parts = Vec::new();
    for part in whole.iter().flat_map(|whole| &whole.parts) {
        let how = match part.standing(snapshot) {
            Standing::After | Standing::Between => {
                parts.push(part.clone().weighed(plan_context.index));
                continue;
            }
            Standing::Before => continue,
            Standing::Unknown(why) => {
                return Err(Error::Refused {
                    message: format!("refused: {} cannot be seen: {why}", part.label()),
                    hints: vec![
                        "name all clusters of the change, and give credentials for the CLB API where it touched servers outside: --contexts A,B".to_owned(),
                        "nothing was written".to_owned(),
                    ],
                });
            }
            Standing::Other(how) => how,
        };
        return Err(Error::Conflict {
            message: format!(
                "{}: {how}, not as change {} left it: somebody changed it since",
                part.label(),
                entry.change
            ),
            hints: vec!["nothing was written; shift or set what you want instead".to_owned()],
        });
    }
    let back = Whole { parts }.reversed();
    let sides = back.parts.iter().map(|part| SideIntent::of(part, plan_context.index));
    Ok(Intent {
        title: format!(
            "change {} ({} by {} at {}) is taken back",
            entry.change, entry.verb, entry.who, entry.when
        ),
        sides: sides.collect::<Result<_, Error>>()?,
        whole: Some(back),
        undoes: Some(entry.change.clone()),
        leniency: Leniency::Undo,
        ..Intent::new("undo")
    })
}

fn plan_service(args: &UndoArgs, plan_context: &PlanContext<'_>) -> Result<Intent, Error> {
    let selection = Selection::new(plan_context.input, plan_context.namespaces);
    let service_ref = target::resolve(plan_context.index, &args.target, &selection)?;
    let meta = &service_ref.service.metadata;
    let not_found = |message: String| Error::NotFound {
        message,
        hints: vec!["set a weight by hand: kubectl clbmigrate set".to_owned()],
    };
    let history = History::parse(meta.annotations.get(history::KEY))
        .map_err(|error| not_found(format!("svc/{}: {error}", meta.name)))?;
    if let Some(intent) = plan_release_again(&history, &service_ref) {
        return Ok(intent);
    }
    let Some(entry) = history.last_to_undo() else {
        return Err(not_found(format!("svc/{} has no change of this tool to undo", meta.name)));
    };
    if !entry.is_of(service_ref.cluster.uid.as_deref(), meta) {
        return Err(not_found(format!(
            "svc/{} has no change of this tool to undo: its record came here as a copy, change {} was made of another Service",
            meta.name, entry.change
        )));
    }
    if entry.annotations.is_empty() {
        plan_weight(entry, &service_ref)
    } else {
        plan_detach(entry, &service_ref)
    }
}

/// The weight before a change.
fn plan_weight(entry: &HistoryEntry, service_ref: &ServiceRef<'_>) -> Result<Intent, Error> {
    let service = service_ref.service;
    let annotations = &service.metadata.annotations;
    let key = annotations.key_of(annotation::WEIGHT);
    let present = annotations.get(&key);
    if present != entry.to.as_deref() {
        return Err(changed_since(entry, service_ref, &key, present, entry.to.as_deref()));
    }
    let edit = weight_edit(service, entry.to.clone(), entry.from.clone());
    Ok(Intent {
        undoes: Some(entry.change.clone()),
        leniency: if entry.from.as_deref() == Some("0") { Leniency::Zero } else { Leniency::Undo },
        ..Intent::of_one("undo", service_ref, edit)
    })
}

/// Out of the groups that `attach` joined: first no traffic, then release entries, for which CCM
/// takes its own backends out. Never both keys away in one step: CCM would orphan the backends.
fn plan_detach(entry: &HistoryEntry, service_ref: &ServiceRef<'_>) -> Result<Intent, Error> {
    let annotations = &service_ref.service.metadata.annotations;
    let weight_key = annotations.key_of(annotation::WEIGHT);
    let present = annotations.get(&weight_key);
    if present != Some("0") {
        let old = present.map(str::to_owned);
        let edit = weight_edit(service_ref.service, old, Some("0".to_owned()));
        return Ok(Intent {
            step_of: Some(entry.change.clone()),
            leniency: Leniency::Zero,
            next: Some("no new traffic now; when connections have ended, run undo again to take the backends out of the group".to_owned()),
            ..Intent::of_one("undo", service_ref, edit)
        });
    }
    let mapping = annotations.key_of(annotation::VGROUP_PORT);
    let now = annotations.get(&mapping);
    let Some(ValueChange { to: Some(joined), .. }) = entry.annotations.get(&mapping) else {
        return Err(changed_since(entry, service_ref, &mapping, now, None));
    };
    if now != Some(joined.as_str()) {
        return Err(changed_since(entry, service_ref, &mapping, now, Some(joined)));
    }
    let released = released(joined);
    let edit = AnnotationEdit { key: mapping, old: Some(joined.clone()), new: Some(released) };
    Ok(Intent {
        undoes: Some(entry.change.clone()),
        leniency: Leniency::Zero,
        ..release(entry.service_type.as_ref(), service_ref, edit)
    })
}

/// The mapping that releases the groups of another one.
fn released(mapping: &str) -> String {
    let groups = mapping.split(',').filter_map(|entry| entry.split(':').next());
    // Two ports may share a group, which is released once.
    let groups: BTreeSet<&str> = groups.collect();
    let released: Vec<String> = groups.into_iter().map(|group| format!("{group}:0")).collect();
    released.join(",")
}

/// A release that was written already is proven, where it is the last change.
fn plan_release_again(history: &History, service_ref: &ServiceRef<'_>) -> Option<Intent> {
    let annotations = &service_ref.service.metadata.annotations;
    let key = annotations.key_of(annotation::VGROUP_PORT);
    let last = history.last()?;
    let change = last.annotations.get(&key)?;
    let joined = change.from.as_deref()?;
    let is_written = change.to.as_deref() == Some(released(joined).as_str());
    let now = annotations.get(&key)?.to_owned();
    if last.undoes.is_none() || !is_written || change.to.as_deref() != Some(now.as_str()) {
        return None;
    }
    let undone = history.entries().iter().find(|of| last.undoes.as_ref() == Some(&of.change));
    let edit = AnnotationEdit { key, old: Some(now.clone()), new: Some(now) };
    Some(release(undone.and_then(|of| of.service_type.as_ref()), service_ref, edit))
}

/// The second step out of a group, with what the user may do when it is proven.
fn release(
    type_change: Option<&ValueChange>,
    service_ref: &ServiceRef<'_>,
    edit: AnnotationEdit,
) -> Intent {
    let meta = &service_ref.service.metadata;
    let place = target::location_flags(service_ref);
    let after = match type_change {
        Some(ValueChange { from: Some(old), .. }) => format!(
            "the Service stays of type LoadBalancer, with the CLB's id: without the id CCM would make a CLB. To have its old type again: kubectl patch service {} {place} -p '{{\"spec\":{{\"type\":\"{old}\"}}}}'",
            meta.name
        ),
        Some(ValueChange { from: None, .. }) => {
            format!("the Service may be deleted: kubectl delete service {} {place}", meta.name)
        }
        None => "the Service may be deleted".to_owned(),
    };
    let again = format!("kubectl clbmigrate undo svc/{} {place} --wait", meta.name);
    Intent {
        next: Some(format!(
            "CCM takes the backends out of the group; whether it has, nobody has seen at the CLB: {again}. Leave the Service as it is until then"
        )),
        next_if_proven: Some(format!("the group holds none of its backends any more; {after}")),
        next_if_not_done: Some(format!(
            "the Service must not be deleted, nor its annotations taken away: what CCM has left in the group would stay there for ever. Try again: {again}"
        )),
        ..Intent::of_one("undo", service_ref, ServiceEdit::from(vec![edit]))
    }
}

fn changed_since(
    entry: &HistoryEntry,
    service_ref: &ServiceRef<'_>,
    key: &str,
    present: Option<&str>,
    expected: Option<&str>,
) -> Error {
    let word =
        |value: Option<&str>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    Error::Conflict {
        message: format!(
            "svc/{}: {key} is {}, not {} as change {} left it: somebody changed it since",
            service_ref.service.metadata.name,
            word(present),
            word(expected),
            entry.change
        ),
        hints: vec![
            "nothing was written; set the weight you want: kubectl clbmigrate set".to_owned(),
        ],
    }
}
