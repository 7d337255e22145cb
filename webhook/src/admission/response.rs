//! The response to an admission review.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::review::API_VERSION;
use crate::metrics::ReviewResult;

/// The longest single warning, in characters. Kubernetes: `apiserver/pkg/endpoints/filters/warning.go`
/// cuts longer ones where all together are too many, and counts characters.
const MAX_WARNING: usize = 256;
/// The most bytes of all warnings together. Kubernetes: API servers leave out what is beyond as many
/// characters, and what lies between may limit the bytes of a response's head.
const MAX_WARNINGS: usize = 4096;
/// The longest message of a denial, in bytes. API servers have no limit; terminals do.
const MAX_MESSAGE: usize = 8192;

/// An audit annotation, which API servers write into their audit log under the webhook's name and this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAnnotation {
    /// What rules found, and what became of it.
    Findings,
    /// What became of the preStop hook.
    PreStop,
    /// The rules that would have denied the request, but for the mode.
    WouldRefuse,
}

impl AuditAnnotation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Findings, Self::PreStop, Self::WouldRefuse];

    /// Its key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Findings => "findings",
            Self::PreStop => "preStop",
            Self::WouldRefuse => "wouldRefuse",
        }
    }
}

/// The response to a review, apart from the uid that it must repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdmissionResponse {
    denied: Option<String>,
    warnings: Vec<String>,
    patch: Option<String>,
    audit: Vec<(AuditAnnotation, String)>,
}

impl AdmissionResponse {
    /// A response that allows the request, without warnings or a patch.
    pub fn allow() -> Self {
        Self::default()
    }

    /// A response that denies the request with HTTP 403. The message is cut to 8 KiB.
    pub fn deny(message: impl Into<String>) -> Self {
        Self { denied: Some(truncated(message.into(), MAX_MESSAGE)), ..Self::default() }
    }

    /// Adds a warning, which kubectl prints. It is cut to 256 characters.
    #[must_use]
    pub fn warn(mut self, warning: impl Into<String>) -> Self {
        // An API server drops a warning with a line break in it.
        let warning = warning.into();
        let warning = if warning.contains(char::is_control) {
            warning.replace(char::is_control, " ")
        } else {
            warning
        };
        self.warnings.push(shortened(warning, MAX_WARNING));
        self
    }

    /// The same response without warnings.
    #[must_use]
    pub fn without_warnings(mut self) -> Self {
        self.warnings.clear();
        self
    }

    /// Adds the JSON Patch (RFC 6902) that the API server is to apply to the object.
    ///
    /// # Errors
    /// When the patch cannot be written as JSON.
    pub fn patch(mut self, patch: &impl Serialize) -> Result<Self, serde_json::Error> {
        self.patch = Some(BASE64.encode(serde_json::to_vec(patch)?));
        Ok(self)
    }

    /// Adds an audit annotation.
    #[must_use]
    pub fn audit(mut self, annotation: AuditAnnotation, value: impl Into<String>) -> Self {
        self.audit.push((annotation, value.into()));
        self
    }

    /// Whether the request is allowed.
    pub fn is_allowed(&self) -> bool {
        self.denied.is_none()
    }

    /// What metrics count it as.
    pub fn result(&self) -> ReviewResult {
        if !self.is_allowed() {
            ReviewResult::Denied
        } else if self.patch.is_some() {
            ReviewResult::Patched
        } else if self.warnings.is_empty() {
            ReviewResult::Allowed
        } else {
            ReviewResult::Warned
        }
    }

