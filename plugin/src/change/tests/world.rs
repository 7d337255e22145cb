//! Two API servers, a CCM for each, and a CLB, of which every call is answered as a test chooses.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use clbmigrate_clb::{
    BackendKey, Error as ApiError, ErrorKind as ApiErrorKind, SetWeightsError, Weight,
};
use clbmigrate_cluster::{
    Loaded,
    live::{self, ClusterState, ErrorKind, LiveService, WriteError, WrittenService},
};
use clbmigrate_core::{
    clb_answers::{GroupAnswer, HealthAnswer, ListenerList},
    hash,
    patch::ServiceEdit,
    reconciliation::{ENSURED, Event, ObservedService},
    snapshot::Snapshot,
    version::CcmVersion,
};
use futures::future::{FutureExt, LocalBoxFuture, ready};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    objects::{KEY, backend, group, parsed, service, set_label, weight_of},
    snapshot,
};
use crate::change::{
    Deadline,
    api::{Answer, CloudAnswer, CloudApi, ClusterApi, WriteAnswer},
};

/// What a call or a CCM does next.
pub type Choices = Rc<RefCell<VecDeque<u8>>>;

/// Takes the next choice of so many; the first, which is that all goes well, when there are no more.
fn choose(choices: &Choices, of: u8) -> u8 {
    choices.borrow_mut().pop_front().unwrap_or_default() % of
}

/// Something that happened and counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A write was sent to the cluster of that index: the weight before and after. It may not have
    /// arrived.
    Sent { cluster: usize, from: u32, to: u32 },
    /// Somebody else wrote.
    Others { cluster: usize, to: u32 },
    /// The CLB has shown these weights, one for each cluster; `None` where it holds no backend.
    Shown(Vec<Option<u32>>),
}

/// A cluster's Service, and what its CCM is about to do.
struct OneCluster {
    service: Value,
    events: BTreeMap<String, Event>,
    /// Whether CCM has not looked at the Service since the last edit.
    is_queued: bool,
}

/// All that is there.
pub struct World {
    clusters: Vec<OneCluster>,
    /// The weight of each cluster's one backend in the group.
    group: Vec<Option<u32>>,
    /// Whether CCM ever does anything.
    pub choices: Choices,
    pub log: Vec<Happened>,
    clock: u64,
    /// When the CLB was asked last.
    asked: Option<Instant>,
    /// Whether a write was sent within a second after that.
    pub is_hasty: bool,
}

pub type SharedWorld = Rc<RefCell<World>>;

impl World {
    /// A world that is settled with these weights.
    pub fn new(weights: &[u32], choices: Vec<u8>) -> SharedWorld {
        let clusters = weights.iter().enumerate().map(|(at, weight)| {
            let mut service = service(at, *weight);
            set_label(&mut service);
            OneCluster { service, events: BTreeMap::new(), is_queued: false }
        });
        Rc::new(RefCell::new(Self {
            clusters: clusters.collect(),
            group: weights.iter().map(|weight| Some(*weight)).collect(),
            choices: Rc::new(RefCell::new(choices.into())),
            log: Vec::new(),
            clock: 0,
            asked: None,
            is_hasty: false,
        }))
    }

    pub fn weight(&self, cluster: usize) -> u32 {
        weight_of(&self.clusters[cluster].service)
    }

    /// The Services, as JSON.
    pub fn services(&self) -> Vec<Value> {
        self.clusters.iter().map(|of| of.service.clone()).collect()
    }

    fn edit(&mut self, cluster: usize, edit: &ServiceEdit) {
        for field in edit.fields() {
            let at = &mut self.clusters[cluster].service["metadata"]["annotations"];
            match field.new {
                Some(new) => at[field.field] = json!(new),
                None => drop(at.as_object_mut().map(|map| map.remove(field.field))),
            }
        }
        self.clusters[cluster].is_queued = true;
    }

