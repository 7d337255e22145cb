//! An API server on paper that keeps objects and tells its watchers of every change.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::channel::mpsc::{self, UnboundedSender};
use serde_json::{Value, json};

use super::objects::{node, plain, service, slice, with, workload};
use crate::live::{
    Connection,
    fake::{self, Call, Piece, Reply},
};

/// How requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Status(u16),
    Throttled(Option<u64>),
    Cut,
}

impl Failure {
    fn reply(self) -> Reply {
        match self {
            Self::Status(code) => Reply::status(code, "it fails"),
            Self::Throttled(seconds) => Reply::Throttled(seconds),
            Self::Cut => Reply::Cut,
        }
    }
}

#[derive(Clone)]
pub struct World(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    version: u64,
    /// By the path that lists them in all namespaces, then by namespace and name.
    objects: BTreeMap<String, BTreeMap<(String, String), Value>>,
    events: Vec<Event>,
    watchers: Vec<Watcher>,
    requests: Vec<Request>,
    failing: BTreeMap<String, Failure>,
    failing_once: BTreeMap<String, Failure>,
    failing_all: Option<Failure>,
    unwatchable: BTreeSet<String>,
    only_namespace: Option<String>,
    ends_at_once: bool,
}

#[derive(Clone)]
struct Event {
    version: u64,
    path: String,
    namespace: String,
    text: String,
}

struct Watcher {
    path: String,
    namespace: Option<String>,
    pieces: UnboundedSender<Piece>,
}

/// A request: for objects, of one namespace or of all, or for anything else.
struct Request {
    /// The path that lists the objects of all namespaces.
    path: String,
    /// The path that was asked for.
    asked: String,
    query: String,
    is_watch: bool,
    is_list: bool,
}

impl World {
    /// A cluster with a migrated Service in each of two namespaces.
    pub fn new() -> Self {
        let world = Self(Arc::default());
        world.lock().version = 10;
        for object in [service("shop", "web"), service("other", "api"), plain()] {
            world.put(super::SERVICES, object);
        }
        for object in [node("n1"), node("n2")] {
            world.put(super::NODES, object);
        }
        for object in [slice("shop", "web", true), slice("other", "api", true)] {
            world.put(super::SLICES, object);
        }
        for (namespace, name) in [("shop", "web"), ("other", "api")] {
            world.put(super::DEPLOYMENTS, workload(namespace, name, 30));
        }
        for name in ["shop", "other", "kube-system"] {
            let uid = if name == "kube-system" { "u-cluster" } else { name };
            world.put(super::NAMESPACES, json!({"metadata": {"name": name, "uid": uid}}));
        }
        world
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("a world")
    }

    /// A connection with it.
    pub fn connection(&self) -> Connection {
        let world = self.clone();
        fake::connection(move |call| world.lock().answer(call))
    }

    /// Creates an object or replaces it.
    pub fn put(&self, path: &str, object: Value) {
        let event = self.lock().store(path, object);
        self.tell(&event);
    }

    /// The same while no watch tells of it. One that begins later does.
    pub fn put_silently(&self, path: &str, object: Value) {
        self.lock().store(path, object);
    }

    pub fn delete(&self, path: &str, object: &Value) {
        let mut inner = self.lock();
        let key = key(object);
        inner.objects.get_mut(path).expect("a path").remove(&key).expect("an object");
        let event = inner.event(path, "DELETED", object.clone());
        drop(inner);
        self.tell(&event);
    }

    fn tell(&self, event: &Event) {
        for watcher in self.lock().of(&event.path) {
            if watcher.namespace.as_ref().is_none_or(|namespace| *namespace == event.namespace) {
                let _ = watcher.pieces.unbounded_send(Ok(event.text.clone()));
            }
        }
    }

    fn send(&self, path: &str, text: &str) {
        for watcher in self.lock().of(path) {
            let _ = watcher.pieces.unbounded_send(Ok(text.to_owned()));
        }
    }

    pub fn bookmark(&self, path: &str, version: &str) {
        let object =
            json!({"kind": "", "apiVersion": "v1", "metadata": {"resourceVersion": version}});
        self.send(path, &format!("{}\n", json!({"type": "BOOKMARK", "object": object})));
    }

    /// Tells watches that their version is forgotten.
    pub fn gone(&self, path: &str) {
        let status = json!({"kind": "Status", "code": 410, "message": "too old", "reason": "Expired",
                            "status": "Failure"});
        // `type` comes first, as Kubernetes writes it.
        self.send(path, &format!("{{\"type\":\"ERROR\",\"object\":{status}}}\n"));
        self.end(path);
    }

