use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use clbmigrate_core::snapshot::Object;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{intake::Intake, *};
use crate::live::fake::{self, Call, Reply};

const SERVICES: &str = "/api/v1/services";

fn service(number: usize) -> Value {
    json!({
        "metadata": {"name": format!("web-{number}"), "namespace": "shop", "uid": "ü-\u{1f600}"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    })
}

fn services(numbers: impl IntoIterator<Item = usize>, next: &str) -> Value {
    let items: Vec<Value> = numbers.into_iter().map(service).collect();
    json!({
        "kind": "ServiceList", "apiVersion": "v1",
        "metadata": {"resourceVersion": "7", "continue": next}, "items": items,
    })
}

/// A list as API servers write it: what it is, then its metadata, then the items.
fn text(list: &Value) -> String {
    let part = |name: &str| format!("{}:{}", json!(name), list[name]);
    let parts = ["kind", "apiVersion", "metadata", "items"].map(part);
    format!("{{{}}}\n", parts.join(","))
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn name(object: &ParsedObject) -> String {
    match object {
        ParsedObject::Object(Object::Service(service)) => service.metadata.name.clone(),
        ParsedObject::Object(object) => format!("{object:?}"),
        ParsedObject::Skipped(kind) => format!("skipped {kind}"),
    }
}

/// The names of objects, and every error in words.
fn told(items: &ListItems) -> (Vec<String>, Vec<String>) {
    let names = items.objects.iter().flatten().map(name).collect();
    let errors = items.objects.iter().filter_map(|object| object.as_ref().err());
    let errors = errors.chain(&items.errors).map(ToString::to_string).collect();
    (names, errors)
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("web-{number}")).collect()
}

/// What comes of a body that arrives in these pieces.
fn taken<P: AsRef<[u8]>>(pieces: impl IntoIterator<Item = P>) -> (Vec<String>, Vec<String>) {
    told(&pieces.into_iter().fold(Intake::new(nobody()), Intake::feed).finish().0)
}

/// The queries of requests, in their order.
type Queries = Arc<Mutex<Vec<String>>>;

/// A connection that notes the queries of what it is asked.
fn noting(handler: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (Connection, Queries) {
    let queries = Queries::default();
    let noted = Arc::clone(&queries);
    let connection = fake::connection(move |call| {
        noted.lock().expect("queries").push(call.query.clone());
        handler(call)
    });
    (connection, queries)
}

fn asked(queries: &Queries) -> Vec<String> {
    queries.lock().expect("queries").clone()
}

/// Five Services in pages of three, whatever the limit.
fn paged(call: &Call) -> Reply {
    let page = if call.query.contains("continue=more") {
        services(3..5, "")
    } else if call.query.contains("limit=") {
        services(0..3, "more")
    } else {
        services(0..5, "")
    };
    Reply::Answer(200, page)
}

#[tokio::test]
async fn a_listing_from_the_cache_is_one_request_and_a_consistent_one_goes_page_by_page() {
    let (connection, queries) = noting(paged);
    let items = connection.list(SERVICES, ListMode::FromCache).await.expect("a list");
    assert_eq!(told(&items), (names(0..5), vec![]));
    assert_eq!(asked(&queries), ["resourceVersion=0"]);

    let (connection, queries) = noting(paged);
    let path = format!("{SERVICES}?labelSelector=a");
    let items = connection.list(&path, ListMode::Consistent).await.expect("a list");
    assert_eq!(told(&items), (names(0..5), vec![]));
    let pages = ["labelSelector=a&limit=500", "labelSelector=a&limit=1000&continue=more"];
    assert_eq!(asked(&queries), pages);
}

/// The first half of a body, and an error or silence after it.
fn half(end: Option<io::ErrorKind>) -> Reply {
    let text = text(&services(0..5, "")).into_bytes();
    let half = text[..text.len() / 2].to_vec();
    match end {
        Some(_) => Reply::Pieces(vec![half], end),
        None => Reply::Stall(half),
    }
}

#[rstest]
#[case::the_version_is_gone(|| Reply::status(410, "too old"))]
#[case::it_took_too_long(|| Reply::status(504, "Timeout: Too large resource version"))]
#[case::it_broke_off(|| half(Some(io::ErrorKind::ConnectionReset)))]
#[case::it_stalls(|| half(None))]
#[tokio::test(start_paused = true)]
async fn what_does_not_come_in_one_answer_is_read_in_pages_and_nothing_counts_twice(
    #[case] one: fn() -> Reply,
) {
    let (connection, queries) = noting(move |call| match call.query.as_str() {
        "resourceVersion=0" => one(),
        _ => paged(call),
    });
    let items = connection.list(SERVICES, ListMode::FromCache).await.expect("a list");
    assert_eq!(told(&items), (names(0..5), vec![]));
    assert_eq!(asked(&queries), ["resourceVersion=0", "limit=500", "limit=1000&continue=more"]);
}

#[rstest]
#[case::it_may_not(|| Reply::status(403, "no"), 1)]
#[case::it_failed(|| Reply::status(500, "etcd is gone"), 4)]
#[case::it_is_too_busy(|| Reply::Throttled(Some(60)), 1)]
#[case::the_connection_is_cut(|| Reply::Cut, 1)]
#[case::it_says_nothing(|| Reply::Hang, 1)]
#[tokio::test(start_paused = true)]
async fn a_server_that_gives_no_listing_is_not_asked_for_pages(
    #[case] answer: fn() -> Reply,
    #[case] requests: usize,
) {
    let (connection, queries) = noting(move |_| answer());
    assert!(connection.list(SERVICES, ListMode::FromCache).await.is_err());
    assert_eq!(asked(&queries), vec!["resourceVersion=0"; requests]);
}

#[rstest]
#[case::it_broke_off(|| half(Some(io::ErrorKind::ConnectionReset)))]
#[case::it_stalls(|| half(None))]
#[tokio::test(start_paused = true)]
async fn a_page_that_breaks_off_is_an_error_and_no_shorter_list(#[case] page: fn() -> Reply) {
    let connection =
        fake::connection(
            move |call| if call.query.contains("continue") { page() } else { paged(call) },
        );
    assert!(connection.list(SERVICES, ListMode::Consistent).await.is_err());
}

#[tokio::test]
async fn a_listing_in_pages_that_expires_is_read_at_once() {
    let (connection, queries) = noting(|call| {
        if call.query.contains("continue") {
            Reply::status(410, "the continue token is too old")
        } else {
            paged(call)
        }
    });
    let items = connection.list(SERVICES, ListMode::Consistent).await.expect("a list");
    assert_eq!(told(&items), (names(0..5), vec![]));
    assert_eq!(asked(&queries), ["limit=500", "limit=1000&continue=more", ""]);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_server_that_is_too_busy_is_asked_again_when_it_says_so(
    #[values(ListMode::FromCache, ListMode::Consistent)] mode: ListMode,
) {
    let begun = Instant::now();
    let busy_until = begun + Duration::from_secs(5);
    let (connection, queries) =
        noting(
            move |call| {
                if Instant::now() < busy_until { Reply::Throttled(Some(5)) } else { paged(call) }
            },
        );
    let items = connection.list(SERVICES, mode).await.expect("a list");
    assert_eq!(told(&items), (names(0..5), vec![]));
    let first = asked(&queries).remove(0);
    assert_eq!(asked(&queries).iter().filter(|query| **query == first).count(), 2);
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn objects_are_seen_while_the_listing_still_arrives() {
    let (sender, mut seen) = futures::channel::mpsc::unbounded();
    let see: SeeObject = Arc::new(move |object| sender.unbounded_send(name(object)).expect("seen"));
    let text = text(&services(0..2000, "")).into_bytes();
    let half = text[..text.len() / 2].to_vec();
    let connection = fake::connection(move |_| Reply::Stall(half.clone()));
    let list = connection.list_inspecting(SERVICES, ListMode::FromCache, &see);
    tokio::select! {
        _ = list => panic!("it never ends"),
        first = seen.next() => assert_eq!(first.as_deref(), Some("web-0")),
    }
}

#[test]
fn a_list_may_say_what_it_holds_behind_its_items() {
    let items = r#"{"items":[{"metadata":{"name":"web-0","namespace":"shop"}},
        {"apiVersion":"v1","kind":"Service","metadata":{"name":"web-1","namespace":"shop"}}]"#;
    let named = [items, r#","kind":"ServiceList","apiVersion":"v1"}"#].concat();
    let (mut found, errors) = taken([named]);
    found.sort();
    assert_eq!((found, errors), (names(0..2), vec![]));
    let (found, errors) = taken([[items, "}"].concat()]);
    assert_eq!(found, names(1..2));
    assert!(errors[0].contains("does not tell its items' kind"), "{errors:?}");
}

#[rstest]
#[case::null(r#"{"kind":"ServiceList","apiVersion":"v1","metadata":{},"items":null}"#)]
#[case::empty(r#"{"kind":"ServiceList","apiVersion":"v1","items":[ ] , "metadata":{}} "#)]
fn a_list_may_hold_nothing(#[case] text: &str) {
    assert_eq!(taken([text]), (vec![], vec![]));
}

#[rstest]
#[case::nothing("", "it ends before its end")]
#[case::white_space(" \n", "it ends before its end")]
#[case::a_page_of_a_proxy("<html>", "expected a List, found `<`")]
#[case::an_array("[]", "expected a List, found `[`")]
#[case::another_object(r#"{"kind":"Status","apiVersion":"v1"}"#, "expected a List, found Status")]
#[case::no_object("{}", "expected a List, found an object without kind")]
#[case::more(r#"{"kind":"ServiceList","items":[]} {}"#, "expected nothing more, found `{`")]
#[case::two_commas(r#"{"kind":"ServiceList","items":[{"metadata":{"name":"a"}},,]}"#, "")]
#[case::no_comma(r#"{"kind":"ServiceList" "items":[]}"#, "expected `,` or `}`, found `\"`")]
#[case::a_comma_too_many(r#"{"kind":"ServiceList","items":[],}"#, "a field in double quotes")]
#[case::a_number_for_an_item(r#"{"kind":"ServiceList","items":[7]}"#, "found 7")]
fn what_is_no_list_is_told(#[case] text: &str, #[case] expected: &str) {
    let (_, errors) = taken([text]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains(expected), "{errors:?}");
}

#[test]
fn an_item_that_is_wrong_is_told_by_kind_name_and_field_and_the_others_stand() {
    let mut list = services(0..3, "");
    list["items"][1]["spec"]["ports"][0]["port"] = json!("http");
    let (found, errors) = taken([text(&list)]);
    assert_eq!(found, ["web-0", "web-2"]);
    assert_eq!(
        errors,
        ["Service shop/web-1: spec.ports[0].port: invalid type: string \"http\", expected u16"]
    );
    list["items"][1] = json!({"metadata": {"namespace": "shop"}});
    let (found, errors) = taken([text(&list)]);
    assert_eq!(found, ["web-0", "web-2"]);
    assert!(errors[0].starts_with("Service without metadata.name"), "{errors:?}");
}

#[rstest]
fn a_list_that_is_cut_off_is_never_whole(#[values(false, true)] is_gzip: bool) {
    let whole = text(&services(0..4, ""));
    let whole = whole.trim_end().as_bytes();
    let whole = if is_gzip { gzipped(whole) } else { whole.to_vec() };
    assert_eq!(taken([&whole]), (names(0..4), vec![]));
    for length in 0..whole.len() {
        let (found, errors) = taken([&whole[..length]]);
        assert_eq!(errors.len(), 1, "{length} of {}: {found:?} {errors:?}", whole.len());
    }
}

proptest! {
    #[test]
    fn properties_of_a_list_do_not_depend_on_the_pieces_it_comes_in(
        count in 0..200usize,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        is_gzip: bool,
    ) {
        let text = text(&services(0..count, ""));
        let body = if is_gzip { gzipped(text.as_bytes()) } else { text.into_bytes() };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|ends| &body[ends[0]..ends[1]]);
        prop_assert_eq!(taken(pieces), (names(0..count), vec![]));
    }

    #[test]
    fn properties_of_any_bytes_are_read_without_panic(body: Vec<u8>, start in 0..60usize) {
        let text = text(&services(0..1, ""));
        let start = text.as_bytes().get(..start).unwrap_or_default();
        let (found, errors) = taken([start, &body]);
        prop_assert!(found.is_empty() && errors.len() == 1, "{:?} {:?}", found, errors);
    }
}
