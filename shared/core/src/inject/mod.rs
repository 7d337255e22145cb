//! The preStop hook that workloads behind a migrated Service are given, so that a pod whose end has
//! begun still answers until the CLB has stopped sending to it.
//!
//! What is added to a pod template: a native `sleep` as preStop hook of every main container that
//! has no preStop hook, the same number of seconds to the grace period, so that SIGTERM keeps the
//! time it had, and a [`InjectionRecord`] of both as an annotation of the template. Native sidecars end after
//! the main containers anyway and stay as they are.
//!
//! Two principles settle what the words above leave open:
//!
//! - **What is applied again stays as it runs.** A client may send its manifest back without any of
//!   our fields, or with its own grace period only. If adding ours again, with the seconds the stored
//!   template has, makes the stored template, that is the answer: no new revision.
//! - **A record is kept true as long as its hooks stand**: the grace period follows what the client
//!   sent even where no new hook would be given (opted out, Service gone, a node too old). Else a
//!   manifest's own grace period would cut a hook that its author never wrote.
//!
//! A grace period or a hook that equals the recorded one is taken for ours. Whoever writes just that
//! number into a manifest gets it as the whole, as long as ours stays what it is: once the seconds
//! change, the manifest's number is no longer ours, and counts as any other.

mod decision;
mod diff;
mod record;
mod template;
mod workload;

/// How long the hook sleeps where nobody says otherwise, in seconds. How long each CCM needs is not
/// verified.
pub const DEFAULT_SECONDS: u32 = 30;

pub use decision::{Action, Decision, Note, Reason};
pub use record::{INJECTED, InjectionRecord, InjectionRecordError};
pub use template::remove_hooks;
pub use workload::{
    ExaminedWorkload, InjectionContext, Operation, Request, examine, workload_behind,
};

pub(crate) use workload::opt_out_reason;

use std::ops::RangeInclusive;

/// Annotation of workloads: how long their hooks sleep, in seconds, in place of the configured
/// time.
pub const PRE_STOP_SECONDS: &str = "clbmigrate.io/pre-stop-seconds";

/// How long a hook may sleep, in seconds.
pub const SECONDS: RangeInclusive<u32> = 1..=3600;

/// The first kubelet that knows the native `sleep` without a feature gate, as `(major, minor)`.
pub const NATIVE_SLEEP: (u32, u32) = (1, 30);
