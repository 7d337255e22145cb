//! Keeps the Lease of the audit while this replica is to lead, and tells whether it does.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

use kube::Client;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    election::{Goal, Role},
    lease::LeaseClient,
};

/// How often the Lease is renewed, or looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// How long a replica leads without another renewal, by its own clock and from before it asked. That is
/// well before any other one takes over: the API server's times are in whole seconds.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);

/// How often is looked whether the Lease is wanted, while it is not.
const TICK: Duration = Duration::from_secs(1);

/// How long to wait for the Lease at the end of the process.
const RESIGN_TIMEOUT: Duration = Duration::from_secs(2);

/// Keeps the Lease.
pub(super) struct Leadership {
    lease: LeaseClient,
    identity: String,
    leads: watch::Sender<bool>,
    state: watch::Sender<State>,
}

/// Whether the process is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Stopping,
    Stopped,
}

impl Leadership {
    /// Of a process in that namespace. It has an identity of its own, also in a Pod that is restarted.
    pub fn new(client: Client, namespace: &str) -> Self {
        let pod = std::env::var("HOSTNAME").unwrap_or_else(|_| "clbmigrate-webhook".to_owned());
        let random = RandomState::new().build_hasher().finish();
        Self {
            lease: LeaseClient::new(client, namespace),
            identity: format!("{pod}_{random:016x}"),
            leads: watch::Sender::new(false),
            state: watch::Sender::new(State::Running),
        }
    }

    /// Whether this replica leads, followed.
    pub fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    /// Tries to lead for as long as `is_wanted`, and never ends.
    pub async fn run(&self, is_wanted: impl Fn() -> bool) {
        let mut state = self.state.subscribe();
        tokio::select! {
            _ = state.wait_for(|state| *state != State::Running) => {}
            () = self.campaign(is_wanted) => {}
        }
        self.resign().await;
        self.state.send_replace(State::Stopped);
        std::future::pending::<()>().await;
    }

    /// Ends it: another replica can lead at once.
    pub async fn stop(&self) {
        let mut state = self.state.subscribe();
        self.state.send_replace(State::Stopping);
        let stopped = state.wait_for(|state| *state == State::Stopped);
        // Whoever never led has nothing to give back, and may not be running yet.
        let _ = timeout(RESIGN_TIMEOUT, stopped).await;
    }

    async fn campaign(&self, is_wanted: impl Fn() -> bool) {
        let mut until: Option<Instant> = None;
        let mut is_failing = false;
        loop {
            let begun = Instant::now();
            if is_wanted() {
                let limit = until.unwrap_or(begun + PERIOD);
                let attempt = self.lease.attempt(&self.identity, Goal::Lead);
                let attempt = timeout_at(limit, attempt).await;
                let error = match attempt {
                    Ok(Ok(role)) => {
                        until = (role == Role::Leader).then(|| begun + RENEW_DEADLINE);
                        None
                    }
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("the API server does not answer in time".to_owned()),
                };
                if let (Some(error), false) = (&error, is_failing) {
                    tracing::warn!(error, "the Lease of the audit cannot be had");
                }
                is_failing = error.is_some();
            } else if until.take().is_some() {
                self.resign().await;
            }
            until = until.filter(|until| *until > Instant::now());
            self.show(until.is_some());
            let next = begun + if is_wanted() { PERIOD } else { TICK };
            sleep_until(until.map_or(next, |until| until.min(next)).max(Instant::now())).await;
        }
    }

    /// Tells whether this replica leads.
    fn show(&self, leads: bool) {
        let is_change =
            self.leads.send_if_modified(|known| std::mem::replace(known, leads) != leads);
        if is_change {
            let identity = self.identity.as_str();
            tracing::info!(identity, leads, "whether this replica audits the cluster");
        }
    }

    async fn resign(&self) {
        let led = *self.leads.borrow();
        self.show(false);
        if !led {
            return;
        }
        let attempt = self.lease.attempt(&self.identity, Goal::Resign);
        let result = timeout(RESIGN_TIMEOUT, attempt).await;
        let error = match result {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the API server does not answer in time".to_owned(),
        };
        tracing::warn!(error, "the Lease of the audit is not given back, and free in some seconds");
    }
}
