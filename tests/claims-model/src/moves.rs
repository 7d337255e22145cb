//! What each action does.

use crate::{
    cluster::{Name, Shape},
    flaw::Flaw,
    model::{Action, ClaimsModel, Event, now},
    protocol::{Answered, Asks, SweepAsks, Wanted},
    state::{Base, Live, Review, State, Sweep, UidSet, Write},
};

impl ClaimsModel {
    /// Changes the state as the action does; `None` where it is not possible.
    pub(crate) fn carry_out(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Begin(write) => {
                let slot = state.slot_mut(write.name);
                slot.writes_left = slot.writes_left.checked_sub(1)?;
                if matches!(write.base, Base::Nothing { .. }) {
                    slot.uids += 1;
                }
                self.admit_or_review(state, write);
            }
            Action::Forge(write) => {
                state.forgeries += 1;
                let review = self.review(state, write);
                state.reviews.push(Review { write: None, ..review });
            }
            Action::Answer(index, known) => self.answer(state, index, known)?,
            Action::Restart(index) => {
                state.reviews.remove(index);
            }
            Action::CarryOut(index) => self.carry_out_write(state, index)?,
            Action::Delete(name) => state.slot_mut(name).live = None,
            Action::Wait => {
                state.waits += 1;
                if !self.has(Flaw::ImpatientClock) {
                    state.admitted.clear();
                    state.reviews.iter_mut().for_each(|review| review.write = None);
                }
            }
            Action::BeginSweep => {
                let step = self.protocol.begin_sweep(state.lease?, now(state));
                state.sweep = Some(Sweep { step, is_current: true });
            }
            Action::AnswerSweep(known) => self.answer_sweep(state, known)?,
            Action::RemoveClaims(name, to) => {
                let claims = self.protocol.removed(state.lease?, name, to);
                if Some(claims) == state.lease {
                    return None;
                }
                state.set_lease(Some(claims));
            }
        }
        Some(())
    }

    fn admit_or_review(&self, state: &mut State, write: Write) {
        if self.must_claim(write.from(), write.to) {
            let review = self.review(state, write);
            state.reviews.push(review);
        } else {
            state.admitted.push(write);
        }
    }

    fn review(&self, state: &State, write: Write) -> Review {
        let Write { name, to, .. } = write;
        Review {
            write: Some(write),
            name,
            settlement: self.protocol.begin(Wanted {
                name,
                to,
                write: write.id(),
                is_dry_run: false,
            }),
            is_current: false,
            listed: None,
            early: self.has(Flaw::EarlyRead).then(|| state.services()),
        }
    }

    /// The API server answers a review's question.
    fn answer(&self, state: &mut State, index: usize, known: UidSet) -> Option<()> {
        let review = state.reviews.get(index)?.clone();
        let asks = self.protocol.asks(review.settlement);
        let answered = match asks {
            Asks::Read => {
                let is_fast = self.has(Flaw::OwnClock) && review.name == Name::B;
                let now = now(state) + if is_fast { 3600 } else { 0 };
                state.reviews.get_mut(index)?.is_current = state.lease.is_some();
                Answered::Claims(state.lease, now)
            }
            Asks::Fill => match review.listed {
                None => {
                    let is_empty = self.has(Flaw::FillFromCache);
                    let services = if is_empty { [None; 2] } else { state.services() };
                    let claims = self.protocol.filled(services, now(state));
                    state.reviews.get_mut(index)?.listed = Some(claims);
                    return Some(());
                }
                Some(claims) => {
                    if state.lease.is_none() {
                        state.set_lease(Some(claims));
                        if state.lease_deletions > 0 {
                            self.saw(Event::LeaseMadeAnew);
                        }
                    }
                    state.reviews.get_mut(index)?.listed = None;
                    Answered::Filled
                }
            },
            Asks::Observe(name) => {
                let live = match review.early {
                    None if self.has(Flaw::UidsAfterRead) => {
                        state.reviews.get_mut(index)?.early = Some(state.services());
                        return Some(());
                    }
                    None => state.slot(name).live,
                    Some([a, b]) => match name {
                        Name::A => a,
                        Name::B => b,
                    },
                };
                if self.has(Flaw::UidsAfterRead) {
                    state.reviews.get_mut(index)?.early = None;
                }
                Answered::Observed(name, live, known)
            }
            Asks::Write(claims) => {
                let is_written = state.lease.is_some()
                    && (review.is_current || self.has(Flaw::WriteWithoutVersion));
                // An API server makes a new Lease of a write over one that was deleted, and the webhook reads
                // it once more (Kubernetes: AllowCreateOnUpdate).
                if is_written || state.lease.is_none() {
                    state.set_lease(Some(claims));
                }
                if !is_written {
                    self.saw(Event::Overtaken);
                }
                Answered::Written(is_written)
            }
            Asks::Granted | Asks::Held | Asks::TryAgain => return None,
        };
        let settlement = self.protocol.answer(review.settlement, answered);
        state.reviews.get_mut(index)?.settlement = settlement;
        let next = self.protocol.asks(settlement);
        self.watch(state, &review, answered, next);
        Self::end(state, index, next);
        Some(())
    }

    /// Ends a review that has its result.
    fn end(state: &mut State, index: usize, asks: Asks) {
        if !matches!(asks, Asks::Granted | Asks::Held | Asks::TryAgain) {
            return;
        }
        let review = state.reviews.remove(index);
        if asks == Asks::Granted {
            state.admitted.extend(review.write);
        }
    }

    /// Takes note of what is worth having come across.
    fn watch(&self, state: &State, review: &Review, answered: Answered, next: Asks) {
        let Review { name, write, .. } = review;
        if write.is_none() {
            return;
        }
        let other = state.slot(name.other());
        match (answered, next) {
            (Answered::Observed(_, Some(_), _), Asks::Write(_)) if state.waits == 0 => {
                self.saw(Event::AfterMove(*name));
            }
            (Answered::Observed(_, None, _), Asks::Write(_)) if state.waits == 0 => {
                self.saw(Event::AfterDeletion(*name));
            }
            (_, Asks::Held) => {
                let is_there =
                    other.live.is_some() || state.writes_in_flight(name.other()).next().is_some();
                self.saw(if is_there { Event::Held(*name) } else { Event::HeldByNothing(*name) });
            }
            (_, Asks::Granted) if other.live.is_some_and(|it| !it.shape.bindings().is_empty()) => {
                self.saw(Event::Shared(*name));
            }
            _ => {}
        }
    }

    /// An API server carries out a write, if it is still on what it changes. If not, it begins anew on what
    /// there is, review and all (Kubernetes: `GuaranteedUpdate`).
    fn carry_out_write(&self, state: &mut State, index: usize) -> Option<()> {
        let write = *state.admitted.get(index)?;
        let Write { name, base, to } = write;
        let present = state.slot(name).live;
        let uid = match (base, present) {
            (Base::Nothing { uid }, None) => uid,
            (Base::Version(version), Some(live)) if version == live => live.uid,
            (Base::Version(_), Some(live)) if live.shape != to => {
                let again = Write { base: Base::Version(live), ..write };
                let must_claim = self.must_claim(Some(live.shape), to);
                if must_claim && state.reviews.len() >= self.bounds.replicas {
                    return None;
                }
                state.admitted.remove(index);
                self.admit_or_review(state, again);
                self.saw(Event::ReviewedAgain);
                return Some(());
            }
            // It fails. That is the same as a write which is never carried out.
            _ => return None,
        };
        state.admitted.remove(index);
        let slot = state.slot_mut(name);
        slot.live = Some(Live { uid, version: slot.versions, shape: to });
        slot.versions += 1;
        slot.existed = slot.existed.with(uid);
        Some(())
    }

    fn answer_sweep(&self, state: &mut State, known: UidSet) -> Option<()> {
        let sweep = state.sweep?;
        let step = match self.protocol.sweep_asks(sweep.step) {
            SweepAsks::Observe(name) => {
                let live = state.slot(name).live;
                self.protocol.answer_sweep(sweep.step, name, live, known)
            }
            SweepAsks::Delete => {
                if sweep.is_current
                    || (self.has(Flaw::SweepWithoutVersion) && state.lease.is_some())
                {
                    state.set_lease(None);
                    state.lease_deletions += 1;
                    self.saw(Event::LeaseDeleted);
                }
                state.sweep = None;
                return Some(());
            }
            SweepAsks::Keep => return None,
        };
        let is_over = self.protocol.sweep_asks(step) == SweepAsks::Keep;
        state.sweep = (!is_over).then_some(Sweep { step, ..sweep });
        Some(())
    }
}

impl Shape {
    /// Whether both have the same annotations.
    pub(crate) fn has_annotations_of(self, other: Self) -> bool {
        let annotations = |shape: Self| match shape {
            Self::OtherType | Self::OtherClass => Self::Port80,
            _ => shape,
        };
        annotations(self) == annotations(other)
    }
}
