//! Running programs in network namespaces.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::bail;

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

/// Runs `body` on a thread of its own in the network that this file holds, such as `/proc/PID/ns/net`.
/// Threads that it starts are in that network too.
pub fn run_in<T: Send>(
    network: &Path,
    body: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let entered = || {
        enter(network)?;
        body()
    };
    thread::scope(|scope| scope.spawn(entered).join())
        .unwrap_or_else(|_| bail!("the thread in {} has ended", network.display()))
}

/// Moves the calling thread into a network.
#[cfg(target_os = "linux")]
fn enter(network: &Path) -> anyhow::Result<()> {
    use std::fs::File;
    use std::os::fd::AsFd as _;

    use anyhow::Context as _;
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

    let file = File::open(network).with_context(|| format!("{}", network.display()))?;
    Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Moves the calling thread into a network.
#[cfg(not(target_os = "linux"))]
fn enter(network: &Path) -> anyhow::Result<()> {
    bail!("{} needs Linux", network.display())
}
