//! The workspace's own programs, as tests find them.

use std::collections::BTreeMap;
use std::env::{self, consts::ARCH};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::cache;

#[derive(Deserialize)]
struct CargoMessage {
    #[serde(default)]
    target: Target,
    executable: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
struct Target {
    #[serde(default)]
    name: String,
}

/// The environment variable with a folder in which all programs of the workspace have been built
/// already. `tests/runner` sets it for the suites that it starts.
const BUILT: &str = "CLBMIGRATE_PROGRAMS";

/// The profile of programs in the images of tests, in the workspace's `Cargo.toml`.
const IMAGE_PROFILE: &str = "image-for-tests";

/// The profile of programs as they are shipped, in the workspace's `Cargo.toml`.
pub const DIST_PROFILE: &str = "dist";

/// Returns the paths of programs of the workspace, in the order of the names.
///
/// If `CLBMIGRATE_PROGRAMS` names a folder, the programs are taken from it, and one that is missing
/// there is an error. Else cargo builds them with the profile of the running program, into the same
/// target folder. Cargo's own lock lets several processes call this at once.
pub fn build(names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(folder) = env::var_os(BUILT).filter(|folder| !folder.is_empty()) {
        return built_in(Path::new(&folder), names);
    }
    let (target, profile) = own_target_and_profile()?;
    build_in(&target, &profile, names)
}

/// Returns the paths of programs of the workspace, in the order of the names, built by cargo with this
/// profile into the target folder of the running program. `CLBMIGRATE_PROGRAMS` does not count, for
/// what is there has a profile of its own.
pub fn build_with_profile(profile: &str, names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    build_in(&own_target_and_profile()?.0, profile, names)
}

fn build_in(target: &Path, profile: &str, names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let mut arguments = vec!["--profile", profile];
    for name in names {
        arguments.extend(["--bin", name]);
    }
    cargo_build(&arguments, target, names, &[])
}

/// The programs of these names in a folder; an error names the first that is missing.
fn built_in(folder: &Path, names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let find = |name: &&str| {
        let program = folder.join(name);
        ensure!(program.is_file(), "{BUILT}={} has no program {name}", folder.display());
        Ok(program)
    };
    names.iter().map(find).collect()
}

/// Builds a program of a package so that it runs alone in an image ([`crate::image`]), and returns
/// its path.
///
/// It is optimized and linked statically. Its target folder is `target/PACKAGE` in the cache of the
/// testbed: other flags in cargo's own folder would build everything anew, and in a folder shared with
/// a large program a small one would wait for it.
pub fn build_static(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    // Naming the target keeps the flags away from build scripts and macros.
    let target = format!("{ARCH}-unknown-linux-gnu");
    let arguments =
        ["--profile", IMAGE_PROFILE, "--package", package, "--bin", name, "--target", &target];
    let flags = [("RUSTFLAGS", "-C target-feature=+crt-static")];
    let folder = cache::folder()?.join("target").join(package);
    let built = cargo_build(&arguments, &folder, &[name], &flags)?;
    built.into_iter().next().context("cargo has built nothing")
}

/// What this process has built, by the arguments. Sources do not change while tests run, and even a
/// build that has nothing to do takes cargo half a second.
static CACHE: Mutex<BTreeMap<String, Vec<PathBuf>>> = Mutex::new(BTreeMap::new());

/// Runs `cargo build` and returns the paths of the programs with these names.
fn cargo_build(
    arguments: &[&str],
    target: &Path,
    names: &[&str],
    environment: &[(&str, &str)],
) -> anyhow::Result<Vec<PathBuf>> {
    let mut built_before = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = [arguments, names].concat().join(" ");
    if let Some(programs) = built_before.get(&key) {
        return Ok(programs.clone());
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo tells this test about its package would make build scripts run again.
    for (name, _) in env::vars_os() {
        if is_set_by_cargo(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    let output = command
        .args(["build", "--quiet", "--message-format=json"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace()?)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cargo build")?;
    if !output.status.success() {
        bail!("cargo build {} failed; its messages are above", arguments.join(" "));
    }
    let built = String::from_utf8(output.stdout).context("cargo build")?;
    let messages = built.lines().filter_map(|line| serde_json::from_str::<CargoMessage>(line).ok());
    let built = messages
        .filter_map(|message| Some((message.target.name, message.executable?)))
        .collect::<Vec<_>>();
    let find = |name: &&str| {
        let found = built.iter().find(|(built, _)| built == name);
        let (_, path) = found.with_context(|| format!("cargo has built no program {name}"))?;
        Ok(path.clone())
    };
    let programs = names.iter().map(find).collect::<anyhow::Result<Vec<_>>>()?;
    built_before.insert(key, programs.clone());
    Ok(programs)
}

/// Whether cargo sets a variable for the package that it runs.
fn is_set_by_cargo(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The target folder and the profile that the running program comes from: it is
/// `TARGET/PROFILE/NAME`, or `TARGET/PROFILE/deps/NAME` if it is a test.
fn own_target_and_profile() -> anyhow::Result<(PathBuf, String)> {
    let program = env::current_exe().context("the running program")?;
    let folder = program.parent().context("the running program has no folder")?;
    let tests = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    let folder = if tests { folder.parent().unwrap_or(folder) } else { folder };
    let profile = folder.file_name().and_then(|name| name.to_str());
    let target = folder.parent();
    let (Some(profile), Some(target)) = (profile, target) else {
        bail!("{} is not where cargo builds programs", program.display());
    };
    let profile = if profile == "debug" { "dev" } else { profile };
    Ok((target.to_owned(), profile.to_owned()))
}

/// The workspace's folder: the nearest folder above `CARGO_MANIFEST_DIR` whose `Cargo.toml` has a
/// `[workspace]`.
///
/// Cargo and `tests/runner` set that variable for the tests they start. Without it, the folder from
/// which this crate was compiled counts, which is another one if several clones share a target
/// folder. An error says that there is no workspace.
pub fn workspace() -> anyhow::Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    let is_workspace = |folder: &&Path| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim() == "[workspace]")
    };
    let found = package.ancestors().find(is_workspace).with_context(|| {
        format!(
            "there is no workspace above {}; run this with cargo in the project's folder",
            package.display()
        )
    })?;
    Ok(found.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{built_in, is_set_by_cargo};

    #[test]
    fn programs_that_are_built_already_are_found_and_a_missing_one_is_named() {
        let folder =
            std::env::temp_dir().join(format!("clbmigrate-programs-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("sender"), "").expect("a file");
        let found = built_in(&folder, &["sender"]);
        let missing = built_in(&folder, &["sender", "load"]);
        fs::remove_dir_all(&folder).expect("the folder");
        assert_eq!(found.expect("a program"), [folder.join("sender")]);
        let error = missing.expect_err("a missing program").to_string();
        assert!(error.ends_with("has no program load"), "{error}");
        assert!(built_in(Path::new("/nonexistent"), &[]).expect("nothing is missing").is_empty());
    }

    #[test]
    fn only_what_cargo_says_of_a_package_is_kept_from_the_build() {
        assert!(is_set_by_cargo("CARGO_PKG_NAME"));
        assert!(is_set_by_cargo("CARGO_MANIFEST_DIR"));
        for name in ["CARGO_TARGET_DIR", "CARGO_HOME", "CARGO_INCREMENTAL", "PATH"] {
            assert!(!is_set_by_cargo(name), "{name}");
        }
    }
}