    /// Lets CCM, or somebody else, do something before a look.
    fn passes(&mut self, cluster: usize) {
        self.clock += 1;
        let weight = self.weight(cluster);
        match choose(&self.choices.clone(), 12) {
            // CCM is busy with something else.
            1 | 2 => return,
            // Somebody writes a value of their own, or the one from the beginning.
            3 => {
                let to = if choose(&self.choices.clone(), 2) == 0 { 7 } else { [20, 80][cluster] };
                self.clusters[cluster].service["metadata"]["annotations"][KEY] =
                    json!(to.to_string());
                self.clusters[cluster].is_queued = true;
                self.log.push(Happened::Others { cluster, to });
                return;
            }
            _ if !self.clusters[cluster].is_queued => return,
            // An error that CCM drops: all backends go, and it reports success.
            4 => self.group[cluster] = None,
            // A round that fails.
            5 => {
                self.event(cluster, "SyncLoadBalancerFailed");
                return;
            }
            // It skips the backends, and writes the label.
            6 => {
                self.event(cluster, "SkipSyncBackends");
                set_label(&mut self.clusters[cluster].service);
                return;
            }
            // It succeeds, and the event finds no token.
            7 => {
                self.group[cluster] = Some(weight);
                set_label(&mut self.clusters[cluster].service);
                self.clusters[cluster].is_queued = false;
                return;
            }
            _ => self.group[cluster] = Some(weight),
        }
        self.event(cluster, ENSURED);
        set_label(&mut self.clusters[cluster].service);
        self.clusters[cluster].is_queued = false;
    }

    fn event(&mut self, cluster: usize, reason: &str) {
        let last = format!("2026-11-30T00:00:{:04}Z", self.clock);
        let event = self.clusters[cluster].events.entry(reason.to_owned()).or_default();
        event.is_warning = reason != ENSURED;
        reason.clone_into(&mut event.reason);
        "Message: Throttling.User".clone_into(&mut event.message);
        event.count += 1;
        event.last = last;
    }

    fn marks(&self, cluster: usize, service: &LiveService) -> ObservedService {
        let of = &self.clusters[cluster];
        let label = of.service["metadata"]["labels"][hash::LABEL].as_str().map(str::to_owned);
        ObservedService {
            label,
            computed: hash::known_hashes(&of.service, CcmVersion::NEWEST),
            annotations: service.annotations(),
            events: of.events.clone(),
        }
    }

    fn shows(&mut self) -> Vec<Value> {
        self.log.push(Happened::Shown(self.group.clone()));
        let all = self.group.iter().enumerate();
        let held = all.filter_map(|(at, weight)| weight.map(|weight| backend(at, weight)));
        held.collect()
    }
}

/// One of the API servers.
pub struct Cluster(pub SharedWorld, pub usize);

/// The CLB API.
pub struct Cloud(pub SharedWorld);

fn transient() -> live::Error {
    live::Error::new(ErrorKind::ServerError, "try again")
}

fn refused() -> live::Error {
    live::Error::new(ErrorKind::Forbidden, "no")
}

impl Cluster {
    /// A failure to read, if one is chosen.
    fn failure(&self) -> Option<live::Error> {
        let choices = self.0.borrow().choices.clone();
        match choose(&choices, 24) {
            1 | 2 => Some(transient()),
            3 => Some(refused()),
            _ => None,
        }
    }

    fn read(&self) -> LiveService {
        LiveService::planned(self.0.borrow().clusters[self.1].service.clone())
    }
}

fn now<'a, T: 'a>(value: T) -> LocalBoxFuture<'a, T> {
    ready(value).boxed_local()
}

impl ClusterApi for Cluster {
    fn service<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, Option<LiveService>> {
        self.0.borrow_mut().passes(self.1);
        now(match self.failure() {
            Some(error) => Err(error),
            None => Ok(Some(self.read())),
        })
    }

