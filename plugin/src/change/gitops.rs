//! Who else keeps a Service, and would put its fields back.

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{
    object::Service,
    patch::{AnnotationEdit, TYPE_FIELD},
};
use serde_json::Value;

use crate::output::Printer;

/// What `kubectl apply` has applied last. Applied once more, the manifest puts its values back.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The labels and annotations by which tools mark the objects that they keep. A write takes an annotation
/// from all other field managers, and leaves these alone.
///
/// - Argo CD: its documentation, "Resource Tracking".
/// - Flux: `kustomize-controller` and `helm-controller` label what they apply.
/// - Helm 3.2 and newer annotates what belongs to a release; so does Flux, which uses Helm.
const MARKS: [(&str, Tool); 5] = [
    ("argocd.argoproj.io/tracking-id", Tool::Argo),
    ("argocd.argoproj.io/instance", Tool::Argo),
    ("kustomize.toolkit.fluxcd.io/name", Tool::Flux),
    ("helm.toolkit.fluxcd.io/name", Tool::FluxHelm),
    ("meta.helm.sh/release-name", Tool::Helm),
];

/// A tool that keeps objects as a repository has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Argo,
    Flux,
    /// A `HelmRelease` of Flux.
    FluxHelm,
    Helm,
}

/// What shows that a tool keeps a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Evidence {
    /// It owns the field, as this field manager.
    Owner(String),
    /// It has marked the Service, by this label or annotation.
    Mark(&'static str),
    /// It has written other fields, as this field manager.
    Writer(String),
}

/// A `GitOps` tool that keeps a Service, and a field that it may put back: an annotation, or the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOpsTool {
    tool: Tool,
    evidence: Evidence,
    field: String,
}

/// The `GitOps` tools that may put one of the fields of an edit back; each tool once.
pub fn tools(service: &LiveService, fields: &[&str]) -> Vec<GitOpsTool> {
    let Some(first) = fields.first() else { return Vec::new() };
    let mut found: Vec<GitOpsTool> = Vec::new();
    let mut add = |tool: Tool, evidence: Evidence, field: &str| {
        let is_known = found.iter().any(|known| {
            known.tool == tool || (tool == Tool::Helm && known.tool == Tool::FluxHelm)
        });
        if !is_known {
            found.push(GitOpsTool { tool, evidence, field: field.to_owned() });
        }
    };
    for field in fields {
        for manager in service.field_managers_of(field) {
            if let Some(tool) = tool_of(&manager.name) {
                add(tool, Evidence::Owner(manager.name), field);
            }
        }
    }
    for (mark, tool) in MARKS {
        if service.label(mark).or_else(|| service.annotation(mark)).is_some() {
            add(tool, Evidence::Mark(mark), first);
        }
    }
    for manager in service.field_managers() {
        if let Some(tool) = tool_of(&manager.name) {
            add(tool, Evidence::Writer(manager.name), first);
        }
    }
    found
}

/// That the next `kubectl apply` of the manifest puts an annotation back, in words; `None` where the
/// manifest that was applied last has the new values, or says nothing of them.
pub fn applied_in_words(service: &LiveService, edits: &[AnnotationEdit]) -> Option<String> {
    let applied: Value = serde_json::from_str(service.annotation(LAST_APPLIED)?).ok()?;
    let annotations = applied.get("metadata")?.get("annotations")?;
    let value = |key: &str| annotations.get(key).and_then(Value::as_str);
    let differs = |edit: &&AnnotationEdit| {
        value(&edit.key).is_some_and(|applied| edit.new.as_deref() != Some(applied))
    };
    let edit = edits.iter().find(differs)?;
    Some(format!(
        "the manifest that kubectl apply wrote last has {} {:?}: applied once more, by a pipeline for example, it puts that back; change it there, too (-o patch prints the change)",
        edit.key,
        value(&edit.key).unwrap_or_default()
    ))
}

