//! One test's namespace in the shared cluster, and the double that works there.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clbmigrate_ccm_double::events::COMPONENT;
use clbmigrate_testbed::{Cluster, Network, Testbed, Validity, try_wait_for};
use clbmigrate_testkit::HttpProcess;
use serde_json::{Value, json};

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// Who the double is for the API server.
const USER: &str = "ccm-double";
const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

pub const HASH: &str = "service.beta.kubernetes.io/hash";
pub const CLB: &str = "service.k8s.alibaba/loadbalancer-id";
pub const FINALIZER: &str = "service.k8s.alibaba/resources";

/// A test by name.
pub type Test = (&'static str, fn(&TestNamespace<'_>) -> Result<()>);

/// Tests that share the cluster hold it for reading, a test that changes something for all of them for writing.
static CLUSTER: RwLock<()> = RwLock::new(());

/// How a test uses the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It changes its own namespace only.
    Shared,
    /// It changes nodes, or stops the API server: no other test may run meanwhile.
    Exclusive,
}

/// Held for as long as a test runs.
enum Guard {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Exclusive { _guard: RwLockWriteGuard<'static, ()> },
}

impl Guard {
    fn new(access: Access) -> Self {
        match access {
            Access::Shared => {
                let guard = CLUSTER.read().unwrap_or_else(PoisonError::into_inner);
                Self::Shared { _guard: guard }
            }
            Access::Exclusive => {
                let guard = CLUSTER.write().unwrap_or_else(PoisonError::into_inner);
                Self::Exclusive { _guard: guard }
            }
        }
    }
}

/// A namespace for one test, and the doubles that handle its Services alone.
pub struct TestNamespace<'a> {
    testbed: &'a Testbed,
    pub cluster: Cluster<'a>,
    pub name: String,
    kubeconfig: PathBuf,
    _guard: Guard,
}