    /// Cuts the connections of watches after a part of an event.
    pub fn cut(&self, path: &str, part: &str) {
        self.send(path, part);
        for watcher in self.lock().of(path) {
            let _ = watcher.pieces.unbounded_send(Err(io::ErrorKind::ConnectionReset));
        }
        self.end(path);
    }

    /// Ends watches, as API servers do after a while.
    pub fn end(&self, path: &str) {
        self.lock().watchers.retain(|watcher| watcher.path != path);
    }

    pub fn end_everything(&self) {
        self.lock().watchers.clear();
    }

    pub fn end_all_at_once(&self, ends_at_once: bool) {
        self.lock().ends_at_once = ends_at_once;
    }

    pub fn fail(&self, path: &str, failure: Failure) {
        self.lock().failing.insert(path.to_owned(), failure);
    }

    pub fn fail_once(&self, path: &str, failure: Failure) {
        self.lock().failing_once.insert(path.to_owned(), failure);
    }

    pub fn fail_everything(&self, failure: Failure) {
        self.lock().failing_all = Some(failure);
    }

    pub fn heal(&self, path: &str) {
        self.lock().failing.remove(path);
    }

    pub fn heal_everything(&self) {
        self.lock().failing_all = None;
    }

    pub fn refuse_watches(&self, path: &str) {
        self.lock().unwatchable.insert(path.to_owned());
    }

    /// Refuses what is not about the objects of one namespace.
    pub fn only_namespace(&self, namespace: &str) {
        self.lock().only_namespace = Some(namespace.to_owned());
    }

    fn count(&self, is_counted: impl Fn(&Request) -> bool) -> usize {
        self.lock().requests.iter().filter(|request| is_counted(request)).count()
    }

    pub fn requests(&self) -> usize {
        self.count(|_| true)
    }

    /// How many requests were no watches.
    pub fn reads(&self) -> usize {
        self.count(|request| !request.is_watch)
    }

    pub fn reads_of(&self, asked: &str) -> usize {
        self.count(|request| !request.is_watch && request.asked == asked)
    }

    pub fn requests_to(&self, path: &str) -> usize {
        self.count(|request| request.path == path)
    }

    pub fn lists(&self, path: &str) -> usize {
        self.count(|request| request.is_list && request.path == path)
    }

    pub fn all_lists(&self) -> usize {
        self.count(|request| request.is_list)
    }

    fn last(&self, path: &str, is_watch: bool) -> String {
        let inner = self.lock();
        let mut of_it =
            inner.requests.iter().filter(|of| of.path == path && of.is_watch == is_watch);
        of_it.next_back().expect("a request").query.clone()
    }

    pub fn last_query(&self, path: &str) -> String {
        self.last(path, true)
    }

    pub fn last_list(&self, path: &str) -> String {
        self.last(path, false)
    }

    pub fn open_watches(&self) -> usize {
        self.lock().watchers.iter().filter(|watcher| !watcher.pieces.is_closed()).count()
    }
}

impl Inner {
    fn of<'i>(&'i self, path: &'i str) -> impl Iterator<Item = &'i Watcher> {
        self.watchers.iter().filter(move |watcher| watcher.path == path)
    }

    fn store(&mut self, path: &str, object: Value) -> Event {
        let kept = self.objects.entry(path.to_owned()).or_default();
        let kind = if kept.contains_key(&key(&object)) { "MODIFIED" } else { "ADDED" };
        let event = self.event(path, kind, object.clone());
        let version = json!(self.version.to_string());
        let object = with(object, |object| object["metadata"]["resourceVersion"] = version);
        self.objects.entry(path.to_owned()).or_default().insert(key(&object), object);
        event
    }

    fn event(&mut self, path: &str, kind: &str, object: Value) -> Event {
        self.version += 1;
        let version = json!(self.version.to_string());
        let object = with(object, |object| object["metadata"]["resourceVersion"] = version);
        let (namespace, _) = key(&object);
        // `type` comes first, as Kubernetes writes it.
        let text = format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n");
        let event = Event { version: self.version, path: path.to_owned(), namespace, text };
        self.events.push(event.clone());
        event
    }

