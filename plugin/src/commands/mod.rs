//! One file a command.

pub mod attach;
pub mod check;
pub mod complete;
pub mod completion;
pub mod explain;
pub mod preview;
pub mod set;
pub mod shift;
pub mod status;
pub mod undo;
pub mod version;
mod watch;
pub mod webhook;

use std::{collections::BTreeSet, io::Write};

use clbmigrate_cluster::Loaded;
use clbmigrate_core::object::ObjectRef;

use crate::{
    error::{Error, Exit},
    selection::Selection,
};

/// How a command over files ends: what could not be read wins over what was found.
fn exit(intake: &Loaded, has_findings: bool) -> Exit {
    if !intake.problems.is_empty() {
        Exit::Error
    } else if has_findings {
        Exit::Findings
    } else {
        Exit::Done
    }
}

/// Writes names as kubectl takes them, each once: `service/web -n shop --context a`, without what
/// the command line or the input leaves no doubt of.
fn write_names<'o>(
    objects: impl IntoIterator<Item = &'o ObjectRef>,
    selection: &Selection<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut written = BTreeSet::new();
    for object in objects {
        let mut line = format!("{}/{}", resource(&object.kind), object.name);
        if let Some(namespace) =
            object.namespace.as_deref().filter(|_| selection.namespace().is_none())
        {
            line = format!("{line} -n {namespace}");
        }
        if let Some(context) = &object.context {
            line = format!("{line} --context {context}");
        }
        if written.insert(line.clone()) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// A kind as kubectl names its resource.
fn resource(kind: &str) -> String {
    let group = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" => ".apps",
        _ => "",
    };
    format!("{}{group}", kind.to_lowercase())
}
