//! Compares a round with what CCM did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use clbmigrate_ccm_double::events::ServiceEvent;
use clbmigrate_clb_double::State;
use serde_json::Value;

use crate::case::{Expected, ExpectedRound, ExpectedService, Gate, RecordedBackend};
use crate::names::Names;
use crate::run::Done;
use crate::texts;
use crate::writes::{self, Writes};

/// The prefix of readiness gates' conditions.
const GATE: &str = "service.readiness.alibabacloud.com/";

/// What is there after a round, and what is called how.
pub struct Found<'a> {
    pub state: State,
    pub service: Option<Value>,
    pub pods: Vec<Value>,
    pub recorded: &'a Names,
    pub here: &'a Names,
}

/// Whether the Service is queued, and the events about that.
pub fn handlers(
    (enqueued, events): &(bool, Vec<ServiceEvent>),
    expected: &Expected,
) -> Vec<String> {
    let told = events
        .iter()
        .map(|event| format!("{} {} {}", event.kind.as_str(), event.reason, event.message));
    let ccm = expected
        .handler_events
        .iter()
        .map(|event| format!("{} {} {}", event.kind, event.reason, event.message));
    let found = [
        difference("enqueued", &expected.enqueued, enqueued),
        difference("handler events", &ccm.collect::<Vec<_>>(), &told.collect::<Vec<_>>()),
    ];
    found.into_iter().flatten().collect()
}

/// All differences of one round.
pub fn round(done: &Done, found: &Found<'_>, expected: &ExpectedRound) -> Vec<String> {
    let ccm_error = expected.error.as_ref().map(|error| texts::error(error, found.recorded));
    let here_error = error(done).map(|error| texts::error(error, found.here));
    let requeue = done.reconciled.as_ref().and_then(|done| done.requeue_after);
    let mut differences = written(done, found, &writes::recorded(&expected.writes, found.recorded));
    differences.extend(groups(found, expected));
    differences.extend(events(done, found, expected));
    let more = [
        difference("error", &ccm_error, &here_error),
        difference(
            "requeueAfterSeconds",
            &expected.requeue_after_seconds,
            &requeue.map(|time| time.as_secs()),
        ),
        difference(
            "service",
            &expected.service.as_ref().map(|service| recorded_marks(service, found.recorded)),
            &found.service.as_ref().map(|service| marks(service, found.here)),
        ),
        difference("gates", &expected.gates, &gates(&found.pods)),
    ];
    differences.extend(more.into_iter().flatten());
    differences
}

/// Parallel work tells its events in any order.
fn events(done: &Done, found: &Found<'_>, expected: &ExpectedRound) -> Option<String> {
    let ccm = expected
        .events
        .iter()
        .map(|event| texts::event(&event.kind, &event.reason, &event.message, found.recorded));
    let here = done.events.iter().map(|event| {
        let mut words = event.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default();
        texts::event(next(), next(), next(), found.here)
    });
    let (mut ccm, mut here): (Vec<_>, Vec<_>) = (ccm.collect(), here.collect());
    ccm.sort();
    here.sort();
    difference("events", &ccm, &here)
}

/// What CCM leaves on a Service: labels, finalizers, addresses.
type Marks = (BTreeMap<String, String>, Vec<String>, String);

fn recorded_marks(service: &ExpectedService, names: &Names) -> Marks {
    let labels = service.labels.iter().flatten();
    (
        labels.map(|(key, value)| (key.clone(), names.balancer(value))).collect(),
        service.finalizers.clone().unwrap_or_default(),
        ingress(&service.status, names),
    )
}

fn marks(service: &Value, names: &Names) -> Marks {
    let read = |field: &Value| serde_json::from_value(field.clone()).ok();
    let meta = &service["metadata"];
    let labels: Option<BTreeMap<String, String>> = read(&meta["labels"]);
    let finalizers = serde_json::from_value(meta["finalizers"].clone()).ok();
    (
        labels.iter().flatten().map(|(key, value)| (key.clone(), names.balancer(value))).collect(),
        finalizers.unwrap_or_default(),
        ingress(&service["status"], names),
    )
}

fn ingress(status: &Value, names: &Names) -> String {
    let shown = status["loadBalancer"]["ingress"].as_array();
    let shown: Vec<String> = shown.into_iter().flatten().map(Value::to_string).collect();
    names.in_text(&shown.join(","))
}

/// What is wrong about a round that should neither write nor fail.
pub fn quiet(done: &Done, found: &Found<'_>) -> Vec<String> {
    let mut differences = written(done, found, &Writes::new());
    differences.extend(error(done).map(|error| format!("error: CCM None, here {error:?}")));
    differences
}

fn error(done: &Done) -> Option<&String> {
    done.reconciled.as_ref().and_then(|done| done.error.as_ref())
}

fn written(done: &Done, found: &Found<'_>, ccm: &Writes) -> Vec<String> {
    let here = writes::asked(&done.calls, found.here);
    let mut differences = by_key("writes", ccm, &here);
    differences.extend(writes::after_deletion(&done.calls));
    differences
}

fn groups(found: &Found<'_>, expected: &ExpectedRound) -> Vec<String> {
    type Groups = BTreeMap<String, BTreeSet<RecordedBackend>>;
    let ccm: Groups = expected
        .groups
        .iter()
        .map(|(id, group)| {
            let name =
                format!("{} {}", found.recorded.balancer(&group.lb), found.recorded.group(id));
            (format!("{name} {}", group.name), group.backends.iter().cloned().collect())
        })
        .collect();
    let mut here = Groups::new();
    for balancer in &found.state.load_balancers {
        for group in &balancer.groups {
            let name =
                format!("{} {}", found.here.balancer(&balancer.id), found.here.group(&group.id));
            let backends = serde_json::to_value(&group.backends).expect("JSON");
            let backends = serde_json::from_value(backends).expect("backends");
            here.insert(format!("{name} {}", group.name), backends);
        }
    }
    by_key("group", &ccm, &here)
}

fn gates(pods: &[Value]) -> BTreeSet<Gate> {
    let mut gates = BTreeSet::new();
    for pod in pods {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let conditions = pod["status"]["conditions"].as_array();
        for condition in conditions.into_iter().flatten() {
            if text(&condition["type"]).starts_with(GATE) {
                let meta = &pod["metadata"];
                gates.insert(Gate {
                    pod: format!("{}/{}", text(&meta["namespace"]), text(&meta["name"])),
                    kind: text(&condition["type"]),
                    status: text(&condition["status"]),
                    reason: text(&condition["reason"]),
                });
            }
        }
    }
    gates
}

/// The keys whose values differ.
pub fn by_key<T: Debug + PartialEq>(
    what: &str,
    ccm: &BTreeMap<String, T>,
    here: &BTreeMap<String, T>,
) -> Vec<String> {
    let keys: BTreeSet<&String> = ccm.keys().chain(here.keys()).collect();
    keys.into_iter()
        .filter_map(|key| difference(&format!("{what} {key}"), &ccm.get(key), &here.get(key)))
        .collect()
}

fn difference<T: Debug + PartialEq>(what: &str, ccm: &T, here: &T) -> Option<String> {
    (ccm != here).then(|| format!("{what}: CCM {ccm:?}, here {here:?}"))
}
