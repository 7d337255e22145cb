//! The program in the bed's own images, which is linked statically because it is alone there.

use std::env::consts::ARCH;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::binaries::cache;
use crate::programs::cargo_build;

const NAME: &str = "clbmigrate-bed-app";

/// Builds it, into a target folder of its own: other flags would build everything anew.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    // Naming the target keeps the flags away from build scripts and macros.
    let target = format!("{ARCH}-unknown-linux-gnu");
    let arguments = ["--release", "--package", NAME, "--target", &target];
    let flags = [("RUSTFLAGS", "-C target-feature=+crt-static")];
    let built = cargo_build(&arguments, &cache()?.join("target"), &[NAME], &flags)?;
    built.into_iter().next().context("cargo has built nothing")
}
