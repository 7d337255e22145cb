//! Building programs with Go, each at most once.

use std::env::consts::ARCH;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::catalogue::Program;
use crate::digest::sha256;
use crate::programs::workspace;
use crate::stderr::write_line;

/// Builds those programs that the folder does not have, or has from another source.
pub(super) fn build(folder: &Path, programs: &[Program]) -> anyhow::Result<()> {
    if missing(folder, programs)?.is_empty() {
        return Ok(());
    }
    let _lock = lock(folder)?;
    // Whoever held the lock may have built them.
    let missing = missing(folder, programs)?;
    for (position, (program, stamp)) in (1..).zip(&missing) {
        let name = program.path.display();
        write_line(&format!("bed: building {name} ({position} of {})", missing.len()));
        let start = Instant::now();
        build_one(folder, program)?;
        fs::write(stamp_file(folder, program), stamp)?;
        write_line(&format!("bed: built {name} in {} s", start.elapsed().as_secs()));
    }
    Ok(())
}

fn missing<'a>(
    folder: &Path,
    programs: &'a [Program],
) -> anyhow::Result<Vec<(&'a Program, String)>> {
    let mut missing = Vec::new();
    for program in programs {
        let stamp = stamp(program)?;
        let found = fs::read_to_string(stamp_file(folder, program)).unwrap_or_default();
        if found != stamp || !folder.join(&program.path).is_file() {
            missing.push((program, stamp));
        }
    }
    Ok(missing)
}

/// Everything a program depends on: change it and the program is built anew.
fn stamp(program: &Program) -> anyhow::Result<String> {
    let module = module(program)?;
    let read = |name: &str| {
        fs::read(module.join(name)).with_context(|| {
            format!(
                "there is no module {} to build {} from; see tests/testbed/README.md",
                program.module,
                program.path.display()
            )
        })
    };
    let sources = [read("go.mod")?, read("go.sum")?];
    let arguments = arguments(program, Path::new("")).join(OsStr::new("\n"));
    let parts = sources.iter().map(Vec::as_slice);
    Ok(sha256(parts.chain([arguments.as_encoded_bytes(), ARCH.as_bytes()])))
}

fn stamp_file(folder: &Path, program: &Program) -> PathBuf {
    let file = folder.join(&program.path);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.stamp"))
}

/// The folder with the `go.mod` and the `go.sum` of a program.
fn module(program: &Program) -> anyhow::Result<PathBuf> {
    Ok(workspace()?.join("tests/testbed/go").join(&program.module))
}

fn arguments(program: &Program, output: &Path) -> Vec<OsString> {
    let flags = ["build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", program.tags];
    let mut arguments = flags.map(OsString::from).to_vec();
    arguments.extend(["-ldflags".into(), program.ldflags.clone().into()]);
    arguments.extend(["-o".into(), output.into(), program.package.clone().into()]);
    arguments
}

/// Builds under a temporary name, so that a file with the right name is always whole.
fn build_one(folder: &Path, program: &Program) -> anyhow::Result<()> {
    let file = folder.join(&program.path);
    let name = program.path.display();
    let parent = file.parent().unwrap_or(folder);
    fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
    let unfinished = file.with_extension("unfinished");
    let output = Command::new("go")
        .args(arguments(program, &unfinished))
        .current_dir(module(program)?)
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS")
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no Go to build {name} with; install Go 1.26 or newer, or set CLBMIGRATE_BED \
             to a folder with the programs"
        ),
        output => output.context("go build")?,
    };
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        bail!("go build of {name} failed:\n{}", printed.trim_end());
    }
    fs::rename(&unfinished, &file).with_context(|| format!("{}", file.display()))
}

/// One process builds at a time: two would only share the cores, and build twice.
fn lock(folder: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let file = folder.join("lock");
    let lock = File::create(&file).with_context(|| format!("{}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            write_line("bed: another process builds programs; waiting for it");
            lock.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(io::Error::into(error)),
    }
    Ok(lock)
}
