//! The model: where it begins, what can happen, and what must hold.

use std::{collections::BTreeSet, sync::Mutex};

use stateright::{Model, Property};

use crate::{
    cluster::{Name, Shape, must_claim},
    flaw::Flaw,
    intern::{Memo, lock},
    judged::Judged,
    protocol::{Asks, Protocol, SweepAsks},
    state::{Base, Live, Slot, State, UidSet, Write},
};

/// How far the model goes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The forms that clients give to Services.
    pub shapes: &'static [Shape],
    /// How many writes clients begin for the first and the second Service, beside deletions.
    pub writes: [u8; 2],
    /// How many replicas there are. Each has one review of the group at a time.
    pub replicas: usize,
    /// How often two minutes pass.
    pub waits: u8,
    /// How often the Lease is deleted.
    pub lease_deletions: u8,
    /// How many reviews are forged.
    pub forgeries: u8,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client's write reaches an API server, which asks a replica if need be.
    Begin(Write),
    /// Somebody posts a review that no write follows.
    Forge(Write),
    /// The API server answers a replica, whose cache knows these uids of deleted Services.
    Answer(usize, UidSet),
    /// A replica is killed and starts anew: the review that it had fails.
    Restart(usize),
    /// A write that was admitted is carried out, or meets another version.
    CarryOut(usize),
    /// A Service is deleted.
    Delete(Name),
    /// Two minutes pass. API servers have given up all writes, and reviews of them may still go on.
    Wait,
    /// A replica looks whether the Lease is needed.
    BeginSweep,
    /// The API server answers the sweep, whose replica's cache knows these uids.
    AnswerSweep(UidSet),
    /// A replica reviews a change or deletion and removes claims ([`Flaw::LeaveRemoves`]).
    RemoveClaims(Name, Option<Shape>),
}

/// Something that the exploration came across.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A join was admitted beside the other Service.
    Shared(Name),
    /// A join was refused because of the other Service.
    Held(Name),
    /// A join was refused because of a Service that does not exist and will not.
    HeldByNothing(Name),
    /// A join was admitted after the other Service had moved out of the way, before two minutes had passed.
    AfterMove(Name),
    /// The same after the other Service was deleted.
    AfterDeletion(Name),
    /// A Lease was written over meanwhile, and its claims were read once more.
    Overtaken,
    /// The Lease was deleted.
    LeaseDeleted,
    /// A Lease was made after one had been deleted.
    LeaseMadeAnew,
    /// A write met another version and was reviewed once more.
    ReviewedAgain,
}

/// The model.
pub struct ClaimsModel {
    /// How far it goes.
    pub bounds: Bounds,
    /// What is broken in it.
    pub flaw: Option<Flaw>,
    pub(crate) protocol: Protocol,
    pub(crate) events: Mutex<BTreeSet<Event>>,
    pub(crate) judged: Memo<Judged, bool>,
}

impl ClaimsModel {
    /// A model with these bounds.
    pub fn new(bounds: Bounds, flaw: Option<Flaw>) -> Self {
        Self {
            bounds,
            flaw,
            protocol: Protocol::default(),
            events: Mutex::default(),
            judged: Memo::default(),
        }
    }

    /// Whether this is what is broken.
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(crate) fn saw(&self, event: Event) {
        lock(&self.events).insert(event);
    }

    /// Whether a write is to be reviewed.
    pub(crate) fn must_claim(&self, from: Option<Shape>, to: Shape) -> bool {
        let is_old = self.has(Flaw::AnnotationsAlone)
            && from.is_some_and(|from| from.has_annotations_of(to));
        !is_old && must_claim(from, to)
    }

    /// Whether one Service is treated in another way than the other.
    fn is_lopsided(&self) -> bool {
        let [a, b] = self.bounds.writes;
        a != b || self.bounds.forgeries > 0 || self.has(Flaw::OwnClock)
    }

