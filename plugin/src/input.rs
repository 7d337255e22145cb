//! From flags to a snapshot.

use std::{io, path::Path};

use clbmigrate_cluster::{
    Loaded,
    files::{self, Options, Source},
};
use clbmigrate_core::snapshot::{Cluster, Snapshot};

use crate::{
    cli::InputArgs,
    error::{Error, Exit},
    output::Printer,
    selection::Selection,
    session::{ClusterReadResult, Session},
};

/// What a command looks at.
pub struct Input {
    /// The snapshot, and what of it could not be read.
    pub loaded: Loaded,
    /// The connections, where it is not files.
    pub session: Option<Session>,
    /// The namespace to look at, if only one.
    pub namespace: Option<String>,
}

/// Reads what the flags name: files, or the clusters of the kubeconfig. Says what could not be read.
pub fn read(args: &InputArgs, printer: &mut Printer) -> Result<Input, Error> {
    if args.files.is_empty() {
        let overlay = overlay(args)?;
        return read_live(Session::open(args)?, args, overlay.as_ref(), printer);
    }
    require_one_stdin(args.files.iter())?;
    let mut loaded = load_files(&args.files, args);
    printer.report_loaded(&loaded);
    apply_cluster_flags(&mut loaded.snapshot, args, &args.files.iter().collect::<Vec<_>>())?;
    Ok(Input { loaded, session: None, namespace: args.namespace.clone() })
}

/// Reads the clusters' state, with an overlay over it.
pub fn read_live(
    session: Session,
    args: &InputArgs,
    overlay: Option<&Loaded>,
    printer: &mut Printer,
) -> Result<Input, Error> {
    let namespace = session.namespace(args);
    let gathered = session.block_on(session.read_clusters(namespace.as_deref()));
    merge(session, gathered, args, overlay, printer)
}

/// Makes one snapshot of what the clusters said, with an overlay over it.
pub fn merge(
    session: Session,
    answers: Vec<ClusterReadResult>,
    args: &InputArgs,
    overlay: Option<&Loaded>,
    printer: &mut Printer,
) -> Result<Input, Error> {
    let namespace = session.namespace(args);
    let mut loaded = session.merge(answers, printer)?;
    if let Some(newer) = overlay {
        require_known_clusters(newer, &loaded.snapshot)?;
        loaded.snapshot = loaded.snapshot.overlaid(&newer.snapshot, false);
        loaded.merge_report(newer);
    }
    let selection = Selection::new(args, namespace.as_deref());
    session.block_on(session.clb().query(&mut loaded.snapshot, &selection, &args.clb, printer))?;
    printer.report_loaded(&loaded);
    apply_cluster_flags(&mut loaded.snapshot, args, &args.overlay.iter().collect::<Vec<_>>())?;
    Ok(Input { loaded, session: Some(session), namespace })
}

/// Reads what `--overlay` names, if anything. Once: standard input is gone after that.
pub fn overlay(args: &InputArgs) -> Result<Option<Loaded>, Error> {
    require_one_stdin(args.overlay.iter())?;
    Ok((!args.overlay.is_empty()).then(|| load_files(&args.overlay, args)))
}

/// How a command over files ends: what could not be read wins over what was found.
pub fn exit(loaded: &Loaded, has_findings: bool) -> Exit {
    if !loaded.problems.is_empty() {
        Exit::Error
    } else if has_findings {
        Exit::Findings
    } else {
        Exit::Done
    }
}

/// Refuses an overlay of which nobody can say which cluster it is for.
pub fn require_known_clusters(overlay: &Loaded, snapshot: &Snapshot) -> Result<(), Error> {
    let known = |cluster: &Cluster| match &cluster.context {
        Some(name) => snapshot.clusters.iter().any(|of| of.context.as_ref() == Some(name)),
        None => cluster.services().next().is_none() || snapshot.clusters.len() == 1,
    };
    match overlay.snapshot.clusters.iter().find(|cluster| !known(cluster)) {
        None => Ok(()),
        Some(cluster) => Err(Error::usage(match &cluster.context {
            Some(name) => format!(
                "--overlay {name}=…: no context {name} is looked at; there is {}",
                context_names(snapshot)
            ),
            None => format!(
                "--overlay: for which cluster? There is {}; write --overlay NAME=PATH",
                context_names(snapshot)
            ),
        })),
    }
}

/// Refuses an empty command line where files are needed.
pub fn require_files(files: &[Source], command: &str, example: &str) -> Result<(), Error> {
    if !files.is_empty() {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("{command} needs -f FILE"),
        hints: vec![format!("for example: kubectl clbmigrate {example}")],
    })
}

