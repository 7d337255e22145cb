//! The programs under test.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clbmigrate_testbed::programs;

/// The programs under test, in a folder for PATH.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
    /// The plugin.
    pub plugin: PathBuf,
    /// The double of CCM.
    pub ccm: PathBuf,
}

impl Tools {
    /// Builds them.
    pub fn build() -> anyhow::Result<Self> {
        let built = programs::build(&["kubectl-clbmigrate", "ccm-double"])?;
        let [plugin, ccm] = built.as_slice() else { bail!("two programs, not {built:?}") };
        let folder = plugin.parent().context("the plugin's folder")?.to_owned();
        Ok(Self { folder, plugin: plugin.clone(), ccm: ccm.clone() })
    }

    /// Where the plugin is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
