//! The program in the testbed's own images. It is linked statically, because an image holds nothing
//! else.

use std::path::PathBuf;

use crate::programs::build_static;

const NAME: &str = "clbmigrate-testbed-app";

/// Builds the program and returns its path.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    build_static(NAME, NAME)
}
