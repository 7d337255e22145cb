//! The workspace's own programs, as tests find them.

use std::env::{self, consts::ARCH};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::binaries::cache;

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

/// Builds programs of the workspace with the profile of the running program, into the same
/// folder, and returns where they are, in the order of the names.
pub fn build(names: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let (target, profile) = own_build()?;
    let mut arguments = vec!["--profile", &profile];
    for name in names {
        arguments.extend(["--bin", name]);
    }
    cargo_build(&arguments, &target, names, &[])
}

/// Builds a program of a package so that it runs alone in an image ([`crate::image`]): released, and
/// linked statically, into a target folder of its own, because other flags would build everything
/// anew.
pub fn build_static(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    // Naming the target keeps the flags away from build scripts and macros.
    let target = format!("{ARCH}-unknown-linux-gnu");
    let arguments = ["--release", "--package", package, "--bin", name, "--target", &target];
    let flags = [("RUSTFLAGS", "-C target-feature=+crt-static")];
    let built = cargo_build(&arguments, &cache()?.join("target"), &[name], &flags)?;
    built.into_iter().next().context("cargo has built nothing")
}

/// Builds with more arguments and environment than [`build`].
fn cargo_build(
    arguments: &[&str],
    target: &Path,
    names: &[&str],
    environment: &[(&str, &str)],
) -> anyhow::Result<Vec<PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo tells this test about its package would make build scripts run again.
    let told = env::vars_os().map(|(name, _)| name);
    told.filter(|name| is_set_by_cargo(&name.to_string_lossy())).for_each(|name| {
        command.env_remove(name);
    });
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
        bail!("cargo build {} failed; see its words above", arguments.join(" "));
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
    names.iter().map(find).collect()
}

/// Whether cargo sets a variable for the package that it runs.
fn is_set_by_cargo(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// The target folder and the profile that the running program comes from: it is
/// `TARGET/PROFILE/NAME`, or `TARGET/PROFILE/deps/NAME` if it is a test.
fn own_build() -> anyhow::Result<(PathBuf, String)> {
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

/// The workspace's folder. Cargo tells programs that it runs; others must remember, which is wrong
/// for a clone that uses the target folder of another one.
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
