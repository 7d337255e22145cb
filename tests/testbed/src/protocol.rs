//! The protocol between a test and the supervisor: one JSON value a line, one reply per request.
//! The end of the requests is the end of the testbed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::binaries::Binaries;
use crate::layout::Layout;
use crate::pki::Validity;
use crate::plan::Plan;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartRequest {
    pub plan: Plan,
    pub binaries: Binaries,
    /// The static program of the images; a testbed without nodes has none.
    pub app: Option<PathBuf>,
}

/// All other lines.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    StopApiServer { cluster: String, how: StopMode },
    StartApiServer { cluster: String, certificate: Validity },
    ImportImage { cluster: String, archive: PathBuf },
}

/// How an API server stops answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopMode {
    /// Its process is killed: connections are refused.
    Kill,
    /// Its process stands still: connections are made and nothing answers.
    Hang,
}

/// The reply to the start. If it failed, the supervisor has cleared everything already.
pub(crate) type StartResult = Result<Layout, String>;
/// The reply to a request.
pub(crate) type RequestResult = Result<(), String>;
