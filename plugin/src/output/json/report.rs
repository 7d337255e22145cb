use std::{borrow::Cow, collections::BTreeMap};

use clbmigrate_core::{finding, object::ObjectRef, patch::PatchOp, snapshot::Snapshot};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::{ApiVersion, CcmRelease, Need, Severity};

/// What `check` found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: CheckKind,
    /// By which release of CCM each cluster is judged.
    pub ccm: Vec<CcmRelease>,
    /// The findings, by object.
    pub findings: Vec<Finding>,
    /// What could not be looked at. The rules named here say nothing, which does not mean that
    /// there is nothing to say.
    pub not_looked: Vec<NotLooked>,
    /// How many findings there are.
    pub summary: Summary,
}

/// The kind of a `CheckReport`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum CheckKind {
    /// The report of `check`.
    CheckReport,
}

/// One mistake, or thing worth knowing, at one place.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule's id, `CLBnnn`.
    pub rule: String,
    /// How bad it is here.
    pub severity: Severity,
    /// The object.
    pub object: Object,
    /// The field, for example `metadata.annotations[…]`; empty for the object as a whole.
    pub path: String,
    /// What is wrong, and what CCM makes of it.
    pub message: String,
    /// What to do instead.
    pub fix: String,
    /// The fix as a JSON Patch on the object; empty where it is not mechanical.
    #[schemars(with = "Vec<PatchOpSchema>")]
    pub patch: Vec<PatchOp>,
    /// `FILE:LINE`, for objects from files.
    pub source: Option<String>,
    /// Set where the object is exempt from the rule by its annotation `clbmigrate.io/allow`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allowed: bool,
}

/// A Kubernetes object, or a vServer group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Object {
    /// Its kind; `VServerGroup` for a group of the CLB.
    pub kind: String,
    /// Its namespace; null for what has none.
    pub namespace: Option<String>,
    /// Its name, or the group's id.
    pub name: String,
    /// Its cluster's context; null where files were given without a name.
    pub context: Option<String>,
}

/// The schema of the core's [`PatchOp`], which serializes as RFC 6902 has it.
struct PatchOpSchema;

impl JsonSchema for PatchOpSchema {
    fn schema_name() -> Cow<'static, str> {
        "PatchOp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let operation = |op: &str, description: &str, has_value: bool| {
            let place = "The member's place, a JSON Pointer (RFC 6901).";
            let value = has_value.then(|| ("value", json!({"description": "The member's value."})));
            let properties: BTreeMap<&str, Value> = [
                ("op", json!({"type": "string", "const": op})),
                ("path", json!({"description": place, "type": "string"})),
            ]
            .into_iter()
            .chain(value)
            .collect();
            let required: Vec<&str> = properties.keys().copied().collect();
            json!({
                "description": description,
                "type": "object",
                "properties": properties,
                "required": required,
            })
        };
        json_schema!({
            "description": "One operation of a JSON Patch (RFC 6902).",
            "oneOf": [
                operation("add", "Adds a member, or replaces it.", true),
                operation("replace", "Replaces a member.", true),
                operation("remove", "Removes a member.", false),
            ],
        })
    }
}

/// Something that could not be looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NotLooked {
    /// What was not at hand.
    pub what: String,
    /// Why.
    pub why: String,
    /// What has to be given for it; null for an object that no rule judges.
    pub need: Option<Need>,
    /// The rules that stay silent for it; none for an object that no rule judges.
    pub rules: Vec<String>,
}

/// How many findings there are of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Remarks.
    pub infos: usize,
}

impl CheckReport {
    /// The report about a snapshot as a document.
    pub fn new(report: &finding::Report, snapshot: &Snapshot) -> Self {
        Self {
            api_version: ApiVersion::V1Alpha1,
            kind: CheckKind::CheckReport,
            ccm: CcmRelease::all(snapshot),
            findings: report.findings.iter().map(Finding::from).collect(),
            not_looked: report.not_looked.iter().map(NotLooked::from).collect(),
            summary: Summary::of(&report.findings),
        }
    }
}

impl Summary {
    /// Counts findings by severity. Allowed ones count as well.
    pub fn of(findings: &[finding::Finding]) -> Self {
        let count = |severity| findings.iter().filter(|found| found.severity == severity).count();
        Self {
            errors: count(finding::Severity::Error),
            warnings: count(finding::Severity::Warning),
            infos: count(finding::Severity::Info),
        }
    }

    /// How many findings of that severity there are.
    pub fn count(self, severity: finding::Severity) -> usize {
        match severity {
            finding::Severity::Error => self.errors,
            finding::Severity::Warning => self.warnings,
            finding::Severity::Info => self.infos,
        }
    }
}

impl From<&finding::Finding> for Finding {
    fn from(finding: &finding::Finding) -> Self {
        Self {
            rule: finding.rule.to_owned(),
            severity: finding.severity.into(),
            object: Object::from(&finding.object),
            path: finding.path.clone(),
            message: finding.message.clone(),
            fix: finding.fix.clone(),
            patch: finding.patch.clone(),
            source: finding.source.clone(),
            allowed: finding.allowed,
        }
    }
}

impl From<&ObjectRef> for Object {
    fn from(object: &ObjectRef) -> Self {
        Self {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            context: object.context.as_deref().map(str::to_owned),
        }
    }
}

impl From<&finding::NotLooked> for NotLooked {
    fn from(missing: &finding::NotLooked) -> Self {
        Self {
            what: missing.what.clone(),
            why: missing.why.clone(),
            need: missing.need.map(Need::from),
            rules: missing.rules.iter().map(|rule| (*rule).to_owned()).collect(),
        }
    }
}
