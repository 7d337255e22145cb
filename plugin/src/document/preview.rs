//! What `preview` answers, and what a command that writes shows before it asks.

use std::io::{self, Write};

use clbmigrate_core::{
    change::ServiceChange,
    finding::Finding,
    index::Index,
    object::{ExternalTrafficPolicy, Labels, ObjectRef, Service},
    outcome::Reason,
    preview::Preview,
    round::RoundEvent,
};

use super::{Question, names::names, routes::RouteDocumentBuilder};
use crate::output::{
    Detail, Printable, Terminal, human,
    json::{
        self, AnnotationChange, ApiVersion, CcmRelease, Change, ChangeFindings, ChangedRoute,
        FieldChange, OutcomeCause, PreviewKind, Summary,
    },
};

/// What `preview` answers.
pub struct PreviewAnswer {
    document: json::Preview,
    targets: Vec<ObjectRef>,
    changed: Vec<ObjectRef>,
    has_contexts: bool,
    question: Question,
}

impl PreviewAnswer {
    /// The answer of a preview between two indexes. `targets` are the Services that it is about,
    /// changed or not.
    pub fn new(
        indexes: (&Index<'_>, &Index<'_>),
        preview: &Preview<'_>,
        targets: &[ObjectRef],
        question: Question,
    ) -> Self {
        Self {
            document: document(indexes, preview),
            targets: targets.to_vec(),
            changed: preview.changes.iter().map(|change| change.object.clone()).collect(),
            has_contexts: indexes.1.snapshot.clusters.len() > 1,
            question,
        }
    }

    /// What happens to the traffic of the Services that it is about; `None` where none of them is in a
    /// route.
    pub fn traffic(&self) -> Option<String> {
        human::ChangedServices::new(&self.document, &self.targets).traffic(false)
    }

    /// Writes what would happen, the diff and the findings that the change introduces: enough for a
    /// change that nobody is asked about. `has_errors` is whether errors are among them; a refusal tells
    /// them itself.
    pub fn write_brief(
        &self,
        has_errors: bool,
        terminal: Terminal,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        human::preview_brief(&self.document, has_errors, terminal, out)
    }
}

impl Printable for PreviewAnswer {
    type Document = json::Preview;

    fn document(&self) -> &json::Preview {
        &self.document
    }

    fn write_text(
        &self,
        terminal: Terminal,
        detail: Detail,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let options = self.question.table(detail, self.has_contexts);
        human::preview(&self.document, &self.targets, terminal, options, out)
    }

    fn names(&self) -> Vec<String> {
        names(&self.changed, self.question.is_namespace_given)
    }
}

fn document((before, after): (&Index<'_>, &Index<'_>), preview: &Preview<'_>) -> json::Preview {
    let (old, new) =
        (RouteDocumentBuilder::new(before, &[]), RouteDocumentBuilder::new(after, &[]));
    let several =
        preview.reasons.iter().any(|(object, _)| preview.reasons.iter().any(|(o, _)| o != object));
    let reasons = preview.reasons.iter().map(|(object, reason)| {
        if several { format!("{}: {reason}", label(object)) } else { reason.to_string() }
    });
    json::Preview {
        api_version: ApiVersion::V1Alpha1,
        kind: PreviewKind::Preview,
        ccm: CcmRelease::all(after.snapshot),
        outcome: preview.outcome.into(),
        queued: preview.queued,
        causes: preview.reasons.iter().map(cause).collect(),
        reasons: reasons.collect(),
        events: preview.events.iter().map(event).collect(),
        changes: preview.changes.iter().map(change).collect(),
        routes: preview
            .routes
            .iter()
            .map(|route| ChangedRoute {
                clb: route.key.clb.to_owned(),
                vserver_group: route.key.vgroup.to_owned(),
                port: route.key.port,
                before: old.state(&route.before),
                after: new.state(&route.after),
            })
            .collect(),
        findings: ChangeFindings {
            introduced: findings(&preview.introduced),
            fixed: findings(&preview.fixed),
            unchanged: findings(&preview.unchanged),
        },
        not_looked: preview.not_looked.iter().map(json::NotLooked::from).collect(),
        summary: Summary::of(&preview.introduced),
    }
}

fn cause((object, reason): &(ObjectRef, Reason)) -> OutcomeCause {
    OutcomeCause {
        object: json::Object::from(object),
        outcome: reason.outcome.into(),
        place: reason.place.to_string(),
        message: reason.to_string(),
    }
}

fn event((object, event): &(ObjectRef, RoundEvent)) -> json::RoundEvent {
    json::RoundEvent {
        object: json::Object::from(object),
        kind: event.kind().to_owned(),
        reason: event.reason().to_owned(),
    }
}

/// `namespace/name`, with the context where there is one.
fn label(object: &ObjectRef) -> String {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    match &object.context {
        Some(context) => format!("{namespace}/{} ({context})", object.name),
        None => format!("{namespace}/{}", object.name),
    }
}

fn findings(findings: &[Finding]) -> Vec<json::Finding> {
    findings.iter().map(json::Finding::from).collect()
}

fn change(change: &ServiceChange<'_>) -> Change {
    let annotations = change.annotations().into_iter().map(|(key, old, new)| AnnotationChange {
        key: key.to_owned(),
        old: old.map(str::to_owned),
        new: new.map(str::to_owned),
    });
    Change {
        object: json::Object::from(&change.object),
        annotations: annotations.collect(),
        fields: match (change.old, change.new) {
            (Some(old), Some(new)) => fields(old, new),
            (old, new) => vec![FieldChange {
                path: "spec".to_owned(),
                old: old.map(spec),
                new: new.map(spec),
            }],
        },
    }
}

/// The whole spec in a line.
fn spec(service: &Service) -> String {
    let fields = described(service).into_iter().filter_map(|(path, value)| {
        let name = path.strip_prefix("spec.")?;
        Some(format!("{name} {}", value?))
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn fields(old: &Service, new: &Service) -> Vec<FieldChange> {
    let pairs = described(old).into_iter().zip(described(new));
    let differing = pairs.filter(|((_, old), (_, new))| old != new);
    differing
        .map(|((path, old), (_, new))| FieldChange { path: path.to_owned(), old, new })
        .collect()
}

/// What CCM reads of a spec.
fn described(service: &Service) -> [(&'static str, Option<String>); 6] {
    let spec = &service.spec;
    let ports = spec.ports.iter().map(|port| {
        let node_port =
            if port.node_port == 0 { String::new() } else { format!("/{}", port.node_port) };
        format!("{}{node_port}:{}/{}", port.port, port.target(), port.protocol)
    });
    let policy = match spec.external_traffic_policy {
        ExternalTrafficPolicy::Cluster => "Cluster",
        ExternalTrafficPolicy::Local => "Local",
    };
    [
        ("spec.type", Some(spec.kind.clone().unwrap_or_else(|| "ClusterIP".to_owned()))),
        ("spec.loadBalancerClass", spec.load_balancer_class.clone()),
        ("spec.externalTrafficPolicy", Some(policy.to_owned())),
        (
            "spec.loadBalancerSourceRanges",
            (!spec.load_balancer_source_ranges.is_empty())
                .then(|| spec.load_balancer_source_ranges.join(", ")),
        ),
        ("spec.selector", (!spec.selector.is_empty()).then(|| labels(&spec.selector))),
        ("spec.ports", (!spec.ports.is_empty()).then(|| ports.collect::<Vec<_>>().join(", "))),
    ]
}

fn labels(labels: &Labels) -> String {
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}
