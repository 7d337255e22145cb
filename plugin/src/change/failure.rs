//! A write that failed, in words.

use clbmigrate_cluster::live::WriteError;
use clbmigrate_core::history;

use super::{Change, wait::describe_overwrite};
use crate::{error::Error, target};

/// A write that failed.
#[derive(Debug)]
pub enum WriteFailure {
    /// Nothing was written.
    NotWritten(Error),
    /// Nobody knows whether it was written.
    Unknown(Error),
}

impl WriteFailure {
    /// Puts the failure of a write into words.
    pub fn new(change: &Change<'_>, error: WriteError) -> Self {
        let is_known = match &error {
            WriteError::Request(_) => true,
            WriteError::Conflict { is_lost, .. } | WriteError::Exists { is_lost, .. } => !is_lost,
            WriteError::Overwritten { .. } | WriteError::Unknown(_) => false,
        };
        let error = explain(change, error);
        if is_known { Self::NotWritten(error) } else { Self::Unknown(error) }
    }
}

impl From<WriteFailure> for Error {
    fn from(unsent: WriteFailure) -> Self {
        match unsent {
            WriteFailure::NotWritten(error) | WriteFailure::Unknown(error) => error,
        }
    }
}

fn explain(change: &Change<'_>, error: WriteError) -> Error {
    match error {
        WriteError::Request(error) => error.into(),
        WriteError::Unknown(mut error) => {
            error.message =
                format!("nobody knows whether the change was written: {}", error.message);
            let hint = format!(
                "look before anything else: kubectl clbmigrate status {}",
                target::location_flags(&change.service_ref)
            );
            Error::Cluster(error.hint(hint))
        }
        WriteError::Exists { .. } => {
            Error::Conflict { message: error.to_string(), hints: Vec::new() }
        }
        WriteError::Overwritten { key, now } => Error::Conflict {
            message: format!(
                "{}: it was written, and put back: {}",
                change.service_ref.label(),
                describe_overwrite(&now, &key, now.value(&key))
            ),
            hints: vec!["see who edits it before you repeat".to_owned()],
        },
        WriteError::Conflict { key, now, is_lost } => {
            let who = now.field_managers_of(&key).into_iter().next();
            let by = who.map(|manager| format!(" by {} at {}", manager.name, manager.time));
            let value =
                now.value(&key).map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
            let last = now.history().ok().and_then(|history| {
                let last = history.last()?;
                let known = change.present.history().ok()?;
                let is_new = !known.contains(&last.change);
                is_new.then(|| format!("change {} by {} at {}", last.change, last.who, last.when))
            });
            let what = if key == history::KEY {
                "its record".to_owned()
            } else {
                format!("{key} is {value} now")
            };
            let mut hints: Vec<String> = last.into_iter().collect();
            hints.push(if is_lost {
                "the answer to the write was lost, and nobody knows whether it came first; look again"
                    .to_owned()
            } else {
                "nothing was written; look again, then repeat".to_owned()
            });
            Error::Conflict {
                message: format!(
                    "{}: somebody else was faster: {what}, changed{}",
                    change.service_ref.label(),
                    by.unwrap_or_default()
                ),
                hints,
            }
        }
    }
}
