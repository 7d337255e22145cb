//! Rounds that no recording shows: Kubernetes in memory, and a CLB double over HTTP.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

#[path = "../support/cloud.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod cloud;
#[path = "../support/fake_kubernetes.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod fake_kubernetes;
mod fixture;
mod groups;
mod load_balancers;
mod outcomes;
mod pods;
mod standalone_cloud;