    fn marks<'a>(
        &'a self,
        service: &'a LiveService,
        _: CcmVersion,
    ) -> Answer<'a, (ObservedService, Option<live::Error>)> {
        let marks = self.0.borrow().marks(self.1, service);
        now(match self.failure() {
            Some(error) => Err(error),
            None => Ok((marks, None)),
        })
    }

    fn backends<'a>(&'a self, _: &'a str, _: &'a str) -> Answer<'a, ClusterState> {
        if let Some(error) = self.failure() {
            return now(Err(error));
        }
        let clusters = snapshot(&self.0.borrow().services()).clusters;
        let clusters = clusters.into_iter().skip(self.1).take(1).collect();
        let snapshot = Snapshot { clusters, ..Snapshot::default() };
        let loaded = Loaded { snapshot, ..Loaded::default() };
        now(Ok(ClusterState { loaded, limits: Vec::new() }))
    }

    fn dry_run<'a>(&'a self, _: &'a LiveService, _: &'a ServiceEdit) -> Answer<'a, ()> {
        now(Ok(()))
    }

    fn write<'a>(
        &'a self,
        _: &'a LiveService,
        edit: &'a ServiceEdit,
        _: &'a str,
        _: Deadline,
    ) -> WriteAnswer<'a> {
        let present = self.read();
        if let Some(other) = edit.fields().find(|field| !present.has_old(*field)) {
            let key = other.field.to_owned();
            return now(Err(WriteError::Conflict { key, now: Box::new(present), is_lost: false }));
        }
        let mut world = self.0.borrow_mut();
        world.is_hasty |= world.asked.is_some_and(|at| at.elapsed() < Duration::from_secs(1));
        let choice = choose(&world.choices.clone(), 16);
        // A refusal is no write. What nobody knows of may be one.
        if let Some(weight) = edit.fields().find(|field| field.field == KEY)
            && ![1, 2].contains(&choice)
        {
            let number =
                |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(100);
            let (from, to) = (number(weight.old), number(weight.new));
            world.log.push(Happened::Sent { cluster: self.1, from, to });
        }
        if ![1, 2, 3].contains(&choice) {
            world.edit(self.1, edit);
        }
        drop(world);
        now(match choice {
            1 => Err(transient().into()),
            2 => Err(refused().into()),
            // Nobody knows: it did not arrive, or it did.
            3 | 4 => Err(WriteError::Unknown(transient())),
            _ => Ok(WrittenService { service: self.read(), recovered: false }),
        })
    }

    fn create<'a>(&'a self, _: &'a Value, _: &'a str, _: bool, _: Deadline) -> WriteAnswer<'a> {
        now(Err(refused().into()))
    }

    fn whoami(&self) -> LocalBoxFuture<'_, String> {
        now("ann".to_owned())
    }
}

impl Cloud {
    fn failure(&self) -> Option<ApiError> {
        self.0.borrow_mut().asked = Some(Instant::now());
        let choices = self.0.borrow().choices.clone();
        match choose(&choices, 16) {
            1 | 2 => Some(ApiError::new(ApiErrorKind::Throttled, "slower")),
            3 => Some(ApiError::new(ApiErrorKind::Forbidden, "no")),
            _ => None,
        }
    }
}

impl CloudApi for Cloud {
    fn last_call(&self) -> Option<Instant> {
        self.0.borrow().asked
    }

    fn group<'a>(&'a self, _: &'a str, _: Deadline) -> CloudAnswer<'a, GroupAnswer> {
        now(match self.failure() {
            Some(error) => Err(error),
            None => {
                let backends = self.0.borrow_mut().shows();
                Ok(parsed(group(&backends)))
            }
        })
    }

    fn listeners<'a>(&'a self, clb: &'a str, _: Deadline) -> CloudAnswer<'a, ListenerList> {
        let listener = json!({
            "ListenerPort": 80, "ListenerProtocol": "tcp", "VServerGroupId": "rsp-bp1example",
        });
        now(match self.failure() {
            Some(error) => Err(error),
            None => Ok(ListenerList::of_clb(clb, vec![parsed(listener)])),
        })
    }

    fn health<'a>(
        &'a self,
        clb: &'a str,
        (port, protocol): (u16, &'a str),
        _: Deadline,
    ) -> CloudAnswer<'a, HealthAnswer> {
        if let Some(error) = self.failure() {
            return now(Err(error));
        }
        let choices = self.0.borrow().choices.clone();
        let health =
            ["normal", "normal", "abnormal", "unavailable"][usize::from(choose(&choices, 4))];
        let of = |at: usize| json!({"ServerId": format!("i-bp1{at}"), "Port": 30080, "ServerHealthStatus": health});
        let answer: HealthAnswer =
            parsed(json!({"BackendServers": {"BackendServer": [of(0), of(1)]}}));
        now(Ok(answer.about(clb, port, protocol)))
    }

    fn set_weights<'a>(
        &'a self,
        _: &'a str,
        _: &'a [(BackendKey, Weight)],
        _: Deadline,
    ) -> LocalBoxFuture<'a, Result<(), SetWeightsError>> {
        now(Ok(()))
    }
}
