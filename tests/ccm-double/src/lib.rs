//! A double of the Cloud Controller Manager (CCM), the part of Kubernetes on Alibaba Cloud that runs in the cloud only.
//!
//! The double watches the Services of an API server, computes what CCM 2.14 computes, calls the cloud API in CCM's
//! order, and writes to Kubernetes what CCM writes. The cloud is an endpoint over HTTP: one that is given, or a CLB
//! double that it starts in its own process. It shares no code with the product, so that a test of the product is
//! never a test of itself.
#![forbid(unsafe_code)]

mod annotations;
mod api_server;
pub mod behaviour;
pub mod cache;
pub mod cloud_client;
pub mod controller;
pub mod event_handlers;
pub mod events;
pub mod hash;
pub mod http_api;
pub mod model;
mod number;
pub mod outcome;
pub mod reconcile;
pub mod reports;
pub mod service;
pub mod standalone_cloud;
pub mod work_queue;
