//! A cluster whose API server is a few collections.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use arc_swap::ArcSwap;
use clbmigrate_webhook::{
    api_call::{ApiCallError, Seconds},
    audit::{
        AuditBackend,
        backend::StoredShard,
        event::AuditEvent,
        record::Shard,
        scan::{Record, ScanError, ScanSummary, Scanner},
    },
    config::Config,
    metrics::Metrics,
    service_pages::ServicePage,
};
use serde_json::{Value, value::to_raw_value};

use crate::support::*;

/// Fewer than there are in most tests.
const PAGE: usize = 2;

/// What the API server has.
#[derive(Default)]
pub struct ApiState {
    services: BTreeMap<String, Value>,
    shards: BTreeMap<usize, (BTreeMap<String, String>, u64)>,
    events: Vec<AuditEvent>,
    /// How many Events were posted, refused ones among them.
    pub tried_events: usize,
    /// Whether Events are refused.
    pub refuses_events: bool,
    /// Whether the process is killed before it writes its record.
    pub loses_writes: bool,
}

#[derive(Clone, Default)]
pub struct FakeBackend(Arc<Mutex<ApiState>>);

impl FakeBackend {
    pub fn with<T>(&self, use_state: impl FnOnce(&mut ApiState) -> T) -> T {
        use_state(&mut self.0.lock().expect("no panic"))
    }
}

fn refused() -> ApiCallError {
    ApiCallError::Status { status: 403, path: String::new(), message: "no".to_owned() }
}

impl AuditBackend for FakeBackend {
    async fn services(&self, next: &str) -> Result<ServicePage, ApiCallError> {
        self.with(|state| {
            let rest = state.services.iter().filter(|(name, _)| name.as_str() > next);
            let page: Vec<_> = rest.take(PAGE).collect();
            let is_last = page.len() < PAGE;
            let next = page.last().map(|(name, _)| (*name).clone()).unwrap_or_default();
            let services = page.iter().map(|(_, service)| to_raw_value(service).expect("JSON"));
            let next = if is_last { String::new() } else { next };
            Ok(ServicePage { services: services.collect(), next, now: 1_800_000_000 })
        })
    }

    async fn read_shard(&self, number: usize) -> Result<StoredShard, ApiCallError> {
        let known = self.with(|state| state.shards.get(&number).cloned());
        Ok(known.map_or_else(StoredShard::default, |(data, version)| StoredShard {
            shard: Shard::from_data(&data),
            version: version.to_string(),
        }))
    }

    async fn write_shard(
        &self,
        number: usize,
        StoredShard { shard, version }: &StoredShard,
    ) -> Result<Option<String>, ApiCallError> {
        self.with(|state| {
            if state.loses_writes {
                return Err(refused());
            }
            let known = state.shards.get(&number).map(|(_, version)| *version);
            if known.map(|known| known.to_string()).unwrap_or_default() != *version {
                return Ok(None);
            }
            let next = known.unwrap_or_default() + 1;
            let data = shard.to_data().into_iter().map(|(key, text)| (key.to_owned(), text));
            state.shards.insert(number, (data.collect(), next));
            Ok(Some(next.to_string()))
        })
    }

    async fn post_event(&self, event: &AuditEvent, _: Seconds) -> Result<(), ApiCallError> {
        self.with(|state| {
            state.tried_events += 1;
            if state.refuses_events {
                return Err(refused());
            }
            if state.events.iter().all(|known| known.name != event.name) {
                state.events.push(event.clone());
            }
            Ok(())
        })
    }
}

/// A cluster that is audited.
pub struct AuditedCluster {
    pub cluster: TestCluster,
    pub backend: FakeBackend,
    config: Arc<ArcSwap<Config>>,
    record: Record,
}

pub fn audited(cluster: TestCluster) -> AuditedCluster {
    AuditedCluster {
        cluster,
        backend: FakeBackend::default(),
        config: Arc::default(),
        record: Record::new(),
    }
}

impl AuditedCluster {
    /// Stores a Service, in the cache as well.
    pub fn put(&self, service: &Value) {
        let mut service = service.clone();
        let [namespace, name] = ["namespace", "name"]
            .map(|key| service["metadata"][key].as_str().expect("a string").to_owned());
        if service["metadata"]["uid"].is_null() {
            service["metadata"]["uid"] = format!("uid-of-{namespace}-{name}").into();
        }
        self.cluster.cache.put_service(&service.to_string()).expect("a Service");
        self.backend.with(|state| state.services.insert(format!("{namespace}/{name}"), service));
    }

    /// Deletes a Service, also one that the cache still shows.
    pub fn delete(&self, name: &str) {
        self.backend.with(|state| state.services.remove(&format!("shop/{name}")));
    }

    pub fn configure(&self, text: &str) {
        self.config.store(Arc::new(Config::parse(text).expect("a good file")));
    }

    pub fn try_scan(&mut self) -> Result<ScanSummary, ScanError> {
        let scanner = Scanner::new(
            self.backend.clone(),
            Arc::clone(&self.cluster.cache),
            Arc::clone(&self.config),
            Arc::new(Metrics::default()),
            "clbmigrate-system",
        );
        block_on(scanner.scan(&mut self.record))
    }

    pub fn scan(&mut self) -> ScanSummary {
        self.try_scan().expect("a scan")
    }

    /// Forgets all that a process knows: another one takes over.
    pub fn restart(&mut self) {
        self.record.clear();
    }

    /// The Events that the next scan posts.
    pub fn events_of_scan(&mut self) -> Vec<AuditEvent> {
        self.events_of(|cluster| drop(cluster.scan()))
    }

    /// The Events that the next scan posts, which cannot write its record.
    pub fn events_of_scan_that_fails(&mut self) -> Vec<AuditEvent> {
        self.events_of(|cluster| drop(cluster.try_scan().expect_err("a failure")))
    }

    fn events_of(&mut self, scan: impl FnOnce(&mut Self)) -> Vec<AuditEvent> {
        let before = self.backend.with(|state| state.events.len());
        scan(self);
        self.backend.with(|state| state.events.iter().skip(before).cloned().collect())
    }
}

/// What Events tell: type, object and reason.
pub fn told(events: &[AuditEvent]) -> Vec<String> {
    let line = |event: &AuditEvent| {
        let AuditEvent { event_type, object, reason, .. } = event;
        format!("{event_type} {} {}/{} {reason}", object.kind, object.namespace, object.name)
    };
    events.iter().map(line).collect()
}
