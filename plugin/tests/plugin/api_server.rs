//! An API server that serves a few objects and remembers who asked for what.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};
use serde_json::{Value, json};

use crate::program::Folder;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The header `Authorization`.
    pub authorization: Option<String>,
}

/// What is served to whom.
#[derive(Debug, Clone, Default)]
pub struct Served {
    /// The objects, of any kind.
    pub objects: Vec<Value>,
    /// Paths, without query, that are answered with 403.
    pub forbidden: Vec<&'static str>,
    /// Paths that are answered with 500.
    pub broken: Vec<&'static str>,
}

/// A running server; it ends with the test program.
pub struct ApiServer {
    /// Its address. With `https` in the place of `http` it shows a certificate that nobody vouches for.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// Service `web` of a namespace, with weight 20 in a group of a CLB.
pub fn migrated_service(namespace: &str, clb: &str, group: &str) -> Value {
    let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "web", "namespace": namespace, "uid": "u-1", "resourceVersion": "1",
            "annotations": {
                format!("{prefix}id"): clb,
                format!("{prefix}vgroup-port"): format!("{group}:80"),
                format!("{prefix}weight"): "20",
            },
        },
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"},
                 "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]},
    })
}

impl ApiServer {
    /// A server with these objects for everybody.
    pub fn start(objects: Vec<Value>) -> Self {
        Self::start_serving(Served { objects, ..Served::default() })
    }

    /// A server that serves everybody the same.
    pub fn start_serving(served: Served) -> Self {
        Self::start_for(move |_| Some(served.clone()))
    }

    /// A server that is one cluster for whoever comes with one token, and another for another: as a
    /// proxy that many clusters are behind. Without a known token it answers 401.
    pub fn start_by_token(clusters: BTreeMap<&'static str, Served>) -> Self {
        Self::start_for(move |request| {
            let token = request.authorization.as_deref()?.strip_prefix("Bearer ")?;
            clusters.get(token).cloned()
        })
    }

    fn start_for(served: impl Fn(&Request) -> Option<Served> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, served) = (Arc::clone(&requests), Arc::new(served));
        let tls = tls();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.expect("a connection");
                let (seen, served) = (Arc::clone(&seen), Arc::clone(&served));
                let tls = Arc::clone(&tls);
                thread::spawn(move || {
                    let answer = |request: Request| {
                        seen.lock().expect("a list").push(request.clone());
                        answer(&request, served(&request))
                    };
                    // How a connection with TLS begins (RFC 8446).
                    let mut first = [0];
                    let is_tls = connection.peek(&mut first).is_ok() && first == [0x16];
                    if is_tls {
                        let session = ServerConnection::new(tls).expect("a session");
                        serve(StreamOwned::new(session, connection), answer);
                    } else {
                        serve(connection, answer);
                    }
                });
            }
        });
        Self { url: format!("http://{address}"), requests }
    }

    /// A folder with `kubeconfig`, whose one context is `prod`: this server, without a user.
    pub fn kubeconfig(&self, namespace: &str) -> Folder {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "users": [], "current-context": "prod",
            "clusters": [{"name": "prod", "cluster": {"server": self.url}}],
            "contexts": [{"name": "prod", "context": {"cluster": "prod", "namespace": namespace}}],
        });
        Folder::new(&[("kubeconfig", &kubeconfig.to_string())])
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("a list").clone()
    }
}

/// A certificate of its own.
fn tls() -> Arc<ServerConfig> {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let identity = identity.expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(identity.signing_key.serialize_der().into());
    let config = ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![identity.cert.der().clone()], key).expect("a key"))
}

/// Answers the requests of one connection.
fn serve(connection: impl Read + Write, answer: impl Fn(Request) -> (u16, Value)) {
    let mut reader = BufReader::new(connection);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line);
        }
        let mut words = head[0].split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
        let header = |wanted: &str| {
            head.iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
            })
        };
        let authorization = header("authorization");
        // Nothing is changed by what is written.
        let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let (status, body) = answer(Request { method, path, authorization });
        let body = body.to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        // The program may have gone away.
        let connection = reader.get_mut();
        if connection.write_all(answer.as_bytes()).and_then(|()| connection.flush()).is_err() {
            return;
        }
    }
}

fn answer(request: &Request, served: Option<Served>) -> (u16, Value) {
    let path = request.path.split('?').next().expect("a path");
    let Some(served) = served else { return refusal(401, "Unauthorized") };
    if path == "/version" {
        return (200, json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0"}));
    }
    if served.forbidden.contains(&path) {
        return refusal(403, "Forbidden");
    }
    if served.broken.contains(&path) {
        return refusal(500, "InternalError");
    }
    let mut parts = path.split('/').rev();
    let (name, resource) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let namespace = path.split_once("/namespaces/").and_then(|(_, rest)| rest.split('/').next());
    let of_kind = |kind: &str| -> Vec<Value> {
        let objects = served.objects.iter().filter(|object| object["kind"] == kind);
        let is_there = |object: &&Value| {
            let own = object["metadata"]["namespace"].as_str();
            own.is_none() || namespace.is_none() || own == namespace
        };
        objects.filter(is_there).cloned().collect()
    };
    if let Some(kind) = kind(name) {
        let list = json!({
            "kind": format!("{kind}List"), "apiVersion": "v1",
            "metadata": {"resourceVersion": "1"}, "items": of_kind(kind),
        });
        return (200, list);
    }
    let objects = kind(resource).map(of_kind).unwrap_or_default();
    match objects.into_iter().find(|object| object["metadata"]["name"] == name) {
        Some(object) => (200, object),
        None => refusal(404, "NotFound"),
    }
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    });
    (code, status)
}

fn kind(resource: &str) -> Option<&'static str> {
    Some(match resource {
        "services" => "Service",
        "nodes" => "Node",
        "endpointslices" => "EndpointSlice",
        "deployments" => "Deployment",
        "statefulsets" => "StatefulSet",
        "daemonsets" => "DaemonSet",
        "horizontalpodautoscalers" => "HorizontalPodAutoscaler",
        "pods" => "Pod",
        "namespaces" => "Namespace",
        "events" => "Event",
        _ => return None,
    })
}
