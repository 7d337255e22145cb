//! The events that a round writes to its Service (CCM 2.14: `service_controller.go`,
//! `model_applier.go`, `vgroups.go`).

use super::{HashLabel, Round, RoundInputs, groups::WantedGroup};
use crate::annotation;

/// An event of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundEvent {
    /// The round succeeded.
    Ensured {
        /// The CLB's id.
        clb: String,
    },
    /// CCM has let go of the Service.
    Cleaned,
    /// The round failed.
    SyncFailed,
    /// The round that was to let go of the Service failed.
    CleanFailed,
    /// A port has no backends.
    NoBackends,
    /// Pods outside the VPC are left out. Holds their addresses.
    OutsideVpc(Vec<String>),
    /// Pods without a network interface are left out. Holds their addresses.
    WithoutInterface(Vec<String>),
    /// For these pods the removals and weights of a group wait.
    HeldBack(Vec<String>),
    /// `preserve-lb-on-delete` keeps the CLB after the Service.
    Preserved,
    /// The elastic address could not be found, and the CLB's own is shown.
    NoElasticAddress,
}

impl RoundEvent {
    /// The event's type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ensured { .. } | Self::Cleaned | Self::NoBackends | Self::OutsideVpc(_) => {
                "Normal"
            }
            _ => "Warning",
        }
    }

    /// The event's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ensured { .. } => "EnsuredLoadBalancer",
            Self::Cleaned => "CleanLoadBalancer",
            Self::SyncFailed => "SyncLoadBalancerFailed",
            Self::CleanFailed => "CleanLoadBalancerFailed",
            Self::NoBackends => "UnAvailableLoadBalancer",
            Self::OutsideVpc(_) | Self::WithoutInterface(_) | Self::HeldBack(_) => {
                "SkipSyncBackends"
            }
            Self::Preserved => "PreservedOnDelete",
            Self::NoElasticAddress => "FailedSetEIPAddress",
        }
    }
}

/// The events about the backends of the groups that a round wants.
pub(super) fn about_backends(groups: &[WantedGroup]) -> Vec<RoundEvent> {
    let mut events = Vec::new();
    for group in groups {
        let WantedGroup { without_interface, elsewhere, .. } = group;
        if !without_interface.is_empty() {
            events.push(RoundEvent::WithoutInterface(without_interface.clone()));
        }
        if !elsewhere.is_empty() {
            events.push(RoundEvent::OutsideVpc(elsewhere.clone()));
        }
        if group.backends.is_empty() && without_interface.is_empty() && elsewhere.is_empty() {
            events.push(RoundEvent::NoBackends);
        }
    }
    events
}

/// The events at the end of a round.
pub(super) fn at_the_end(
    inputs: &RoundInputs<'_>,
    round: &Round,
    is_wanted: bool,
) -> Vec<RoundEvent> {
    let stored = round.marks.hash == HashLabel::Stored;
    let mut events = Vec::new();
    match (is_wanted, round.is_success()) {
        (true, true) => {
            let annotations = &inputs.service.metadata.annotations;
            if annotations.text(annotation::EXTERNAL_IP_TYPE) == "eip" {
                events.push(RoundEvent::NoElasticAddress);
            }
            let clb = round.marks.clb.clone().unwrap_or_default();
            events.push(RoundEvent::Ensured { clb });
        }
        // CCM stores its marks all the same, and says of the pods alone.
        (true, false) if stored => {}
        (true, false) => events.push(RoundEvent::SyncFailed),
        (false, true) => events.push(RoundEvent::Cleaned),
        (false, false) => events.push(RoundEvent::CleanFailed),
    }
    events
}
