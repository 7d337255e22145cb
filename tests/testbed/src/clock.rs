//! Programs whose clock is off, by libfaketime.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, ensure};

/// Of libfaketime; the one for programs with threads.
const LIBRARY: &str = "libfaketimeMT.so.1";

/// Sets the wall clock that a command and its children see off by `offset`: `+1h`, `-90m`, `+30s` or
/// `-2d`. Another form, or a machine without libfaketime, is an error.
///
/// Monotonic clocks stay right, so that waiting takes as long as ever. Programs that are not
/// linked to the C library dynamically, such as those of Kubernetes, do not notice.
pub fn faked_clock(command: &mut Command, offset: &str) -> anyhow::Result<()> {
    check(offset)?;
    let library = library()?;
    // Others may want to be loaded before as well.
    let libraries = match env::var("LD_PRELOAD") {
        Ok(others) if !others.is_empty() => format!("{}:{others}", library.display()),
        _ => library.display().to_string(),
    };
    command.env("LD_PRELOAD", libraries).env("FAKETIME", offset);
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Ok(())
}

fn check(offset: &str) -> anyhow::Result<()> {
    let number = offset
        .strip_prefix(['+', '-'])
        .and_then(|rest| rest.strip_suffix(['s', 'm', 'h', 'd']))
        .is_some_and(|number| number.parse::<u32>().is_ok());
    ensure!(number, "{offset:?} is no offset of a clock; write it as +1h, -90m, +30s or -2d");
    Ok(())
}

/// Where distributions keep it: below a folder of libraries, in some below that of a platform.
fn library() -> anyhow::Result<PathBuf> {
    let mut folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from).to_vec();
    let platforms = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.extend(platforms.map(|entry| entry.path()));
    let found = folders
        .iter()
        .flat_map(|folder| [folder.join("faketime"), folder.clone()])
        .map(|folder| folder.join(LIBRARY))
        .find(|library: &PathBuf| Path::is_file(library));
    found.with_context(|| format!("{LIBRARY} of libfaketime is not installed; run make deps"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn offsets_that_the_library_would_read_as_something_else_are_refused() {
        for offset in ["+1h", "-90m", "+0s", "-2d"] {
            assert!(check(offset).is_ok(), "{offset}");
        }
        for offset in ["1h", "+h", "+1", "+1w", "", "+1h x5"] {
            assert!(check(offset).is_err(), "{offset}");
        }
    }
}
