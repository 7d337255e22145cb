//! The audit log of an API server.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

/// A request that an API server has answered, from its audit log (level `Metadata`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// The verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// The resource in the plural, such as `services`; empty if the request is about none.
    pub resource: String,
    /// The subresource, such as `status`; empty if there is none.
    pub subresource: String,
    /// The namespace; empty if there is none.
    pub namespace: String,
    /// The name of the object; empty if there is none, as in lists and in creations with a generated name.
    pub name: String,
    /// The user name that the API server has authenticated.
    pub user: String,
    /// The header `User-Agent`; empty if the client sent none.
    pub user_agent: String,
    /// Path and query of the request.
    pub request_uri: String,
    /// Whether the query has a parameter `dryRun`.
    pub dry_run: bool,
    /// The HTTP status; 0 if there was none.
    pub code: u16,
    /// What admission webhooks and authorizers have noted about the request, by key.
    pub annotations: BTreeMap<String, String>,
}

impl AuditEntry {
    /// Whether the request succeeded, was no dry run and changed a stored object. Reviews, such as
    /// `SubjectAccessReview`, are created but not stored, and so are no writes.
    pub fn is_write(&self) -> bool {
        let reads = ["get", "list", "watch", "head", "options"];
        !reads.contains(&self.verb.as_str())
            && !self.dry_run
            && (200..300).contains(&self.code)
            // They are asked by creating an object that is not stored.
            && !self.resource.ends_with("reviews")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<Object>,
    response_status: Option<Status>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Deserialize, Default)]
struct Object {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
}

/// Reads an audit log. A file that does not exist yet has no entries; a line that is no JSON is an error.
pub(crate) fn read(log: &Path) -> anyhow::Result<Vec<AuditEntry>> {
    match fs::read_to_string(log) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        text => parse(&text.with_context(|| format!("{}", log.display()))?),
    }
}

fn parse(text: &str) -> anyhow::Result<Vec<AuditEntry>> {
    let mut entries = Vec::new();
    // The last line may not be written to its end yet.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let event: Event = serde_json::from_str(line).with_context(|| format!("audit: {line}"))?;
        if event.stage == "ResponseComplete" {
            entries.push(entry(event));
        }
    }
    Ok(entries)
}

fn entry(event: Event) -> AuditEntry {
    let object = event.object_ref.unwrap_or_default();
    let query = event.request_uri.split_once('?').map_or("", |(_, query)| query);
    AuditEntry {
        dry_run: query.split('&').any(|part| part.starts_with("dryRun=")),
        verb: event.verb,
        resource: object.resource,
        subresource: object.subresource,
        namespace: object.namespace,
        name: object.name,
        user: event.user.username,
        user_agent: event.user_agent,
        request_uri: event.request_uri,
        code: event.response_status.map_or(0, |status| status.code),
        annotations: event.annotations,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn line(verb: &str, uri: &str, stage: &str, code: u16) -> String {
        format!(
            r#"{{"kind":"Event","stage":"{stage}","requestURI":"{uri}","verb":"{verb}","user":{{"username":"admin","groups":["system:masters"]}},"userAgent":"kubectl/v1.36.3","objectRef":{{"resource":"services","namespace":"shop","name":"web","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":{code}}}}}"#
        ) + "\n"
    }

    #[test]
    fn only_a_write_that_was_done_and_kept_is_a_write() {
        let uri = "/api/v1/namespaces/shop/services/web";
        let log = [
            line("patch", uri, "ResponseComplete", 200),
            line("patch", &format!("{uri}?dryRun=All&fieldManager=x"), "ResponseComplete", 200),
            line("patch", uri, "ResponseComplete", 403),
            line("get", uri, "ResponseComplete", 200),
        ];
        let found = parse(&log.concat()).map(|entries| {
            entries.iter().map(|entry| (entry.dry_run, entry.is_write())).collect::<Vec<_>>()
        });
        let wanted = vec![(false, true), (true, false), (false, false), (false, false)];
        assert_eq!(found.ok(), Some(wanted));
    }

    #[test]
    fn requests_without_an_answer_and_lines_without_an_end_are_left_out() {
        let started = line("watch", "/api/v1/services?watch=1", "ResponseStarted", 200);
        let whole = line("get", "/api/v1/services", "ResponseComplete", 200);
        let cut = whole.trim_end_matches('\n');
        let found = parse(&[started.as_str(), whole.as_str(), cut].concat());
        let names = found.map(|entries| {
            entries.into_iter().map(|entry| (entry.user, entry.name)).collect::<Vec<_>>()
        });
        assert_eq!(names.ok(), Some(vec![("admin".to_owned(), "web".to_owned())]));
    }
}
