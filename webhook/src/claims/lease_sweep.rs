//! Whether a group's Lease is needed, without the requests themselves: each step says what to ask the API
//! server, and takes the answer.

use super::{binding::ServiceName, group::Observation, settlement::StoredClaims};

/// One look at a group's Lease. It is deleted where reads of all its Services leave no claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseSweep {
    stored: StoredClaims,
    asked: Option<ServiceName>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SweepStep {
    /// Read this Service, not from a cache.
    Observe(ServiceName),
    /// Delete the Lease if it still has this version.
    Delete(String),
    /// Nothing: the Lease stays.
    Keep,
}

impl LeaseSweep {
    /// A look at a Lease with these claims.
    pub fn new(stored: StoredClaims) -> Self {
        Self { stored, asked: None }
    }

    /// The Services that have claims.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.stored.claims.services()
    }

    /// Takes the answer to the last step, `None` at first, and returns the next one.
    pub fn next(&mut self, observation: Option<&Observation>) -> SweepStep {
        let StoredClaims { claims, version, now } = &mut self.stored;
        let asked = self.asked.take();
        if let (Some(service), Some(observation)) = (&asked, observation) {
            claims.observe(service, observation, *now);
        }
        let is_needed = |service: &ServiceName| claims.services().any(|it| it == service);
        if claims.has_pending(*now) || asked.as_ref().is_some_and(is_needed) {
            return SweepStep::Keep;
        }
        match claims.services().next() {
            Some(service) => {
                self.asked = Some(service.clone());
                SweepStep::Observe(service.clone())
            }
            None => SweepStep::Delete(version.clone()),
        }
    }
}
