//! What the webhook reads of its cluster and why: what is judged, and the evidence that rules declare.
//! The cache and the chart's role follow from it.

use std::borrow::Cow;

use clbmigrate_core::rules::{Evidence, Rule, catalogue};

/// Why a resource is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Its objects are judged, or stand beside those that are.
    Judged,
    /// Their labels tell how far the webhook goes, and which Pods get hooks.
    Mode,
    /// It tells what a workload was before, for going back is allowed.
    Rollback,
    /// Rules look at it.
    Rules(Evidence),
}

/// How a resource is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It is listed and watched.
    Watched,
    /// It is listed while a review waits.
    OnDemand,
}

/// A resource that the webhook reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadResource {
    /// Its API group; empty for the core group.
    pub group: &'static str,
    /// Its name in paths.
    pub plural: &'static str,
    /// How it is read.
    pub access: Access,
    purpose: Purpose,
}

const fn watched(group: &'static str, plural: &'static str, purpose: Purpose) -> ReadResource {
    ReadResource { group, plural, access: Access::Watched, purpose }
}

const fn on_demand(group: &'static str, plural: &'static str, purpose: Purpose) -> ReadResource {
    ReadResource { group, plural, access: Access::OnDemand, purpose }
}

impl ReadResource {
    /// Its name, with the API group behind it where that is not Kubernetes' own.
    fn label(&self) -> Cow<'static, str> {
        match self.group {
            "argoproj.io" | "apps.kruise.io" => format!("{}.{}", self.plural, self.group).into(),
            _ => self.plural.into(),
        }
    }
}

/// Everything that the webhook can read for its reviews.
const READABLE: &[ReadResource] = &[
    watched("", "services", Purpose::Judged),
    watched("", "namespaces", Purpose::Mode),
    watched("", "nodes", Purpose::Rules(Evidence::Nodes)),
    watched("", "configmaps", Purpose::Rules(Evidence::ClusterId)),
    watched("apps", "deployments", Purpose::Rules(Evidence::Workloads)),
    watched("apps", "statefulsets", Purpose::Rules(Evidence::Workloads)),
    watched("apps", "daemonsets", Purpose::Rules(Evidence::Workloads)),
    watched("argoproj.io", "rollouts", Purpose::Rules(Evidence::Workloads)),
    watched("apps.kruise.io", "clonesets", Purpose::Rules(Evidence::Workloads)),
    watched("apps.kruise.io", "statefulsets", Purpose::Rules(Evidence::Workloads)),
    watched("apps.kruise.io", "daemonsets", Purpose::Rules(Evidence::Workloads)),
    watched("autoscaling", "horizontalpodautoscalers", Purpose::Rules(Evidence::Workloads)),
    on_demand("apps", "replicasets", Purpose::Rollback),
    on_demand("apps", "controllerrevisions", Purpose::Rollback),
    on_demand("discovery.k8s.io", "endpointslices", Purpose::Rules(Evidence::Endpoints)),
];

/// Whether a rule can speak in the webhook, which has no answers of the CLB API.
pub fn speaks_at_review(rule: &Rule) -> bool {
    !rule.needs(Evidence::ClbApi)
}

/// The resources that the webhook reads: what it judges by, and what the rules of the catalogue that
/// can speak here look at.
pub fn read_resources() -> impl Iterator<Item = &'static ReadResource> {
    READABLE.iter().filter(|resource| match resource.purpose {
        Purpose::Judged | Purpose::Mode | Purpose::Rollback => true,
        Purpose::Rules(evidence) => {
            catalogue().any(|rule| speaks_at_review(rule) && rule.looks_at(evidence))
        }
    })
}

/// Whether a resource is listed and watched, by its name with the API group behind it where that is
/// not Kubernetes' own.
pub fn is_watched(name: &str) -> bool {
    read_resources().any(|of| of.access == Access::Watched && of.label() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::cache::Cache;

    #[test]
    fn what_is_watched_is_what_the_rules_look_at_and_what_is_judged() {
        let watched: BTreeSet<Cow<'_, str>> = Cache::default().kinds().map(Cow::from).collect();
        let needed = read_resources().filter(|of| of.access == Access::Watched);
        assert_eq!(watched, needed.map(ReadResource::label).collect());
    }

    #[test]
    fn all_evidence_but_the_clouds_is_read_where_a_rule_looks_at_it() {
        for evidence in Evidence::ALL {
            // A review brings the old object.
            if matches!(evidence, Evidence::OldObject | Evidence::ClbApi) {
                continue;
            }
            let is_read = read_resources().any(|of| of.purpose == Purpose::Rules(evidence));
            let is_needed =
                catalogue().any(|rule| speaks_at_review(rule) && rule.looks_at(evidence));
            assert_eq!(is_read, is_needed, "{evidence:?}");
        }
    }

    /// The verbs that the role needs for a resource.
    fn verbs(resource: &ReadResource) -> &'static [&'static str] {
        match (resource.access, resource.purpose) {
            // A claim of a vServer group reads the Service that holds it.
            (Access::Watched, Purpose::Judged) => &["get", "list", "watch"],
            (Access::Watched, _) => &["list", "watch"],
            (Access::OnDemand, _) => &["list"],
        }
    }

    /// A permission: API group, resource and verb.
    type Permission = (String, String, String);

    fn permissions(role: &Value) -> BTreeSet<Permission> {
        let texts = |of: &Value| -> Vec<String> {
            let texts = of.as_array().into_iter().flatten();
            texts.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut all = BTreeSet::new();
        for rule in role["rules"].as_array().expect("rules") {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        all.insert((group.clone(), resource.clone(), verb));
                    }
                }
            }
        }
        all
    }

    #[test]
    fn the_role_of_the_chart_grants_what_is_read_and_no_more() {
        let manifests = include_str!("../../deploy/manifests/clbmigrate-webhook.yaml");
        let objects: Vec<Value> = serde_saphyr::from_multiple(manifests).expect("YAML");
        let role = |kind: &str, namespace: Option<&str>| {
            let found = objects.iter().find(|object| {
                object["kind"] == kind
                    && object["metadata"]["name"] == "clbmigrate-webhook"
                    && object["metadata"]["namespace"].as_str() == namespace
            });
            permissions(found.expect("the role"))
        };
        let mut granted = role("ClusterRole", None);
        // To publish its certificate's authority, and to tell what the audit has found.
        granted.retain(|(group, resource, verb)| {
            let is_event = group.is_empty() && resource == "events" && verb == "create";
            group != "admissionregistration.k8s.io" && !is_event
        });
        granted.extend(role("Role", Some("kube-system")));
        let needed = read_resources().flat_map(|of| {
            let verbs = verbs(of).iter();
            verbs.map(|verb| (of.group.to_owned(), of.plural.to_owned(), (*verb).to_owned()))
        });
        assert_eq!(granted, needed.collect());
    }
}
