//! `preview`.

use clbmigrate_cluster::{
    Loaded,
    files::Source,
    live::{self, Connection, ErrorKind},
};
use clbmigrate_core::{
    annotation::{self, LEGACY_PREFIX},
    change::ServiceChange,
    index::{Index, ServiceRef},
    object::{ObjectRef, Service},
    outcome::Outcome,
    patch::AnnotationEdit,
    preview::{self, Preview},
    snapshot::Snapshot,
};

use crate::{
    clb::Scope,
    cli::PreviewArgs,
    document::{Question, preview::PreviewAnswer},
    error::{Error, Exit},
    input::{self, Input, Overlaid},
    output::{Printer, text::count},
    request::Request,
    selection::Selection,
    session::Session,
    target,
};

/// What stands for no weight at all.
const NONE: &str = "none";

/// Shows what a change would do.
pub fn run(args: &PreviewArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let request = args.input.request();
    match (&args.target, &args.weight) {
        (Some(target), Some(weight)) => preview_weight((args, &request), target, weight, printer),
        _ if !args.against.is_empty() => preview_files((args, &request), printer),
        _ if !request.overlay.is_empty() => preview_overlay((args, &request), printer),
        _ => Err(Error::Usage {
            message: "preview needs a Service and a weight, --overlay NEW, or -f NEW --against OLD"
                .to_owned(),
            hints: vec![
                "for example: kubectl clbmigrate preview svc/web 40 -f deploy/examples/canary/"
                    .to_owned(),
            ],
        }),
    }
}

/// Another weight of one Service.
fn preview_weight(
    (args, request): (&PreviewArgs, &Request),
    target: &str,
    weight: &str,
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let scope = Scope::service(target::parse_name(target)?);
    let Input { loaded, session, namespaces } = input::read(request, &scope, printer)?;
    let selection = Selection::new(request, &namespaces);
    let before = Index::new(&loaded.snapshot);
    let service_ref = target::resolve(&before, target, &selection)?;
    let changed = with_weight(&loaded.snapshot, &service_ref, weight);
    let after = Index::new(&changed);
    let named = [service_ref.service.object_ref(service_ref.cluster.context.as_ref())];
    let preview = preview::preview_including(&before, &after, &named);
    let exit = show(args, (&loaded, &selection), (&before, &after), &preview, &named, printer)?;
    if let Some(session) = &session {
        dry_run_on_api_servers(session, &preview, printer)?;
    }
    Ok(exit)
}

/// Manifests laid over the clusters' state.
fn preview_overlay(
    (args, request): (&PreviewArgs, &Request),
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let newer = input::overlay(request)?.unwrap_or_default();
    let session = Session::open(request)?;
    let Overlaid { before, after: changed } =
        input::read_overlaid(session.clone(), request, &newer, printer)?;
    let Input { loaded, namespaces, .. } = before;
    let selection = Selection::new(request, &namespaces);
    let (before, after) = (Index::new(&loaded.snapshot), Index::new(&changed));
    let preview = preview::preview(&before, &after);
    let exit = show(args, (&loaded, &selection), (&before, &after), &preview, &[], printer)?;
    dry_run_on_api_servers(&session, &preview, printer)?;
    Ok(exit)
}

/// What the API servers would say of the change of each Service's annotations, and which changes they
/// were not asked about; nothing is written.
fn dry_run_on_api_servers(
    session: &Session,
    preview: &Preview<'_>,
    printer: &mut Printer,
) -> Result<(), Error> {
    printer.flush()?;
    for change in &preview.changes {
        let object = &change.object;
        let (Some(old), Some(new)) = (change.old, change.new) else {
            printer.info(&format!("the API server was not asked about {object}, which is new"));
            continue;
        };
        let edits: Vec<AnnotationEdit> = change.annotations().into_iter().map(edit).collect();
        if old.spec != new.spec {
            printer.info(&format!(
                "the API server was not asked about the spec of {object}; \
                 kubectl apply --server-side --dry-run=server -f FILE asks it"
            ));
        }
        if !edits.is_empty() {
            let result = dry_run(session, change, old, &edits);
            report_dry_run(object, result, printer);
        }
    }
    Ok(())
}

fn dry_run(
    session: &Session,
    change: &ServiceChange<'_>,
    old: &Service,
    edits: &[AnnotationEdit],
) -> Result<bool, live::Error> {
    let is_its = |connection: &&Connection| connection.context == change.object.context;
    let Some(connection) = session.connections().iter().find(is_its) else { return Ok(false) };
    let meta = &old.metadata;
    session.block_on(async {
        match connection.service(meta.namespace(), &meta.name).await? {
            Some(present) => {
                connection.dry_run(&present, &edits.to_vec().into()).await.map(|()| true)
            }
            None => Ok(false),
        }
    })
}

fn report_dry_run(object: &ObjectRef, result: Result<bool, live::Error>, printer: &mut Printer) {
    match result {
        Ok(true) => {
            printer.note(&format!(
                "the API server would accept the change of annotations of {object}"
            ));
        }
        Ok(false) => printer.warning(&format!("{object} is gone since it was read")),
        Err(error) if error.kind == ErrorKind::Forbidden => printer.info(&format!(
            "the API server was not asked about {object}, which the user may not change"
        )),
        Err(error) if error.is_transient() => {
            printer.warning(&format!("the API server could not be asked about {object}: {error}"));
        }
        Err(error) => printer.warning(&format!(
            "the API server would refuse the change of annotations of {object}: {error}"
        )),
    }
}

