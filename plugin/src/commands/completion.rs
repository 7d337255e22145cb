//! `completion`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{
    cli::{Cli, CompletionArgs},
    error::{Error, Exit},
    output::Printer,
};

/// What kubectl looks for on PATH to complete `kubectl clbmigrate`.
const HELPER: &str =
    if cfg!(windows) { "kubectl_complete-clbmigrate.cmd" } else { "kubectl_complete-clbmigrate" };

/// The helper: it asks the plugin.
const SCRIPT: &str = if cfg!(windows) {
    "@echo off\r\nkubectl-clbmigrate __complete -- %*\r\n"
} else {
    "#!/bin/sh\nexec kubectl-clbmigrate __complete -- \"$@\"\n"
};

/// Prints a completion script, or installs that of kubectl.
pub fn run(args: &CompletionArgs, printer: &mut Printer) -> Result<Exit, Error> {
    match args.target.shell() {
        Some(shell) => print(shell, printer),
        None => install(args.dir.as_deref(), printer),
    }
}

fn print(shell: Shell, printer: &mut Printer) -> Result<Exit, Error> {
    // In one piece: the generators panic where they cannot write.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "kubectl-clbmigrate", &mut script);
    printer.data().write_all(&script)?;
    Ok(Exit::Done)
}

fn install(folder: Option<&Path>, printer: &mut Printer) -> Result<Exit, Error> {
    let folder = match folder {
        Some(folder) => folder.to_owned(),
        None => folder_of_program()?,
    };
    let path = folder.join(HELPER);
    write(&path).map_err(|error| Error::NotFound {
        message: format!("{} cannot be written: {error}", path.display()),
        hints: vec!["name another folder of PATH with --dir".to_owned()],
    })?;
    writeln!(printer.text(), "installed {}", path.display())?;
    let is_found =
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|of| of == folder));
    if !is_found {
        printer
            .warning(&format!("{} is not on PATH, where kubectl looks for it", folder.display()));
    }
    printer.note("kubectl's own completion has to be on: see kubectl completion --help");
    Ok(Exit::Done)
}

/// The folder of PATH in which this program is found. That is where a link to it stands, as krew makes
/// one; else it is the program's own folder.
fn folder_of_program() -> Result<PathBuf, Error> {
    let program = env::current_exe()?;
    let itself = program.canonicalize()?;
    let name = format!("kubectl-clbmigrate{}", env::consts::EXE_SUFFIX);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).find(|folder| {
        folder.is_absolute() && folder.join(&name).canonicalize().is_ok_and(|of| of == itself)
    });
    Ok(found.unwrap_or_else(|| program.parent().map(Path::to_owned).unwrap_or_default()))
}

/// Writes beside and renames: a shell never runs half a script.
fn write(path: &Path) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, SCRIPT)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755))?;
    }
    fs::rename(&beside, path)
}
