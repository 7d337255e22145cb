//! The sides of a change: what writes each, proves it, and takes it back.

mod groups;
mod health;
mod proof;
mod prove;
mod record;
mod restore;
mod send;
mod servers;
mod service;
mod wait;
mod words;

use std::time::Duration;

use clbmigrate_core::{route::Participant, transfer::Came};

pub use self::{
    proof::{Proof, Verification},
    record::EntryPlan,
    servers::ServersSide,
    service::{Progress, ServiceSide},
};
use super::stop::Stop;
use crate::{error::Error, output::Printer};

/// What holds for all sides of a change.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long each side may take to be written and proven, and as long again to be taken back; 0 for
    /// no limit.
    pub timeout: Duration,
    /// What shows that a side is carried out.
    pub proof: NeededProof,
    /// What becomes of a side that CCM fails at, or does not carry out in time.
    pub on_failure: OnFailure,
    /// What must be known of the health of backends that gain traffic.
    pub health: NeededHealth,
}

/// What shows that a side is carried out, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeededProof {
    /// That it is written: nobody waits for CCM.
    Write,
    /// CCM's word, where the CLB API cannot be asked.
    Ccm,
    /// The CLB API's answers.
    AtClb,
}

/// What becomes of a side that CCM fails at, or does not carry out in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It stays as it is written: no other side depends on it.
    Stay,
    /// It is taken back, and all before it.
    TakeBack,
}

/// What must be known of the health of backends, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NeededHealth {
    /// Nothing.
    Nothing,
    /// That the CLB's health checks do not call them abnormal.
    NotAbnormal,
    /// That the CLB's health checks call them healthy.
    Healthy,
}

impl Policy {
    /// Whether a side that fails stays as it is written.
    pub fn may_stay(&self) -> bool {
        self.on_failure == OnFailure::Stay
    }

    /// How long a change of so many sides may take, each of which may be taken back; `None` where
    /// there is no limit.
    pub fn longest(&self, sides: usize) -> Option<Duration> {
        let ways = u32::try_from(sides).unwrap_or(u32::MAX).saturating_mul(2);
        (!self.timeout.is_zero()).then(|| self.timeout.saturating_mul(ways))
    }
}

/// One side of a change.
pub enum Side<'t> {
    /// A Service, which its API server is sent an edit of.
    Service(Box<ServiceSide<'t>>),
    /// Servers outside of clusters, whose weights the CLB API is sent.
    Servers(Box<ServersSide>),
}

impl Side<'_> {
    /// Whether a participant of a route belongs to it.
    pub fn is(&self, of: &Participant<'_>) -> bool {
        match self {
            Self::Service(side) => side.is(of),
            Self::Servers(side) => side.is(of),
        }
    }

    /// Whether the CLB was seen to carry what was written.
    pub fn is_proven(&self) -> bool {
        match self {
            Self::Service(of) => of.is_proven(),
            Self::Servers(of) => of.is_proven,
        }
    }

    /// Writes it as the change of that id. An error that came before anything was written is given
    /// as it is.
    pub async fn write(
        &mut self,
        id: &str,
        policy: &Policy,
        printer: &mut Printer,
    ) -> (Came, Option<Error>) {
        match self {
            Self::Service(of) => of.write(id, policy, printer).await,
            Self::Servers(of) => of.write(policy).await,
        }
    }

    /// Waits until it is carried out, and proves it.
    pub async fn verify(&mut self, policy: &Policy, stop: &Stop, printer: &mut Printer) -> Came {
        match self {
            Self::Service(of) => of.verify(policy, stop, printer).await,
            Self::Servers(of) => of.verify(policy, printer).await,
        }
    }

    /// Writes what was there before.
    pub async fn restore(&mut self, id: &str, policy: &Policy, printer: &mut Printer) -> Came {
        match self {
            Self::Service(of) => of.restore(id, policy, printer).await,
            Self::Servers(of) => of.restore(policy).await,
        }
    }

    /// Proves that what was there before is there again.
    pub async fn confirm(&mut self, policy: &Policy, printer: &mut Printer) -> Came {
        match self {
            Self::Service(of) => of.confirm(policy, printer).await,
            Self::Servers(of) => of.confirm().await,
        }
    }
}