impl<'a> TestNamespace<'a> {
    pub fn new(testbed: &'a Testbed, access: Access) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let guard = Guard::new(access);
        let cluster = testbed.cluster("a")?;
        let kubeconfig = admit(&cluster)?;
        let name = format!("ccm-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.run_kubectl(&["create", "namespace", &name])?;
        Ok(Self { testbed, cluster, name, kubeconfig, _guard: guard })
    }

    /// Starts a double with more arguments, and waits until it is ready.
    pub fn double(&self, arguments: &[&str]) -> Result<CcmProcess> {
        self.double_with(arguments, &[])
    }

    /// The same with more environment.
    pub fn double_with(&self, arguments: &[&str], env: &[(&str, &str)]) -> Result<CcmProcess> {
        let mut command = self
            .testbed
            .command_in(Network::ControlPlane("a"), env!("CARGO_BIN_EXE_ccm-double"))?;
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(["--context", "a"]);
        command.args(["--namespace", &self.name, "--retry-base-ms", "100"]);
        command.args(arguments).envs(env.iter().copied());
        CcmProcess::start(command)
    }

    /// A program beside the API server.
    pub fn inside(&self, program: &std::path::Path) -> Result<Command> {
        self.testbed.command_in(Network::ControlPlane("a"), program)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.run_kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    /// Creates a LoadBalancer Service with a healthy mapping on CLB `lb-bp1example`.
    pub fn create(&self, name: &str) -> Result<()> {
        self.create_as(name, &json!({}))
    }

    /// The same with changes: a JSON merge patch of its manifest.
    pub fn create_as(&self, name: &str, patch: &Value) -> Result<()> {
        let mut service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": self.name,
                "annotations": {
                    key("id"): "lb-bp1example", key("vgroup-port"): "rsp-a:80", key("weight"): "60",
                },
            },
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        });
        json_patch::merge(&mut service, patch);
        self.cluster.apply(&service.to_string())
    }

    /// Makes the Pods behind a Service those at these addresses, all of them ready, at port 80.
    pub fn endpoints(&self, name: &str, addresses: &[&str]) -> Result<()> {
        let endpoints: Vec<_> = addresses
            .iter()
            .map(|address| json!({"addresses": [address], "conditions": {"ready": true}}))
            .collect();
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": format!("{name}-1"), "namespace": self.name,
                "labels": {"kubernetes.io/service-name": name},
            },
            "endpoints": endpoints,
            "ports": [{"port": 80}],
        });
        self.cluster.apply(&slice.to_string())
    }

    /// Sets a load balancer annotation.
    pub fn annotate(&self, name: &str, suffix: &str, value: &str) -> Result<()> {
        let pair = format!("{}={value}", key(suffix));
        self.kubectl(&["annotate", "--overwrite", "service", name, &pair]).map(drop)
    }

    /// Applies a JSON merge patch.
    pub fn patch(&self, name: &str, patch: &Value) -> Result<()> {
        self.kubectl(&["patch", "service", name, "--type=merge", "-p", &patch.to_string()])
            .map(drop)
    }

    /// Deletes a Service without waiting for its end.
    pub fn delete(&self, name: &str) -> Result<()> {
        self.kubectl(&["delete", "service", name, "--wait=false"]).map(drop)
    }

    /// A Service as it is now; null if there is none.
    pub fn service(&self, name: &str) -> Result<Value> {
        let found = self.kubectl(&["get", "service", name, "--ignore-not-found", "-o", "json"])?;
        if found.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&found)?) }
    }

    /// A label of a Service; empty if there is none.
    pub fn label(&self, name: &str, label: &str) -> Result<String> {
        Ok(self.service(name)?["metadata"]["labels"][label].as_str().unwrap_or_default().to_owned())
    }

    /// CCM's events about a Service, by the time they were written first. The API server tells of Services, too:
    /// of one whose address its repair loop does not find yet, for example.
    pub fn events(&self, name: &str) -> Result<Vec<Value>> {
        let selector = format!("involvedObject.kind=Service,involvedObject.name={name}");
        let list = self.kubectl(&["get", "events", "--field-selector", &selector, "-o", "json"])?;
        let list: Value = serde_json::from_str(&list)?;
        let mut events = list["items"].as_array().cloned().context("no list of events")?;
        events.retain(|event| event["source"]["component"] == COMPONENT);
        // Their names end with nanoseconds.
        events
            .sort_by_key(|event| event["metadata"]["name"].as_str().unwrap_or_default().to_owned());
        Ok(events)
    }

    /// `reason xCOUNT` of the events about a Service.
    pub fn told(&self, name: &str) -> Result<Vec<String>> {
        let said = |event: &Value| format!("{} x{}", text(&event["reason"]), event["count"]);
        Ok(self.events(name)?.iter().map(said).collect())
    }

    /// Waits for an event and gives it.
    pub fn event(&self, name: &str, reason: &str, at_least: i64) -> Result<Value> {
        try_wait_for(&format!("{at_least} x {reason} about {name}"), DEADLINE, || {
            let mut events = self.events(name)?.into_iter();
            Ok(events.find(|event| {
                event["reason"] == reason && event["count"].as_i64() >= Some(at_least)
            }))
        })
    }

    /// What the double has written in this namespace, in order: `patch services/status`.
    pub fn writes(&self) -> Result<Vec<String>> {
        let entries = self.cluster.audit()?.into_iter();
        Ok(entries
            .filter(|entry| entry.user == USER && entry.namespace == self.name && entry.is_write())
            .map(|entry| match entry.subresource.as_str() {
                "" => format!("{} {}", entry.verb, entry.resource),
                sub => format!("{} {}/{sub}", entry.verb, entry.resource),
            })
            .collect())
    }

    /// Looks at all Services of the namespace from now on, however late the first event is read.
    pub fn watch(&self) -> Result<Watch> {
        let path = format!("/api/v1/namespaces/{}/services", self.name);
        let list: Value = serde_json::from_str(&self.kubectl(&["get", "--raw", &path])?)?;
        let version = text(&list["metadata"]["resourceVersion"]);
        let seen = list["items"].as_array().into_iter().flatten().map(marks).collect();
        let mut command = self.cluster.kubectl();
        command.args(["get", "--raw", &format!("{path}?watch=true&resourceVersion={version}")]);
        let mut child = command.stdout(Stdio::piped()).spawn().context("kubectl get --raw")?;
        let output = child.stdout.take().context("no pipe")?;
        Ok(Watch { child, output: BufReader::new(output), seen })
    }
}

/// Gives the double's user its rights, once for all tests, and says where its kubeconfig is.
fn admit(cluster: &Cluster<'_>) -> Result<PathBuf> {
    static ADMITTED: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut admitted = ADMITTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kubeconfig) = &*admitted {
        return Ok(kubeconfig.clone());
    }
    cluster.apply(include_str!("../../rbac.yaml"))?;
    cluster.apply(&binding().to_string())?;
    let kubeconfig = cluster.kubeconfig_for(USER, &[], Validity::Valid)?;
    *admitted = Some(kubeconfig.clone());
    Ok(kubeconfig)
}

