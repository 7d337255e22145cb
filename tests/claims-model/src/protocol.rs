//! Drives the webhook's own code. Each of its steps is computed once: it is a function of what was before
//! and of the answer.

use std::collections::BTreeSet;

use clbmigrate_webhook::claims::{
    group::{ClaimedWrite, GroupClaims, Observation, Seconds, ServiceState},
    lease_sweep::{LeaseSweep, SweepStep},
    settlement::{Answer, ClaimRequest, Settled, Settlement, Step, StoredClaims},
};

use crate::{
    cluster::{Name, Shape},
    intern::{Id, Interner, Memo},
    state::{Live, UidSet, WriteId},
};

/// The version that every read of a Lease answers. The model itself knows which of them is the present
/// one.
const VERSION: &str = "as read";

/// What a review asks the API server next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// The Lease.
    Read,
    /// A list of Services, and then a new Lease.
    Fill,
    /// This Service.
    Observe(Name),
    /// To write these claims.
    Write(Id),
    /// Nothing: the write may go on.
    Granted,
    /// Nothing: another Service stands in the way.
    Held,
    /// Nothing: the client is to try again.
    TryAgain,
}

/// What a sweep asks the API server next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SweepAsks {
    /// This Service.
    Observe(Name),
    /// To delete the Lease.
    Delete,
    /// Nothing.
    Keep,
}

/// An answer of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Answered {
    /// The Lease's claims and the time.
    Claims(Option<Id>, Seconds),
    /// There is a Lease now.
    Filled,
    /// A Service, and the uids that were known before it was read.
    Observed(Name, Option<Live>, UidSet),
    /// Whether the claims were written.
    Written(bool),
}

/// What a review wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub name: Name,
    pub to: Shape,
    pub write: WriteId,
    pub is_dry_run: bool,
}

/// The webhook's code, with all that it has answered so far.
#[derive(Default)]
pub(crate) struct Protocol {
    claims: Interner<GroupClaims>,
    settlements: Interner<(Settlement<'static>, Step)>,
    sweeps: Interner<(LeaseSweep, SweepStep)>,
    begun: Memo<Wanted, Id>,
    answered: Memo<(Id, Answered), Id>,
    asks: Memo<Id, Asks>,
    sweeps_begun: Memo<(Id, Seconds), Id>,
    sweeps_answered: Memo<(Id, Name, Option<Live>, UidSet), Id>,
    sweeps_ask: Memo<Id, SweepAsks>,
    filled: Memo<([Option<Live>; 2], Seconds), Id>,
    removed: Memo<(Id, Name, Option<Shape>), Id>,
}

impl Protocol {
    /// How many states of settlements there have been.
    pub fn settlements(&self) -> usize {
        self.settlements.len()
    }

    /// A settlement that has asked nothing yet.
    pub fn begin(&self, wanted: Wanted) -> Id {
        self.begun.get(wanted, |wanted| {
            let request = ClaimRequest {
                service: wanted.name.service_name(),
                bindings: wanted.to.bindings().clone(),
                write: wanted.write.claimed(),
                is_dry_run: wanted.is_dry_run,
            };
            // There are a few hundred of them, for as long as the process lives.
            let settlement = Settlement::new(Box::leak(Box::new(request)));
            self.settlements.id((settlement, Step::Read))
        })
    }

    /// What a settlement asks next.
    pub fn asks(&self, settlement: Id) -> Asks {
        self.asks.get(settlement, |id| {
            let Some(known) = self.settlements.get(*id) else { return Asks::TryAgain };
            match &known.1 {
                Step::Read => Asks::Read,
                Step::Fill => Asks::Fill,
                Step::Observe(services) => services
                    .first()
                    .map_or(Asks::TryAgain, |service| Asks::Observe(Name::of(service))),
                Step::Write(stored) => Asks::Write(self.claims.id(stored.claims.clone())),
                Step::End(Settled::Granted(_)) => Asks::Granted,
                Step::End(Settled::Held(_)) => Asks::Held,
                Step::End(Settled::Full | Settled::Contended) => Asks::TryAgain,
            }
        })
    }

