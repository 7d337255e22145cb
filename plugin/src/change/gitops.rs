//! Who else writes an annotation, and would put it back.

use clbmigrate_cluster::live::LiveService;
use clbmigrate_core::{object::Service, patch::TYPE_FIELD};

use crate::output::Printer;

/// A tool that keeps objects as a repository has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Argo,
    Flux,
    Helm,
}

/// A `GitOps` tool, and a field that it owns: an annotation, or the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOpsTool {
    tool: Tool,
    /// The field manager's name.
    pub manager: String,
    field: String,
}

/// The `GitOps` tools that own one of the fields of an edit, by the Service's managed fields; each tool
/// once.
pub fn tools(service: &LiveService, fields: &[&str]) -> Vec<GitOpsTool> {
    let mut found: Vec<GitOpsTool> = Vec::new();
    for field in fields {
        for manager in service.field_managers_of(field) {
            let Some(tool) = tool_of(&manager.name) else { continue };
            if !found.iter().any(|known| known.tool == tool) {
                found.push(GitOpsTool { tool, manager: manager.name, field: (*field).to_owned() });
            }
        }
    }
    found
}

fn tool_of(manager: &str) -> Option<Tool> {
    let name = manager.to_lowercase();
    if name.contains("argocd") || name.contains("argo-cd") {
        Some(Tool::Argo)
    } else if name.contains("kustomize-controller")
        || name.contains("helm-controller")
        || name.contains("flux")
    {
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
        let Self { manager, field, .. } = self;
        let name = match self.tool {
            Tool::Argo => "Argo CD",
            Tool::Flux => "Flux",
            Tool::Helm => "Helm",
        };
        printer.warning(&format!(
            "{name} (field manager {manager}) owns {field} and may put it back; change it in the repository (-o patch prints the change), or have it ignored:"
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

    use super::*;

    #[rstest]
    #[case("argocd-controller", Some(Tool::Argo))]
    #[case("argocd-application-controller", Some(Tool::Argo))]
    #[case("kustomize-controller", Some(Tool::Flux))]
    #[case("helm-controller", Some(Tool::Flux))]
    #[case("helm", Some(Tool::Helm))]
    #[case("kubectl-client-side-apply", None)]
    #[case("kubectl-clbmigrate", None)]
    fn a_tool_is_known_by_its_field_manager(#[case] manager: &str, #[case] tool: Option<Tool>) {
        assert_eq!(tool_of(manager), tool);
    }
}
