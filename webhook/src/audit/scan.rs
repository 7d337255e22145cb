//! One scan: all objects are judged, and what has changed since the last one is told.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use clbmigrate_core::{
    finding::{Report, Severity},
    object::{ObjectMeta, Workload, WorkloadKind},
    rules,
};
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::{
    backend::{AuditBackend, StoredShard},
    event::{AuditEvent, EventObject},
    record::{Change, Judged, ObjectKey, SHARDS, Told, changes, note},
};
use crate::{
    admission::{LastBaseCluster, judge_service, judge_workload},
    api_call::{ApiCallError, Seconds},
    cache::Cache,
    config::{Config, Mode, SharedConfig},
    metrics::{AuditRun, Metrics},
    stripped::StrippedService,
};

/// The most Events of one scan. The next scan tells the rest.
pub const MAX_EVENTS: usize = 500;

/// After so many Events in a row that are refused, no more are tried.
const MAX_REFUSED: usize = 5;

/// How long objects are judged without a pause, and how long the pause is: reviews come first.
const SLICE: Duration = Duration::from_micros(500);
const PAUSE: Duration = Duration::from_millis(2);

/// Scans the cluster.
pub struct Scanner<B> {
    pub(super) backend: B,
    pub(super) cache: Arc<Cache>,
    pub(super) config: SharedConfig,
    pub(super) metrics: Arc<Metrics>,
    /// The webhook's own namespace, whose workloads are not reviewed.
    pub(super) namespace: String,
}

/// The record as it is kept. It is read once, and written by one replica alone.
pub type Record = Vec<StoredShard>;

/// Why a scan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The API server could not be asked.
    #[error(transparent)]
    Api(#[from] ApiCallError),
    /// The record is not as this process has left it.
    #[error("another process has written the audit's record")]
    Overtaken,
}

/// What a scan has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanSummary {
    /// What was found.
    pub run: AuditRun,
    /// How many Events were posted.
    pub events: usize,
    /// How many changes are still to be told.
    pub left_out: usize,
}

/// A scan under way.
struct Scan<'s> {
    config: &'s Arc<Config>,
    base: LastBaseCluster,
    record: &'s Record,
    seen: HashSet<ObjectKey>,
    updates: Vec<Update>,
    findings: BTreeMap<(&'static str, Severity), u64>,
    objects: u64,
    now: Seconds,
    slice: Instant,
}

/// An object about which something has changed.
struct Update {
    object: EventObject,
    key: ObjectKey,
    told: Told,
    changes: Vec<Change>,
}

impl<B: AuditBackend> Scanner<B> {
    /// A scanner of what `backend` lists and `cache` shows, by the rules that `config` has not turned off.
    pub fn new(
        backend: B,
        cache: Arc<Cache>,
        config: SharedConfig,
        metrics: Arc<Metrics>,
        namespace: &str,
    ) -> Self {
        Self { backend, cache, config, metrics, namespace: namespace.to_owned() }
    }

    /// Scans the cluster once, and tells what has changed against `record`, which is read first where it
    /// is empty. After an error it is empty.
    ///
    /// # Errors
    /// When objects cannot be listed, or the record can be neither read nor written. What was told and not
    /// recorded is not told again by another process: its Event is there already.
    pub async fn scan(&self, record: &mut Record) -> Result<ScanSummary, ScanError> {
        let begun = Instant::now();
        let mut known = std::mem::take(record);
        if known.is_empty() {
            for number in 0..SHARDS {
                known.push(self.backend.read_shard(number).await?);
            }
        }
        let config = self.config.load_full();
        let mut scan = Scan::new(&config, &known);
        self.judge_services(&mut scan).await?;
        self.judge_workloads(&mut scan).await;
        let Scan { seen, updates, findings, objects, now, .. } = scan;
        let mut next: Vec<_> = known.iter().map(|stored| stored.shard.clone()).collect();
        let mut teller = Teller::new(self, &known, now);
        for update in updates {
            let (key, told) = teller.tell(update, &config).await;
            if let Some(shard) = next.get_mut(key.shard()) {
                shard.set(key, told);
            }
        }
        for (number, (stored, mut shard)) in known.iter_mut().zip(next).enumerate() {
            shard.retain(|object| seen.contains(object));
            if shard == stored.shard {
                continue;
            }
            stored.shard = shard;
            let version = self.backend.write_shard(number, stored).await?;
            stored.version = version.ok_or(ScanError::Overtaken)?;
        }
        *record = known;
        let ended = SystemTime::now();
        let run = AuditRun { findings, objects, ended, duration: begun.elapsed() };
        Ok(ScanSummary { run, events: teller.events, left_out: teller.left_out })
    }

    async fn judge_services(&self, scan: &mut Scan<'_>) -> Result<(), ApiCallError> {
        let mut next = String::new();
        loop {
            let page = self.backend.services(&next).await?;
            scan.now = page.now;
            for service in page.services {
                scan.pause_if_due().await;
                self.judge_service(&service, scan);
            }
            if page.next.is_empty() {
                return Ok(());
            }
            next = page.next;
        }
    }

    fn judge_service(&self, service: &RawValue, scan: &mut Scan<'_>) {
        let service = match StrippedService::read(service.get()) {
            Ok(StrippedService { service, .. }) => service,
            Err(error) => {
                tracing::warn!(%error, "a Service cannot be read and is not audited");
                return;
            }
        };
        if scan.config.exempt.covers_namespace(service.metadata.namespace()) {
            return;
        }
        let object = event_object("v1", "Service", &service.metadata);
        let is_judged = service.is_candidate();
        let report = judge_service(&self.cache, scan.config, &scan.base, service);
        scan.add(object, report, is_judged);
    }

