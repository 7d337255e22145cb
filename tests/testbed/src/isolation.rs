//! Isolating networks with packet filters.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, bail};

use crate::netns::command_in;

const TABLE: &str = "clbmigrate_cut";

/// What happens to packets from and to an isolated network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// They are rejected: TCP with a reset, all others with an ICMP message.
    Reject,
    /// They are dropped without an answer.
    Drop,
}

/// Dropping comes before everything else. Connections to node ports have been rewritten to pods
/// when they are forwarded, and are dropped before.
const DROP: &str = "
chain before { type filter hook prerouting priority -400; iifname eth0 drop; }
chain across { type filter hook forward priority -400; oifname eth0 drop; }
chain out { type filter hook output priority -400; oifname eth0 drop; }
";

/// The answers themselves must get out.
const REFUSE: &str = "
chain refuse {
  tcp flags & rst == rst accept
  icmp type destination-unreachable accept
  meta l4proto tcp reject with tcp reset
  reject with icmp type host-unreachable
}
chain in { type filter hook input priority -400; iifname eth0 jump refuse; }
chain across { type filter hook forward priority -400; jump refuse; }
chain out { type filter hook output priority -400; oifname eth0 jump refuse; }
";

pub(crate) fn isolate(namespace: &str, how: Isolation) -> anyhow::Result<()> {
    let rules = match how {
        Isolation::Drop => DROP,
        Isolation::Reject => REFUSE,
    };
    // Adding it first makes deleting it succeed, so that one isolation replaces another.
    nft(namespace, &format!("{CLEAR}table ip {TABLE} {{{rules}}}\n"))
}

const CLEAR: &str = "add table ip clbmigrate_cut\ndelete table ip clbmigrate_cut\n";

pub(crate) fn reconnect(namespace: &str) -> anyhow::Result<()> {
    nft(namespace, CLEAR)
}

fn nft(namespace: &str, rules: &str) -> anyhow::Result<()> {
    let mut child = command_in(Some(namespace), "nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start nft")?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it ends early, what it says is the better error.
        let _ = stdin.write_all(rules.as_bytes());
    }
    let output = child.wait_with_output().context("nft")?;
    if !output.status.success() {
        bail!("nft in {namespace}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
