//! The programs of testbeds, such as etcd and kubelet: built once from Go modules into a cache, or taken
//! from a folder.

mod build;
mod catalogue;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::cache;
use crate::version::Version;
use catalogue::Program;
pub use catalogue::RequiredBinaries;

/// The environment variable with a folder of programs, in place of the cache.
const FOLDER: &str = "CLBMIGRATE_BED";

/// A folder of programs: `bin/` and one folder per version of Kubernetes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Provides the required programs.
    ///
    /// If `CLBMIGRATE_BED` names a folder, they must be there, and an error names those that are
    /// missing or of another version. Else those that the user's cache lacks are built with Go, with
    /// progress on stderr; several processes may call this at once.
    pub fn provide(need: &RequiredBinaries) -> anyhow::Result<Self> {
        let programs = need.programs();
        if let Some(folder) = env::var_os(FOLDER).filter(|folder| !folder.is_empty()) {
            let folder = PathBuf::from(folder);
            check(&folder, &programs)?;
            return Ok(Self { folder });
        }
        let folder = cache::folder()?;
        build::build(&folder, &programs)?;
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of Helm 4, which is there if [`RequiredBinaries::helm`] was set.
    pub fn helm(&self) -> PathBuf {
        self.tool("helm")
    }

    /// The path of Helm 3, which is there if [`RequiredBinaries::helm`] was set.
    pub fn helm3(&self) -> PathBuf {
        self.tool("helm3")
    }

    /// The path of a program that does not belong to a version of Kubernetes.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// The folder with the programs of one version of Kubernetes.
    pub(crate) fn kubernetes(&self, version: Version) -> PathBuf {
        self.folder.join(version.to_string())
    }
}

/// Runs every program for its version, once a process, and names all that fail at once.
fn check(folder: &Path, programs: &[Program]) -> anyhow::Result<()> {
    static GOOD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut good = GOOD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut faults = String::new();
    for program in programs {
        let file = folder.join(&program.path);
        if good.contains(&file) {
            continue;
        }
        match check_one(&file, program) {
            Ok(()) => drop(good.insert(file)),
            Err(fault) => write!(faults, "\n  {}: {fault:#}", program.path.display())?,
        }
    }
    if !faults.is_empty() {
        bail!(
            "{FOLDER}={} lacks programs; build them there or unset {FOLDER}:{faults}",
            folder.display()
        );
    }
    Ok(())
}

fn check_one(file: &Path, program: &Program) -> anyhow::Result<()> {
    if !file.is_file() {
        bail!("is missing");
    }
    let output = Command::new(file)
        .args(program.version_check.arguments)
        .envs(program.version_check.environment)
        .stdin(Stdio::null())
        .output()
        .context("does not start")?;
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    if !output.status.success() {
        bail!("fails with {}: {}", output.status, printed.trim());
    }
    if !printed.contains(&program.version_check.expected) {
        bail!("is another version than {}: {}", program.version_check.expected, printed.trim());
    }
    Ok(())
}
