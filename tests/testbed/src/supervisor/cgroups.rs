//! The cgroups of a testbed: one in every hierarchy, with one below it for the pods of each node.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::layout::base;
use crate::wait::try_wait_for;

/// How long the last process of a cgroup may take to end.
const DEADLINE: Duration = Duration::from_secs(30);

/// A node's cgroup below the mount of a hierarchy.
pub(super) fn path(number: u8, node: &str) -> String {
    format!("/{}/{node}", base(number))
}

/// Makes a node's cgroup in every hierarchy, in which kubelet wants to find it.
pub(super) fn create(number: u8, node: &str) -> anyhow::Result<()> {
    for hierarchy in hierarchies()? {
        let path = hierarchy.join(base(number)).join(node);
        fs::create_dir_all(&path).with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

/// Removes those of a testbed whose processes have ended.
pub(super) fn remove(number: u8) -> anyhow::Result<()> {
    for hierarchy in hierarchies()? {
        let cgroup = hierarchy.join(base(number));
        if cgroup.is_dir() {
            remove_tree(&cgroup)?;
        }
    }
    Ok(())
}

/// Where they are mounted: one of version 2, or several of version 1.
fn hierarchies() -> anyhow::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (mount, kind) = (fields.next()?, fields.next()?);
        matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(mount))
    });
    Ok(hierarchies.collect())
}

/// Removes a cgroup after those below it; the files in it vanish with it.
fn remove_tree(cgroup: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    // Busy for a moment after its last process has ended.
    try_wait_for(&format!("{} to be empty", cgroup.display()), DEADLINE, || {
        match fs::remove_dir(cgroup) {
            Ok(()) => Ok(Some(())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(())),
            Err(error) if error.kind() == ErrorKind::ResourceBusy => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}", cgroup.display())),
        }
    })
}
