//! Explores a model.

use std::collections::BTreeSet;

use stateright::{Checker as _, HasDiscoveries, Model as _, Path};

use crate::{
    intern::lock,
    model::{Action, ClaimsModel, Event},
    state::State,
};

/// What an exploration has found.
#[derive(Debug)]
pub struct Explored {
    /// How many states there are, each counted once.
    pub states: usize,
    /// How many steps lead from one to another.
    pub steps: usize,
    /// How many steps the longest way has that is no detour.
    pub depth: usize,
    /// How many states of the webhook's own code there are.
    pub settlements: usize,
    /// What the exploration came across.
    pub events: BTreeSet<Event>,
    /// A shortest way to where a property does not hold, and the property's name.
    pub counterexample: Option<(&'static str, String)>,
}

/// Explores the model until everything is known, or until a property does not hold.
pub fn explore(model: ClaimsModel) -> Explored {
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let model = checker.model();
    let counterexample =
        checker.discoveries().into_iter().next().map(|(name, path)| (name, trace(model, path)));
    Explored {
        states: checker.unique_state_count(),
        steps: checker.state_count(),
        depth: checker.max_depth(),
        settlements: model.protocol.settlements(),
        events: lock(&model.events).clone(),
        counterexample,
    }
}

/// The actions that lead there, and the Lease after each.
fn trace(model: &ClaimsModel, path: Path<State, Action>) -> String {
    let line = |(state, action): (State, Option<Action>)| {
        let [a, b] = state.services();
        let show = |live: Option<crate::Live>| {
            live.map_or("none".to_owned(), |it| format!("{} ({}.{})", it.shape, it.uid, it.version))
        };
        let lease = state.lease.map_or("none".to_owned(), |lease| model.protocol.text(lease));
        let action = action.map_or(String::new(), |action| format!("{action:?}"));
        format!("A: {}, B: {}, Lease: {lease}\n    {action}\n", show(a), show(b))
    };
    path.into_vec().into_iter().map(line).collect()
}
