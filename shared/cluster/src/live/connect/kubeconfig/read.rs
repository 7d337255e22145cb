//! The text of a kubeconfig: YAML or JSON, read as kubectl reads it.

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{Cluster, Context, Kubeconfig, Named, User, or_default};
use crate::{files::yaml, parse::LoadError};

/// Base64 as Go reads it: padded, whatever the bits behind the last byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// How PEM text begins.
const PEM: &str = "-----BEGIN";

/// What is said of text that is not base64; no part of it is quoted, for it may be a key.
const NO_BASE64: &str = "is not base64";

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(deserialize_with = "or_default")]
    kind: String,
    #[serde(rename = "apiVersion", deserialize_with = "or_default")]
    api_version: String,
    #[serde(rename = "current-context", deserialize_with = "or_default")]
    current_context: String,
    #[serde(deserialize_with = "or_default")]
    clusters: Vec<Option<NamedCluster>>,
    #[serde(deserialize_with = "or_default")]
    users: Vec<Option<NamedUser>>,
    #[serde(deserialize_with = "or_default")]
    contexts: Vec<Option<NamedContext>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    cluster: Cluster,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    user: User,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    #[serde(deserialize_with = "or_default")]
    name: String,
    #[serde(deserialize_with = "or_default")]
    context: Context,
}

/// Reads a kubeconfig. What is wrong with it is told without its values.
pub(in super::super) fn read(bytes: &[u8]) -> Result<Kubeconfig, String> {
    let text = text(bytes)?;
    let json = json(&text)?;
    if !(json.is_object() || json.is_null()) {
        return Err("it is no object, but a list or a word".to_owned());
    }
    let file: Option<File> = serde_path_to_error::deserialize(json)
        .map_err(|error| in_words(&error.path().to_string(), &error.inner().to_string()))?;
    let file = file.unwrap_or_default();
    if !matches!(file.kind.as_str(), "" | "Config")
        || !matches!(file.api_version.as_str(), "" | "v1")
    {
        return Err("it is another object, and not a Config of v1".to_owned());
    }
    Ok(Kubeconfig {
        current_context: file.current_context,
        clusters: named("clusters", file.clusters, |entry| (entry.name, entry.cluster))?,
        users: named("users", file.users, |entry| (entry.name, entry.user))?,
        contexts: named("contexts", file.contexts, |entry| (entry.name, entry.context))?,
    })
}

/// The entries of a list. A name that stands there twice is an error, as for kubectl (client-go
/// 0.36: clientcmd/api/v1/conversion.go).
fn named<T, V>(
    list: &str,
    entries: Vec<Option<T>>,
    parts: impl Fn(T) -> (String, V),
) -> Result<Vec<Named<V>>, String> {
    let mut all: Vec<Named<V>> = Vec::with_capacity(entries.len());
    for (name, value) in entries.into_iter().flatten().map(parts) {
        if all.iter().any(|entry| entry.name == name) {
            return Err(format!("{list} holds the name {name:?} twice"));
        }
        all.push(Named { name, value });
    }
    Ok(all)
}

/// The text of a file, which may begin with a mark of its encoding.
fn text(bytes: &[u8]) -> Result<String, String> {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().copied().map(unit).collect();
        String::from_utf16(&units).ok()
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => String::from_utf8(bytes.to_vec()).ok(),
    };
    text.ok_or_else(|| "it is no text in UTF-8 or UTF-16".to_owned())
}

/// The first document of a text. The last of two equal keys counts.
fn json(text: &str) -> Result<Value, String> {
    // JSON may be indented with tabs, YAML may not.
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    let Some(document) = yaml::documents(text).next() else { return Ok(Value::Null) };
    let json = yaml::to_json_of_config(document).map_err(|error| match error {
        LoadError::Yaml { line, message } => format!("line {line} is no YAML: {message}"),
        other => other.to_string(),
    })?;
    serde_json::from_slice(&json).map_err(|_| "it holds values that JSON does not know".to_owned())
}

/// A mistake without the value that stands there: it may be a token that lacks its quotes.
fn in_words(path: &str, error: &str) -> String {
    if error.starts_with(NO_BASE64) {
        return format!("{path} {NO_BASE64}");
    }
    let Some((found, wanted)) =
        error.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "))
    else {
        return format!("{path} cannot be read");
    };
    let wanted = wanted.split(" at line").next().unwrap_or_default();
    let found = match found.split(' ').next().unwrap_or_default() {
        "integer" | "floating" | "number" => "a number",
        "boolean" => "true or false",
        "string" => "a text",
        "sequence" => "a list",
        "map" => "an object",
        _ => "nothing",
    };
    let hint = if wanted == "a string" && matches!(found, "a number" | "true or false") {
        "; put it in quotes"
    } else {
        ""
    };
    format!("{path} is {found}, where {wanted} belongs{hint}")
}

/// Bytes in base64, with line breaks anywhere in it (Go: encoding/base64). YAML's `!!binary` is
/// decoded already, and its value is base64 once more or the PEM text itself.
pub(super) fn data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text: String = or_default(deserializer)?;
    if text.starts_with(PEM) {
        return Ok(text.into_bytes());
    }
    let packed: String = text.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
    BASE64.decode(packed).map_err(|_| D::Error::custom(NO_BASE64))
}
