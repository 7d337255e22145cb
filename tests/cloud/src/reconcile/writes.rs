//! CCM's writes to a Service: the finalizer through the Service itself, everything else through its status.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::service::{CLB_LABEL, FINALIZER, HASH_LABEL, ServiceExt};

/// Attempts at a write that others' writes may overtake (client-go's `DefaultRetry`).
const ATTEMPTS: usize = 5;

/// Adds the finalizer, and gives the Service as it is now.
pub(super) async fn add_finalizer(api: &Api<Service>, name: &str) -> kube::Result<Service> {
    change_finalizers(api, name, |held| {
        if !held.iter().any(|one| one == FINALIZER) {
            held.push(FINALIZER.to_owned());
        }
    })
    .await
}

/// Takes the finalizer away.
pub(super) async fn remove_finalizer(api: &Api<Service>, name: &str) -> kube::Result<Service> {
    change_finalizers(api, name, |held| held.retain(|one| one != FINALIZER)).await
}

async fn change_finalizers(
    api: &Api<Service>,
    name: &str,
    change: impl Fn(&mut Vec<String>),
) -> kube::Result<Service> {
    let mut attempt = 1;
    loop {
        let service = api.get(name).await?;
        let mut held = service.finalizers().to_vec();
        change(&mut held);
        if held == service.finalizers() {
            return Ok(service);
        }
        let held = if held.is_empty() { Value::Null } else { json!(held) };
        let patch = json!({"metadata": {"finalizers": held, "resourceVersion": service.resource_version()}});
        match api.patch(name, &params(), &Patch::Merge(patch)).await {
            Err(kube::Error::Api(status)) if status.is_conflict() && attempt < ATTEMPTS => {
                attempt += 1;
            }
            done => return done,
        }
    }
}

/// Writes hash and CLB into the labels, if they are not there yet.
pub(super) async fn label(
    api: &Api<Service>,
    service: &Service,
    hash: &str,
    clb: &str,
) -> kube::Result<()> {
    let wanted = BTreeMap::from([(HASH_LABEL, hash), (CLB_LABEL, clb)]);
    let missing: BTreeMap<_, _> =
        wanted.into_iter().filter(|(key, value)| service.label(key) != Some(value)).collect();
    patch_labels(api, service, &json!(missing)).await
}

/// Takes both labels away.
pub(super) async fn unlabel(api: &Api<Service>, service: &Service) -> kube::Result<()> {
    let present: BTreeMap<_, _> = [HASH_LABEL, CLB_LABEL]
        .into_iter()
        .filter(|key| service.label(key).is_some())
        .map(|key| (key, Value::Null))
        .collect();
    patch_labels(api, service, &json!(present)).await
}

async fn patch_labels(api: &Api<Service>, service: &Service, labels: &Value) -> kube::Result<()> {
    if labels.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(());
    }
    let patch = json!({"metadata": {"labels": labels}});
    api.patch_status(&service.name_any(), &params(), &Patch::Merge(patch)).await.map(drop)
}

/// Shows the address, or the host name that `hostname` asks for instead, if it is not shown yet.
pub(super) async fn show(
    api: &Api<Service>,
    service: &Service,
    address: IpAddr,
) -> kube::Result<()> {
    let hostname = service.notes().get("hostname");
    let wanted = if hostname.is_empty() { address.to_string() } else { hostname.to_owned() };
    let shown = match service.ingress() {
        [one] if hostname.is_empty() => {
            one.ip.as_deref() == Some(&wanted) && one.hostname.is_none()
        }
        [one] => one.hostname.as_deref() == Some(&wanted) && one.ip.is_none(),
        _ => false,
    };
    if shown {
        return Ok(());
    }
    let key = if hostname.is_empty() { "ip" } else { "hostname" };
    patch_ingress(api, service, &json!([{ key: wanted }])).await
}

/// Shows nothing any more.
pub(super) async fn hide(api: &Api<Service>, service: &Service) -> kube::Result<()> {
    if service.ingress().is_empty() {
        return Ok(());
    }
    patch_ingress(api, service, &Value::Null).await
}

async fn patch_ingress(api: &Api<Service>, service: &Service, ingress: &Value) -> kube::Result<()> {
    let patch = json!({"status": {"loadBalancer": {"ingress": ingress}}});
    match api.patch_status(&service.name_any(), &params(), &Patch::Merge(patch)).await {
        // Gone in the meantime: nothing is left to show.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        done => done.map(drop),
    }
}

fn params() -> PatchParams {
    PatchParams {
        field_manager: Some("cloud-controller-manager".to_owned()),
        ..PatchParams::default()
    }
}
