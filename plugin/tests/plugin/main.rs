//! The program as its users run it: over files, without a cluster.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod api_server;
mod cases;
mod ccm;
mod check;
mod clb;
mod clb_clusters;
mod completion_install;
mod contexts;
mod docs;
mod documents;
mod environment;
mod help;
mod injection_page;
mod languages;
mod line;
mod live;
mod named;
mod options;
mod pages;
mod pipes;
mod preview;
mod program;
mod released;
mod screens;
mod status;
mod status_names;
mod targets;
mod terminal;
mod undo;
