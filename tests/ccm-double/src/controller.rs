//! The controller: three watches that fill the work queue, and workers that reconcile one Service after the other.

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

use crate::api_server::ApiServer;
use crate::behaviour::SharedBehaviour;
use crate::cache::{Cache, Change};
use crate::cloud_client::CloudClient;
use crate::event_handlers::{self, Reaction};
use crate::events::Recorder;
use crate::reconcile::Reconciler;
use crate::reports::Reports;
use crate::service::Key;
use crate::standalone_cloud::StandaloneCloud;
use crate::work_queue::{Backoff, WorkQueue};

/// How many Services are reconciled at the same time.
const WORKERS: usize = 8;

const SERVICES: &str = "services";
const NODES: &str = "nodes";
const SLICES: &str = "endpointslices";

/// The kinds that have not been listed yet, each with the last error of its watch.
type Unsynced = BTreeMap<&'static str, String>;

/// A running controller. Dropping it stops all its tasks.
#[derive(Debug)]
pub struct Controller {
    handle: Handle,
    _tasks: JoinSet<()>,
}

/// The part of a running controller that its HTTP API reads and changes.
#[derive(Debug, Clone)]
pub struct Handle {
    /// The behaviour, which may be changed while the controller runs.
    pub control: SharedBehaviour,
    /// The last round of every Service.
    pub reports: Arc<Reports>,
    recorder: Arc<Recorder>,
    unsynced: watch::Sender<Unsynced>,
}

impl Handle {
    /// Deletes the events about Services that CCM has written, and says how many there were: what the API server does
    /// after an hour. What the recorder has counted goes on.
    pub async fn expire_events(&self) -> kube::Result<usize> {
        self.recorder.expire().await
    }

    /// The kinds that have not been listed yet, each as `kind: last error`. Empty once workers may begin.
    pub fn unsynced(&self) -> Vec<String> {
        let unsynced = self.unsynced.borrow();
        unsynced.iter().map(|(kind, why)| format!("{kind}: {why}")).collect()
    }
}

impl Controller {
    /// Starts the watches, and the workers once every kind has been listed. Must be called inside a tokio runtime.
    ///
    /// With a `namespace` it handles the Services of that namespace alone, so that others may work beside it. A
    /// `standalone` cloud, which `cloud` is then a client of, is given everything that a Service names before the
    /// Service's round.
    pub fn start(
        client: Client,
        namespace: Option<&str>,
        cloud: CloudClient,
        standalone: Option<Arc<StandaloneCloud>>,
        control: SharedBehaviour,
        backoff: Backoff,
    ) -> Self {
        let recorder = Recorder::new(client.clone(), control.clone(), namespace);
        let recorder = Arc::new(recorder);
        let unsynced = [SERVICES, NODES, SLICES].map(|kind| (kind, "not listed yet".to_owned()));
        let handle = Handle {
            control,
            reports: Arc::default(),
            recorder: Arc::clone(&recorder),
            unsynced: watch::Sender::new(unsynced.into()),
        };
        let state = Arc::new(ControllerState {
            services: Cache::new(),
            nodes: Arc::new(Cache::new()),
            slices: Arc::new(Cache::new()),
            recorder: Arc::clone(&recorder),
            queue: WorkQueue::new(backoff),
            scope: match namespace {
                Some(name) => {
                    watcher::Config::default().fields(&format!("metadata.namespace={name}"))
                }
                None => watcher::Config::default(),
            },
            handle: handle.clone(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&state).watch_services(client.clone()));
        tasks.spawn(Arc::clone(&state).watch_nodes(client.clone()));
        tasks.spawn(Arc::clone(&state).watch_slices(client.clone()));
        let kubernetes = ApiServer {
            client,
            recorder,
            nodes: Arc::clone(&state.nodes),
            slices: Arc::clone(&state.slices),
        };
        let reconciler =
            Arc::new(Reconciler { kubernetes, cloud, control: handle.control.clone(), standalone });
        for _ in 0..WORKERS {
            tasks.spawn(Arc::clone(&state).work(Arc::clone(&reconciler)));
        }
        Self { handle, _tasks: tasks }
    }

    /// The handle for the HTTP API.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

struct ControllerState {
    services: Cache<Service>,
    nodes: Arc<Cache<Node>>,
    slices: Arc<Cache<EndpointSlice>>,
    recorder: Arc<Recorder>,
    queue: WorkQueue<Key>,
    handle: Handle,
    /// Which Services are its own.
    scope: watcher::Config,
}

impl ControllerState {
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
        let Reaction::Enqueue(event) = event_handlers::on_service(change) else { return };
        let (Change::Created(service)
        | Change::Updated { new: service, .. }
        | Change::Deleted(service)) = change;
        if let Some(event) = event {
            self.recorder.record(service, event).await;
        }
        self.queue.add(Key::from_object(service.as_ref()));
    }

    async fn watch_nodes(self: Arc<Self>, client: Client) {
        let mut events = self.events::<Node>(client, NODES, watcher::Config::default());
        while let Some(event) = events.next().await {
            let is_listed = matches!(event, Event::InitDone);
            if self.nodes.apply(event).iter().any(event_handlers::on_node) {
                let default = self.handle.control.get().backend_type;
                for service in self.services.all() {
                    if event_handlers::follows_nodes(&service, default) {
                        self.queue.add(Key::from_object(service.as_ref()));
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
            for key in self.slices.apply(event).iter().filter_map(event_handlers::on_slice) {
                if self
                    .services
                    .get(&key)
                    .is_some_and(|service| event_handlers::follows_slices(&service))
                {
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
                    self.handle.unsynced.send_modify(|unsynced| {
                        unsynced.entry(kind).and_modify(|why| *why = error.to_string());
                    });
                });
                std::future::ready(event.ok())
            })
            .boxed()
    }

    fn listed(&self, kind: &'static str, is_listed: bool) {
        if is_listed {
            self.handle.unsynced.send_modify(|unsynced| {
                unsynced.remove(kind);
            });
        }
    }

    /// Works on one Service after the other, from when everything has been seen once.
    async fn work(self: Arc<Self>, reconciler: Arc<Reconciler<ApiServer>>) {
        // The sender lives in self, so the channel is open.
        let _ = self.handle.unsynced.subscribe().wait_for(BTreeMap::is_empty).await;
        loop {
            let key = self.queue.next().await;
            let result = reconciler.reconcile(&key).await;
            let succeeded = result.as_ref().is_none_or(|result| result.report.outcome.is_success());
            let requeue_after = result.as_ref().and_then(|result| result.requeue_after);
            if let Some(result) = result {
                self.handle.reports.record(&key, result.report);
            }
            self.queue.done(&key, succeeded);
            if let Some(time) = requeue_after {
                self.queue.add_after(key, time);
            }
        }
    }
}
