//! Reads what the flags name, files or clusters, into a snapshot.

use std::{io, path::Path, time::Duration};

use clbmigrate_cluster::{
    Loaded,
    files::{self, Options, Source},
    live::LENIENT_LIMIT,
};
use clbmigrate_core::{
    snapshot::{CcmNote, Cluster, Snapshot},
    version::{CcmVersion, CcmVersionError, NamedCcmVersion},
};

use crate::{
    cli::InputArgs,
    error::{Error, Exit},
    namespaces::Namespaces,
    output::Printer,
    selection::Selection,
    session::{ClusterReadResult, Session},
    target,
};
use tokio::time::timeout;

/// What a command has read.
pub struct Input {
    /// The snapshot, with what could not be read.
    pub loaded: Loaded,
    /// The connections; `None` where files were read.
    pub session: Option<Session>,
    /// The namespaces to look at.
    pub namespaces: Namespaces,
}

/// Reads the files of `-f`, or else the clusters of the kubeconfig, and says on stderr what could
/// not be read.
///
/// # Errors
/// Where flags contradict each other or what was read, and where no cluster can be read. A file
/// that cannot be read is no error: it is a problem of the result.
pub fn read(args: &InputArgs, printer: &mut Printer) -> Result<Input, Error> {
    if args.files.is_empty() {
        let overlay = overlay(args)?;
        return read_live(Session::open(args)?, args, overlay.as_ref(), printer);
    }
    require_one_stdin(args.files.iter())?;
    let mut loaded = load_files(&args.files, args);
    printer.report_loaded(&loaded);
    apply_cluster_flags(&mut loaded.snapshot, args, &args.files.iter().collect::<Vec<_>>())?;
    report_ccm(&loaded.snapshot, printer);
    Ok(Input { loaded, session: None, namespaces: file_namespaces(args) })
}

/// The namespaces of files to look at: that of `-n`, or all.
pub fn file_namespaces(args: &InputArgs) -> Namespaces {
    args.namespace.clone().map_or(Namespaces::All, Namespaces::One)
}

/// Reads the clusters of a session and the CLB API, with an overlay over them.
///
/// # Errors
/// As [`merge`] has them.
pub fn read_live(
    session: Session,
    args: &InputArgs,
    overlay: Option<&Loaded>,
    printer: &mut Printer,
) -> Result<Input, Error> {
    let gathered = session.block_on(session.read_clusters(&session.namespaces(args)));
    merge(session, gathered, args, overlay, printer)
}

/// The same for a change. With a `lever`, the Service of a change that is a way to safety, nothing but
/// that Service has to be readable: what else fails is a warning, and none of it is waited for.
///
/// # Errors
/// As [`merge`] has them; with a lever, only where the Service cannot be read, or where flags are
/// wrong.
pub fn read_to_write(
    session: Session,
    lever: Option<&str>,
    (args, overlay): (&InputArgs, Option<&Loaded>),
    printer: &mut Printer,
) -> Result<Input, Error> {
    let Some(target) = lever else { return read_live(session, args, overlay, printer) };
    let name = target::parse_name(target)?;
    let answers = session.block_on(session.read_clusters_around(&session.namespaces(args), name));
    let mut input = combine(session, answers, args, overlay, printer)?;
    match input.ask_clb(Some(LENIENT_LIMIT), args, printer) {
        Ok(()) => {}
        Err(error @ Error::Usage { .. }) => return Err(error),
        Err(error) => printer.warning(&error.to_string()),
    }
    input.finish(args, printer)
}

/// Makes one snapshot of the clusters' states with the overlay over it, asks the CLB API about the
/// selected routes, and applies the flags about clusters.
///
/// # Errors
/// Where no cluster was read, where the overlay or a flag names an unknown cluster, and where the
/// CLB API fails that the flags ask for.
pub fn merge(
    session: Session,
    answers: Vec<ClusterReadResult>,
    args: &InputArgs,
    overlay: Option<&Loaded>,
    printer: &mut Printer,
) -> Result<Input, Error> {
    let mut input = combine(session, answers, args, overlay, printer)?;
    input.ask_clb(None, args, printer)?;
    input.finish(args, printer)
}

/// Makes one snapshot of the clusters' states with the overlay over it.
fn combine(
    session: Session,
    answers: Vec<ClusterReadResult>,
    args: &InputArgs,
    overlay: Option<&Loaded>,
    printer: &mut Printer,
) -> Result<Input, Error> {
    let namespaces = session.namespaces(args);
    let mut loaded = session.merge(answers, printer)?;
    if let Some(newer) = overlay {
        require_known_clusters(newer, &loaded.snapshot)?;
        loaded.snapshot = loaded.snapshot.overlaid(&newer.snapshot, false);
        loaded.merge_report(newer);
    }
    Ok(Input { loaded, session: Some(session), namespaces })
}

impl Input {
    /// Asks the CLB API about the selected routes, for as long as it may take.
    fn ask_clb(
        &mut self,
        limit: Option<Duration>,
        args: &InputArgs,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let selection = Selection::new(args, &self.namespaces);
        let snapshot = &mut self.loaded.snapshot;
        let query = session.clb().query(snapshot, &selection, &args.clb, printer);
        let Some(limit) = limit else { return session.block_on(query) };
        let answered = session.block_on(async { timeout(limit, query).await });
        answered.unwrap_or_else(|_| {
            printer.warning("the CLB API did not answer in time; the routes are incomplete");
            Ok(())
        })
    }

