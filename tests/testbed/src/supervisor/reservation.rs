//! The number of a testbed, and the lock that says whether it is in use.
//!
//! A testbed's owner is the process that holds the lock on `N.lock`. The lock ends with the process,
//! however that ends, so whatever still exists under a number whose lock is free is left over.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use super::leftovers;
use crate::layout::{base, loopback};
use crate::netns;

/// Numbers are one byte of an address.
const NUMBERS: std::ops::Range<u8> = 0..250;

/// A number that no other testbed of this machine has as long as this value lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub number: u8,
    pub folder: PathBuf,
    lock_file: PathBuf,
    /// Held, not read: it is free again when the file is closed.
    _lock: File,
}

impl Reservation {
    /// Clears what testbeds without an owner have left, and takes the lowest free number that is not
    /// below `first`.
    pub fn acquire(first: u8) -> anyhow::Result<Self> {
        let root = root_folder()?;
        clear_unowned(&root)?;
        for number in first..NUMBERS.end {
            let Some(reservation) = Self::try_acquire(&root, number)? else { continue };
            if is_used_elsewhere(number) {
                reservation.release()?;
                continue;
            }
            make_private(&reservation.folder)?;
            return Ok(reservation);
        }
        bail!("{} beds run already; end some with `bed down`", NUMBERS.len());
    }

    /// Takes a number if no process holds its lock, whatever is left of its last testbed.
    pub fn try_acquire(root: &Path, number: u8) -> anyhow::Result<Option<Self>> {
        let folder = root.join(number.to_string());
        let lock_file = root.join(format!("{number}.lock"));
        let lock = lock(root, &lock_file).with_context(|| format!("{}", lock_file.display()))?;
        Ok(lock.map(|lock| Self { number, folder, lock_file, _lock: lock }))
    }

    /// Clears everything that is left under this number, and gives it back.
    pub fn clear(self) -> anyhow::Result<()> {
        leftovers::clear(self.number, &self.folder)
            .with_context(|| format!("clearing bed {}", self.number))?;
        self.release()
    }

    fn release(self) -> anyhow::Result<()> {
        fs::remove_file(&self.lock_file)?;
        if let Some(root) = self.lock_file.parent() {
            // Fails as long as there are other testbeds.
            let _ = fs::remove_dir(root);
        }
        Ok(())
    }
}

/// The folder of all testbeds of this user.
pub(crate) fn root_folder() -> anyhow::Result<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let base = runtime.filter(|path| path.is_dir()).unwrap_or_else(|| PathBuf::from("/tmp"));
    let base = base.canonicalize().with_context(|| format!("{}", base.display()))?;
    let user = rustix::process::getuid().as_raw();
    Ok(base.join(format!("clbmigrate-bed-{user}")))
}

/// The folders of all testbeds, with or without an owner.
pub(crate) fn numbers(root: &Path) -> anyhow::Result<Vec<u8>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("{}", root.display()))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u8>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Clears what testbeds without an owner have left.
pub(crate) fn clear_unowned(root: &Path) -> anyhow::Result<()> {
    for number in numbers(root)? {
        if let Some(reservation) = Reservation::try_acquire(root, number)? {
            reservation.clear()?;
        }
    }
    Ok(())
}

fn lock(root: &Path, path: &Path) -> anyhow::Result<Option<File>> {
    loop {
        make_private(root)?;
        let file = match File::options().create(true).append(true).open(path) {
            // The last testbed that ended has just removed the folder.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // The owner before may have removed the file after it was opened here.
        match fs::metadata(path) {
            Ok(found) if found.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a testbed has this number whose folder is elsewhere, because its `XDG_RUNTIME_DIR` was
/// another: what exists outside of folders tells.
fn is_used_elsewhere(number: u8) -> bool {
    // Where the first etcd of a testbed without namespaces listens.
    let etcd = (loopback(number, 1), 2379);
    netns::path(&base(number)).exists() || TcpListener::bind(etcd).is_err()
}

/// Makes a folder that only this user can enter, or sees to it that it is one.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => return made.with_context(|| format!("{}", folder.display())),
    }
    let found = fs::symlink_metadata(folder)?;
    ensure!(
        found.is_dir() && found.uid() == rustix::process::getuid().as_raw(),
        "{} belongs to somebody else; remove it, or set XDG_RUNTIME_DIR to a folder of yours",
        folder.display()
    );
    Ok(())
}
