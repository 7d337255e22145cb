//! What the health checks of a route's listeners say of its backends.

use super::{GroupListeners, Held};
use crate::{
    clb_answers::{Health, ListenerName, RegisteredBackend, ServerHealth},
    index::Index,
};

/// A backend with weight that health checks call abnormal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbnormalBackend {
    /// Instance id or pod address.
    pub id: String,
    /// The port on it.
    pub port: u16,
    /// The listeners that call it so, as `tcp/80`.
    pub listeners: Vec<String>,
}

/// The health of a participant's backends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParticipantHealth {
    /// How many backends are healthy; `None` where there are none, or where that of one is unknown.
    pub healthy: Option<usize>,
    /// The backends with weight above 0 that are not healthy, as far as that is known.
    pub abnormal: Vec<AbnormalBackend>,
    /// Whether the answers say something of every backend with weight above 0, at each listener that
    /// sends to the group.
    pub is_told: bool,
    /// The listeners that send to the group and do not tell of every backend with weight above 0
    /// whether it is healthy, as `tcp/80`: they have no health check, have not checked it yet, or
    /// did not answer.
    pub unchecked: Vec<String>,
    /// The listeners that send to the group, have a health check, and call no backend of any group
    /// healthy or abnormal: they have checked nothing yet.
    pub silent: Vec<String>,
}

/// The health checks of a route's listeners.
pub(super) struct RouteHealth<'r, 'a> {
    pub index: &'r Index<'a>,
    pub clb: &'r str,
    pub listeners: &'r GroupListeners,
}

impl<'a> RouteHealth<'_, 'a> {
    /// The health of a participant's backends.
    pub(super) fn of(&self, held: &Held<'_>) -> ParticipantHealth {
        let states = held.registered().map(|backend| self.is_healthy(backend));
        let states: Option<Vec<bool>> = states.collect();
        let healthy = states
            .filter(|states| !states.is_empty())
            .map(|states| states.into_iter().filter(|healthy| *healthy).count());
        let weighty = || held.registered().filter(|backend| backend.weight > 0);
        let abnormal = weighty().filter(|backend| self.is_healthy(backend) == Some(false));
        let abnormal = abnormal.map(|backend| AbnormalBackend {
            id: backend.id().to_owned(),
            port: backend.port,
            listeners: self.abnormal_at(backend),
        });
        ParticipantHealth {
            healthy,
            abnormal: abnormal.collect(),
            is_told: weighty().all(|backend| self.is_told(backend)),
            unchecked: self.unchecked(weighty),
            silent: self.silent(),
        }
    }

    /// Whether a listener has a health check and tells nothing of anybody.
    fn is_silent(&self, name: &ListenerName<'_>) -> bool {
        let answers = self.index.snapshot.clb_answers.health.iter();
        let answers = answers.filter(|answer| answer.clb.as_deref() == Some(self.clb));
        let mut entries =
            answers.flat_map(|answer| &answer.servers).filter(|entry| entry.is_at(name)).peekable();
        let is_off = || {
            let listeners = self.index.listeners_of(self.clb).unwrap_or_default();
            listeners.iter().any(|of| of.name() == *name && of.is_unchecked())
        };
        entries.peek().is_some()
            && entries.all(|entry| entry.health == Some(Health::Unavailable))
            && !is_off()
    }

    fn silent(&self) -> Vec<String> {
        let names = self.listeners.names().unwrap_or_default();
        names.iter().filter(|name| self.is_silent(name)).map(ToString::to_string).collect()
    }

    fn unchecked<'b, I: Iterator<Item = &'b RegisteredBackend>>(
        &self,
        weighty: impl Fn() -> I,
    ) -> Vec<String> {
        let is_checked = |name: &ListenerName<'_>, backend: &RegisteredBackend| {
            let mut entries = self.index.health_of(self.clb, backend);
            entries.find(|entry| entry.is_at(name)).is_some_and(|entry| {
                matches!(entry.health, Some(Health::Normal | Health::Abnormal))
            })
        };
        let names = self.listeners.names().unwrap_or_default();
        let names = names.iter().filter(|name| !self.is_silent(name));
        let unchecked = names.filter(|name| weighty().any(|backend| !is_checked(name, backend)));
        unchecked.map(ToString::to_string).collect()
    }

    /// What each listener that sends to the group says of a backend; `None` where it says nothing.
    /// Where it is not known which listeners do, what any listener of the CLB says.
    fn entries(&self, backend: &RegisteredBackend) -> Vec<Option<&'a ServerHealth>> {
        let entries = || self.index.health_of(self.clb, backend);
        match self.listeners.names() {
            Some(names) => {
                names.iter().map(|name| entries().find(|entry| entry.is_at(name))).collect()
            }
            None => entries().map(Some).collect(),
        }
    }

    /// Whether a backend is healthy at every listener that checks it. `None` where none does, where a
    /// listener says nothing of it, and where listeners differ of which it is not known whether they
    /// send to the group.
    fn is_healthy(&self, backend: &RegisteredBackend) -> Option<bool> {
        let entries = self.entries(backend);
        let says = |health| entries.iter().flatten().any(|entry| entry.health == Some(health));
        let is_known = entries.iter().all(|entry| entry.is_some_and(|of| of.health.is_some()));
        match (says(Health::Normal), says(Health::Abnormal)) {
            (true, true) if *self.listeners == GroupListeners::Unknown => None,
            (_, true) => Some(false),
            (true, false) if is_known => Some(true),
            _ => None,
        }
    }

    fn abnormal_at(&self, backend: &RegisteredBackend) -> Vec<String> {
        let entries = self.entries(backend);
        let abnormal =
            entries.iter().flatten().filter(|entry| entry.health == Some(Health::Abnormal));
        let mut names: Vec<String> =
            abnormal.filter_map(|entry| entry.listener()).map(|name| name.to_string()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn is_told(&self, backend: &RegisteredBackend) -> bool {
        let entries = self.entries(backend);
        let is_known = entries.iter().all(|entry| entry.is_some_and(|of| of.health.is_some()));
        is_known && (!entries.is_empty() || *self.listeners != GroupListeners::Unknown)
    }
}
