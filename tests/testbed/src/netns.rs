//! Running programs in network namespaces.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// The folder in which `ip netns` keeps the namespaces it makes.
pub(crate) const FOLDER: &str = "/run/netns";

/// The words before a program that make it run in a namespace; none for the machine's own network.
///
/// `ip netns exec` would also mount another `/sys`, in which kubelet finds no cgroups.
pub(crate) fn nsenter(namespace: Option<&str>) -> Vec<String> {
    let Some(namespace) = namespace else { return Vec::new() };
    vec!["nsenter".to_owned(), format!("--net={FOLDER}/{namespace}"), "--".to_owned()]
}

/// A command for a program in a namespace; `None` is the machine's own network.
pub(crate) fn command_in(namespace: Option<&str>, program: impl AsRef<OsStr>) -> Command {
    let words = nsenter(namespace);
    let Some((first, rest)) = words.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// The file that holds a namespace.
pub(crate) fn path(namespace: &str) -> PathBuf {
    PathBuf::from(FOLDER).join(namespace)
}
