//! The listeners of CLBs, and what their health checks say.

use std::collections::HashMap;

use super::Index;
use crate::clb_answers::{ClbAnswers, Listener, RegisteredBackend, ServerHealth};

/// An entry of an answer, with the CLB that was asked about; `None` where nothing tells it.
type KnownEntry<'a> = (Option<&'a str>, &'a ServerHealth);

/// What the answers tell of the health of backends, by server and port, the newest first.
#[derive(Default)]
pub(super) struct KnownHealth<'a> {
    servers: HashMap<(&'a str, u16), Vec<KnownEntry<'a>>>,
}

impl<'a> KnownHealth<'a> {
    pub(super) fn new(answers: &'a ClbAnswers) -> Self {
        let mut known = Self::default();
        for answer in answers.health.iter().rev() {
            for server in &answer.servers {
                let entry = known.servers.entry((server.server_id.as_str(), server.port));
                entry.or_default().push((answer.clb.as_deref(), server));
            }
        }
        known
    }
}

impl<'a> Index<'a> {
    /// The listeners of a CLB; `None` where no answer about them is at hand.
    pub fn listeners_of(&self, clb: &str) -> Option<Vec<&'a Listener>> {
        self.snapshot.clb_answers.listeners_of(clb, self.sole_clb)
    }

    /// Whether the answers show all listeners of a CLB.
    pub fn shows_all_listeners(&self, clb: &str) -> bool {
        self.snapshot.clb_answers.shows_all_listeners(clb, self.sole_clb)
    }

    /// What the health checks of a CLB's listeners say of a backend, the newest first. Answers that
    /// do not tell their CLB count where no other CLB is known.
    pub fn health_of<'s>(
        &'s self,
        clb: &'s str,
        backend: &'s RegisteredBackend,
    ) -> impl Iterator<Item = &'a ServerHealth> + use<'s, 'a> {
        let at = self.health.servers.get(&(backend.server_id.as_str(), backend.port));
        let entries = at.into_iter().flatten().filter(move |(of, server)| {
            of.map_or(self.sole_clb, |of| of == clb) && server.is_of(backend)
        });
        entries.map(|(_, server)| *server)
    }
}
