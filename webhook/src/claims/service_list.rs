//! All Services on CLBs, listed anew and not from a cache, once for all who ask at the same time.

use std::{collections::BTreeMap, sync::Arc};

use clbmigrate_core::object::Service;
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{sync::Mutex, time::Instant};

use super::{
    ClaimError,
    binding::{Binding, ServiceName, bindings_by_group},
    group::{GroupClaims, Seconds},
    lease::{get, parsed},
};
use crate::{api_path::ApiPath, stripped::StrippedService};

/// How many Services a page holds.
const PAGE: usize = 500;

/// The bindings of all Services, by group.
#[derive(Debug, Default)]
pub(super) struct BoundGroups {
    groups: BTreeMap<String, Vec<(ServiceName, Binding)>>,
    now: Seconds,
}

impl BoundGroups {
    /// The claims on a group that are seen in the cluster.
    pub fn claims_on(&self, group: &str) -> GroupClaims {
        let mut claims = GroupClaims::default();
        for (service, binding) in self.groups.get(group).into_iter().flatten() {
            claims.add_seen(service, &[binding.clone()].into(), self.now);
        }
        claims
    }

    fn add(&mut self, service: &Service) {
        let meta = &service.metadata;
        let name = ServiceName { namespace: meta.namespace().to_owned(), name: meta.name.clone() };
        for (group, bindings) in bindings_by_group(service) {
            let known = self.groups.entry(group.to_owned()).or_default();
            known.extend(bindings.into_iter().map(|binding| (name.clone(), binding)));
        }
    }
}

/// Lists Services for those who must not miss one that is stored now.
#[derive(Default)]
pub(super) struct ServiceList(Mutex<Option<(Instant, Arc<BoundGroups>)>>);

impl ServiceList {
    /// A list that began after this call. Those who wait for the list of somebody else share the next one.
    pub async fn fresh(&self, client: &Client) -> Result<Arc<BoundGroups>, ClaimError> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((_, groups)) = last.as_ref().filter(|(begun, _)| *begun > asked) {
            return Ok(Arc::clone(groups));
        }
        let begun = Instant::now();
        let groups = Arc::new(list(client).await?);
        *last = Some((begun, Arc::clone(&groups)));
        Ok(groups)
    }
}

async fn list(client: &Client) -> Result<BoundGroups, ClaimError> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        metadata: ListMeta,
        items: Option<Vec<Box<RawValue>>>,
    }
    #[derive(Deserialize, Default)]
    struct ListMeta {
        #[serde(default, rename = "continue")]
        next: String,
    }
    let mut groups = BoundGroups::default();
    // CCM takes Services of no other type.
    let first = ApiPath::all_namespaces("/api/v1", "services")
        .with("fieldSelector", "spec.type=LoadBalancer")
        .with("limit", &PAGE.to_string());
    let mut path = first.clone();
    loop {
        let (now, body) = get(client, &path).await?;
        let list: List = parsed("the list of Services", &body)?;
        groups.now = now;
        for item in list.items.unwrap_or_default() {
            match StrippedService::read(item.get()) {
                Ok(StrippedService { service, .. }) => groups.add(&service),
                Err(error) => tracing::warn!(%error, "a Service cannot be read and holds no group"),
            }
        }
        if list.metadata.next.is_empty() {
            return Ok(groups);
        }
        path = first.clone().with("continue", &list.metadata.next);
    }
}
