use std::sync::Arc;

use super::RouteBackend;
use crate::{
    backends::Backends, clb_answers::RegisteredBackend, index::shown, prediction::is_unknown,
};

/// A participant's backends. They are put into words one by one as they are asked for: of a route in
/// a large cluster there are hundreds, and often nobody wants more than their sum.
#[derive(Debug, Clone)]
pub(super) enum Held<'a> {
    /// By the model, with their description.
    Expected(Backends<'a>, Arc<str>),
    /// As they stand in the group.
    Measured(Vec<&'a RegisteredBackend>),
    /// As they stand in the group after rounds of CCM: some of its backends, by index.
    Predicted(Arc<Vec<RegisteredBackend>>, Vec<usize>),
}

impl Held<'_> {
    /// Nothing.
    pub(super) const NONE: Self = Self::Measured(Vec::new());

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Expected(backends, _) => backends.len(),
            Self::Measured(backends) => backends.len(),
            Self::Predicted(_, indexes) => indexes.len(),
        }
    }

    pub(super) fn weight_sum(&self) -> u64 {
        match self {
            Self::Expected(backends, _) => backends.weight_sum(),
            Self::Measured(backends) => backends.iter().map(|b| u64::from(b.weight)).sum(),
            Self::Predicted(..) => self.registered().map(|b| u64::from(b.weight)).sum(),
        }
    }

    /// Whether one of the backends stands for others of which nothing is known.
    pub(super) fn is_unknown(&self) -> bool {
        self.registered().any(is_unknown)
    }

    /// The backends as they are registered; none by the model.
    pub(super) fn registered(&self) -> Box<dyn Iterator<Item = &RegisteredBackend> + '_> {
        match self {
            Self::Expected(..) => Box::new(std::iter::empty()),
            Self::Measured(backends) => Box::new(backends.iter().copied()),
            Self::Predicted(all, indexes) => {
                Box::new(indexes.iter().filter_map(|index| all.get(*index)))
            }
        }
    }

    /// The backends; of which participant is not said.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = RouteBackend<'_>> + '_> {
        if let Self::Expected(backends, description) = self {
            return Box::new(backends.iter().map(|backend| RouteBackend {
                id: backend.target.id(),
                port: backend.port,
                weight: backend.weight,
                description: Arc::clone(description),
                participant: 0,
            }));
        }
        Box::new(self.registered().filter(|backend| !is_unknown(backend)).map(|backend| {
            RouteBackend {
                id: backend.id(),
                port: backend.port,
                weight: backend.weight,
                description: shown(&backend.description).into(),
                participant: 0,
            }
        }))
    }
}