fn edit((key, old, new): (&str, Option<&str>, Option<&str>)) -> AnnotationEdit {
    AnnotationEdit { key: key.to_owned(), old: old.map(str::to_owned), new: new.map(str::to_owned) }
}

/// The snapshot with that weight annotation, or none, on one Service.
fn with_weight(snapshot: &Snapshot, service_ref: &ServiceRef<'_>, weight: &str) -> Snapshot {
    let meta = &service_ref.service.metadata;
    let annotate = |snapshot: &Snapshot, key: &str, value: Option<&str>| {
        snapshot.with_annotation(
            service_ref.cluster_index,
            meta.namespace(),
            &meta.name,
            key,
            value,
        )
    };
    if weight != NONE {
        return annotate(snapshot, &meta.annotations.key_of(annotation::WEIGHT), Some(weight));
    }
    // Without the new key, CCM would read the old one.
    let snapshot = annotate(snapshot, &annotation::full_key(annotation::WEIGHT), None);
    annotate(&snapshot, &format!("{LEGACY_PREFIX}{}", annotation::WEIGHT), None)
}

/// Files as they shall be, laid over files as they are.
fn preview_files(
    (args, request): (&PreviewArgs, &Request),
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let example = "preview -f NEW.yaml --against OLD.yaml";
    input::require_files(&request.files, "preview --against", example)?;
    input::require_one_stdin(request.files.iter().chain(&args.against))?;
    let sources: Vec<&Source> = request.files.iter().chain(&args.against).collect();

    let mut loaded = input::load_files(&args.against, request);
    let newer = input::load_files(&named(&request.files, request.context.as_deref()), request);
    let fits = fits(&loaded.snapshot, &newer.snapshot);
    let overlaid = loaded.snapshot.overlaid(&newer.snapshot, args.prune);
    let left_out = loaded.snapshot.left_out_by(&newer.snapshot).count();
    loaded.merge_report(&newer);
    printer.report_loaded(&loaded);
    fits?;
    if left_out > 0 && !args.prune {
        printer.info(&format!(
            "note: {} of --against not in -f, taken as unchanged; --prune takes what is missing as deleted",
            count(left_out, "Service")
        ));
    }

    let mut changed = overlaid;
    input::apply_cluster_flags(&mut loaded.snapshot, request, &sources)?;
    input::apply_cluster_flags(&mut changed, request, &sources)?;
    input::report_ccm(&changed, printer);
    let before = Index::new(&loaded.snapshot);
    let after = Index::new(&changed);
    let preview = preview::preview(&before, &after);
    let namespaces = input::file_namespaces(request);
    let selection = Selection::new(request, &namespaces);
    show(args, (&loaded, &selection), (&before, &after), &preview, &[], printer)
}

/// Files without a name belong to the cluster of `--context`.
fn named(sources: &[Source], context: Option<&str>) -> Vec<Source> {
    let name = |source: &Source| Source {
        context: source.context.clone().or_else(|| context.map(str::to_owned)),
        path: source.path.clone(),
    };
    sources.iter().map(name).collect()
}

/// Refuses new files of which nobody can say which cluster they are for.
fn fits(old: &Snapshot, new: &Snapshot) -> Result<(), Error> {
    let is_named = |snapshot: &Snapshot| snapshot.clusters.iter().all(|c| c.context.is_some());
    if old.clusters.len() > 1 && is_named(old) && !is_named(new) {
        return Err(Error::usage(format!(
            "-f: for which cluster? --against has {}; write -f NAME=PATH or --context NAME",
            input::context_names(old)
        )));
    }
    if !old.clusters.is_empty()
        && !is_named(old)
        && new.clusters.iter().any(|c| c.context.is_some())
    {
        return Err(Error::usage(format!(
            "-f names {}, but the cluster of --against has no name; write --against NAME=PATH",
            input::context_names(new)
        )));
    }
    Ok(())
}

fn show(
    args: &PreviewArgs,
    (loaded, selection): (&Loaded, &Selection<'_>),
    indexes: (&Index<'_>, &Index<'_>),
    preview: &Preview<'_>,
    targets: &[ObjectRef],
    printer: &mut Printer,
) -> Result<Exit, Error> {
    let question = Question {
        is_namespace_given: selection.namespace().is_some(),
        is_live: args.input.files.is_empty(),
    };
    printer.answer(args.output, &PreviewAnswer::new(indexes, preview, targets, question))?;
    let fails = preview.introduced.iter().any(|finding| args.fail_on.covers(finding.severity));
    // A weight that somebody asked for and that CCM does not read is no success.
    let asks_for_weight = args.target.is_some() || preview.changes.iter().any(edits_weight);
    let is_in_vain = preview.outcome == Outcome::NoEffect && asks_for_weight;
    Ok(input::exit(loaded, fails || is_in_vain))
}

fn edits_weight(change: &ServiceChange<'_>) -> bool {
    let mut keys = change.annotations().into_iter().map(|(key, ..)| annotation::suffix_of(key));
    keys.any(|suffix| suffix == Some(annotation::WEIGHT))
}
