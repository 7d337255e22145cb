//! Clearing everything of a testbed: at its end, and after its owner was killed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use super::cgroups;
use super::process::run;
use crate::layout::base;
use crate::netns;
use crate::wait::try_wait_for;

/// The environment variable by which processes of a testbed are found; its value is the testbed's folder.
pub(crate) const MARKER: &str = "CLBMIGRATE_BED_FOLDER";

/// Long enough for a process that must first finish writing to a disk.
const DEADLINE: Duration = Duration::from_secs(30);

/// Ends all processes of a testbed, then removes its namespaces, cgroups and folder.
pub(crate) fn clear(number: u8, folder: &Path) -> anyhow::Result<()> {
    let namespaces = namespaces(number)?;
    // Until none is found: a process may start another one before it is killed.
    try_wait_for("the processes of the testbed to end", DEADLINE, || {
        let found = processes(number, folder, &namespaces)?;
        for &pid in &found {
            // It may be gone by now.
            let _ = kill_process(pid, Signal::KILL);
        }
        Ok(found.is_empty().then_some(()))
    })?;
    for namespace in &namespaces {
        run(Command::new("ip").args(["netns", "del", namespace]))?;
    }
    cgroups::remove(number)?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn namespaces(number: u8) -> anyhow::Result<Vec<String>> {
    let base = base(number);
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(netns::FOLDER) else { return Ok(found) };
    for entry in entries {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let rest = name.strip_prefix(&base);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
            found.push(name);
        }
    }
    Ok(found)
}

/// Everything that runs in a namespace or a cgroup of the testbed, or was started for it.
fn processes(number: u8, folder: &Path, namespaces: &[String]) -> anyhow::Result<Vec<Pid>> {
    let networks = namespaces
        .iter()
        .filter_map(|name| fs::metadata(Path::new(netns::FOLDER).join(name)).ok())
        .map(|namespace| namespace.ino())
        .collect::<BTreeSet<_>>();
    let cgroup = format!("/{}/", base(number));
    let mut mark = format!("{MARKER}=").into_bytes();
    mark.extend(folder.as_os_str().as_bytes());
    let own = ancestors();

    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let entry = entry?;
        let Some(pid) = number_of(&entry.file_name()) else { continue };
        // A process that ends meanwhile has none of this, and one of another user shows none.
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let network = || fs::metadata(entry.path().join("ns/net")).map(|network| network.ino());
        let in_cgroup =
            || String::from_utf8_lossy(&read("cgroup")).lines().any(|line| line.contains(&cgroup));
        let marked = || read("environ").split(|&byte| byte == 0).any(|value| value == mark);
        let ours =
            network().is_ok_and(|network| networks.contains(&network)) || in_cgroup() || marked();
        if ours && !own.contains(&pid) && !is_zombie(&read("stat")) {
            found.extend(Pid::from_raw(pid));
        }
    }
    Ok(found)
}

fn number_of(name: &OsStr) -> Option<i32> {
    name.to_str()?.parse().ok()
}

/// This process and those that started it: `bed down` may run inside the testbed.
fn ancestors() -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut next = i32::try_from(std::process::id()).ok();
    while let Some(pid) = next.filter(|&pid| pid > 1 && found.insert(pid)) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        next = after_name(&stat).and_then(|fields| fields.split_whitespace().nth(1)?.parse().ok());
    }
    found
}

/// It has ended already; only its parent can make it vanish.
fn is_zombie(stat: &[u8]) -> bool {
    let stat = String::from_utf8_lossy(stat);
    after_name(&stat).is_some_and(|fields| fields.trim_start().starts_with('Z'))
}

/// The fields of `/proc/PID/stat` after the name, which may itself contain blanks and brackets.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(')').map(|(_, fields)| fields)
}
