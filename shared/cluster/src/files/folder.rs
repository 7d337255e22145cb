use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::format::Format;
use crate::parse::LoadError;

/// The manifests in a folder and below it, sorted by name.
#[derive(Default)]
pub(super) struct FolderListing {
    /// The manifests.
    pub files: Vec<PathBuf>,
    /// Files and folders that could not be opened.
    pub errors: Vec<(PathBuf, LoadError)>,
    /// Real names of the folders so far: a link may lead back to a folder around it.
    seen: HashSet<PathBuf>,
}

impl FolderListing {
    /// Lists a folder and everything below it.
    pub fn of(folder: &Path) -> Self {
        let mut listing = Self::default();
        listing.enter(folder);
        if listing.files.is_empty() && listing.errors.is_empty() {
            listing.errors.push((folder.to_owned(), LoadError::NoManifests));
        }
        listing
    }

    fn enter(&mut self, folder: &Path) {
        if let Err(error) = self.try_enter(folder) {
            self.errors.push((folder.to_owned(), LoadError::Open(error)));
        }
    }

    fn try_enter(&mut self, folder: &Path) -> io::Result<()> {
        if !self.seen.insert(fs::canonicalize(folder)?) {
            return Ok(());
        }
        let mut paths = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| folder.join(entry.file_name())))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths.into_iter().filter(|path| !is_hidden(path)) {
            let is_manifest = Format::of_name(&path).is_some();
            match fs::metadata(&path) {
                Ok(target) if target.is_dir() => self.enter(&path),
                Ok(target) if target.is_file() && is_manifest => self.files.push(path),
                Err(error) if is_manifest => self.errors.push((path, LoadError::Open(error))),
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
