//! From flags to a world.

use std::{io, path::Path};

use clbmigrate_cluster::files::{self, Loaded, Options, Source};
use clbmigrate_core::snapshot::{Cluster, World};

use crate::{cli::InputArgs, error::Error, output::Printer};

/// Reads what `-f` names, and says what could not be read. `example` is the command line to show
/// where nothing is named.
pub fn read(
    args: &InputArgs,
    command: &str,
    example: &str,
    printer: &mut Printer,
) -> Result<Loaded, Error> {
    need_files(&args.files, command, example)?;
    sole_stdin(args.files.iter())?;
    let mut intake = load(&args.files, args);
    printer.intake(&intake);
    settle(&mut intake.world, args, &args.files.iter().collect::<Vec<_>>())?;
    Ok(intake)
}

/// Refuses an empty command line: it does not reach for a cluster.
pub fn need_files(files: &[Source], command: &str, example: &str) -> Result<(), Error> {
    if !files.is_empty() {
        return Ok(());
    }
    Err(Error::Usage {
        message: format!(
            "{command} needs -f FILE: this version looks at files only, not at a live cluster"
        ),
        hints: vec![
            format!("for example: kubectl clbmigrate {example}"),
            "or dump a cluster: kubectl get svc,nodes,endpointslices,deploy,sts,ds -A -o json | \
             kubectl clbmigrate status -f -"
                .to_owned(),
        ],
    })
}

/// Refuses a second `-`: standard input can be read once.
pub fn sole_stdin<'s>(sources: impl Iterator<Item = &'s Source>) -> Result<(), Error> {
    match sources.filter(|source| source.path == Path::new("-")).count() {
        0 | 1 => Ok(()),
        _ => {
            Err(Error::usage("- is given more than once, but standard input can be read only once"))
        }
    }
}

/// Reads files without applying any flag to the world.
pub fn load(sources: &[Source], args: &InputArgs) -> Loaded {
    let mut options = Options::default();
    if let Some(namespace) = &args.namespace {
        options.default_namespace.clone_from(namespace);
    }
    files::load(sources, io::stdin().lock(), &options)
}

/// Applies what flags say about clusters, and finds the ids that nothing says. A cluster that only
/// `sources` name may be missing: its files could not be read, or hold no object.
pub fn settle(world: &mut World, args: &InputArgs, sources: &[&Source]) -> Result<(), Error> {
    let is_source = |name: &str| sources.iter().any(|of| of.context.as_deref() == Some(name));
    if let Some(name) = &args.context
        && !is_source(name)
        && !world.clusters.is_empty()
    {
        return Err(unknown_context("--context", name, world));
    }
    let mut each =
        |flag: &str, text: &str, apply: Apply<'_>| each(world, flag, text, &is_source, apply);
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
    world.infer_cluster_ids();
    Ok(())
}

/// What a flag does to a cluster.
type Apply<'f> = &'f mut dyn FnMut(&mut Cluster, &str) -> Result<(), Error>;

/// Applies `[CTX=]VALUE` to the cluster it is for.
fn each(
    world: &mut World,
    flag: &str,
    text: &str,
    is_source: &dyn Fn(&str) -> bool,
    apply: Apply<'_>,
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
        return match world.clusters.as_mut_slice() {
            [] => apply(&mut Cluster::default(), value),
            [cluster] => apply(cluster, value),
            _ => Err(Error::usage(format!(
                "{flag} {value}: for which cluster? There are {}; write {flag} CTX={value}",
                contexts(world)
            ))),
        };
    };
    let named = |cluster: &&mut Cluster| cluster.context.as_deref() == Some(name);
    let may_be_missing = world.clusters.is_empty() || is_source(name);
    match world.clusters.iter_mut().find(named) {
        Some(cluster) => apply(cluster, value),
        None if may_be_missing => apply(&mut Cluster::default(), value),
        None => Err(unknown_context(flag, name, world)),
    }
}

fn unknown_context(flag: &str, name: &str, world: &World) -> Error {
    Error::usage(format!(
        "{flag}: no cluster is named {name:?}; there is {}. Give files a name with -f {name}=PATH",
        contexts(world)
    ))
}

/// The clusters' names, in words.
pub fn contexts(world: &World) -> String {
    let names = world.clusters.iter().map(|cluster| match &cluster.context {
        Some(name) => name.to_string(),
        None => "one without a name".to_owned(),
    });
    names.collect::<Vec<_>>().join(", ")
}