fn binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "ccm-double"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "ccm-double"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
    })
}

/// The whole key of a load balancer annotation.
pub fn key(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
}

/// A text in JSON; empty if it is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What clients see over time: the versions of Services, one after the other.
pub struct Watch {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    seen: Vec<String>,
}

impl Watch {
    /// Reads until a version for which `is_last` holds, and describes every one that differs from
    /// the one before, the first one included: `finalizer hash clb address`, of those that are
    /// there.
    pub fn until(mut self, is_last: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let mut stream =
            serde_json::Deserializer::from_reader(&mut self.output).into_iter::<Value>();
        loop {
            let event = stream.next().context("the watch has ended")??;
            let now =
                if event["type"] == "DELETED" { "gone".into() } else { marks(&event["object"]) };
            if self.seen.last() != Some(&now) {
                self.seen.push(now.clone());
            }
            if is_last(&now) {
                return Ok(self.seen.split_off(0));
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CCM's marks on a Service.
pub fn marks(service: &Value) -> String {
    let meta = &service["metadata"];
    let held =
        meta["finalizers"].as_array().is_some_and(|held| held.iter().any(|one| one == FINALIZER));
    let marks = [
        ("finalizer", held),
        ("hash", meta["labels"][HASH].is_string()),
        ("clb", meta["labels"][CLB].is_string()),
        ("address", service["status"]["loadBalancer"]["ingress"].is_array()),
    ];
    marks
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(name, _)| name)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A running `ccm-double`, which ends with this value.
pub struct CcmProcess(HttpProcess);

impl CcmProcess {
    fn start(mut command: Command) -> Result<Self> {
        let double = Self(HttpProcess::start(&mut command)?);
        try_wait_for("the double to be ready", DEADLINE, || {
            Ok((double.request("GET", "/healthz", "")?.0 == 200).then_some(()))
        })?;
        Ok(double)
    }

    /// Status and body of an answer.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        self.0.request(method, path, body)
    }

    /// Changes its behaviour.
    pub fn behave(&self, patch: &Value) -> Result<()> {
        self.0.request_ok("PATCH", "/behaviour", &patch.to_string()).map(drop)
    }

    /// Its entries by `namespace/name`.
    pub fn state(&self) -> Result<BTreeMap<String, Value>> {
        let mut state: Value = serde_json::from_str(&self.0.request_ok("GET", "/state", "")?)?;
        Ok(serde_json::from_value(state["services"].take())?)
    }

    /// Its entry of a Service; null if it had no round.
    pub fn entry(&self, namespace: &TestNamespace<'_>, name: &str) -> Result<Value> {
        Ok(self.state()?.remove(&format!("{}/{name}", namespace.name)).unwrap_or_default())
    }

    /// Waits until a Service has had so many rounds, and gives its entry.
    pub fn rounds(
        &self,
        namespace: &TestNamespace<'_>,
        name: &str,
        at_least: u64,
    ) -> Result<Value> {
        try_wait_for(&format!("round {at_least} of {name}"), DEADLINE, || {
            let entry = self.entry(namespace, name)?;
            Ok((entry["rounds"].as_u64() >= Some(at_least)).then_some(entry))
        })
    }

    /// Waits until the last round of a Service has ended so, and gives its entry.
    pub fn outcome(
        &self,
        namespace: &TestNamespace<'_>,
        name: &str,
        outcome: &str,
    ) -> Result<Value> {
        let mut last = Value::Null;
        let found = try_wait_for(&format!("{name} to be {outcome}"), DEADLINE, || {
            last = self.entry(namespace, name)?;
            Ok((last["outcome"] == outcome).then(|| last.clone()))
        });
        found.with_context(|| format!("the last is {last}"))
    }
}

/// Fails with both values unless they are equal.
pub fn same<A, B>(what: &str, got: &A, wanted: &B) -> Result<()>
where
    A: PartialEq<B> + Debug + ?Sized,
    B: Debug + ?Sized,
{
    if got != wanted {
        bail!("{what}:\n   got {got:?}\nwanted {wanted:?}");
    }
    Ok(())
}
