//! A cluster's state, kept up to date by watches.
//!
//! A [`ClusterWatch`] holds what [`read_cluster`](super::read_cluster) reads, as objects of the core.
//! Services, nodes, EndpointSlices, workloads, autoscalers and namespaces are watched. Pods, which are
//! needed for few Services, and what tells of the cluster as a whole are read again once in a while.

mod feed;
mod object;
mod occasional;
mod pace;
mod scope;
mod state;
mod store;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    stream::{AbortHandle, LocalBoxStream, SelectAll, abortable},
};
use tokio::time::Instant;

use self::{
    feed::Feed,
    occasional::{ClusterWide, Reading},
    pace::Rest,
    scope::Subject,
    store::Store,
};
use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    list::ListItems,
    namespaces::NAMESPACES,
    read::{ClusterState, ReadOptions},
};

/// The time between two readings of a listing of pods.
const PODS_EVERY: Duration = Duration::from_secs(60);

/// The time between the readings of two listings of pods, on average.
const BETWEEN_PODS: Duration = Duration::from_secs(10);

/// What one of the streams tells, and which.
type Event = (Subject, Told);

enum Told {
    Watch(store::Told),
    Read(Box<Result<ListItems, Error>>),
    ClusterWide(Box<occasional::Told>),
}

/// A cluster's state, kept up to date by watches for as long as it is looked at.
pub struct ClusterWatch {
    connection: Connection,
    /// The namespace whose Services are watched where the user may not watch all.
    namespace: String,
    /// Whether what stands behind Services is watched only where they share a group with one of that
    /// namespace.
    is_only_namespace: bool,
    rest: Rest,
    events: SelectAll<LocalBoxStream<'static, Event>>,
    watches: BTreeMap<Subject, Watched<Store>>,
    readings: BTreeMap<Subject, Watched<Reading>>,
    cluster_wide: ClusterWide,
    /// The resources that may not be watched in all namespaces at once, by their labels.
    refused: BTreeMap<String, Error>,
    /// The namespaces of which more than Services is needed.
    namespaces: BTreeSet<String>,
    /// Whether there are, or were, too many namespaces to watch them one by one.
    is_wide: bool,
    /// From when on another listing of pods may be read; `None` before the first ones.
    pods_from: Option<Instant>,
    is_changed: bool,
}

/// What a stream has brought. The stream ends when this is dropped.
struct Watched<T> {
    value: T,
    stream: AbortHandle,
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        self.stream.abort();
    }
}

impl ClusterWatch {
    /// Begins to watch of a cluster what [`read_cluster`](super::read_cluster) reads with these options.
    /// It is as current as the API server's memory. This has to be called on a runtime.
    pub fn new(connection: &Connection, options: ReadOptions<'_>) -> Self {
        let mut watch = Self {
            connection: connection.clone(),
            namespace: options.namespace.to_owned(),
            is_only_namespace: options.is_only_namespace,
            rest: Rest::default(),
            events: SelectAll::new(),
            watches: BTreeMap::new(),
            readings: BTreeMap::new(),
            cluster_wide: ClusterWide::default(),
            refused: BTreeMap::new(),
            namespaces: BTreeSet::new(),
            is_wide: false,
            pods_from: None,
            is_changed: true,
        };
        let cluster_wide = occasional::cluster_wide(connection);
        let tag = |told| (Subject::ClusterWide, Told::ClusterWide(Box::new(told)));
        watch.events.push(cluster_wide.map(tag).boxed_local());
        watch.adjust();
        watch
    }

    /// Waits until something may be shown differently: an object, or whether the cluster answers.
    /// What changes nothing that is shown is passed over. Nothing is lost where it is not awaited to
    /// its end.
    pub async fn changed(&mut self) {
        while !self.is_changed {
            self.step().await;
        }
    }

    /// The state by all that was told so far. It waits until everything was told once.
    ///
    /// # Errors
    /// As [`read_cluster`](super::read_cluster) has them.
    pub async fn state(&mut self) -> Result<ClusterState, Error> {
        loop {
            while let Some(Some((subject, told))) = self.events.next().now_or_never() {
                self.take(&subject, told);
            }
            self.adjust();
            if !self.is_settled() {
                self.step().await;
                continue;
            }
            self.is_changed = false;
            let (reader, pods) = state::reader(self)?;
            let pods: BTreeSet<Subject> = pods.into_iter().map(Subject::Pods).collect();
            if pods.iter().all(|pods| self.readings.contains_key(pods)) {
                let state = state::finished(self, reader);
                self.forget_pods_but(&pods);
                return Ok(state);
            }
            self.read_pods(pods);
        }
    }

    /// Why what is known may be out of date, where a watch cannot be begun again; `None` where all are
    /// under way.
    pub fn staleness(&self) -> Option<&Error> {
        self.watches.values().find_map(|watched| watched.value.staleness())
    }

