//! Writes that failed, and values of somebody else, in words.

use clbmigrate_cluster::live::{LiveService, WriteError};
use clbmigrate_core::history;

use super::ServiceSide;
use crate::{error::Error, target};

/// A write that failed.
#[derive(Debug)]
pub enum WriteFailure {
    /// Nothing was written.
    NotWritten(Error),
    /// Somebody else has written another value.
    Taken(Error),
    /// Nobody knows whether it was written.
    Unknown(Error),
}

impl WriteFailure {
    /// Puts the failure of a write into words.
    pub fn new(side: &ServiceSide<'_>, error: WriteError) -> Self {
        match error {
            WriteError::Conflict { key, now, is_lost } => {
                Self::Taken(conflict(side, &key, &now, is_lost))
            }
            WriteError::Unknown(mut error) => {
                error.message =
                    format!("nobody knows whether the change was written: {}", error.message);
                let hint = format!(
                    "look before anything else: kubectl clbmigrate status {}",
                    target::location_flags(&side.service_ref)
                );
                Self::Unknown(Error::Cluster(error.hint(hint)))
            }
            WriteError::Request(error) => Self::NotWritten(error.into()),
            error @ WriteError::Exists { .. } => Self::Taken(Error::Conflict {
                message: error.to_string(),
                hints: vec!["give it another name, or attach the one that is there".to_owned()],
            }),
            WriteError::Overwritten { key, now } => Self::Taken(Error::Conflict {
                message: format!(
                    "{}: it was written, and put back: {}",
                    side.service_ref.label(),
                    describe_overwrite(&now, &key)
                ),
                hints: vec!["see who edits it before you repeat".to_owned()],
            }),
        }
    }
}

impl From<WriteFailure> for Error {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::NotWritten(error)
            | WriteFailure::Taken(error)
            | WriteFailure::Unknown(error) => error,
        }
    }
}

fn conflict(side: &ServiceSide<'_>, key: &str, now: &LiveService, is_lost: bool) -> Error {
    let who = now.field_managers_of(key).into_iter().next();
    let by = who.map(|manager| format!(" by {} at {}", manager.name, manager.time));
    let value = now.value(key).map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    let last = now.history().ok().and_then(|history| {
        let last = history.last()?;
        let known = side.present.history().ok()?;
        let is_new = !known.contains(&last.change);
        is_new.then(|| format!("change {} by {} at {}", last.change, last.who, last.when))
    });
    let what =
        if key == history::KEY { "its record".to_owned() } else { format!("{key} is {value} now") };
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
            side.service_ref.label(),
            by.unwrap_or_default()
        ),
        hints,
    }
}

/// Says in words which value an annotation has now, and who wrote it.
pub fn describe_overwrite(now: &LiveService, key: &str) -> String {
    let value = now.value(key).map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    let who = now.field_managers_of(key).into_iter().next();
    let by = who.map_or_else(
        || "somebody".to_owned(),
        |manager| format!("field manager {} at {}", manager.name, manager.time),
    );
    format!("{key} is {value}, written by {by}")
}