fn tool_of(manager: &str) -> Option<Tool> {
    let name = manager.to_lowercase();
    if name.contains("argocd") || name.contains("argo-cd") {
        Some(Tool::Argo)
    } else if name.contains("helm-controller") {
        Some(Tool::FluxHelm)
    } else if name.contains("kustomize-controller") || name.contains("flux") {
        Some(Tool::Flux)
    } else if name == "helm" {
        Some(Tool::Helm)
    } else {
        None
    }
}

impl GitOpsTool {
    /// Says that the change may not last, and what makes it last.
    pub fn warn(&self, service: &Service, printer: &mut Printer) {
        let Self { evidence, field, .. } = self;
        let name = match self.tool {
            Tool::Argo => "Argo CD",
            Tool::Flux => "Flux",
            Tool::FluxHelm => "Flux's helm-controller",
            Tool::Helm => "Helm",
        };
        let keeps = match evidence {
            Evidence::Owner(manager) => {
                format!("(field manager {manager}) owns {field} and may put it back")
            }
            Evidence::Mark(mark) => format!("({mark}) keeps this Service and may put {field} back"),
            Evidence::Writer(manager) => {
                format!("(field manager {manager}) writes this Service and may put {field} back")
            }
        };
        printer.warning(&format!(
            "{name} {keeps}; change it in the repository (-o patch prints the change), or have it ignored:"
        ));
        for line in self.rule(service) {
            printer.info(&format!("    {line}"));
        }
    }

