//! What there is at one moment.

use crate::{
    cluster::{Name, Shape},
    intern::Id,
};

/// A Service in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Live {
    /// Its uid: the how many-th of this name.
    pub uid: u8,
    /// Its resource version: each name counts its own.
    pub version: u8,
    /// Its form.
    pub shape: Shape,
}

/// Some uids of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UidSet(u8);

impl UidSet {
    /// These and one more.
    #[must_use]
    pub fn with(self, uid: u8) -> Self {
        Self(self.0 | 1 << uid)
    }

    /// These without one.
    #[must_use]
    pub fn without(self, uid: u8) -> Self {
        Self(self.0 & !(1 << uid))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..8).filter(move |uid| self.0 & 1 << uid != 0)
    }

    /// Every choice of some of them: none, one, all.
    pub fn subsets(self) -> impl Iterator<Item = Self> {
        (0..=self.0).filter(move |some| some & !self.0 == 0).map(Self)
    }
}

/// What a name in the cluster stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The Service, where there is one.
    pub live: Option<Live>,
    /// Uids of all that there have been.
    pub existed: UidSet,
    /// How many uids were given to creations.
    pub uids: u8,
    /// How many versions there have been.
    pub versions: u8,
    /// How many writes clients may still begin.
    pub writes_left: u8,
}

impl Slot {
    /// Uids of those that were deleted.
    pub fn past(&self) -> UidSet {
        self.live.map_or(self.existed, |live| self.existed.without(live.uid))
    }
}

/// What a write is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriteId {
    /// A creation, by the uid that the API server has given to it.
    Create {
        /// The Service.
        name: Name,
        /// The uid.
        uid: u8,
    },
    /// A change, by the version that it changes.
    Update {
        /// The Service.
        name: Name,
        /// Its uid.
        uid: u8,
        /// The version.
        version: u8,
    },
}

/// A write that an API server is about to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Write {
    /// The Service.
    pub name: Name,
    /// What it changes.
    pub base: Base,
    /// The form that it gives the Service.
    pub to: Shape,
}

/// What a write is carried out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// Nothing, as it creates a Service with this uid.
    Nothing {
        /// The uid.
        uid: u8,
    },
    /// This version alone.
    Version(Live),
}

impl Write {
    /// What claims tell it by.
    pub fn id(&self) -> WriteId {
        let name = self.name;
        match self.base {
            Base::Nothing { uid } => WriteId::Create { name, uid },
            Base::Version(Live { uid, version, .. }) => WriteId::Update { name, uid, version },
        }
    }

    /// The form before it.
    pub fn from(&self) -> Option<Shape> {
        match self.base {
            Base::Nothing { .. } => None,
            Base::Version(live) => Some(live.shape),
        }
    }
}

/// A review in a replica.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Review {
    /// The write under review; `None` where no API server waits for the result any more, or none ever did.
    pub write: Option<Write>,
    /// The Service of whose claims it is.
    pub name: Name,
    /// The settlement.
    pub settlement: Id,
    /// Whether the Lease that it read last is still the same.
    pub is_current: bool,
    /// The claims of a Lease that it is about to create.
    pub listed: Option<Id>,
    /// A read of the other Service, or of both, that a broken protocol uses later.
    pub early: Option<[Option<Live>; 2]>,
}

/// A look at the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sweep {
    /// How far it is.
    pub step: Id,
    /// Whether the Lease is still the same.
    pub is_current: bool,
}

/// All of it. Replicas are alike, and so are writes: both are kept in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The cluster's Services.
    pub slots: [Slot; 2],
    /// The claims in the Lease, where there is one.
    pub lease: Option<Id>,
    /// Replicas with a review.
    pub reviews: Vec<Review>,
    /// Writes that were admitted.
    pub admitted: Vec<Write>,
    /// The sweep.
    pub sweep: Option<Sweep>,
    /// How often two minutes have passed.
    pub waits: u8,
    /// How often the Lease was deleted.
    pub lease_deletions: u8,
    /// How many reviews were forged.
    pub forgeries: u8,
}

impl State {
    /// The Service of that name.
    pub fn slot(&self, name: Name) -> &Slot {
        let [a, b] = &self.slots;
        match name {
            Name::A => a,
            Name::B => b,
        }
    }

    /// The Service of that name.
    pub fn slot_mut(&mut self, name: Name) -> &mut Slot {
        let [a, b] = &mut self.slots;
        match name {
            Name::A => a,
            Name::B => b,
        }
    }

    /// The Services as a list shows them.
    pub fn services(&self) -> [Option<Live>; 2] {
        let [a, b] = &self.slots;
        [a.live, b.live]
    }

    /// The writes of a Service that may still be carried out.
    pub fn writes_in_flight(&self, name: Name) -> impl Iterator<Item = &Write> {
        let reviewed = self.reviews.iter().filter_map(|review| review.write.as_ref());
        reviewed.chain(&self.admitted).filter(move |write| write.name == name)
    }

    /// The Lease is another one from now on.
    pub fn set_lease(&mut self, lease: Option<Id>) {
        self.lease = lease;
        self.reviews.iter_mut().for_each(|review| review.is_current = false);
        self.sweep.iter_mut().for_each(|sweep| sweep.is_current = false);
    }

    /// Puts what is alike in order.
    pub fn sort(&mut self) {
        self.reviews.sort_unstable();
        self.admitted.sort_unstable();
    }
}
