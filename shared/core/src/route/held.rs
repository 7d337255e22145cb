use std::sync::Arc;

use super::RouteBackend;
use crate::{backends::Backends, clb_answers::RegisteredBackend};

/// A participant's backends. They are put into words one by one as they are asked for: of a route in
/// a large cluster there are hundreds, and often nobody wants more than their sum.
#[derive(Debug, Clone)]
pub(super) enum Held<'a> {
    /// By the model, with their description.
    Expected(Backends<'a>, Arc<str>),
    /// As they stand in the group.
    Measured(Vec<&'a RegisteredBackend>),
    /// The model's under `ignore-weight-update`, with weights of the group.
    Kept(Vec<RouteBackend<'a>>),
}

impl<'a> Held<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Expected(backends, _) => backends.len(),
            Self::Measured(backends) => backends.len(),
            Self::Kept(backends) => backends.len(),
        }
    }

    pub(super) fn weight_sum(&self) -> u64 {
        match self {
            Self::Expected(backends, _) => backends.weight_sum(),
            Self::Measured(backends) => backends.iter().map(|b| u64::from(b.weight)).sum(),
            Self::Kept(backends) => backends.iter().map(|b| u64::from(b.weight)).sum(),
        }
    }

    /// The backends; of which participant is not said.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = RouteBackend<'a>> + '_> {
        match self {
            Self::Expected(backends, description) => {
                Box::new(backends.iter().map(|backend| RouteBackend {
                    id: backend.target.id(),
                    port: backend.port,
                    weight: backend.weight,
                    description: Arc::clone(description),
                    participant: 0,
                }))
            }
            Self::Measured(backends) => Box::new(backends.iter().map(|backend| RouteBackend {
                id: backend.id(),
                port: backend.port,
                weight: backend.weight,
                description: backend.description.as_str().into(),
                participant: 0,
            })),
            Self::Kept(backends) => Box::new(backends.iter().cloned()),
        }
    }
}