    /// Says what could not be read, and applies the flags about clusters.
    fn finish(mut self, args: &InputArgs, printer: &mut Printer) -> Result<Self, Error> {
        let loaded = &mut self.loaded;
        printer.report_loaded(loaded);
        apply_cluster_flags(&mut loaded.snapshot, args, &args.overlay.iter().collect::<Vec<_>>())?;
        report_ccm(&loaded.snapshot, printer);
        Ok(self)
    }
}

/// Reads what `--overlay` names; `None` without that flag. It can be read once only: standard input
/// is gone after that.
///
/// # Errors
/// Where standard input is named twice.
pub fn overlay(args: &InputArgs) -> Result<Option<Loaded>, Error> {
    require_one_stdin(args.overlay.iter())?;
    Ok((!args.overlay.is_empty()).then(|| load_files(&args.overlay, args)))
}

/// How a command that has read `loaded` ends. What could not be read wins over findings.
pub fn exit(loaded: &Loaded, has_findings: bool) -> Exit {
    if !loaded.problems.is_empty() {
        Exit::Error
    } else if has_findings {
        Exit::Findings
    } else {
        Exit::Done
    }
}

/// Refuses an overlay of objects whose cluster is unknown: its context was not read, or it names
/// none and there are several.
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

/// Refuses a command line without `-f` where `command` needs it.
pub fn require_files(files: &[Source], command: &str, example: &str) -> Result<(), Error> {
    if !files.is_empty() {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!("{command} needs -f FILE"),
        hints: vec![format!("for example: kubectl clbmigrate {example}")],
    })
}

/// Refuses `--context` beside `--contexts` where the command looks at all that are named.
///
/// # Errors
/// A usage error.
pub fn refuse_one_of_several(args: &InputArgs) -> Result<(), Error> {
    if args.context.is_some() && !args.contexts.is_empty() {
        return Err(Error::usage("--context cannot be used with --contexts"));
    }
    Ok(())
}

/// Refuses a second `-`, since standard input can be read once.
pub fn require_one_stdin<'s>(sources: impl Iterator<Item = &'s Source>) -> Result<(), Error> {
    match sources.filter(|source| source.path == Path::new("-")).count() {
        0 | 1 => Ok(()),
        _ => {
            Err(Error::usage("- is given more than once, but standard input can be read only once"))
        }
    }
}

/// Reads files. Of the flags only `-n` counts: it is the namespace of objects that name none.
pub fn load_files(sources: &[Source], args: &InputArgs) -> Loaded {
    let mut options = Options::default();
    if let Some(namespace) = &args.namespace {
        options.default_namespace.clone_from(namespace);
    }
    files::load(sources, io::stdin().lock(), &options)
}

/// Applies `--cluster-id`, `--cluster-suffix`, `--backend-type` and `--ccm-version` to the clusters
/// that they name, and infers the ids that nothing says. A cluster that `sources` name may be missing: its files
/// could not be read, or hold no object.
///
/// # Errors
/// A usage error where a flag names an unknown cluster, has no value, or fits several clusters.
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
                "eni" => Some(true),
                "ecs" => Some(false),
                other => {
                    let message = format!("--backend-type {other:?} is neither eni nor ecs");
                    return Err(Error::usage(message));
                }
            };
            Ok(())
        })?;
    }
    for text in &args.ccm_version {
        each("--ccm-version", text, &mut |cluster, version| {
            cluster.set_ccm(ccm_version(version)?, &format!("--ccm-version {version}"));
            Ok(())
        })?;
    }
    snapshot.infer_cluster_ids();
    Ok(())
}

/// The value of `--ccm-version`.
fn ccm_version(text: &str) -> Result<NamedCcmVersion, Error> {
    text.parse().map_err(|error: CcmVersionError| Error::Usage {
        message: format!("--ccm-version: {error}"),
        hints: match error {
            CcmVersionError::Malformed(_) => Vec::new(),
            CcmVersionError::TooOld(_) => {
                vec![format!("--ccm-version {} judges it as that one", CcmVersion::OLDEST)]
            }
        },
    })
}

/// Says on stderr by which release of CCM each cluster is judged, where that is not plainly the
/// newest.
pub fn report_ccm(snapshot: &Snapshot, printer: &mut Printer) {
    for cluster in &snapshot.clusters {
        let of = cluster.context.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        match &cluster.ccm_note {
            Some(note @ CcmNote::Newer(_)) => printer.info(&format!("note: {of}{note}")),
            Some(note) => printer.warning(&format!("{of}{note}")),
            None if cluster.ccm_version != CcmVersion::NEWEST => {
                let source = cluster.ccm_source.as_str();
                printer.note(&format!("{of}CCM {} ({source})", cluster.ccm_version));
            }
            None => {}
        }
    }
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

/// The names of the clusters' contexts, separated by commas.
pub fn context_names(snapshot: &Snapshot) -> String {
    let names = snapshot.clusters.iter().map(|cluster| match &cluster.context {
        Some(name) => name.to_string(),
        None => "one without a name".to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}
