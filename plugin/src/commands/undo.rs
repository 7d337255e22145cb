//! `undo`.

use std::collections::BTreeSet;

use clbmigrate_cluster::live::Present;
use clbmigrate_core::{
    annotation,
    history::{Entry, Swap},
    object::Service,
    patch::AnnotationEdit,
};

use crate::{
    change::{self, Leniency, Plan},
    cli::UndoArgs,
    error::{Error, Exit},
    output::Printer,
};

/// Takes the last change back.
pub fn run(args: &UndoArgs, printer: &mut Printer) -> Result<Exit, Error> {
    change::refuse_flags((&args.write, &args.input), "undo")?;
    change::carry_out(&args.target, &plan, (&args.write, &args.input), printer)
}

fn plan(present: &Present, service: &Service) -> Result<Plan, Error> {
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
    if entry.annotations.is_empty() { weight(entry, service) } else { detach(entry, service) }
}

/// The weight before a change.
fn weight(entry: &Entry, service: &Service) -> Result<Plan, Error> {
    let annotations = &service.metadata.annotations;
    let key = annotations.key_of(annotation::WEIGHT);
    let present = annotations.get(&key);
    if present != entry.to.as_deref() {
        return Err(not_ours(entry, service, &key, present, entry.to.as_deref()));
    }
    Ok(Plan {
        verb: "undo",
        edits: vec![AnnotationEdit { key, old: entry.to.clone(), new: entry.from.clone() }],
        undoes: Some(entry.change.clone()),
        step_of: None,
        leniency: if entry.from.as_deref() == Some("0") { Leniency::Zero } else { Leniency::Undo },
        next: None,
    })
}

/// Out of the groups that `attach` joined: first no traffic, then release entries, for which CCM
/// takes its own backends out. Never both keys away in one step: CCM would orphan the backends.
fn detach(entry: &Entry, service: &Service) -> Result<Plan, Error> {
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
            leniency: Leniency::Zero,
            next: Some("no new traffic now; when connections have ended, run undo again to take the backends out of the group".to_owned()),
        });
    }
    let mapping = annotations.key_of(annotation::VGROUP_PORT);
    let Some(Swap { to: Some(joined), .. }) = entry.annotations.get(&mapping) else {
        return Err(not_ours(entry, service, &mapping, annotations.get(&mapping), None));
    };
    let now = annotations.get(&mapping);
    if now != Some(joined.as_str()) {
        return Err(not_ours(entry, service, &mapping, now, Some(joined)));
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
        leniency: Leniency::Zero,
        next: Some(
            "CCM takes the backends out of the group; the Service may be deleted after that"
                .to_owned(),
        ),
    })
}

fn not_ours(
    entry: &Entry,
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
