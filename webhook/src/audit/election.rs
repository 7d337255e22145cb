//! Which replica leads, without the requests themselves: each step says what to ask the API server, and
//! takes the answer.
//!
//! All replicas share one Lease. Its times are the API server's, so that the clocks of the replicas may
//! differ.

use crate::api_call::Seconds;

/// How long a replica leads after it has renewed the Lease, in seconds. Then another one takes over.
pub const LEASE_DURATION: Seconds = 15;

/// How often one attempt is made where other processes write the Lease meanwhile.
const MAX_TRIES: u32 = 3;

/// The Lease's fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderLease {
    /// The replica that leads; empty where none does.
    pub holder: String,
    /// When it began to lead.
    pub acquired: Seconds,
    /// When it renewed the Lease last.
    pub renewed: Seconds,
    /// How often the holder has changed.
    pub transitions: u32,
}

impl LeaderLease {
    /// Whether any replica may take it. A renewal that lies far ahead was written by a clock that was
    /// wrong.
    pub fn is_free(&self, now: Seconds) -> bool {
        let age = now.saturating_sub(self.renewed);
        self.holder.is_empty() || !(-LEASE_DURATION..=LEASE_DURATION).contains(&age)
    }
}

/// The Lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLease {
    /// Its fields.
    pub lease: LeaderLease,
    /// Its resource version.
    pub version: String,
}

/// What a replica wants of the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// To lead, or to go on leading.
    Lead,
    /// To let another replica lead.
    Resign,
}

/// What is to be asked next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read the Lease.
    Read,
    /// Create it.
    Create(LeaderLease),
    /// Write it over the version that was read.
    Write(StoredLease),
    /// Nothing: this is the result.
    End(Role),
}

/// The answer to a [`Step`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Step::Read`]: the API server's time, and the Lease if there is one.
    Lease(Seconds, Option<StoredLease>),
    /// To [`Step::Create`] and [`Step::Write`]: whether nobody else was faster.
    Written(bool),
}

/// Whether the replica leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does.
    Leader,
    /// Another one may.
    Follower,
}

/// One attempt to lead, or to resign.
#[derive(Debug, Clone)]
pub struct Election<'i> {
    identity: &'i str,
    goal: Goal,
    tries: u32,
}

impl<'i> Election<'i> {
    /// An attempt of the replica with that identity. Its first step is [`Step::Read`].
    pub fn new(identity: &'i str, goal: Goal) -> Self {
        Self { identity, goal, tries: 0 }
    }

    /// Takes the answer to the last step, and returns the next one.
    pub fn next(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Lease(now, stored) => self.decide(now, stored),
            Answer::Written(true) => Step::End(match self.goal {
                Goal::Lead => Role::Leader,
                Goal::Resign => Role::Follower,
            }),
            Answer::Written(false) => {
                self.tries += 1;
                if self.tries < MAX_TRIES { Step::Read } else { Step::End(Role::Follower) }
            }
        }
    }

    fn decide(&self, now: Seconds, stored: Option<StoredLease>) -> Step {
        let holder = self.identity.to_owned();
        match (self.goal, stored) {
            (Goal::Lead, None) => {
                Step::Create(LeaderLease { holder, acquired: now, renewed: now, transitions: 0 })
            }
            (Goal::Lead, Some(StoredLease { lease, version })) if lease.holder == holder => {
                Step::Write(StoredLease { lease: LeaderLease { renewed: now, ..lease }, version })
            }
            (Goal::Lead, Some(StoredLease { lease, version })) if lease.is_free(now) => {
                let transitions = lease.transitions.saturating_add(1);
                let lease = LeaderLease { holder, acquired: now, renewed: now, transitions };
                Step::Write(StoredLease { lease, version })
            }
            (Goal::Resign, Some(StoredLease { lease, version })) if lease.holder == holder => {
                let lease = LeaderLease { holder: String::new(), renewed: now, ..lease };
                Step::Write(StoredLease { lease, version })
            }
            _ => Step::End(Role::Follower),
        }
    }
}