    fn answer(&mut self, call: &Call) -> Reply {
        let (path, namespace, name) = parts(&call.path);
        let is_watch = call.query.contains("watch=");
        let is_list = !is_watch && name.is_none() && self.objects.contains_key(&path);
        self.requests.push(Request {
            path: path.clone(),
            asked: call.path.clone(),
            query: call.query.clone(),
            is_watch,
            is_list,
        });
        let failure = self.failing_all.or_else(|| self.failing.get(&path).copied());
        if let Some(failure) = failure.or_else(|| self.failing_once.remove(&path)) {
            return failure.reply();
        }
        match call.path.as_str() {
            "/version" => return Reply::Answer(200, json!({"major": "1", "minor": "33"})),
            "/apis" => return Reply::Answer(200, json!({"kind": "APIGroupList", "groups": []})),
            _ => {}
        }
        let is_refused = |only: &String| namespace.as_ref() != Some(only);
        if self.only_namespace.as_ref().is_some_and(is_refused)
            || is_watch && self.unwatchable.contains(&path)
        {
            return Reply::status(403, "User \"ann\" cannot do that");
        }
        if let Some(name) = name {
            let key = (namespace.unwrap_or_default(), name);
            let object = self.objects.get(&path).and_then(|objects| objects.get(&key));
            return match object {
                Some(object) => {
                    let kind = kind_of(&path).0;
                    let object = with(object.clone(), |object| object["kind"] = json!(kind));
                    Reply::Answer(200, object)
                }
                None => Reply::status(404, "not found"),
            };
        }
        if is_watch {
            return self.watch(&path, namespace, &call.query);
        }
        let (kind, version) = kind_of(&path);
        let is_meant = |of: &str| namespace.as_ref().is_none_or(|namespace| namespace == of);
        let objects = self.objects.get(&path).into_iter().flatten();
        let items: Vec<&Value> =
            objects.filter(|((of, _), _)| is_meant(of)).map(|(_, object)| object).collect();
        let meta = json!({"resourceVersion": self.version.to_string()});
        let kind = format!("{kind}List");
        Reply::Answer(
            200,
            json!({"apiVersion": version, "items": items, "kind": kind, "metadata": meta}),
        )
    }

    fn watch(&mut self, path: &str, namespace: Option<String>, query: &str) -> Reply {
        let (pieces, told) = mpsc::unbounded();
        if self.ends_at_once {
            return Reply::Stream(told);
        }
        let from = query.split('&').find_map(|part| part.strip_prefix("resourceVersion="));
        let from: u64 = from.expect("a version").parse().expect("a number");
        for event in self.events.iter().filter(|event| event.path == path && event.version > from) {
            if namespace.as_ref().is_none_or(|namespace| *namespace == event.namespace) {
                pieces.unbounded_send(Ok(event.text.clone())).expect("an open stream");
            }
        }
        self.watchers.push(Watcher { path: path.to_owned(), namespace, pieces });
        Reply::Stream(told)
    }
}

/// The path that lists the objects of all namespaces, and the namespace and the name that are asked for.
fn parts(path: &str) -> (String, Option<String>, Option<String>) {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let root = if parts[0] == "api" { 2 } else { 3 };
    let text = |part: &&str| (*part).to_owned();
    match parts.get(root..).unwrap_or_default() {
        ["namespaces", name] => {
            (format!("/{}/namespaces", parts[..root].join("/")), None, Some(text(name)))
        }
        ["namespaces", namespace, resource, rest @ ..] => {
            let all = format!("/{}/{resource}", parts[..root].join("/"));
            (all, Some(text(namespace)), rest.first().map(text))
        }
        [resource, name] => {
            (format!("/{}/{resource}", parts[..root].join("/")), None, Some(text(name)))
        }
        _ => (path.to_owned(), None, None),
    }
}

fn kind_of(path: &str) -> (&'static str, &'static str) {
    match path.rsplit('/').next().expect("a resource") {
        "services" => ("Service", "v1"),
        "nodes" => ("Node", "v1"),
        "pods" => ("Pod", "v1"),
        "namespaces" => ("Namespace", "v1"),
        "endpointslices" => ("EndpointSlice", "discovery.k8s.io/v1"),
        "deployments" => ("Deployment", "apps/v1"),
        "statefulsets" => ("StatefulSet", "apps/v1"),
        "daemonsets" => ("DaemonSet", "apps/v1"),
        "horizontalpodautoscalers" => ("HorizontalPodAutoscaler", "autoscaling/v1"),
        other => panic!("nobody knows {other}"),
    }
}

fn key(object: &Value) -> (String, String) {
    let text = |part: &str| object["metadata"][part].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}
