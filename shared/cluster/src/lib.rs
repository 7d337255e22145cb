//! Reads Kubernetes objects and answers of the CLB API into a snapshot for `clbmigrate-core`.
//!
//! [`files`] reads manifests, `kubectl` dumps and saved answers. [`live`] reads from API servers
//! and writes annotations of Services.
#![forbid(unsafe_code)]

pub mod files;
pub mod live;
mod loaded;
mod parse;
mod problem;

pub use loaded::Loaded;
pub use problem::Problem;
