//! What Alibaba Cloud's Cloud Controller Manager (CCM) makes of Kubernetes Services that share one
//! CLB, and the rules that find mistakes before CCM carries them out in silence.
//!
//! Pure: no I/O, no clock, no Kubernetes client. Facts about CCM are those of its release 2.14 and
//! named where they are used.
#![forbid(unsafe_code)]

pub mod agreement;
pub mod annotation;
pub mod backends;
pub mod change;
pub mod clb_answers;
pub mod deregistration;
mod edit;
pub mod finding;
pub mod hash;
pub mod history;
pub mod identity;
pub mod index;
pub mod inject;
mod known_cloud;
pub mod listener;
pub mod mapping;
pub mod object;
pub mod outcome;
pub mod patch;
pub mod prediction;
pub mod preview;
pub mod reconciliation;
pub mod round;
pub mod route;
pub mod rules;
pub mod snapshot;
pub mod solver;
pub mod transfer;
pub mod version;
pub mod weight;
