//! `undo`.

use std::collections::BTreeSet;

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{
    annotation,
    history::{HistoryEntry, ValueChange},
    object::Service,
    patch::AnnotationEdit,
    transfer::{Standing, Whole},
};

use super::left_out;
use crate::{
    change::{self, Leniency, Plan},
    cli::{InputArgs, UndoArgs},
    error::{Error, Exit},
    output::Printer,
    session::Session,
    target,
    transfer::{self, Intent, PlanContext, WriteOptions},
};

/// Takes the last change back.
pub fn run(args: &UndoArgs, printer: &mut Printer) -> Result<Exit, Error> {
    transfer::refuse_flags((&args.write, &args.input), "undo")?;
    let name = target::parse_name(&args.target)?;
    let session = Session::open(&args.input)?;
    let Some(entry) = last_of_several(name, &session, &args.input)? else {
        change::refuse_flags((&args.write, &args.input), "undo")?;
        return change::carry_out_with(
            session,
            &args.target,
            &plan_service,
            (&args.write, &args.input),
            printer,
        );
    };
    left_out::refuse(&entry)?;
    let input =
        InputArgs { contexts: contexts(&entry, &session, &args.input), ..args.input.clone() };
    drop(session);
    let options = WriteOptions { write: &args.write, is_unverified: args.unverified };
    let plan = |plan_context: &PlanContext<'_>| plan_whole(&entry, plan_context);
    transfer::carry_out(&plan, &options, &input, printer)
}

/// The last change of the Service of that name, if it is one of several sides.
fn last_of_several(
    name: &str,
    session: &Session,
    input: &InputArgs,
) -> Result<Option<HistoryEntry>, Error> {
    let namespaces = session.namespaces(input);
    let mut found: Vec<HistoryEntry> = Vec::new();
    for connection in session.connections() {
        let own = namespaces.of(connection.context.as_deref());
        let namespace = own.unwrap_or(&connection.namespace);
        let service = session.block_on(connection.service(namespace, name))?;
        let history = service.and_then(|service| service.history().ok());
        found.extend(history.and_then(|history| history.last_to_undo().cloned()));
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

/// All contexts that a change has touched, and those that are looked at already.
fn contexts(entry: &HistoryEntry, session: &Session, input: &InputArgs) -> Vec<String> {
    let mut contexts = input.contexts.clone();
    let open = session.connections().iter().filter_map(|of| of.context.as_deref());
    let touched = entry.whole.iter().flat_map(Whole::contexts);
    for context in open.chain(touched) {
        if !contexts.iter().any(|known| known == context) {
            contexts.push(context.to_owned());
        }
    }
    contexts
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
    Ok(Intent {
        verb: "undo",
        title: format!(
            "change {} ({} by {} at {}) is taken back",
            entry.change, entry.verb, entry.who, entry.when
        ),
        parts: back.clone(),
        record: back,
        id: None,
        undoes: Some(entry.change.clone()),
        leniency: Leniency::Undo,
        remarks: Vec::new(),
        against: Vec::new(),
    })
}

fn plan_service(present: &LiveService, service: &Service) -> Result<Plan, Error> {
    let history = present.history().map_err(|error| Error::NotFound {
        message: format!("svc/{}: {error}", service.metadata.name),
        hints: vec!["set a weight by hand: kubectl clbmigrate set".to_owned()],
    })?;
    let Some(entry) = history.last_to_undo() else {
        return Err(Error::NotFound {
            message: format!("svc/{} has no change of this tool to undo", service.metadata.name),
            hints: vec!["set a weight by hand: kubectl clbmigrate set".to_owned()],
        });
    };
    if entry.annotations.is_empty() {
        plan_weight(entry, service)
    } else {
        plan_detach(entry, service)
    }
}

/// The weight before a change.
fn plan_weight(entry: &HistoryEntry, service: &Service) -> Result<Plan, Error> {
    let annotations = &service.metadata.annotations;
    let key = annotations.key_of(annotation::WEIGHT);
    let present = annotations.get(&key);
    if present != entry.to.as_deref() {
        return Err(changed_since(entry, service, &key, present, entry.to.as_deref()));
    }
    Ok(Plan {
        verb: "undo",
        edits: vec![AnnotationEdit { key, old: entry.to.clone(), new: entry.from.clone() }],
        undoes: Some(entry.change.clone()),
        step_of: None,
        whole: None,
        leniency: if entry.from.as_deref() == Some("0") { Leniency::Zero } else { Leniency::Undo },
        next: None,
    })
}

/// Out of the groups that `attach` joined: first no traffic, then release entries, for which CCM
/// takes its own backends out. Never both keys away in one step: CCM would orphan the backends.
fn plan_detach(entry: &HistoryEntry, service: &Service) -> Result<Plan, Error> {
    let annotations = &service.metadata.annotations;
    let weight_key = annotations.key_of(annotation::WEIGHT);
    let present = annotations.get(&weight_key);
    if present != Some("0") {
        return Ok(Plan {
            verb: "undo",
            edits: vec![AnnotationEdit {
                key: weight_key,
                old: present.map(str::to_owned),
                new: Some("0".to_owned()),
            }],
            undoes: None,
            step_of: Some(entry.change.clone()),
            whole: None,
            leniency: Leniency::Zero,
            next: Some("no new traffic now; when connections have ended, run undo again to take the backends out of the group".to_owned()),
        });
    }
    let mapping = annotations.key_of(annotation::VGROUP_PORT);
    let Some(ValueChange { to: Some(joined), .. }) = entry.annotations.get(&mapping) else {
        return Err(changed_since(entry, service, &mapping, annotations.get(&mapping), None));
    };
    let now = annotations.get(&mapping);
    if now != Some(joined.as_str()) {
        return Err(changed_since(entry, service, &mapping, now, Some(joined)));
    }
    let groups = joined.split(',').filter_map(|entry| entry.split(':').next());
    // Two ports may share a group, which is released once.
    let groups: BTreeSet<&str> = groups.collect();
    let released: Vec<String> = groups.into_iter().map(|group| format!("{group}:0")).collect();
    Ok(Plan {
        verb: "undo",
        edits: vec![AnnotationEdit {
            key: mapping,
            old: Some(joined.clone()),
            new: Some(released.join(",")),
        }],
        undoes: Some(entry.change.clone()),
        step_of: None,
        whole: None,
        leniency: Leniency::Zero,
        next: Some(
            "CCM takes the backends out of the group; the Service may be deleted after that"
                .to_owned(),
        ),
    })
}

fn changed_since(
    entry: &HistoryEntry,
    service: &Service,
    key: &str,
    present: Option<&str>,
    expected: Option<&str>,
) -> Error {
    let word =
        |value: Option<&str>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    Error::Conflict {
        message: format!(
            "svc/{}: {key} is {}, not {} as change {} left it: somebody changed it since",
            service.metadata.name,
            word(present),
            word(expected),
            entry.change
        ),
        hints: vec![
            "nothing was written; set the weight you want: kubectl clbmigrate set".to_owned(),
        ],
    }
}