    /// What makes the tool leave the field alone.
    fn rule(&self, service: &Service) -> Vec<String> {
        let meta = &service.metadata;
        let pointer = match self.field.as_str() {
            TYPE_FIELD => "/spec/type".to_owned(),
            key => format!("/metadata/annotations/{}", key.replace('~', "~0").replace('/', "~1")),
        };
        match self.tool {
            Tool::Argo => vec![
                "# in the Application".to_owned(),
                "spec:".to_owned(),
                "  ignoreDifferences:".to_owned(),
                "  - kind: Service".to_owned(),
                format!("    name: {}", meta.name),
                format!("    namespace: {}", meta.namespace()),
                "    jsonPointers:".to_owned(),
                format!("    - {pointer}"),
                "    - /metadata/annotations/clbmigrate.io~1history".to_owned(),
                "  syncPolicy:".to_owned(),
                "    syncOptions: [RespectIgnoreDifferences=true]".to_owned(),
            ],
            Tool::Flux => vec![
                "# in the repository, take the field out of the manifest, and on the Service:"
                    .to_owned(),
                "metadata:".to_owned(),
                "  annotations:".to_owned(),
                "    kustomize.toolkit.fluxcd.io/ssa: Merge".to_owned(),
            ],
            Tool::FluxHelm => vec![
                "# in the HelmRelease; set the new value in its values as well".to_owned(),
                "spec:".to_owned(),
                "  driftDetection:".to_owned(),
                "    ignore:".to_owned(),
                format!("    - paths: [{pointer}]"),
                "      target:".to_owned(),
                "        kind: Service".to_owned(),
                format!("        name: {}", meta.name),
            ],
            Tool::Helm => vec![
                "# the next helm upgrade writes it as the chart's values have it;".to_owned(),
                "# set the new value there as well".to_owned(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const KEY: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";

    #[rstest]
    #[case("argocd-controller", Some(Tool::Argo))]
    #[case("argocd-application-controller", Some(Tool::Argo))]
    #[case("kustomize-controller", Some(Tool::Flux))]
    #[case("helm-controller", Some(Tool::FluxHelm))]
    #[case("helm", Some(Tool::Helm))]
    #[case("kubectl-client-side-apply", None)]
    #[case("kubectl-clbmigrate", None)]
    fn a_tool_is_known_by_its_field_manager(#[case] manager: &str, #[case] tool: Option<Tool>) {
        assert_eq!(tool_of(manager), tool);
    }

    fn managed(manager: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": fields})
    }

    fn service(metadata: &Value) -> LiveService {
        LiveService::planned(json!({"metadata": metadata}))
    }

    fn found(service: &LiveService) -> Vec<(Tool, Evidence)> {
        tools(service, &[KEY]).into_iter().map(|of| (of.tool, of.evidence)).collect()
    }

    #[rstest]
    #[case("argocd.argoproj.io/tracking-id", Tool::Argo)]
    #[case("argocd.argoproj.io/instance", Tool::Argo)]
    #[case("kustomize.toolkit.fluxcd.io/name", Tool::Flux)]
    #[case("helm.toolkit.fluxcd.io/name", Tool::FluxHelm)]
    #[case("meta.helm.sh/release-name", Tool::Helm)]
    fn a_tool_is_known_by_its_marks(
        #[case] mark: &'static str,
        #[case] tool: Tool,
        #[values("labels", "annotations")] place: &str,
    ) {
        let service = service(&json!({place: {mark: "shop"}}));
        assert_eq!(found(&service), [(tool, Evidence::Mark(mark))]);
    }

    #[test]
    fn each_tool_is_named_once_and_by_what_says_most() {
        let key = json!({"f:metadata": {"f:annotations": {format!("f:{KEY}"): {}}}});
        let ports = json!({"f:spec": {"f:ports": {}}});
        let service = service(&json!({
            "labels": {
                "argocd.argoproj.io/instance": "shop", "helm.toolkit.fluxcd.io/name": "shop",
            },
            "annotations": {
                "argocd.argoproj.io/tracking-id": "shop:/Service:shop/web",
                "meta.helm.sh/release-name": "shop",
            },
            "managedFields": [
                managed("argocd-controller", &ports), managed("argocd-controller", &key),
                managed("helm-controller", &ports), managed("kubectl-clbmigrate", &key),
            ],
        }));
        let of_argo = (Tool::Argo, Evidence::Owner("argocd-controller".to_owned()));
        let of_flux = (Tool::FluxHelm, Evidence::Mark("helm.toolkit.fluxcd.io/name"));
        assert_eq!(found(&service), [of_argo, of_flux]);
    }

    #[test]
    fn a_tool_whose_annotation_was_taken_over_is_known_by_its_other_fields() {
        let fields = json!({"f:spec": {"f:ports": {}}});
        let entries = [managed("kustomize-controller", &fields), managed("ccm", &fields)];
        let service = service(&json!({"managedFields": entries}));
        let writer = Evidence::Writer("kustomize-controller".to_owned());
        assert_eq!(found(&service), [(Tool::Flux, writer)]);
    }

    #[rstest]
    #[case::another_value(Some("20"), Some("40"), true)]
    #[case::removed_here(Some("20"), None, true)]
    #[case::the_new_value(Some("40"), Some("40"), false)]
    #[case::not_in_the_manifest(None, Some("40"), false)]
    fn what_kubectl_apply_would_put_back_is_told(
        #[case] applied: Option<&str>,
        #[case] new: Option<&str>,
        #[case] is_told: bool,
    ) {
        let manifest = json!({"metadata": {"annotations": {KEY: applied}}}).to_string();
        let service = service(&json!({"annotations": {LAST_APPLIED: manifest}}));
        let new = new.map(str::to_owned);
        let edit = AnnotationEdit { key: KEY.to_owned(), old: Some("20".to_owned()), new };
        assert_eq!(applied_in_words(&service, &[edit]).is_some(), is_told);
    }

    #[rstest]
    #[case::no_json("{")]
    #[case::no_object("[]")]
    #[case::no_annotations(r#"{"metadata": {}}"#)]
    fn what_was_applied_need_not_be_readable(#[case] applied: &str) {
        let service = service(&json!({"annotations": {LAST_APPLIED: applied}}));
        let edit = AnnotationEdit { key: KEY.to_owned(), old: None, new: Some("1".to_owned()) };
        assert_eq!(applied_in_words(&service, &[edit]), None);
    }
}