    async fn step(&mut self) {
        match self.events.next().await {
            Some((subject, told)) => self.take(&subject, told),
            // There is always one stream that does not end.
            None => std::future::pending().await,
        }
    }

    fn take(&mut self, subject: &Subject, told: Told) {
        match told {
            Told::ClusterWide(told) => {
                self.is_changed |= self.cluster_wide.take(*told);
            }
            Told::Read(read) => {
                if let Some(known) = self.readings.get_mut(subject) {
                    self.is_changed |= known.value.take(*read);
                }
            }
            Told::Watch(store::Told::Refused(error))
                if error.kind == ErrorKind::Forbidden && subject.narrowable().is_some() =>
            {
                let resource = subject.narrowable().map(|resource| resource.label.clone());
                self.refused.insert(resource.unwrap_or_default(), error);
                self.adjust();
                self.is_changed = true;
            }
            Told::Watch(told) => {
                let is_looked_at = self.is_looked_at(subject, &told);
                if let Some(known) = self.watches.get_mut(subject) {
                    self.is_changed |= known.value.take(told) && is_looked_at;
                }
            }
        }
    }

    /// Watches what has to be watched, and nothing else.
    fn adjust(&mut self) {
        self.namespaces = self.needed_namespaces();
        self.is_wide |= self.namespaces.len() > NAMESPACES;
        let wanted: BTreeSet<Subject> = self.subjects();
        self.watches.retain(|subject, _| wanted.contains(subject));
        self.readings.retain(|subject, _| match subject {
            Subject::Pods(_) => true,
            _ => wanted.contains(subject),
        });
        for subject in wanted {
            match &subject {
                Subject::Namespace(name) => {
                    if !self.readings.contains_key(&subject) {
                        let path = format!("/api/v1/namespaces/{name}");
                        let read = occasional::object(&self.connection, path);
                        self.read(subject, read, true);
                    }
                }
                Subject::Of(resource, namespace) => {
                    if !self.watches.contains_key(&subject) {
                        let namespace = namespace.as_deref();
                        let (connection, rest) = (&self.connection, &self.rest);
                        let feed = Feed::open(connection, rest, resource.clone(), namespace);
                        let of = subject.clone();
                        let events = feed.map(move |told| (of.clone(), Told::Watch(told)));
                        let watched = self.follow(events.boxed_local(), Store::default());
                        self.watches.insert(subject, watched);
                    }
                }
                Subject::Pods(_) | Subject::ClusterWide => {}
            }
        }
    }

    /// Reads pods again and again. After the first look few listings of them are begun in a minute, and
    /// those that have to wait are not waited for.
    fn read_pods(&mut self, paths: BTreeSet<Subject>) {
        let (now, is_first) = (Instant::now(), self.pods_from.is_none());
        let count = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        let every = PODS_EVERY.max(BETWEEN_PODS.saturating_mul(count));
        for subject in paths {
            let Subject::Pods(path) = &subject else { continue };
            if self.readings.contains_key(&subject) {
                continue;
            }
            let begin = self.pods_from.filter(|from| !is_first && *from > now).unwrap_or(now);
            self.pods_from = Some(begin + BETWEEN_PODS);
            let after = begin - now;
            let read = occasional::listing(&self.connection, path.clone(), after, every);
            self.read(subject, read, after.is_zero());
        }
    }

    /// Forgets pods that are not needed any more, as soon as those that are have been read.
    fn forget_pods_but(&mut self, needed: &BTreeSet<Subject>) {
        if needed.iter().all(|pods| self.readings.get(pods).is_some_and(|of| of.value.is_read())) {
            self.readings.retain(|subject, _| {
                !matches!(subject, Subject::Pods(_)) || needed.contains(subject)
            });
        }
    }

    fn read(
        &mut self,
        subject: Subject,
        stream: LocalBoxStream<'static, Result<ListItems, Error>>,
        is_awaited: bool,
    ) {
        let of = subject.clone();
        let events = stream.map(move |read| (of.clone(), Told::Read(Box::new(read))));
        let watched = self.follow(events.boxed_local(), Reading::new(is_awaited));
        self.readings.insert(subject, watched);
    }

    fn follow<T>(&mut self, events: LocalBoxStream<'static, Event>, value: T) -> Watched<T> {
        let (events, stream) = abortable(events);
        self.events.push(events.boxed_local());
        Watched { value, stream }
    }

    /// Whether everything was told once that is waited for. Where Services failed, nothing else is.
    fn is_settled(&self) -> bool {
        let watches = || self.watches.iter().map(|(subject, watched)| (subject, &watched.value));
        let services = watches().filter(|(subject, _)| subject.is_services());
        let mut failed = services.filter(|(_, store)| store.is_settled());
        if failed.any(|(_, store)| store.listing().is_err()) {
            return true;
        }
        self.cluster_wide.is_read()
            && watches().all(|(_, store)| store.is_settled())
            && self.readings.values().all(|of| of.value.is_settled())
    }
}
