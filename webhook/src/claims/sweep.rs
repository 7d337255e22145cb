//! Deletes the Leases of groups that no Service has any more.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{
    ClaimBackend as _,
    binding::ServiceName,
    bindings_in,
    lease::{Lease, LeaseStore},
    lease_sweep::{LeaseSweep, SweepStep},
};
use crate::api_call::{ApiCallError, Seconds};

/// How often Leases are looked through.
const PERIOD: Duration = Duration::from_secs(60);

/// How many Services are read in one round at most.
const MAX_READS: usize = 100;

impl LeaseStore {
    /// Deletes what nobody needs, again and again, and never ends. All replicas do so; a Lease that another
    /// process has written meanwhile stays.
    pub async fn sweep(&self) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !self.cache().is_synced() {
                continue;
            }
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(%error, "claims cannot be looked through");
            }
        }
    }

    /// Looks through all Leases once.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn sweep_once(&self) -> Result<(), ApiCallError> {
        let (now, leases) = self.list().await?;
        let mut reads = MAX_READS;
        for lease in leases {
            if let Err(error) = self.sweep_lease(&lease, now, &mut reads).await {
                tracing::warn!(group = lease.group(), %error, "its claims cannot be looked through");
            }
        }
        Ok(())
    }

    /// Deletes a Lease if no claim in it counts any more.
    async fn sweep_lease(
        &self,
        lease: &Lease,
        now: Seconds,
        reads: &mut usize,
    ) -> Result<(), ApiCallError> {
        let group = lease.group();
        let mut sweep = LeaseSweep::new(lease.claims(now)?);
        // One that is in use, as the cache has it, is the usual case and costs no request.
        let in_use = |service: &ServiceName| {
            let cached = self.cache().service(&service.namespace, &service.name);
            cached.is_some_and(|cached| !bindings_in(&cached, group).is_empty())
        };
        let count = sweep.services().count();
        if sweep.services().any(in_use) || count > *reads {
            return Ok(());
        }
        let mut step = sweep.next(None);
        loop {
            step = match step {
                SweepStep::Observe(service) => {
                    *reads = reads.saturating_sub(1);
                    sweep.next(Some(&self.observe(group, &service).await?))
                }
                SweepStep::Delete(version) => return self.delete(group, &version).await,
                SweepStep::Keep => return Ok(()),
            };
        }
    }
}
