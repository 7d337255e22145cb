//! Whether a testbed can run on this machine.

use std::env;
use std::process::{Command, Stdio};

use crate::plan::Size;

/// What every testbed needs from the distribution: util-linux.
const ALWAYS: [&str; 2] = ["setpriv", "setsid"];
/// What a testbed with nodes needs: util-linux, iproute2, nftables, procps, runc.
const NODES: [&str; 8] = ["ip", "mount", "nft", "nsenter", "runc", "sh", "sysctl", "unshare"];

/// Checks that a testbed of this size can run on this machine. The error says what is missing, for a
/// person.
pub fn can_run(size: Size) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("a testbed needs Linux".to_owned());
    }
    let nodes = size == Size::Nodes;
    if nodes && !rustix::process::getuid().is_root() {
        return Err("a testbed with nodes needs root".to_owned());
    }
    let needed = ALWAYS.iter().chain(nodes.then_some(&NODES).into_iter().flatten());
    let missing = needed.copied().filter(|program| !on_path(program)).collect::<Vec<_>>();
    if !missing.is_empty() {
        return Err(format!("missing on PATH: {}; run make deps", missing.join(", ")));
    }
    if nodes && !may_make_namespaces() {
        return Err(
            "a testbed with nodes needs to make namespaces, which root may not here".to_owned()
        );
    }
    Ok(())
}

/// Not so in most containers, where even root may not.
fn may_make_namespaces() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
