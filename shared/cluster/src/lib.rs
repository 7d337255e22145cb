//! Kubernetes objects and the CLB API's answers, as a snapshot for `clbmigrate-core`.
//!
//! [`files`] reads them from manifests, `kubectl` dumps and saved answers.
#![forbid(unsafe_code)]

pub mod files;
