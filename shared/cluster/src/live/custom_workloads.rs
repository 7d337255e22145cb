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
