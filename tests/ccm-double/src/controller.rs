//! The double as a whole: three watches that feed a queue, and workers that empty it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::behaviour::Control;
use crate::cloud::Clb;
use crate::events::Recorder;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::queue::{Backoff, Queue};
use crate::round::Rounds;
use crate::service::{Key, ServiceExt};
use crate::standalone::Standalone;
use crate::triggers::{self, Reaction};
use crate::watch::{Change, Mirror};

/// Rounds at the same time, of different Services.
const WORKERS: usize = 8;

const SERVICES: &str = "services";
const NODES: &str = "nodes";
const SLICES: &str = "endpointslices";

/// What the watches still wait for, with the error that each met last.
type Waiting = BTreeMap<&'static str, String>;

/// A running double. It stops when it is dropped.
#[derive(Debug)]
pub struct Double {
    view: View,
    _tasks: JoinSet<()>,
}

/// What can be seen and set from outside.
#[derive(Debug, Clone)]
pub struct View {
    /// How it behaves.
    pub control: Control,
    /// What it did.
    pub ledger: Arc<Ledger>,
    waiting: watch::Sender<Waiting>,
}

impl View {
    /// What keeps the double from beginning, empty once it has begun: `nodes: why`.
    pub fn waits_for(&self) -> Vec<String> {
        let waiting = self.waiting.borrow();
        waiting.iter().map(|(kind, why)| format!("{kind}: {why}")).collect()
    }
}

impl Double {
    /// Starts watching and, when it has seen everything, working. Runs in the present tokio runtime.
    ///
    /// Without a cloud it makes one up in which everything exists that a Service names. With a
    /// namespace it is for the Services there alone, so that others may work beside it.
    pub fn start(
        client: Client,
        namespace: Option<&str>,
        cloud: Option<Clb>,
        control: Control,
        backoff: Backoff,
    ) -> Self {
        let waiting = [SERVICES, NODES, SLICES].map(|kind| (kind, "not listed yet".to_owned()));
        let view =
            View { control, ledger: Arc::default(), waiting: watch::Sender::new(waiting.into()) };
        let hub = Arc::new(Hub {
            services: Mirror::new(),
            nodes: Arc::new(Mirror::new()),
            slices: Arc::new(Mirror::new()),
            recorder: Arc::new(Recorder::new(client.clone())),
            queue: Queue::new(backoff),
            scope: match namespace {
                Some(name) => {
                    watcher::Config::default().fields(&format!("metadata.namespace={name}"))
                }
                None => watcher::Config::default(),
            },
            view: view.clone(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&hub).watch_services(client.clone()));
        tasks.spawn(Arc::clone(&hub).watch_nodes(client.clone()));
        tasks.spawn(Arc::clone(&hub).watch_slices(client.clone()));
        let (cloud, standalone) = match cloud {
            Some(cloud) => (cloud, None),
            None => {
                let standalone = Arc::new(Standalone::default());
                (Clb::new(standalone.cloud(), "vpc-made-up"), Some(standalone))
            }
        };
        let kubernetes = Live {
            client,
            recorder: Arc::clone(&hub.recorder),
            nodes: Arc::clone(&hub.nodes),
            slices: Arc::clone(&hub.slices),
        };
        let rounds =
            Arc::new(Rounds { kubernetes, cloud, control: view.control.clone(), standalone });
        for _ in 0..WORKERS {
            tasks.spawn(Arc::clone(&hub).work(Arc::clone(&rounds)));
        }
        Self { view, _tasks: tasks }
    }

    /// What can be seen and set from outside.
    pub fn view(&self) -> &View {
        &self.view
    }
}

struct Hub {
    services: Mirror<Service>,
    nodes: Arc<Mirror<Node>>,
    slices: Arc<Mirror<EndpointSlice>>,
    recorder: Arc<Recorder>,
    queue: Queue<Key>,
    view: View,
    /// Which Services are its own.
    scope: watcher::Config,
}

impl Hub {
    async fn watch_services(self: Arc<Self>, client: Client) {
        let mut events = self.events::<Service>(client, SERVICES, self.scope.clone());
        while let Some(event) = events.next().await {
            let is_listed = matches!(event, Event::InitDone);
            for change in self.services.apply(event) {
                self.on_service(&change).await;
            }
            self.listed(SERVICES, is_listed);
        }
    }

    async fn on_service(&self, change: &Change<Service>) {
        let Reaction::Round(note) = triggers::on_service(change) else { return };
        let (Change::Created(service)
        | Change::Updated { new: service, .. }
        | Change::Deleted(service)) = change;
        if let Some(note) = note {
            self.recorder.write(service, note).await;
        }
        self.queue.add(Key::of(service.as_ref()));
    }

    async fn watch_nodes(self: Arc<Self>, client: Client) {
        let mut events = self.events::<Node>(client, NODES, watcher::Config::default());
        while let Some(event) = events.next().await {
            let is_listed = matches!(event, Event::InitDone);
            if self.nodes.apply(event).iter().any(triggers::on_node) {
                let default = self.view.control.get().backend_type;
                for service in self.services.all() {
                    if service.wants_clb() && !service.is_eni(default) {
                        self.queue.add(Key::of(service.as_ref()));
                    }
                }
            }
            self.listed(NODES, is_listed);
        }
    }

    async fn watch_slices(self: Arc<Self>, client: Client) {
        let mut events = self.events::<EndpointSlice>(client, SLICES, self.scope.clone());
        while let Some(event) = events.next().await {
            let is_listed = matches!(event, Event::InitDone);
            for key in self.slices.apply(event).iter().filter_map(triggers::on_slice) {
                if self.services.get(&key).is_some_and(|service| service.wants_clb()) {
                    self.queue.add(key);
                }
            }
            self.listed(SLICES, is_listed);
        }
    }

    /// A watch that goes on after errors; what it met is told until it has listed everything once.
    fn events<K>(
        &self,
        client: Client,
        kind: &'static str,
        scope: watcher::Config,
    ) -> futures::stream::BoxStream<'_, Event<K>>
    where
        K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        watcher(Api::<K>::all(client), scope)
            .default_backoff()
            .filter_map(move |event| {
                let event = event.inspect_err(|error| {
                    self.view.waiting.send_modify(|waiting| {
                        waiting.entry(kind).and_modify(|why| *why = error.to_string());
                    });
                });
                std::future::ready(event.ok())
            })
            .boxed()
    }

    fn listed(&self, kind: &'static str, is_listed: bool) {
        if is_listed {
            self.view.waiting.send_modify(|waiting| {
                waiting.remove(kind);
            });
        }
    }

    /// Works on one Service after the other, from when everything has been seen once.
    async fn work(self: Arc<Self>, rounds: Arc<Rounds<Live>>) {
        // The sender lives in self, so the channel is open.
        let _ = self.view.waiting.subscribe().wait_for(BTreeMap::is_empty).await;
        loop {
            let key = self.queue.next().await;
            let ended = rounds.round(&key).await;
            let succeeded = ended.as_ref().is_none_or(|ended| ended.report.outcome.is_success());
            let again = ended.as_ref().and_then(|ended| ended.again);
            if let Some(ended) = ended {
                self.view.ledger.record(&key, ended.report);
            }
            self.queue.done(&key, succeeded);
            if let Some(time) = again {
                self.queue.add_after(key, time);
            }
        }
    }
}
