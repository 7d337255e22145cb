//! How a claim is settled, without the requests themselves: each step says what to ask the API server, and
//! takes the answer.
//!
//! The protocol, for one group:
//! 1. Read the group's Lease. Where there is none, fill one from a list of all Services that is newer than
//!    this read, and read again.
//! 2. Where other Services stand in the way, read these Services. Their claims are replaced by what the
//!    reads show and by the writes that may still be carried out.
//! 3. Where none is in the way any more, write the claims back with one's own, on the version that was
//!    read. Where another process was faster, begin anew.
//!
//! The API server carries a write out only after its claim is written. Nothing else ever removes a claim: a
//! Service that is deleted or changed keeps its claims until the next Service that they stand in the way
//! of has looked.

use std::collections::BTreeSet;

use super::{
    binding::{Binding, ServiceName},
    group::{ClaimedWrite, GroupClaims, Holder, MAX_PENDING, Observation, Seconds},
};

/// How many Services are read at once, after the first one.
const MAX_READS: usize = 8;

/// From how many claims of its own on the group on a Service is read itself: it has moved often, and some
/// are over.
const UNREAD_OWN: usize = 8;

/// How many claims on the group a Service may have. Only forged reviews reach it.
const MAX_OWN: usize = 64;

/// How often a claim is tried where other processes are faster.
const MAX_TRIES: u32 = 10;

/// A Service that wants bindings in one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimRequest {
    /// The Service's name.
    pub service: ServiceName,
    /// All its bindings in the group after the write.
    pub bindings: BTreeSet<Binding>,
    /// The write under review.
    pub write: ClaimedWrite,
    /// Whether the write is only tried: nothing is claimed for it.
    pub is_dry_run: bool,
}

/// A group's claims as they were read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoredClaims {
    /// The claims.
    pub claims: GroupClaims,
    /// The Lease's resource version.
    pub version: String,
    /// When they were read, by the API server's clock.
    pub now: Seconds,
}

/// What is to be asked next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Read the group's claims.
    Read,
    /// List all Services, and create the group's Lease with the bindings that the list shows. It is no
    /// failure where another process has created it.
    Fill,
    /// Read these Services, not from a cache.
    Observe(Vec<ServiceName>),
    /// Write these claims over the version that was read.
    Write(StoredClaims),
    /// Nothing: this is the result.
    End(Settled),
}

/// The answer to a [`Step`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Step::Read`]: the claims; `None` where there is no Lease.
    Claims(Option<StoredClaims>),
    /// To [`Step::Fill`].
    Filled,
    /// To [`Step::Observe`], in the same order.
    Observed(Vec<Observation>),
    /// To [`Step::Write`]: whether the version was still the present one.
    Written(bool),
}

/// How a claim ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The Service may have its bindings, beside these other Services.
    Granted(Vec<Holder>),
    /// These Services stand in the way.
    Held(Vec<Holder>),
    /// Too many claims on the group, of others or of the Service itself, wait for their writes.
    Full,
    /// Other processes were faster each time.
    Contended,
}

/// One claim on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settlement<'r> {
    request: &'r ClaimRequest,
    stored: Option<StoredClaims>,
    observed: BTreeSet<ServiceName>,
    asked: Vec<ServiceName>,
    tries: u32,
}

impl<'r> Settlement<'r> {
    /// A settlement of this request. Its first step is [`Step::Read`].
    pub fn new(request: &'r ClaimRequest) -> Self {
        Self { request, stored: None, observed: BTreeSet::new(), asked: Vec::new(), tries: 0 }
    }

    /// Takes the answer to the last step, and returns the next one.
    pub fn next(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Claims(None) if self.request.is_dry_run => {
                Step::End(Settled::Granted(Vec::new()))
            }
            Answer::Claims(None) => self.again(Step::Fill),
            Answer::Claims(Some(stored)) => {
                self.stored = Some(stored);
                self.observed.clear();
                self.decide()
            }
            Answer::Filled => Step::Read,
            Answer::Observed(observations) => {
                let asked = std::mem::take(&mut self.asked);
                if let Some(stored) = &mut self.stored {
                    for (service, observation) in asked.iter().zip(&observations) {
                        stored.claims.observe(service, observation, stored.now);
                    }
                }
                self.observed.extend(asked);
                self.decide()
            }
            Answer::Written(true) => self.granted(),
            Answer::Written(false) => self.again(Step::Read),
        }
    }

    /// The step, unless it was tried too often.
    fn again(&mut self, step: Step) -> Step {
        self.tries += 1;
        self.stored = None;
        if self.tries > MAX_TRIES { Step::End(Settled::Contended) } else { step }
    }

    fn decide(&mut self) -> Step {
        let ClaimRequest { service, bindings, write, is_dry_run } = self.request;
        let Some(stored) = &self.stored else { return Step::Read };
        let in_the_way = stored.claims.in_the_way(service, bindings);
        let pending = stored.claims.pending(service);
        let own = stored.claims.count_of(service);
        let is_full = pending.len() >= MAX_PENDING || own >= MAX_OWN;
        let is_known = |service: &ServiceName| self.observed.contains(service);
        let (known, unknown): (Vec<Holder>, Vec<Holder>) =
            in_the_way.into_iter().partition(|holder| is_known(&holder.service));
        if !known.is_empty() {
            return Step::End(Settled::Held(known));
        }
        let mut unknown: BTreeSet<&ServiceName> =
            unknown.iter().map(|holder| &holder.service).collect();
        if is_full {
            unknown.extend(pending.iter().filter(|service| !is_known(service)));
        }
        // Nobody else reads a Service that is alone in its group.
        if own > UNREAD_OWN && !is_known(service) {
            unknown.insert(service);
        }
        if !unknown.is_empty() {
            // One that is in the way is enough to refuse, and the first read usually shows it.
            let reads = if self.observed.is_empty() { 1 } else { MAX_READS };
            self.asked = unknown.into_iter().take(reads).cloned().collect();
            return Step::Observe(self.asked.clone());
        }
        if is_full {
            return Step::End(Settled::Full);
        }
        let mut next = stored.clone();
        let is_changed = next.claims.grant(service, bindings, write, stored.now);
        if *is_dry_run || !is_changed {
            return self.granted();
        }
        Step::Write(next)
    }

    fn granted(&self) -> Step {
        let others = self.stored.iter().flat_map(|it| it.claims.others(&self.request.service));
        Step::End(Settled::Granted(others.collect()))
    }
}
