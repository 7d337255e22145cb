//! All Services on CLBs, listed anew and not from a cache, once for all who ask at the same time.

use std::{collections::BTreeMap, sync::Arc};

use clbmigrate_core::object::Service;
use kube::Client;
use tokio::{sync::Mutex, time::Instant};

use super::{
    binding::{Binding, ServiceName, bindings_by_group},
    group::GroupClaims,
};
use crate::{
    api_call::{ApiCallError, Seconds},
    service_pages::service_page,
    stripped::StrippedService,
};

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
    pub async fn fresh(&self, client: &Client) -> Result<Arc<BoundGroups>, ApiCallError> {
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

async fn list(client: &Client) -> Result<BoundGroups, ApiCallError> {
    let mut groups = BoundGroups::default();
    let mut next = String::new();
    loop {
        let page = service_page(client, &next, PAGE).await?;
        groups.now = page.now;
        for item in page.services {
            match StrippedService::read(item.get()) {
                Ok(StrippedService { service, .. }) => groups.add(&service),
                Err(error) => tracing::warn!(%error, "a Service cannot be read and holds no group"),
            }
        }
        if page.next.is_empty() {
            return Ok(groups);
        }
        next = page.next;
    }
}
