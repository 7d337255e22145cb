//! Reviews and their answers, without a server: what is refused, what passes, and what is said.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod evidence;
mod grid;
mod modes;
mod properties;
mod ratchet;
mod support;
mod together;
mod words;
mod workloads;
