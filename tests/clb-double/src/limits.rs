//! What the machine allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Thousands of connections need two file descriptors each. Where more are not allowed, the rest of
/// the connections wait until some have ended.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
