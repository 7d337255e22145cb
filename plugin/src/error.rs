//! What ends a command early, and the exit codes.

use std::{io, process::ExitCode};

use clbmigrate_cluster::live;
use thiserror::Error;

/// Why a command could not do what it was asked for.
#[derive(Debug, Error)]
pub enum Error {
    /// The command line does not say enough, or says too much.
    #[error("{message}")]
    Usage {
        /// What is wrong with it.
        message: String,
        /// What to type instead, one line each.
        hints: Vec<String>,
    },
    /// What was asked for is not there.
    #[error("{message}")]
    NotFound {
        /// What is missing.
        message: String,
        /// What is there instead, one line each.
        hints: Vec<String>,
    },
    /// An API server failed, or refused.
    #[error(transparent)]
    Cluster(#[from] live::Error),
    /// The CLB API, or the search for its credentials, failed.
    #[error("CLB API: {0}")]
    Clb(#[from] clbmigrate_clb::Error),
    /// The change is refused, or would do harm.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// What to do instead, one line each.
        hints: Vec<String>,
    },
    /// Somebody else was faster.
    #[error("{message}")]
    Conflict {
        /// Who changed what.
        message: String,
        /// What to do about it, one line each.
        hints: Vec<String>,
    },
    /// The user did not say yes.
    #[error("nothing was written")]
    Aborted,
    /// The output could not be written.
    #[error("cannot write the output: {0}")]
    Io(#[from] io::Error),
    /// The output could not be put into its format.
    #[error("cannot write the output as {format}: {message}")]
    Format {
        /// The format.
        format: &'static str,
        /// What its writer said.
        message: String,
    },
}

impl Error {
    /// A usage error with that message and no hints.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hints: Vec::new() }
    }

    /// What to do next, one line each; empty where the message says it all.
    pub fn hints(&self) -> &[String] {
        match self {
            Self::Usage { hints, .. }
            | Self::NotFound { hints, .. }
            | Self::Refused { hints, .. }
            | Self::Conflict { hints, .. } => hints,
            Self::Cluster(error) => &error.hints,
            Self::Clb(error) => &error.hints,
            Self::Aborted | Self::Io(_) | Self::Format { .. } => &[],
        }
    }

    /// The exit that the error leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Refused { .. } => Exit::Findings,
            // An admission webhook or policy refused the write.
            Self::Cluster(error) if error.kind == live::ErrorKind::Denied => Exit::Findings,
            Self::Aborted => Exit::PutBack,
            _ => Exit::Error,
        }
    }
}

/// How the program ends, the same in every output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: an error, also an input that could not be read; wins over 3.
    Error,
    /// 2: the command line is wrong.
    Usage,
    /// 3: findings at or above `--fail-on`, or a refused write.
    Findings,
    /// 4: timed out.
    TimedOut,
    /// 5: put back by somebody else, or not confirmed.
    PutBack,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Error => 1,
            Exit::Usage => 2,
            Exit::Findings => 3,
            Exit::TimedOut => 4,
            Exit::PutBack => 5,
        })
    }
}

#[cfg(test)]
mod tests {
    use live::ErrorKind;

    use super::*;

    #[test]
    fn a_write_that_somebody_refuses_is_no_failure_to_write() {
        let exit = |kind| Error::from(live::Error::new(kind, "no")).exit();
        assert_eq!(exit(ErrorKind::Denied), Exit::Findings);
        assert_eq!(exit(ErrorKind::Forbidden), Exit::Error);
        assert_eq!(exit(ErrorKind::Webhook), Exit::Error);
    }
}
