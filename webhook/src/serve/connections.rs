//! The open connections of a listener, and which of them goes when there are too many.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::{Id, JoinError, JoinSet};

use super::connection_state::ConnectionState;

/// How long a connection that was asked to end has for it before another is asked.
const EVICTION: Duration = Duration::from_millis(100);

/// The open connections of a listener.
pub(super) struct Connections {
    tasks: JoinSet<io::Result<()>>,
    states: HashMap<Id, Arc<ConnectionState>>,
    epoch: Instant,
    /// The connection that was asked to end last, and when.
    leaving: Option<(Id, Instant)>,
}

impl Connections {
    pub fn new() -> Self {
        Self { tasks: JoinSet::new(), states: HashMap::new(), epoch: Instant::now(), leaving: None }
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Serves a connection with the future that `serve` makes.
    pub fn spawn<F>(&mut self, serve: impl FnOnce(Arc<ConnectionState>) -> F)
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let state = Arc::new(ConnectionState::new(self.epoch));
        let task = self.tasks.spawn(serve(Arc::clone(&state)));
        self.states.insert(task.id(), state);
    }

    /// Waits for a connection to end, and returns how it did; `None` if there are none.
    pub async fn next_end(&mut self) -> Option<Result<io::Result<()>, JoinError>> {
        let ended = self.tasks.join_next_with_id().await?;
        let (id, result) = match ended {
            Ok((id, result)) => (id, Ok(result)),
            Err(error) => (error.id(), Err(error)),
        };
        self.states.remove(&id);
        Some(result)
    }

    /// Asks the connection of the lowest [`EvictionRank`](super::connection_state::EvictionRank) to end,
    /// unless one that was asked before is about to. A connection with a request at work is never
    /// asked.
    pub fn evict(&mut self) {
        if let Some((id, since)) = self.leaving
            && since.elapsed() < EVICTION
            && self.states.contains_key(&id)
        {
            return;
        }
        let ranks = self.states.iter();
        let ranks = ranks.filter_map(|(id, state)| Some((state.eviction_rank()?, *id, state)));
        self.leaving = ranks.min_by_key(|(rank, ..)| *rank).map(|(_, id, state)| {
            state.evict();
            (id, Instant::now())
        });
    }
}
