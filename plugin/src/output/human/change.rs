//! What a command that wrote one Service did.

use std::io::{self, Write};

use clbmigrate_core::annotation;

use crate::output::json::{ChangeReport, TypeChange};

/// Writes a line for each annotation that changes, and the state in words. `name` is the Service's,
/// as kubectl takes it.
pub fn change_report(report: &ChangeReport, name: &str, out: &mut dyn Write) -> io::Result<()> {
    let ChangeReport { annotations, change, message, .. } = report;
    for annotation in annotations {
        let short = annotation::suffix_of(&annotation.key).unwrap_or(&annotation.key);
        let short = short.strip_prefix("loadbalancer-").unwrap_or(short);
        let value = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
        let (old, new) = (value(&annotation.old), value(&annotation.new));
        writeln!(out, "{name} {short} {old} -> {new}")?;
    }
    if let Some(TypeChange { old, new }) = &report.service_type {
        match old {
            Some(old) => writeln!(out, "{name} type {old} -> {new}")?,
            None => writeln!(out, "{name} is new, of type {new}")?,
        }
    }
    match change {
        Some(id) => writeln!(out, "change {id}: {message}"),
        None if annotations.is_empty() => writeln!(out, "{name} {message}"),
        None => writeln!(out, "{message}"),
    }
}
