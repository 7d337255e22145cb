//! Kubernetes objects and the CLB API's answers, as a snapshot for `clbmigrate-core`.
//!
//! [`files`] reads them from manifests, `kubectl` dumps and saved answers; [`live`] from API servers,
//! to which it also writes.
#![forbid(unsafe_code)]

pub mod files;
pub mod live;
mod loaded;
mod parse;
mod problem;

pub use loaded::Loaded;
pub use problem::Problem;
