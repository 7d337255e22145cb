//! Which kinds of workload an API server serves beside Kubernetes' own.

use serde::Deserialize;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    namespaces::Resource,
};

/// The kinds that are looked for, by API group and resource.
const KINDS: [(&str, &str); 4] = [
    ("argoproj.io", "rollouts"),
    ("apps.kruise.io", "clonesets"),
    ("apps.kruise.io", "statefulsets"),
    ("apps.kruise.io", "daemonsets"),
];

#[derive(Deserialize)]
struct GroupList {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    group_version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    resources: Vec<NamedResource>,
}

#[derive(Deserialize)]
struct NamedResource {
    name: String,
}

impl Connection {
    /// The kinds of workload that the API server serves beside Kubernetes' own, each in the first
    /// version that has it. None where the user may not ask: a listing of a kind that is not there
    /// would be refused, and would look as if it were there.
    pub(super) async fn custom_workloads(&self) -> Result<Vec<Resource>, Error> {
        let groups = match self.get("/apis").await {
            Ok(answer) => answer.parse::<GroupList>(self)?.groups,
            Err(error) if is_unavailable(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found: Vec<Resource> = Vec::new();
        for group in groups.iter().filter(|group| KINDS.iter().any(|(of, _)| *of == group.name)) {
            for Version { group_version } in &group.versions {
                let resources = match self.get(&format!("/apis/{group_version}")).await {
                    Ok(answer) => answer.parse::<ResourceList>(self)?.resources,
                    Err(error) if is_unavailable(&error) => continue,
                    Err(error) => return Err(error),
                };
                for (_, name) in KINDS.iter().filter(|(of, _)| *of == group.name) {
                    let is_served = resources.iter().any(|resource| resource.name == *name);
                    let label = format!("{name}.{}", group.name);
                    if is_served && !found.iter().any(|known| known.label == label) {
                        found.push(Resource { group_version: group_version.clone(), name, label });
                    }
                }
            }
        }
        Ok(found)
    }
}

fn is_unavailable(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use clbmigrate_core::object::WorkloadKind;
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::Connection;
    use crate::live::{
        ListMode, ReadOptions,
        fake::{self, Reply},
        read_cluster,
    };

    const SHOP: ReadOptions<'_> =
        ReadOptions { namespace: "shop", is_only_namespace: false, mode: ListMode::Consistent };

    fn list(kind: &str, items: &Value) -> (u16, Value) {
        (200, json!({"kind": kind, "apiVersion": "v1", "metadata": {}, "items": items}))
    }

    /// An API server with a migrated Service, and these paths.
    fn server(paths: &[(&'static str, (u16, Value))]) -> Connection {
        let service = json!({
            "metadata": {"name": "web", "namespace": "shop", "annotations": {
                "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
            }},
            "spec": {"type": "LoadBalancer", "selector": {"app": "web"}},
        });
        let mut all = HashMap::from([
            ("/version", (200, json!({"major": "1", "minor": "33"}))),
            ("/apis", (200, json!({"kind": "APIGroupList", "groups": []}))),
            ("/api/v1/services", list("ServiceList", &json!([service]))),
        ]);
        all.extend(paths.iter().cloned());
        fake::connection(move |call| match all.get(call.path.as_str()) {
            Some((403, _)) => Reply::status(403, "Forbidden"),
            Some((code, answer)) => Reply::Answer(*code, answer.clone()),
            None => Reply::status(404, "NotFound"),
        })
    }

    fn groups(names: &[(&str, &[&str])]) -> (u16, Value) {
        let groups = names.iter().map(|(name, versions)| {
            let versions = versions.iter().map(|version| json!({"groupVersion": version}));
            json!({"name": name, "versions": versions.collect::<Vec<_>>()})
        });
        (200, json!({"kind": "APIGroupList", "groups": groups.collect::<Vec<_>>()}))
    }

    fn resources(names: &[&str]) -> (u16, Value) {
        let resources: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        (200, json!({"kind": "APIResourceList", "resources": resources}))
    }

    fn workload(name: &str) -> Value {
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {}});
        json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"template": template}})
    }

    const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts";

    /// Argo's API group, which has these resources.
    fn argo(names: &[&str]) -> [(&'static str, (u16, Value)); 2] {
        [
            ("/apis", groups(&[("argoproj.io", &["argoproj.io/v1alpha1"])])),
            ("/apis/argoproj.io/v1alpha1", resources(names)),
        ]
    }

    /// The kinds of workload that are read, and the limits that are told.
    async fn read(connection: &Connection) -> (Vec<WorkloadKind>, Vec<String>) {
        let state = read_cluster(connection, SHOP).await.expect("a cluster");
        assert!(state.loaded.problems.is_empty(), "{:?}", state.loaded.problems);
        let cluster = &state.loaded.snapshot.clusters[0];
        let service = cluster.service("shop", "web").expect("the Service");
        let kinds = cluster.workloads_of(service).map(|workload| workload.kind).collect();
        (kinds, state.limits.into_iter().map(|limit| limit.message).collect())
    }

    #[tokio::test]
    async fn rollouts_are_read_where_they_are_served() {
        let rollouts = list("RolloutList", &json!([workload("web")]));
        let (_, mut rollouts) = rollouts;
        rollouts["apiVersion"] = json!("argoproj.io/v1alpha1");
        let paths =
            [argo(&["rollouts", "rollouts/status"]).to_vec(), vec![(ROLLOUTS, (200, rollouts))]];
        let (kinds, limits) = read(&server(&paths.concat())).await;
        assert_eq!((kinds, limits.len()), (vec![WorkloadKind::Rollout], 0));
    }

    #[tokio::test]
    async fn of_several_versions_the_first_that_has_the_kind_is_read() {
        let (old, new) = ("apps.kruise.io/v1alpha1", "apps.kruise.io/v1beta1");
        let items = |kind: &str, version: &str| {
            let (code, mut list) = list(kind, &json!([workload("web")]));
            list["apiVersion"] = json!(version);
            (code, list)
        };
        let connection = server(&[
            ("/apis", groups(&[("apps.kruise.io", &[new, old])])),
            ("/apis/apps.kruise.io/v1alpha1", resources(&["clonesets", "statefulsets"])),
            ("/apis/apps.kruise.io/v1beta1", resources(&["statefulsets"])),
            (
                "/apis/apps.kruise.io/v1beta1/namespaces/shop/statefulsets",
                items("StatefulSetList", new),
            ),
            ("/apis/apps.kruise.io/v1alpha1/namespaces/shop/clonesets", items("CloneSetList", old)),
        ]);
        let (kinds, limits) = read(&connection).await;
        let expected = vec![WorkloadKind::CloneSet, WorkloadKind::AdvancedStatefulSet];
        assert_eq!((kinds, limits.len()), (expected, 0));
    }

    /// Authorizers refuse what nobody serves, too.
    #[rstest]
    #[case::no_group(vec![(ROLLOUTS, (403, json!({})))])]
    #[case::argo_without_rollouts([argo(&["applications"]).to_vec(), vec![(ROLLOUTS, (403, json!({})))]].concat())]
    #[case::nobody_may_ask(vec![("/apis", (403, json!({}))), (ROLLOUTS, (403, json!({})))])]
    #[tokio::test]
    async fn a_kind_that_is_not_served_is_not_asked_for(
        #[case] paths: Vec<(&'static str, (u16, Value))>,
    ) {
        let (kinds, limits) = read(&server(&paths)).await;
        assert_eq!((kinds, limits), (vec![], vec![]));
    }

    #[tokio::test]
    async fn a_kind_that_may_not_be_listed_is_not_looked_at() {
        let paths = [argo(&["rollouts"]).to_vec(), vec![(ROLLOUTS, (403, json!({})))]];
        let (kinds, limits) = read(&server(&paths.concat())).await;
        assert_eq!((kinds, limits.len()), (vec![], 1));
        let start = "rollouts.argoproj.io may not be listed; rules about workloads are silent";
        assert!(limits[0].starts_with(start), "{limits:?}");
    }
}
