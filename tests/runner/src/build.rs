//! Builds the test executables and learns from cargo what there is.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// A test executable.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The package's folder below the workspace or below `tests/` and `shared/`, and the target: `e2e/webhook`.
    pub name: String,
    /// Beside which others it runs.
    pub lane: Lane,
    /// The executable.
    pub executable: PathBuf,
    /// The package's folder, where cargo runs its tests.
    pub folder: PathBuf,
    /// The package's name.
    pub package: String,
    /// The package's version.
    pub version: String,
}

/// Beside which others a suite runs. The package lists targets that do not compute under
/// `[package.metadata.test-runner]`, keys `clusters` and `alone`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Its tests compute: one such suite at a time.
    Computes,
    /// Its tests start clusters, and so wait most of the time: a few such suites at a time.
    Clusters,
    /// Its tests load the machine as far as it goes, or count requests that come too late: it runs after
    /// all others, and beside none.
    Alone,
}

impl Lane {
    /// What `--list` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Computes => "computes",
            Self::Clusters => "clusters",
            Self::Alone => "alone",
        }
    }
}

/// What cargo has built.
#[derive(Debug)]
pub struct Built {
    /// All suites of the workspace.
    pub suites: Vec<Suite>,
    /// Cargo's target folder.
    pub target_folder: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    manifest_path: PathBuf,
    metadata: Option<PackageMetadata>,
}

#[derive(Debug, Default, Deserialize)]
struct PackageMetadata {
    #[serde(default, rename = "test-runner")]
    test_runner: RunnerMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunnerMetadata {
    #[serde(default)]
    clusters: Vec<String>,
    #[serde(default)]
    alone: Vec<String>,
}

impl RunnerMetadata {
    /// The lane of a test target.
    fn lane(&self, target: &String) -> Lane {
        if self.alone.contains(target) {
            Lane::Alone
        } else if self.clusters.contains(target) {
            Lane::Clusters
        } else {
            Lane::Computes
        }
    }
}

#[derive(Debug, Deserialize)]
struct Message {
    package_id: Option<String>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Profile {
    test: bool,
}

/// Builds all test executables of the workspace, with cargo's progress on stderr.
pub fn build() -> anyhow::Result<Built> {
    let metadata = cargo(&["metadata", "--locked", "--no-deps", "--format-version=1"])?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata")?;
    let packages: BTreeMap<&str, &Package> =
        metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
    let messages = cargo(&[
        "test",
        "--workspace",
        "--locked",
        "--no-run",
        "--message-format=json-render-diagnostics",
    ])?;
    let mut suites = Vec::new();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line).context("what cargo test prints")?;
        let Message { package_id: Some(id), target: Some(target), profile, executable } = message
        else {
            continue;
        };
        let Some(executable) = executable.filter(|_| profile.is_some_and(|profile| profile.test))
        else {
            continue;
        };
        let package = packages.get(id.as_str()).with_context(|| format!("no package {id}"))?;
        suites.push(suite(package, &target, executable, &metadata.workspace_root)?);
    }
    for package in &metadata.packages {
        check_metadata(package, &suites)?;
    }
    Ok(Built { suites, target_folder: metadata.target_directory })
}

fn suite(
    package: &Package,
    target: &Target,
    executable: PathBuf,
    workspace: &Path,
) -> anyhow::Result<Suite> {
    let folder = package.manifest_path.parent().context("a package's folder")?.to_owned();
    let place = folder.strip_prefix(workspace).unwrap_or(&folder);
    let place =
        place.strip_prefix("tests").or_else(|_| place.strip_prefix("shared")).unwrap_or(place);
    let is_test = target.kind.iter().any(|kind| kind == "test");
    let name = match is_test {
        true => format!("{}/{}", place.display(), target.name),
        // The tests beside the code: those of a library, or of a program.
        false if target.kind.iter().any(|kind| kind == "bin") => {
            format!("{}/src ({})", place.display(), target.name)
        }
        false => format!("{}/src", place.display()),
    };
    let metadata = package.metadata.as_ref().filter(|_| is_test);
    let lane = metadata.map_or(Lane::Computes, |metadata| metadata.test_runner.lane(&target.name));
    let (package, version) = (package.name.clone(), package.version.clone());
    Ok(Suite { name, lane, executable, folder, package, version })
}

/// A misspelt target in a manifest would silently move its suite to the other lane.
fn check_metadata(package: &Package, suites: &[Suite]) -> anyhow::Result<()> {
    let Some(metadata) = &package.metadata else { return Ok(()) };
    let RunnerMetadata { clusters, alone } = &metadata.test_runner;
    for target in clusters.iter().chain(alone) {
        let is_there = suites.iter().any(|suite| {
            suite.package == package.name
                && suite.lane != Lane::Computes
                && suite.name.ends_with(&format!("/{target}"))
        });
        ensure!(
            is_there,
            "{}: package.metadata.test-runner names test target {target:?}, which does not exist",
            package.manifest_path.display()
        );
    }
    Ok(())
}

/// Runs cargo and returns its standard output.
fn cargo(arguments: &[&str]) -> anyhow::Result<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // `cargo run` describes this package in variables. Build scripts that look at them would run again.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo")?;
    let words = arguments.join(" ");
    ensure!(output.status.success(), "cargo {words} failed: its messages are above");
    String::from_utf8(output.stdout).with_context(|| format!("cargo {words}"))
}
