//! The program in the testbed's own images, which is linked statically because it is alone there.

use std::path::PathBuf;

use crate::programs::build_static;

const NAME: &str = "clbmigrate-testbed-app";

/// Builds it.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    build_static(NAME, NAME)
}
