//! The flags that say what a cluster is: its id, its suffix, its CCM.

use clbmigrate_cluster::files::Source;
use clbmigrate_core::{
    snapshot::{CcmNote, Cluster, Snapshot},
    version::{CcmVersion, CcmVersionError, NamedCcmVersion},
};

use crate::{error::Error, output::Printer, request::Request};

/// Applies `--cluster-id`, `--cluster-suffix`, `--backend-type` and `--ccm-version` to the clusters
/// that they name, and infers the ids that nothing says. A cluster that `sources` name may be missing: its files
/// could not be read, or hold no object.
///
/// # Errors
/// A usage error where a flag names an unknown cluster, has no value, or fits several clusters.
pub fn apply_cluster_flags(
    snapshot: &mut Snapshot,
    args: &Request,
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
    for text in &args.clusters.cluster_id {
        each("--cluster-id", text, &mut |cluster, id| {
            cluster.id = Some(id.to_owned());
            Ok(())
        })?;
    }
    for text in &args.clusters.cluster_suffix {
        each("--cluster-suffix", text, &mut |cluster, suffix| {
            cluster.suffix = Some(suffix.to_owned());
            Ok(())
        })?;
    }
    for text in &args.clusters.backend_type {
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
    for text in &args.clusters.ccm_version {
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
