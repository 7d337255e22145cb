//! Files as `clbmigrate_cluster::files` reads them, and the examples in `deploy/examples`.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic anywhere")]

mod answers;
mod examples;
mod json;
mod objects;
mod properties;
mod sources;
mod support;
mod yaml;
