//! A model of the webhook's claims on a vServer group, for an explorer that looks at everything which can
//! happen.
//!
//! The protocol itself is not written down here a second time. [`protocol`] drives the webhook's own code:
//! `Settlement`, `LeaseSweep`, `GroupClaims` and `joined_groups` of `clbmigrate_webhook::claims`. The model
//! is of what is around it: two Services, API servers that carry out writes or do not, a Lease, replicas
//! with their caches, time.
//!
//! What the model leaves open, and so what every run of the real thing is among:
//! - Each request to the API server is answered at a moment of its own, in any order.
//! - A replica's cache knows any of the uids that there have been, or none: it lags behind, and is empty
//!   after a restart.
//! - A write that was admitted is carried out at any time or never. A replica may die with its review, and
//!   a review may go on after its write was given up.
//! - A review may be forged: no write follows it.

mod cluster;
mod explore;
mod flaw;
mod intern;
mod judged;
mod model;
mod moves;
mod protocol;
mod state;

pub use cluster::{Name, Shape, must_claim};
pub use explore::{Explored, explore};
pub use flaw::Flaw;
pub use model::{Action, Bounds, ClaimsModel, Event};
pub use state::{Base, Live, Review, Slot, State, Sweep, UidSet, Write, WriteId};
