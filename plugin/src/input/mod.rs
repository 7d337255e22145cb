//! Reads what the flags name, files or clusters, into a snapshot.

mod cluster_flags;

use std::{io, path::Path, time::Duration};

use clbmigrate_cluster::{
    Loaded,
    files::{self, Options, Source},
    live::LENIENT_LIMIT,
};
use clbmigrate_core::snapshot::{Cluster, Snapshot};

pub use self::cluster_flags::{apply_cluster_flags, context_names, report_ccm};
use crate::{
    clb::Scope,
    error::{Error, Exit},
    namespaces::Namespaces,
    output::Printer,
    request::Request,
    selection::Selection,
    session::{ClusterReadResult, ReadScope, Session},
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

/// Reads the files of `-f`, or else the clusters of the kubeconfig with what the CLB API says about a
/// scope, and says on stderr what could not be read.
///
/// # Errors
/// Where flags contradict each other or what was read, and where no cluster can be read. A file
/// that cannot be read is no error: it is a problem of the result.
pub fn read(args: &Request, scope: &Scope, printer: &mut Printer) -> Result<Input, Error> {
    if args.files.is_empty() {
        let overlay = overlay(args)?;
        // An overlay may join any group.
        let reading = if overlay.is_some() { ReadScope::All } else { ReadScope::Shown };
        let session = Session::open(args)?;
        return read_live((session, reading), args, (overlay.as_ref(), scope), printer);
    }
    require_one_stdin(args.files.iter())?;
    let mut loaded = load_files(&args.files, args);
    printer.report_loaded(&loaded);
    apply_cluster_flags(&mut loaded.snapshot, args, &args.files.iter().collect::<Vec<_>>())?;
    report_ccm(&loaded.snapshot, printer);
    Ok(Input { loaded, session: None, namespaces: file_namespaces(args) })
}

/// The namespaces of files to look at: that of `-n`, or all.
pub fn file_namespaces(args: &Request) -> Namespaces {
    args.namespace.clone().map_or(Namespaces::All, Namespaces::One)
}

/// Reads the clusters of a session and what the CLB API says about a scope, with an overlay over them.
///
/// # Errors
/// As [`merge`] has them.
pub fn read_live(
    (session, reading): (Session, ReadScope),
    args: &Request,
    more: (Option<&Loaded>, &Scope),
    printer: &mut Printer,
) -> Result<Input, Error> {
    let gathered = read_clusters(&session, args, reading, printer);
    merge(session, gathered, args, more, printer)
}

fn read_clusters(
    session: &Session,
    args: &Request,
    reading: ReadScope,
    printer: &Printer,
) -> Vec<ClusterReadResult> {
    let _line = printer.progress(session.reading_in_words());
    session.block_on(session.read_clusters(&session.namespaces(args), reading))
}

/// The clusters of a session as they are, and as they are with an overlay over them.
pub struct Overlaid {
    /// As they are, with the overlay's answers of the CLB API, which are evidence and no change.
    pub before: Input,
    /// With the overlay over them.
    pub after: Snapshot,
}

/// Reads the clusters of a session, and lays an overlay over them. The CLB API is asked about the
/// routes of the selected Services, those after the change among them.
///
/// # Errors
/// As [`merge`] has them.
pub fn read_overlaid(
    session: Session,
    args: &Request,
    newer: &Loaded,
    printer: &mut Printer,
) -> Result<Overlaid, Error> {
    let namespaces = session.namespaces(args);
    let answers = read_clusters(&session, args, ReadScope::All, printer);
    let mut loaded = session.merge(answers, printer)?;
    require_known_clusters(newer, &loaded.snapshot)?;
    let mut after = loaded.snapshot.overlaid(&newer.snapshot, false);
    loaded.merge_report(newer);
    let selection = Selection::new(args, &namespaces);
    let scope = (&Scope::Selected, &selection);
    session.block_on(async {
        session.clb().query(&mut after, scope, &args.clb, printer).await?;
        loaded.snapshot.clb_answers.clone_from(&after.clb_answers);
        // The groups that the change leaves.
        session.clb().query(&mut loaded.snapshot, scope, &args.clb, printer).await
    })?;
    after.clb_answers.clone_from(&loaded.snapshot.clb_answers);
    printer.report_loaded(&loaded);
    let sources: Vec<&Source> = args.overlay.iter().collect();
    apply_cluster_flags(&mut loaded.snapshot, args, &sources)?;
    apply_cluster_flags(&mut after, args, &sources)?;
    report_ccm(&after, printer);
    Ok(Overlaid { before: Input { loaded, session: Some(session), namespaces }, after })
}

/// The same for a change. With a `lever`, the Service of a change that is a way to safety, nothing but
/// that Service has to be readable: what else fails is a warning, and none of it is waited for.
///
/// # Errors
/// As [`merge`] has them; with a lever, only where the Service cannot be read, or where flags are
/// wrong.
pub fn read_to_write(
    session: Session,
    (lever, scope): (Option<&str>, &Scope),
    (args, overlay): (&Request, Option<&Loaded>),
    printer: &mut Printer,
) -> Result<Input, Error> {
    let Some(target) = lever else {
        return read_live((session, ReadScope::Current), args, (overlay, scope), printer);
    };
    let name = target::parse_name(target)?;
    let line = printer.progress(session.reading_in_words());
    let answers = session.block_on(session.read_clusters_around(&session.namespaces(args), name));
    drop(line);
    let mut input = combine(session, answers, args, overlay, printer)?;
    match input.ask_clb(scope, Some(LENIENT_LIMIT), args, printer) {
        Ok(()) => {}
        Err(error @ Error::Usage { .. }) => return Err(error),
        Err(error) => printer.warning(&error.to_string()),
    }
    input.finish(args, printer)
}

/// Makes one snapshot of the clusters' states with the overlay over it, asks the CLB API about a scope,
/// and applies the flags about clusters.
///
/// # Errors
/// Where no cluster was read, where the overlay or a flag names an unknown cluster, and where the
/// CLB API fails that the flags ask for.
pub fn merge(
    session: Session,
    answers: Vec<ClusterReadResult>,
    args: &Request,
    (overlay, scope): (Option<&Loaded>, &Scope),
    printer: &mut Printer,
) -> Result<Input, Error> {
    let mut input = combine(session, answers, args, overlay, printer)?;
    input.ask_clb(scope, None, args, printer)?;
    input.finish(args, printer)
}

/// Makes one snapshot of the clusters' states with the overlay over it.
fn combine(
    session: Session,
    answers: Vec<ClusterReadResult>,
    args: &Request,
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
    /// Asks the CLB API about a scope, for as long as it may take.
    fn ask_clb(
        &mut self,
        scope: &Scope,
        limit: Option<Duration>,
        args: &Request,
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let selection = Selection::new(args, &self.namespaces);
        let snapshot = &mut self.loaded.snapshot;
        let query = session.clb().query(snapshot, (scope, &selection), &args.clb, printer);
        let Some(limit) = limit else { return session.block_on(query) };
        let answered = session.block_on(async { timeout(limit, query).await });
        answered.unwrap_or_else(|_| {
            printer.warning("the CLB API did not answer in time; the routes are incomplete");
            Ok(())
        })
    }

    /// Says what could not be read, and applies the flags about clusters.
    fn finish(mut self, args: &Request, printer: &mut Printer) -> Result<Self, Error> {
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
pub fn overlay(args: &Request) -> Result<Option<Loaded>, Error> {
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
pub fn load_files(sources: &[Source], args: &Request) -> Loaded {
    let mut options = Options::default();
    if let Some(namespace) = &args.namespace {
        options.default_namespace.clone_from(namespace);
    }
    files::load(sources, io::stdin().lock(), &options)
}
