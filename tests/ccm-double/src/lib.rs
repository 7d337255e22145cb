//! Doubles of what only the cloud has: the Cloud Controller Manager (CCM).
//!
//! The double of CCM watches the Services of an API server, computes what CCM 2.14 would, asks the cloud what
//! it would ask, in its order, and writes to Kubernetes what it would write. The cloud is one over HTTP, or one in
//! this process. It shares no code with the product, so that a test of one is no test of itself.
#![forbid(unsafe_code)]

mod annotations;
mod api_server;
pub mod behaviour;
mod cache;
pub mod cloud_client;
pub mod controller;
mod event_handlers;
pub mod events;
pub mod hash;
pub mod http_api;
pub mod model;
mod nodes;
mod number;
pub mod outcome;
pub mod reconcile;
pub mod reports;
pub mod service;
pub mod standalone_cloud;
pub mod work_queue;
