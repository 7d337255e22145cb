//! What `clbmigrate_cluster::files` makes of files.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic anywhere")]

mod answers;
mod any_bytes;
mod json;
mod objects;
mod sources;
mod support;
mod yaml;
