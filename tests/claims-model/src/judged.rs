//! What becomes of a join after all is quiet.

use crate::{
    cluster::{Name, must_claim},
    intern::Id,
    model::{ClaimsModel, now},
    protocol::{Answered, Asks, Wanted},
    state::{Live, State, UidSet, WriteId},
};

/// What the result depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Judged {
    services: [Option<Live>; 2],
    lease: Option<Id>,
    waits: u8,
}

/// The uid of a Service that is about to be created.
const NEW_UID: u8 = 6;

impl ClaimsModel {
    /// Whether a join that comes after all writes have failed and two minutes have passed is admitted if it
    /// agrees with what is in the cluster, and refused if not. The replica that is asked has just started:
    /// it knows of no past uid.
    pub(crate) fn joins_are_judged_by_the_cluster(&self, state: &State) -> bool {
        let State { lease, waits, .. } = *state;
        let judged = Judged { services: state.services(), lease, waits };
        self.judged
            .get(judged, |_| Name::ALL.iter().all(|name| self.is_judged_rightly(state, *name)))
    }

    fn is_judged_rightly(&self, state: &State, name: Name) -> bool {
        let own = state.slot(name).live;
        let other = state.slot(name.other()).live;
        let from = own.map(|live| live.shape);
        let write = match own {
            Some(Live { uid, version, .. }) => WriteId::Update { name, uid, version },
            None => WriteId::Create { name, uid: NEW_UID },
        };
        let joins = self.bounds.shapes.iter().copied().filter(|to| must_claim(from, *to));
        joins.into_iter().all(|to| {
            let is_legal = other.is_none_or(|other| other.shape.is_compatible(to));
            let result = |is_dry_run| self.settled(state, Wanted { name, to, write, is_dry_run });
            let expected = if is_legal { Asks::Granted } else { Asks::Held };
            // A dry run makes no Lease, and so finds nobody where there is none.
            let tried = if state.lease.is_none() { Asks::Granted } else { expected };
            result(false) == Some(expected) && result(true) == Some(tried)
        })
    }

    /// The result of a review that is alone; `None` where it never ends, and where a dry run writes.
    fn settled(&self, state: &State, wanted: Wanted) -> Option<Asks> {
        let now = now(state) + 120;
        let mut lease = state.lease;
        let mut settlement = self.protocol.begin(wanted);
        for _ in 0..100 {
            let asks = self.protocol.asks(settlement);
            let answered = match asks {
                Asks::Read => Answered::Claims(lease, now),
                Asks::Observe(name) => {
                    Answered::Observed(name, state.slot(name).live, UidSet::default())
                }
                Asks::Fill | Asks::Write(_) if wanted.is_dry_run => return None,
                Asks::Fill => {
                    lease = Some(self.protocol.filled(state.services(), now));
                    Answered::Filled
                }
                Asks::Write(claims) => {
                    lease = Some(claims);
                    Answered::Written(true)
                }
                Asks::Granted | Asks::Held | Asks::TryAgain => return Some(asks),
            };
            settlement = self.protocol.answer(settlement, answered);
        }
        None
    }
}
