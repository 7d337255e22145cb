//! Without a cloud: one in this process in which everything exists that a Service names.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use crate::behaviour::Behaviour;
use crate::cloud_client::memory::Memory;
use crate::model::mapping;
use crate::model::named_key::NamedKey;
use crate::reconcile::{CREATED_BY_CCM, default_name};
use crate::service::{CLB_LABEL, ServiceExt};

/// A cloud that is made up as it is asked for.
#[derive(Debug, Default)]
pub struct Standalone {
    cloud: Arc<Memory>,
}

impl Standalone {
    /// The cloud itself.
    pub fn cloud(&self) -> Arc<Memory> {
        Arc::clone(&self.cloud)
    }

    /// Makes sure that there is what a Service names: its CLB at the address that the behaviour gives it, and
    /// those groups of its mapping that the behaviour allows, as the Service wants them. A CLB that CCM made before a restart is found by
    /// the Service's label.
    pub(crate) fn make_up(&self, service: &Service, behaviour: &Behaviour) {
        let named = service.annotations().get("id");
        if !named.is_empty() {
            let asked_for = service.annotations().get("ip");
            let address = if asked_for.is_empty() {
                behaviour.address(named).to_string()
            } else {
                asked_for.to_owned()
            };
            self.cloud.put_balancer(named, named, &address);
            self.make_up_attributes(named, service);
            self.make_up_groups(named, service.annotations().get("vgroup-port"), behaviour);
        } else if let Some(known) = service.label(CLB_LABEL)
            && !self.cloud.has_balancer(known)
        {
            let name = default_name(service.metadata.uid.as_deref().unwrap_or_default());
            let shown = service.ingress().first().and_then(|shown| shown.ip.clone());
            let address = shown.unwrap_or_else(|| behaviour.address(known).to_string());
            self.cloud.put_balancer(known, &name, &address);
            self.cloud.put_tag(known, CREATED_BY_CCM, &name);
        }
    }

    /// What cannot be changed about a CLB is what the Service asks for; at its end it asks for nothing.
    fn make_up_attributes(&self, clb: &str, service: &Service) {
        for (suffix, name) in [
            ("address-type", "AddressType"),
            ("ip-version", "AddressIPVersion"),
            ("master-zoneid", "MasterZoneId"),
            ("slave-zoneid", "SlaveZoneId"),
            ("resource-group-id", "ResourceGroupId"),
        ] {
            let asked_for =
                if service.needs_cleanup() { "" } else { service.annotations().get(suffix) };
            self.cloud.put_attribute(clb, name, asked_for);
        }
    }

    fn make_up_groups(&self, clb: &str, mapping: &str, behaviour: &Behaviour) {
        self.cloud.retain_groups(clb, |id, name| {
            NamedKey::parse(name).is_some() || behaviour.has_group(clb, id)
        });
        // A mapping that cannot be read names nothing; the round says so.
        for group in mapping::groups(mapping).unwrap_or_default() {
            if behaviour.has_group(clb, group) {
                self.cloud.put_group(clb, group, &format!("made-up-{group}"));
            }
        }
    }
}
