//! Carries a recorded case out: the round, its retry, one more round, and the rounds of the other Services.

use clbmigrate_ccm_double::behaviour::{Behaviour, SharedBehaviour};
use clbmigrate_ccm_double::reconcile::{Reconciled, Reconciler};
use clbmigrate_ccm_double::service::Key;
use clbmigrate_clb_double::LoggedCall;
use serde_json::{Value, json};

use crate::case::{Case, ClusterState, ExpectedRound};
use crate::cloud::TestCloud;
use crate::compare::{self, Found};
use crate::fake_kubernetes::FakeKubernetes;
use crate::names::Names;
use crate::{cloud_after, cloud_state, watch_events};

/// A case that is being carried out.
struct Running<'a> {
    reconciler: Reconciler<FakeKubernetes>,
    cloud: &'a TestCloud,
    recorded: Names,
    here: Names,
}

/// What a round did.
pub struct Done {
    pub reconciled: Option<Reconciled>,
    pub calls: Vec<LoggedCall>,
    pub events: Vec<String>,
}

/// All differences between what CCM did and what the doubles do; those of the first round that differs.
pub async fn differences(case: &Case, cloud: &TestCloud) -> Vec<String> {
    let mut found = compare::handlers(&watch_events::reaction(case), &case.expected);
    if found.is_empty() {
        found = Running::new(case, cloud).rounds(case).await;
    }
    cloud.clear_faults();
    found
}

impl<'a> Running<'a> {
    fn new(case: &Case, cloud: &'a TestCloud) -> Self {
        cloud.edit(|state| cloud_state::load(state, case));
        let kubernetes = FakeKubernetes::default();
        put_all(&kubernetes, &case.after);
        let cluster_id = case.cluster_id.clone();
        let control = SharedBehaviour::new(Behaviour { cluster_id, ..Behaviour::default() });
        let reconciler =
            Reconciler { kubernetes, cloud: cloud.client(), control, standalone: None };
        Self { reconciler, cloud, recorded: Names::recorded(case), here: Names::here(case) }
    }

    async fn rounds(&mut self, case: &Case) -> Vec<String> {
        let expected = &case.expected;
        let key = key(case.after.service.as_ref().expect("a Service"));
        for fault in cloud_state::faults(&case.cloud) {
            self.cloud.fault(fault);
        }
        let mut found = self.round("round", &key, &expected.round).await;
        self.cloud.clear_faults();
        found.extend(self.cloud_after(case).await);
        if found.is_empty()
            && let Some(retry) = &expected.retry
        {
            found = self.round("retry", &key, retry).await;
        }
        if found.is_empty() && expected.round.error.is_none() && expected.round.service.is_some() {
            found = match &expected.again {
                Some(again) => self.round("again", &key, again).await,
                None => self.quiet_round(&key).await,
            };
        }
        for other in &expected.others {
            if found.is_empty() {
                let (namespace, name) = other.of.split_once('/').expect("namespace/name");
                let key = Key { namespace: namespace.to_owned(), name: name.to_owned() };
                found = self.round(&format!("other {}", other.of), &key, &other.round).await;
            }
        }
        found
    }

    async fn cloud_after(&self, case: &Case) -> Vec<String> {
        let ccm = (
            cloud_after::recorded_balancers(case, &self.recorded),
            cloud_after::recorded_listeners(case, &self.recorded),
        );
        let here = (
            cloud_after::balancers(self.cloud, &self.here),
            cloud_after::listeners(self.cloud, &self.here).await,
        );
        let mut found = compare::by_key("CLB", &ccm.0, &here.0);
        found.extend(compare::by_key("listener", &ccm.1, &here.1));
        found
    }

    async fn round(&mut self, what: &str, key: &Key, expected: &ExpectedRound) -> Vec<String> {
        let done = self.reconcile(key).await;
        let found = compare::round(&done, &self.found(key), expected);
        found.into_iter().map(|found| format!("{what}: {found}")).collect()
    }

    /// A round of which the recording says only that it neither writes nor fails.
    async fn quiet_round(&mut self, key: &Key) -> Vec<String> {
        let done = self.reconcile(key).await;
        let found = compare::quiet(&done, &self.found(key));
        found.into_iter().map(|found| format!("again: {found}")).collect()
    }

    async fn reconcile(&mut self, key: &Key) -> Done {
        self.cloud.take_calls();
        let reconciled = self.reconciler.reconcile(key).await;
        self.here.add_state(&self.cloud.state());
        let calls = self.cloud.take_calls();
        Done { reconciled, calls, events: self.reconciler.kubernetes.take_events() }
    }

    fn found(&self, key: &Key) -> Found<'_> {
        Found {
            state: self.cloud.state(),
            service: self.reconciler.kubernetes.object("Service", &key.name),
            pods: self.reconciler.kubernetes.objects_of("Pod"),
            recorded: &self.recorded,
            here: &self.here,
        }
    }
}

fn put_all(kubernetes: &FakeKubernetes, state: &ClusterState) {
    let kinds: [(&str, Vec<&Value>); 4] = [
        ("Service", state.service.iter().chain(&state.other_services).collect()),
        ("Node", state.nodes.iter().collect()),
        ("EndpointSlice", state.endpoint_slices.iter().collect()),
        ("Pod", state.pods.iter().collect()),
    ];
    for (kind, objects) in kinds {
        for object in objects {
            let mut object = object.clone();
            object["kind"] = json!(kind);
            kubernetes.put(&object);
        }
    }
}

fn key(service: &Value) -> Key {
    let text = |name: &str| service["metadata"][name].as_str().unwrap_or_default().to_owned();
    Key { namespace: text("namespace"), name: text("name") }
}
