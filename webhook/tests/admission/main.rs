//! Reviews and their responses, without a server: what is denied, what is allowed, and with which words.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod api_reads;
mod audit;
mod cascading_deletion;
mod chains;
mod claims;
mod cloud_rules;
mod inject;
mod live_lists;
mod log;
#[path = "../support/memory_claims.rs"]
mod memory_claims;
mod messages;
mod modes;
mod names;
mod properties;
mod quota;
mod ratcheting;
mod recording_api;
mod rivals;
mod rules;
mod support;
mod unknown_fields;
mod workloads;
