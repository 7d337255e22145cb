//! An API server that has lists of Services and nodes, and nothing else: a webhook under load is to hold
//! 100,000 Services, which take a real API server long to create and much of the machine to keep.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::populate::ready_node;
use crate::review::stored_service;

/// No cluster with a CLB in front is without nodes.
const NODES: u32 = 3;
/// The only version of every object and list.
const VERSION: &str = "1";
/// How often a watch says that it is there, as those of API servers do.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(30);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What the server has.
struct Lists {
    services: u32,
    service: Box<dyn Fn(u32) -> String + Send + Sync>,
}

/// Starts a server with so many Services on a thread of its own, and returns where it listens, without
/// TLS. It ends with the program.
pub fn start(services: u32) -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(listener)?
    };
    thread::Builder::new()
        .name("lists".to_owned())
        .spawn(move || match runtime.block_on(serve(listener, services)) {})
        .context("no thread for lists")?;
    Ok(address)
}

/// A kubeconfig for a server at this address.
pub fn kubeconfig(address: SocketAddr) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "lists",
        "clusters": [{"name": "lists", "cluster": {"server": format!("http://{address}")}}],
        "contexts": [{"name": "lists", "context": {"cluster": "lists", "user": "load"}}],
        "users": [{"name": "load", "user": {}}],
    })
    .to_string()
}

async fn serve(listener: TcpListener, services: u32) -> Infallible {
    let lists = Arc::new(Lists { services, service: Box::new(stored_service()) });
    loop {
        // A client that gave up before it was accepted is no reason to stop.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let lists = Arc::clone(&lists);
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = lists.answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            // What goes wrong here is the client's to notice.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Lists {
    fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
        };
        if request.method() != Method::GET || !is_list(path) {
            return not_found(path);
        }
        if parameter("watch").is_some_and(|watch| watch != "false" && watch != "0") {
            return json_response(watch());
        }
        let number = |name: &str| parameter(name).and_then(|text| text.parse::<u32>().ok());
        let (items, next) = match path {
            "/api/v1/services" => self.page(number("continue").unwrap_or(0), number("limit")),
            "/api/v1/nodes" => {
                (join((1..=NODES).map(|number| ready_node(number).to_string())), None)
            }
            _ => (String::new(), None),
        };
        let next = next.map_or_else(String::new, |next| next.to_string());
        let head = json!({"resourceVersion": VERSION, "continue": next});
        let list =
            format!(r#"{{"kind":"List","apiVersion":"v1","metadata":{head},"items":[{items}]}}"#);
        json_response(Full::new(Bytes::from(list)).boxed_unsync())
    }

    /// The Services from this number on, and the number of the next page's first one.
    fn page(&self, first: u32, limit: Option<u32>) -> (String, Option<u32>) {
        let end = limit.map_or(self.services, |limit| first.saturating_add(limit));
        let items = join((first..end.min(self.services)).map(&self.service));
        (items, (end < self.services).then_some(end))
    }
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

/// Whether a path is that of a list, `/api/v1/services` or `/apis/apps/v1/namespaces/shop/deployments`, and
/// not of an object.
fn is_list(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let group_and_version = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return false,
    };
    let rest: Vec<&str> = parts.skip(group_and_version).collect();
    matches!(rest.as_slice(), [_] | ["namespaces", _, _])
}

/// A watch of something that never changes, and never ends.
fn watch() -> Body {
    let bookmark = json!({"type": "BOOKMARK", "object": {
        "kind": "Object", "apiVersion": "v1", "metadata": {"resourceVersion": VERSION},
    }});
    let line = Bytes::from(format!("{bookmark}\n"));
    let first = stream::iter([line.clone()]);
    let later = stream::unfold(line, |line| async move {
        sleep(BOOKMARK_PERIOD).await;
        Some((line.clone(), line))
    });
    let frames = first.chain(later).map(|line| Ok(Frame::data(line)));
    StreamBody::new(frames).boxed_unsync()
}

fn not_found(path: &str) -> Response<Body> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": format!("there is nothing but lists here, no {path}"),
    });
    let mut response = json_response(Full::new(Bytes::from(status.to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn json_response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::{Node, Service};
    use kube::api::{ListParams, WatchEvent, WatchParams};
    use kube::{Api, Client, Config};

    use super::*;

    fn client(services: u32) -> Client {
        let address = start(services).expect("a server");
        let url = format!("http://{address}").parse().expect("a URL");
        Client::try_from(Config::new(url)).expect("a client")
    }

    #[tokio::test]
    async fn all_services_are_listed_page_by_page() {
        let api = Api::<Service>::all(client(7));
        let (mut names, mut pages) = (Vec::new(), 0);
        let mut params = ListParams::default().limit(3);
        loop {
            let page = api.list(&params).await.expect("a page");
            pages += 1;
            names.extend(page.items.into_iter().filter_map(|service| service.metadata.name));
            match page.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => params = params.continue_token(&next),
                None => break,
            }
        }
        let expected: Vec<String> = (0..7).map(|number| format!("web-{number:05}")).collect();
        assert_eq!((names, pages), (expected, 3));
    }

    #[tokio::test]
    async fn there_are_ready_nodes_and_nothing_else() {
        let client = client(1);
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
        let nodes = nodes.expect("nodes").items;
        assert_eq!(nodes.len(), 3);
        assert!(nodes.iter().all(|node| node.status.is_some()));
        let deployments = Api::<Deployment>::all(client.clone()).list(&ListParams::default()).await;
        assert!(deployments.expect("an empty list").items.is_empty());
        let configurations = Api::<ValidatingWebhookConfiguration>::all(client);
        assert!(
            configurations.get_opt("clbmigrate-validate-services").await.expect("404").is_none()
        );
    }

    #[tokio::test]
    async fn a_watch_stays_open_and_is_heard_of() {
        let api = Api::<Service>::all(client(1));
        let watch = api.watch(&WatchParams::default(), "1").await.expect("a watch");
        let mut watch = std::pin::pin!(watch);
        let event = watch.try_next().await.expect("no error");
        assert!(matches!(event, Some(WatchEvent::Bookmark(_))), "{event:?}");
        assert!(futures::poll!(watch.try_next()).is_pending());
    }
}
