//! The value of the label that tells whether CCM has carried out a Service as it stands.
//!
//! CCM writes it when a round over the Service ended without an error that it noticed, and compares
//! it at the next event. A label equal to [`service_hash`] therefore means: CCM finished with exactly this
//! Service, unless that is the hash of an empty text ([`KnownHashes`]). It does not mean that the
//! Service has backends.
//!
//! CCM 2.14, `pkg/controller/helper/service_utils.go` and `pkg/util/hash/hash.go`: what is hashed is
//! a list of a few fields, turned into JSON, freed of what is empty, turned into YAML by
//! `sigs.k8s.io/yaml` 1.3 and so by `gopkg.in/yaml.v2` 2.4, and put through SHA-224. (Of the former,
//! versions 1.2 to 1.6 agree on all recorded cases.) Every oddity of that YAML library is part of
//! the value. The modules here reproduce them, one idea in each: `reader` what reading the JSON does
//! to a text, `order` the order of keys, `implicit` and `style` which texts are quoted and how,
//! `yaml` the layout.

mod implicit;
mod known;
mod order;
mod reader;
mod style;
mod yaml;

use std::fmt::Write;

use serde_json::{Map, Value};
use sha2::{Digest, Sha224};

use crate::version::{Behaviour, CcmVersion};

use self::yaml::{Item, Scalar};

pub use self::known::{KnownHashes, known_hashes};

/// The label's key. CCM 2.14: `helper/service_utils.go`.
pub const LABEL: &str = "service.beta.kubernetes.io/hash";

/// The one annotation that CCM leaves out. CCM 2.14: `hash.go`.
const LEFT_OUT: &str = "alibabacloud.com/reconcile.hash";

/// The value CCM gives [`LABEL`] for `service`, a Service in the JSON of the API server: 56
/// lower-case hexadecimal digits.
///
/// A field of another type than Kubernetes defines counts as absent; an API server sends none, and
/// `deletionTimestamp` only in whole seconds of UTC, which is taken as it is.
///
/// Two limits, which no Service meets in practice. CCM's order of keys is circular for some sets of
/// keys that mix digits and letters (`a1b` < `a2` < `a10` < `a1b`): its own value then differs from
/// run to run. And keys of annotations are those an API server accepts, ASCII.
pub fn service_hash(service: &Value, version: CcmVersion) -> String {
    // CCM ignores that the text could not be made, and hashes the empty one.
    let text = read(document(service, version)).map_or_else(String::new, |list| yaml::emit(&list));
    let mut digits = String::with_capacity(56);
    for byte in Sha224::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// The list that is hashed, without what CCM drops: empty elements of the list itself, and empty
/// values in maps. An empty element of a list inside stays.
///
/// Whether CCM appends the source ranges always or only when there are some makes no difference:
/// empty ones would be dropped.
fn document(service: &Value, version: CcmVersion) -> Vec<Item> {
    let hashes_ranges = version.has(Behaviour::HashesSourceRanges);
    let spec = service.get("spec");
    let text = |name: &str| {
        spec.and_then(|spec| spec.get(name)).and_then(text).map(|text| Item::Scalar(text.into()))
    };
    let list = |name: &str, item: fn(&Value) -> Item| {
        let items = spec.and_then(|spec| spec.get(name)).and_then(Value::as_array);
        items.filter(|items| !items.is_empty()).map(|items| items.iter().map(item).collect())
    };
    let metadata = service.get("metadata");
    let annotations = metadata.and_then(|meta| meta.get("annotations")).and_then(Value::as_object);
    let deletion = metadata.and_then(|meta| meta.get("deletionTimestamp")).and_then(self::text);

    [
        list("ports", port).map(Item::List),
        text("type"),
        text("externalTrafficPolicy"),
        text("loadBalancerClass"),
        annotations.map(entries).filter(|map| !map.is_empty()).map(Item::Map),
        deletion.map(|time| Item::Scalar(time.into())),
        list("loadBalancerSourceRanges", range).filter(|_| hashes_ranges).map(Item::List),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A port as CCM knows it: `ServicePort` of `k8s.io/api` 0.28, fields that are not in it are lost
/// when CCM reads the Service.
fn port(port: &Value) -> Item {
    let field = |name: &'static str, value: Option<Scalar>| value.map(|v| (name.to_owned(), v));
    let text = |name: &'static str| {
        field(name, port.get(name).and_then(text).map(|text| Scalar::Text(text.to_owned())))
    };
    let number =
        |name: &'static str| field(name, port.get(name).and_then(number).map(Scalar::Number));
    let fields = [
        text("name"),
        text("protocol"),
        text("appProtocol"),
        number("port"),
        text("targetPort").or_else(|| number("targetPort")),
        number("nodePort"),
    ];
    Item::Map(fields.into_iter().flatten().collect())
}

fn range(range: &Value) -> Item {
    Item::Scalar(range.as_str().unwrap_or_default().into())
}

fn entries(annotations: &Map<String, Value>) -> Vec<(String, Scalar)> {
    annotations
        .iter()
        .filter(|(key, _)| *key != LEFT_OUT)
        .filter_map(|(key, value)| Some((key.clone(), text(value)?.into())))
        .collect()
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().filter(|number| *number != 0)
}

/// The document after CCM's YAML library has read it as JSON; nothing where it cannot.
fn read(list: Vec<Item>) -> Option<Vec<Item>> {
    list.into_iter().map(read_item).collect()
}

fn read_item(item: Item) -> Option<Item> {
    Some(match item {
        Item::Scalar(scalar) => Item::Scalar(read_scalar(scalar)?),
        Item::List(items) => Item::List(read(items)?),
        Item::Map(entries) => Item::Map(
            entries
                .into_iter()
                .map(|(key, value)| Some((reader::read(&key)?, read_scalar(value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}

fn read_scalar(scalar: Scalar) -> Option<Scalar> {
    Some(match scalar {
        Scalar::Text(text) => Scalar::Text(reader::read(&text)?),
        Scalar::Number(number) => Scalar::Number(number),
    })
}
