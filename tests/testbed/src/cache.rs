//! Where what takes long to build is kept.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;

/// The folder of the user's cache that testbeds use, `~/.cache/clbmigrate/bed`. Fails where the
/// environment names no cache and no home.
pub(crate) fn folder() -> anyhow::Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set, so there is no place for a cache")?;
    Ok(caches.join("clbmigrate").join("bed"))
}
