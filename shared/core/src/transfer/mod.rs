//! A change of several sides of a route, Services of one or more clusters and servers outside of
//! them, that is made one side after the other. Who is to carry more comes first; who is to carry
//! less follows when that is proven. The module does no I/O: it takes the result of each step and
//! returns the next step.

mod course;
mod half_done;
mod identity;
mod part;

pub use course::{Act, Came, Course, Ending};
pub use half_done::{HalfDone, half_done};
pub use part::Standing;

pub use crate::history::{OneService, Part, Server, Servers, Whole};