    /// The settlement after an answer.
    pub fn answer(&self, settlement: Id, answered: Answered) -> Id {
        self.answered.get((settlement, answered), |(id, answered)| {
            let Some(known) = self.settlements.get(*id) else { return *id };
            let mut settlement = known.0.clone();
            let step = settlement.next(match *answered {
                Answered::Claims(claims, now) => {
                    Answer::Claims(claims.and_then(|claims| self.stored(claims, now)))
                }
                Answered::Filled => Answer::Filled,
                Answered::Observed(name, live, known) => {
                    Answer::Observed(vec![observation(name, live, known)])
                }
                Answered::Written(is_written) => Answer::Written(is_written),
            });
            self.settlements.id((settlement, step))
        })
    }

    /// A look at the Lease, as it is at that time.
    pub fn begin_sweep(&self, claims: Id, now: Seconds) -> Id {
        self.sweeps_begun.get((claims, now), |(claims, now)| {
            let stored = self.stored(*claims, *now).unwrap_or_else(|| StoredClaims {
                claims: GroupClaims::default(),
                version: VERSION.to_owned(),
                now: *now,
            });
            let mut sweep = LeaseSweep::new(stored);
            let step = sweep.next(None);
            self.sweeps.id((sweep, step))
        })
    }

    /// What a sweep asks next.
    pub fn sweep_asks(&self, sweep: Id) -> SweepAsks {
        self.sweeps_ask.get(sweep, |id| match self.sweeps.get(*id).as_deref() {
            Some((_, SweepStep::Observe(service))) => SweepAsks::Observe(Name::of(service)),
            Some((_, SweepStep::Delete(_))) => SweepAsks::Delete,
            Some((_, SweepStep::Keep)) | None => SweepAsks::Keep,
        })
    }

    /// The sweep after a read of a Service.
    pub fn answer_sweep(&self, sweep: Id, name: Name, live: Option<Live>, known: UidSet) -> Id {
        self.sweeps_answered.get((sweep, name, live, known), |(id, name, live, known)| {
            let Some(before) = self.sweeps.get(*id) else { return *id };
            let mut sweep = before.0.clone();
            let step = sweep.next(Some(&observation(*name, *live, *known)));
            self.sweeps.id((sweep, step))
        })
    }

    /// The claims of a new Lease, by a list of Services.
    pub fn filled(&self, services: [Option<Live>; 2], now: Seconds) -> Id {
        self.filled.get((services, now), |(services, now)| {
            let mut claims = GroupClaims::default();
            for (name, live) in Name::ALL.into_iter().zip(services) {
                if let Some(live) = live {
                    claims.add_seen(&name.service_name(), live.shape.bindings(), *now);
                }
            }
            self.claims.id(claims)
        })
    }

    /// These claims without what a Service has beside `to`: what a protocol does that believes in a
    /// write which is only under review.
    pub fn removed(&self, claims: Id, name: Name, to: Option<Shape>) -> Id {
        self.removed.get((claims, name, to), |(claims, name, to)| {
            let mut claims = self.claims.get(*claims).map(|it| (*it).clone()).unwrap_or_default();
            let to = to.map(|shape| Live { uid: 0, version: 0, shape });
            claims.observe(
                &name.service_name(),
                &observation(*name, to, UidSet::default()),
                Seconds::MAX,
            );
            self.claims.id(claims)
        })
    }

    /// Claims as text, for people.
    pub fn text(&self, claims: Id) -> String {
        self.claims.get(claims).and_then(|it| serde_json::to_string(&*it).ok()).unwrap_or_default()
    }

    fn stored(&self, claims: Id, now: Seconds) -> Option<StoredClaims> {
        let claims = self.claims.get(claims)?;
        Some(StoredClaims { claims: (*claims).clone(), version: VERSION.to_owned(), now })
    }
}

fn observation(name: Name, live: Option<Live>, known: UidSet) -> Observation {
    let past_uids: BTreeSet<String> = known.iter().map(|uid| uid_text(name, uid)).collect();
    let service = live.map(|live| ServiceState {
        uid: uid_text(name, live.uid),
        resource_version: live.version.to_string(),
        bindings: live.shape.bindings().clone(),
    });
    Observation { service, past_uids }
}

impl WriteId {
    fn claimed(self) -> ClaimedWrite {
        match self {
            Self::Create { name, uid } => ClaimedWrite::Create { uid: uid_text(name, uid) },
            Self::Update { name, uid, version } => ClaimedWrite::Update {
                uid: uid_text(name, uid),
                resource_version: version.to_string(),
            },
        }
    }
}

fn uid_text(name: Name, uid: u8) -> String {
    format!("{name:?}{uid}")
}