    fn begin_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let is_free = state.reviews.len() < self.bounds.replicas;
        for name in Name::ALL {
            let slot = state.slot(name);
            if slot.writes_left == 0 {
                continue;
            }
            let creation = Base::Nothing { uid: slot.uids };
            for base in slot.live.map(Base::Version).into_iter().chain([creation]) {
                for &to in self.bounds.shapes {
                    let write = Write { name, base, to };
                    let from = write.from();
                    if from != Some(to) && (is_free || !self.must_claim(from, to)) {
                        actions.push(Action::Begin(write));
                    }
                }
            }
        }
    }

    fn forge_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let is_free = state.reviews.len() < self.bounds.replicas;
        if !is_free || state.forgeries >= self.bounds.forgeries {
            return;
        }
        // Names and ports are alike: it is enough to forge reviews of the first Service for one port.
        let name = Name::A;
        let slot = state.slot(name);
        // Uids that there are, that an API server is about to use, and that there never will be; versions that
        // there are and that there will be.
        let uids = (0..slot.uids).chain([UNKNOWN_UID]);
        let creations = uids.map(|uid| Base::Nothing { uid });
        let versions = slot.live.into_iter().flat_map(|live| {
            [live.version, slot.versions]
                .map(|version| Base::Version(Live { uid: live.uid, version, ..live }))
        });
        let to = Shape::Port81;
        actions
            .extend(creations.chain(versions).map(|base| Action::Forge(Write { name, base, to })));
    }

    fn answer_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, review) in state.reviews.iter().enumerate() {
            match self.protocol.asks(review.settlement) {
                Asks::Observe(name) if !self.is_first_look(review.early.is_some()) => {
                    let known = self.known_uids(*state.slot(name));
                    actions.extend(known.subsets().map(|known| Action::Answer(index, known)));
                }
                _ => actions.push(Action::Answer(index, UidSet::default())),
            }
            // At another time it is the same as a review that gets no answer any more.
            if state.reviews.len() == self.bounds.replicas {
                actions.push(Action::Restart(index));
            }
        }
    }

    /// Whether the next answer to a read of a Service is that of the first of two moments.
    fn is_first_look(&self, has_looked: bool) -> bool {
        self.has(Flaw::UidsAfterRead) && !has_looked
    }

    /// The uids that a cache may know and that make a difference: those of deleted Services.
    fn known_uids(&self, slot: Slot) -> UidSet {
        if self.has(Flaw::UidsAfterRead) { slot.existed } else { slot.past() }
    }

    fn sweep_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.lease_deletions >= self.bounds.lease_deletions {
            return;
        }
        match (&state.sweep, state.lease) {
            (Some(sweep), _) => match self.protocol.sweep_asks(sweep.step) {
                SweepAsks::Observe(name) => {
                    let known = state.slot(name).past().subsets();
                    actions.extend(known.map(Action::AnswerSweep));
                }
                _ => actions.push(Action::AnswerSweep(UidSet::default())),
            },
            (None, Some(lease)) => {
                let sweep = self.protocol.begin_sweep(lease, now(state));
                if self.protocol.sweep_asks(sweep) != SweepAsks::Keep {
                    actions.push(Action::BeginSweep);
                }
            }
            (None, None) => {}
        }
    }
}

/// The name of the property that no group gets two ports or CLBs.
const ONE_PORT: &str = "the group has one port of one CLB";
/// The name of the property that nothing is blocked for ever, and nothing is let in.
const JUDGED: &str = "two minutes after the last write a join is judged by the cluster alone";

/// A uid that no Service will ever have.
const UNKNOWN_UID: u8 = 7;

/// The API server's time.
pub(crate) fn now(state: &State) -> i64 {
    1_000_000 + i64::from(state.waits) * 120
}

impl Model for ClaimsModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let shapes = || std::iter::once(None).chain(self.bounds.shapes.iter().copied().map(Some));
        let [writes_of_a, writes_of_b] = self.bounds.writes;
        let slot = |shape: Option<Shape>, writes_left: u8| {
            let live = shape.map(|shape| Live { uid: 0, version: 0, shape });
            let (existed, count) = match live {
                Some(live) => (UidSet::default().with(live.uid), 1),
                None => (UidSet::default(), 0),
            };
            Slot { live, existed, uids: count, versions: count, writes_left }
        };
        let mut states = Vec::new();
        for a in shapes() {
            // The other way round is the same with the names exchanged, where both are treated alike.
            for b in shapes().filter(|b| self.is_lopsided() || a <= *b) {
                if a.zip(b).is_none_or(|(a, b)| a.is_compatible(b)) {
                    states.push(State {
                        slots: [slot(a, writes_of_a), slot(b, writes_of_b)],
                        lease: None,
                        reviews: Vec::new(),
                        admitted: Vec::new(),
                        sweep: None,
                        waits: 0,
                        lease_deletions: 0,
                        forgeries: 0,
                    });
                }
            }
        }
        states
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.begin_actions(state, actions);
        self.forge_actions(state, actions);
        self.answer_actions(state, actions);
        self.sweep_actions(state, actions);
        for index in 0..state.admitted.len() {
            actions.push(Action::CarryOut(index));
        }
        for name in Name::ALL {
            let Some(live) = state.slot(name).live else { continue };
            actions.push(Action::Delete(name));
            if self.has(Flaw::LeaveRemoves) {
                let shapes = self.bounds.shapes.iter().copied().filter(|to| *to != live.shape);
                let to = shapes.map(Some).chain([None]);
                actions.extend(to.map(|to| Action::RemoveClaims(name, to)));
            }
        }
        if state.waits < self.bounds.waits {
            actions.push(Action::Wait);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.carry_out(&mut next, action)?;
        next.sort();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let one_port = |_: &Self, state: &State| match state.services() {
            [Some(a), Some(b)] => a.shape.is_compatible(b.shape),
            _ => true,
        };
        let judged = |model: &Self, state: &State| model.joins_are_judged_by_the_cluster(state);
        let mut properties = vec![Property::always(ONE_PORT, one_port)];
        // What is sought in a broken protocol is a group with two ports.
        if self.flaw.is_none() {
            properties.push(Property::always(JUDGED, judged));
        }
        properties
    }
}