/// Refuses a second `-`: standard input can be read once.
pub fn require_one_stdin<'s>(sources: impl Iterator<Item = &'s Source>) -> Result<(), Error> {
    match sources.filter(|source| source.path == Path::new("-")).count() {
        0 | 1 => Ok(()),
        _ => {
            Err(Error::usage("- is given more than once, but standard input can be read only once"))
        }
    }
}

/// Reads files without applying any flag to the snapshot.
pub fn load_files(sources: &[Source], args: &InputArgs) -> Loaded {
    let mut options = Options::default();
    if let Some(namespace) = &args.namespace {
        options.default_namespace.clone_from(namespace);
    }
    files::load(sources, io::stdin().lock(), &options)
}

/// Applies what flags say about clusters, and finds the ids that nothing says. A cluster that only
/// `sources` name may be missing: its files could not be read, or hold no object.
pub fn apply_cluster_flags(
    snapshot: &mut Snapshot,
    args: &InputArgs,
    sources: &[&Source],
) -> Result<(), Error> {
    let is_source = |name: &str| sources.iter().any(|of| of.context.as_deref() == Some(name));
    if let Some(name) = &args.context
        && !is_source(name)
        && !snapshot.clusters.is_empty()
        && !snapshot
            .clusters
            .iter()
            .any(|cluster| cluster.context.as_deref() == Some(name.as_str()))
    {
        return Err(unknown_context("--context", name, snapshot));
    }
    let mut each = |flag: &str, text: &str, apply: ClusterSetter<'_>| {
        apply_to_cluster(snapshot, flag, text, &is_source, apply)
    };
    for text in &args.cluster_id {
        each("--cluster-id", text, &mut |cluster, id| {
            cluster.id = Some(id.to_owned());
            Ok(())
        })?;
    }
    for text in &args.cluster_suffix {
        each("--cluster-suffix", text, &mut |cluster, suffix| {
            cluster.suffix = Some(suffix.to_owned());
            Ok(())
        })?;
    }
    for text in &args.backend_type {
        each("--backend-type", text, &mut |cluster, kind| {
            cluster.eni_by_default = match kind {
                "eni" => true,
                "ecs" => false,
                other => {
                    let message = format!("--backend-type {other:?} is neither eni nor ecs");
                    return Err(Error::usage(message));
                }
            };
            Ok(())
        })?;
    }
    snapshot.infer_cluster_ids();
    Ok(())
}

/// What a flag does to a cluster.
type ClusterSetter<'f> = &'f mut dyn FnMut(&mut Cluster, &str) -> Result<(), Error>;

/// Applies `[CTX=]VALUE` to the cluster it is for.
fn apply_to_cluster(
    snapshot: &mut Snapshot,
    flag: &str,
    text: &str,
    is_source: &dyn Fn(&str) -> bool,
    apply: ClusterSetter<'_>,
) -> Result<(), Error> {
    let (context, value) = match text.rsplit_once('=') {
        Some((context, value)) => (Some(context), value),
        None => (None, text),
    };
    if value.is_empty() {
        return Err(Error::usage(format!(
            "{flag} {text:?} has no value; write {flag} [CTX=]VALUE"
        )));
    }
    let Some(name) = context else {
        return match snapshot.clusters.as_mut_slice() {
            [] => apply(&mut Cluster::default(), value),
            [cluster] => apply(cluster, value),
            _ => Err(Error::usage(format!(
                "{flag} {value}: for which cluster? There are {}; write {flag} CTX={value}",
                context_names(snapshot)
            ))),
        };
    };
    let named = |cluster: &&mut Cluster| cluster.context.as_deref() == Some(name);
    let may_be_missing = snapshot.clusters.is_empty() || is_source(name);
    match snapshot.clusters.iter_mut().find(named) {
        Some(cluster) => apply(cluster, value),
        None if may_be_missing => apply(&mut Cluster::default(), value),
        None => Err(unknown_context(flag, name, snapshot)),
    }
}

fn unknown_context(flag: &str, name: &str, snapshot: &Snapshot) -> Error {
    Error::usage(format!(
        "{flag}: no cluster is named {name:?}; there is {}. Give files a name with -f {name}=PATH",
        context_names(snapshot)
    ))
}

/// The clusters' names, in words.
pub fn context_names(snapshot: &Snapshot) -> String {
    let names = snapshot.clusters.iter().map(|cluster| match &cluster.context {
        Some(name) => name.to_string(),
        None => "one without a name".to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}