    async fn judge_workloads(&self, scan: &mut Scan<'_>) {
        for workload in self.cache.all_workloads() {
            scan.pause_if_due().await;
            let namespace = workload.metadata.namespace();
            if scan.config.exempt.covers_namespace(namespace)
                || namespace == "kube-system"
                || namespace == self.namespace
            {
                continue;
            }
            let report = judge_workload(&self.cache, scan.config, &scan.base, &workload);
            let api_version = api_version(&workload);
            let object = event_object(api_version, workload.kind_name(), &workload.metadata);
            scan.add(object, report, true);
        }
    }
}

impl<'s> Scan<'s> {
    fn new(config: &'s Arc<Config>, record: &'s Record) -> Self {
        Self {
            config,
            base: LastBaseCluster::default(),
            record,
            seen: HashSet::new(),
            updates: Vec::new(),
            findings: BTreeMap::new(),
            objects: 0,
            now: 0,
            slice: Instant::now(),
        }
    }

    /// Lets reviews go first where objects have been judged for a while.
    async fn pause_if_due(&mut self) {
        if self.slice.elapsed() >= SLICE {
            sleep(PAUSE).await;
            self.slice = Instant::now();
        }
    }

    /// Counts an object's findings, and keeps what has changed about it.
    fn add(&mut self, object: EventObject, report: Report, is_judged: bool) {
        let EventObject { api_version, kind, namespace, name, uid } = &object;
        let key = ObjectKey::new(api_version, kind, namespace, name, uid);
        let is_off = |id: &str| {
            rules::find(id)
                .is_none_or(|rule| self.config.mode(rule, rule.severity, namespace) == Mode::Off)
        };
        let mut findings = report.findings;
        findings.retain(|finding| !is_off(finding.rule));
        for finding in &findings {
            *self.findings.entry((finding.rule, finding.severity)).or_default() += 1;
        }
        self.objects += u64::from(is_judged);
        let silent = report.not_looked.iter().flat_map(|missing| &missing.rules).copied();
        let judged = Judged { findings, silent: silent.collect() };
        let before = self.record.get(key.shard()).map(|stored| stored.shard.told(&key));
        let before = before.unwrap_or_default();
        let mut told = before.clone();
        let changes = changes(&mut told, &judged, is_off);
        self.seen.insert(key.clone());
        if !changes.is_empty() || told != before {
            self.updates.push(Update { object, key, told, changes });
        }
    }
}

/// Posts Events, so many and no more.
struct Teller<'t, B> {
    scanner: &'t Scanner<B>,
    /// The versions of the shards; `None` for one that is full.
    versions: Vec<Option<String>>,
    now: Seconds,
    events: usize,
    left_out: usize,
    refused: usize,
}

impl<'t, B: AuditBackend> Teller<'t, B> {
    fn new(scanner: &'t Scanner<B>, record: &Record, now: Seconds) -> Self {
        let version =
            |stored: &StoredShard| stored.shard.has_room().then(|| stored.version.clone());
        let versions = record.iter().map(version).collect();
        Self { scanner, versions, now, events: 0, left_out: 0, refused: 0 }
    }

    /// Tells the changes about an object. Returns what is to be recorded: what was told.
    async fn tell(&mut self, update: Update, config: &Config) -> (ObjectKey, Told) {
        let Update { object, key, mut told, changes } = update;
        let version = self.versions.get(key.shard()).cloned().flatten();
        for change in &changes {
            let Some(version) = version.as_ref().filter(|_| self.may_tell()) else {
                self.left_out += 1;
                continue;
            };
            let event = AuditEvent::new(object.clone(), change, version, config.lang);
            match self.scanner.backend.post_event(&event, self.now).await {
                Ok(()) => {
                    self.refused = 0;
                    self.events += 1;
                    let is_warning = matches!(change, Change::Appeared(_));
                    self.scanner.metrics.audit().count_event(is_warning);
                    note(&mut told, change);
                }
                Err(error) => {
                    self.refused += 1;
                    self.left_out += 1;
                    if self.refused == 1 {
                        let namespace = object.namespace.as_str();
                        tracing::warn!(namespace, %error, "an Event of the audit cannot be posted");
                    }
                }
            }
        }
        (key, told)
    }

    fn may_tell(&self) -> bool {
        self.events < MAX_EVENTS && self.refused < MAX_REFUSED
    }
}

fn event_object(api_version: &'static str, kind: &str, meta: &ObjectMeta) -> EventObject {
    EventObject {
        api_version,
        kind: kind.to_owned(),
        namespace: meta.namespace().to_owned(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
    }
}

/// The API version that the cache reads workloads of a kind by.
fn api_version(workload: &Workload) -> &'static str {
    match workload.kind {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => "apps/v1",
        WorkloadKind::Rollout => "argoproj.io/v1alpha1",
        WorkloadKind::AdvancedStatefulSet => "apps.kruise.io/v1beta1",
        WorkloadKind::CloneSet | WorkloadKind::AdvancedDaemonSet => "apps.kruise.io/v1alpha1",
        WorkloadKind::Pod | WorkloadKind::Other => "v1",
    }
}