    /// The message of a denial; `None` if the request is allowed.
    pub fn message(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// All warnings, also those that [`Self::to_bytes`] leaves out.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The audit annotations and their values.
    pub fn audit_annotations(&self) -> &[(AuditAnnotation, String)] {
        &self.audit
    }

    /// The patch, as base64 of its JSON; `None` without one.
    pub fn encoded_patch(&self) -> Option<&str> {
        self.patch.as_deref()
    }

    /// The `AdmissionReview` to send back for the request of that uid, as JSON.
    pub fn to_bytes(&self, uid: &str) -> Bytes {
        let warnings = self.warnings_within_limit();
        let is_patch = self.patch.is_some();
        let review = Review {
            api_version: API_VERSION,
            kind: "AdmissionReview",
            response: ResponseBody {
                uid,
                allowed: self.is_allowed(),
                status: self.denied.as_deref().map(|message| Status {
                    code: 403,
                    reason: "Forbidden",
                    message,
                }),
                patch_type: is_patch.then_some("JSONPatch"),
                patch: self.patch.as_deref(),
                warnings: &warnings,
                audit_annotations: AuditAnnotations(&self.audit),
            },
        };
        // Strings and numbers alone: to write them cannot fail.
        let mut bytes = Vec::with_capacity(self.estimated_size());
        let written = serde_json::to_writer(&mut bytes, &review);
        written.map(|()| bytes.into()).unwrap_or_default()
    }

    /// About how many bytes the written review has.
    fn estimated_size(&self) -> usize {
        const FRAME: usize = 384;
        let texts = self.warnings.iter().chain(&self.denied).chain(&self.patch);
        let annotations = self.audit.iter().map(|(_, value)| value);
        FRAME + texts.chain(annotations).map(String::len).sum::<usize>()
    }

    /// As many warnings as fit into [`MAX_WARNINGS`]; where some are left out, the last one says so.
    fn warnings_within_limit(&self) -> Vec<&str> {
        let all = || self.warnings.iter().map(String::as_str);
        if all().map(str::len).sum::<usize>() <= MAX_WARNINGS {
            return all().collect();
        }
        let mut room = MAX_WARNINGS - OMITTED.len();
        let mut fitting: Vec<&str> = all()
            .take_while(|warning| {
                let fits = warning.len() <= room;
                room = room.saturating_sub(warning.len());
                fits
            })
            .collect();
        fitting.push(OMITTED);
        fitting
    }
}

/// The last warning where some are left out.
const OMITTED: &str = "more warnings than fit; all of them: kubectl clbmigrate check";

/// What stands for the end of a text that is cut.
const MARK: &str = "…";

/// A text that is cut to at most `limit` characters.
fn shortened(mut text: String, limit: usize) -> String {
    if let Some((cut, _)) = text.char_indices().nth(limit.saturating_sub(1))
        && text.chars().nth(limit).is_some()
    {
        text.truncate(cut);
        text.push_str(MARK);
    }
    text
}

/// A text that is cut between characters to at most `limit` bytes.
pub(crate) fn truncated(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let cut = (0..=limit - MARK.len()).rev().find(|cut| text.is_char_boundary(*cut));
        text.truncate(cut.unwrap_or_default());
        let _ = text.write_str(MARK);
    }
    text
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'r> {
    api_version: &'static str,
    kind: &'static str,
    response: ResponseBody<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseBody<'r> {
    uid: &'r str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<&'r str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'r [&'r str],
    #[serde(skip_serializing_if = "AuditAnnotations::is_empty")]
    audit_annotations: AuditAnnotations<'r>,
}

#[derive(Serialize)]
struct Status<'r> {
    code: u16,
    reason: &'static str,
    message: &'r str,
}

struct AuditAnnotations<'r>(&'r [(AuditAnnotation, String)]);

impl AuditAnnotations<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for AuditAnnotations<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (annotation, value) in self.0 {
            map.serialize_entry(annotation.key(), value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(response: &AdmissionResponse) -> Value {
        serde_json::from_slice(&response.to_bytes("u-1")).expect("JSON")
    }

    #[test]
    fn a_plain_approval_says_nothing_else() {
        let response = json!({"uid": "u-1", "allowed": true});
        let review =
            json!({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response});
        assert_eq!(written(&AdmissionResponse::allow()), review);
    }

    #[test]
    fn a_denial_is_forbidden_with_its_message() {
        let review = written(
            &AdmissionResponse::deny("no")
                .warn("beware")
                .audit(AuditAnnotation::Findings, "CLB001"),
        );
        assert_eq!(
            review["response"],
            json!({
                "uid": "u-1", "allowed": false,
                "status": {"code": 403, "reason": "Forbidden", "message": "no"},
                "warnings": ["beware"], "auditAnnotations": {"findings": "CLB001"},
            })
        );
    }

    #[test]
    fn a_patch_is_base64_of_json() {
        let patch = json!([{"op": "remove", "path": "/a"}]);
        let review = written(&AdmissionResponse::allow().patch(&patch).expect("JSON"));
        let text = review["response"]["patch"].as_str().expect("text");
        let bytes = BASE64.decode(text).expect("base64");
        assert_eq!(serde_json::from_slice::<Value>(&bytes).expect("JSON"), patch);
        assert_eq!(review["response"]["patchType"], "JSONPatch");
    }

    #[test]
    fn a_long_warning_is_cut_between_characters() {
        for (character, length) in [('a', 255), ('a', 256), ('修', 256)] {
            let text: String = std::iter::repeat_n(character, length).collect();
            assert_eq!(AdmissionResponse::allow().warn(&text).warnings(), [text]);
        }
        for character in ['a', '修', '𠮷'] {
            let text: String = std::iter::repeat_n(character, 257).collect();
            let kept: String = std::iter::repeat_n(character, 255).chain(['…']).collect();
            assert_eq!(AdmissionResponse::allow().warn(&text).warnings(), [kept]);
        }
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn warnings_fit_into_what_api_servers_pass_on(
                warnings in proptest::collection::vec("[a-zé\n修复]{0,400}", 0..40),
            ) {
                let response = warnings.iter().fold(AdmissionResponse::allow(), AdmissionResponse::warn);
                let review = written(&response);
                let sent: Vec<&str> = review["response"]["warnings"]
                    .as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                prop_assert!(sent.iter().all(|warning| warning.chars().count() <= MAX_WARNING));
                prop_assert!(sent.iter().all(|warning| !warning.contains('\n')));
                prop_assert!(sent.iter().map(|warning| warning.len()).sum::<usize>() <= MAX_WARNINGS);
                let is_cut = sent.last() == Some(&OMITTED);
                prop_assert!(is_cut || sent.len() == warnings.len());
            }
        }
    }
}
