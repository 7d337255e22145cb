//! The cloud of a CCM double that is started without `--endpoint`: a CLB double in this process, asked over HTTP
//! like any other, in which everything exists that a Service names.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clbmigrate_clb_double::state::{
    AddressType, Group, IpVersion, LoadBalancer, NetworkInterface, State,
};
use clbmigrate_clb_double::{ClbDouble, Options};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::json;

use crate::behaviour::Behaviour;
use crate::cloud_client::{AccessKey, CloudClient, HttpTransport};
use crate::model::mapping;
use crate::model::named_key::{CREATED_BY_CCM, NamedKey, load_balancer_name};
use crate::service::{CLB_LABEL, ServiceExt};

const REGION: &str = "cn-example";
const VPC: &str = "vpc-example";
const KEY: (&str, &str) = ("standalone", "no-secret");

/// A CLB double whose state is completed before each round.
#[derive(Debug)]
pub struct StandaloneCloud {
    clb: ClbDouble,
}

impl StandaloneCloud {
    /// Starts an empty cloud on a free port of 127.0.0.1, in the present tokio runtime. Fails where no port can be
    /// listened on.
    pub async fn start() -> anyhow::Result<Self> {
        let state = json!({
            "region": REGION,
            "accounts": [{
                "accessKeyId": KEY.0, "accessKeySecret": KEY.1, "backendsPerCall": 40,
            }],
            "vpc": {"id": VPC, "cidrs": ["10.0.0.0/8"]},
            "quotas": {"backendsPerLoadBalancer": 100_000},
        });
        let state: State = state.to_string().parse().context("the state of an empty cloud")?;
        Ok(Self { clb: ClbDouble::start(Options::new(state)).await? })
    }

    /// A client of this cloud, for a cluster of that id. Fails where the cloud does not listen.
    pub fn client(&self, cluster_id: &str) -> anyhow::Result<CloudClient> {
        let address = self.clb.http().context("the cloud does not listen")?;
        let key = AccessKey { id: KEY.0.to_owned(), secret: KEY.1.into(), token: None };
        let endpoint = format!("http://{address}");
        let transport = HttpTransport::new(&endpoint, REGION, cluster_id, key)?;
        Ok(CloudClient::new(Arc::new(transport), VPC))
    }

    /// Everything that exists now.
    pub fn state(&self) -> State {
        self.clb.state()
    }

    /// Creates what a Service names and the cloud lacks: its CLB at the address that the behaviour gives it, those
    /// groups of its mapping that the behaviour allows, and a network interface for every address of its endpoints.
    /// A CLB that CCM created before a restart is known by the Service's label.
    pub(crate) fn create_missing(
        &self,
        service: &Service,
        slices: &[Arc<EndpointSlice>],
        behaviour: &Behaviour,
    ) {
        self.clb.edit(|state| {
            add_interfaces(state, slices);
            let id = service.annotations().get("id");
            if id.is_empty() {
                restore_created(state, service, behaviour);
            } else {
                if !state.load_balancers.iter().any(|lb| lb.id == id) {
                    state.load_balancers.push(LoadBalancer::new(id, id));
                }
                for lb in state.load_balancers.iter_mut().filter(|lb| lb.id == id) {
                    set_attributes(lb, service, behaviour);
                    set_groups(lb, service.annotations().get("vgroup-port"), behaviour);
                }
            }
        });
    }
}

fn add_interfaces(state: &mut State, slices: &[Arc<EndpointSlice>]) {
    let endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    for address in endpoints.flat_map(|endpoint| &endpoint.addresses) {
        let Ok(ip) = address.parse::<IpAddr>() else { continue };
        if !state.network_interfaces.iter().any(|known| known.ip == ip) {
            state.network_interfaces.push(NetworkInterface { id: format!("eni-{address}"), ip });
        }
    }
}

/// The CLB that CCM created for a Service, as far as the Service tells of it.
fn restore_created(state: &mut State, service: &Service, behaviour: &Behaviour) {
    let Some(id) = service.label(CLB_LABEL) else { return };
    if state.load_balancers.iter().any(|lb| lb.id == id) {
        return;
    }
    let name = load_balancer_name(service.metadata.uid.as_deref().unwrap_or_default());
    let shown = service.ingress().first().and_then(|shown| shown.ip.as_deref()?.parse().ok());
    let mut lb = LoadBalancer::new(id, &name);
    lb.address = Some(shown.unwrap_or_else(|| behaviour.address(id)));
    lb.address_type = AddressType::Internet;
    lb.tags.insert(CREATED_BY_CCM.to_owned(), name);
    state.load_balancers.push(lb);
}

/// What CCM cannot change about a CLB is what the Service asks for; a Service that ends asks for nothing.
fn set_attributes(lb: &mut LoadBalancer, service: &Service, behaviour: &Behaviour) {
    let annotations = service.annotations();
    let wanted = |suffix| if service.needs_cleanup() { "" } else { annotations.get(suffix) };
    lb.address = annotations.get("ip").parse().ok().or_else(|| Some(behaviour.address(&lb.id)));
    lb.address_type = match wanted("address-type") {
        "internet" => AddressType::Internet,
        _ => AddressType::Intranet,
    };
    lb.ip_version = match wanted("ip-version") {
        "ipv6" => IpVersion::Ipv6,
        _ => IpVersion::Ipv4,
    };
    lb.master_zone_id = Some(wanted("master-zoneid").to_owned()).filter(|zone| !zone.is_empty());
    wanted("slave-zoneid").clone_into(&mut lb.slave_zone_id);
    wanted("resource-group-id").clone_into(&mut lb.resource_group_id);
}

/// Keeps CCM's own groups and those that the behaviour allows, and adds what the mapping names.
fn set_groups(lb: &mut LoadBalancer, mapping: &str, behaviour: &Behaviour) {
    let id = lb.id.clone();
    lb.groups.retain(|group| {
        NamedKey::parse(&group.name).is_some() || behaviour.has_group(&id, &group.id)
    });
    // A mapping that cannot be read names nothing; the round says so.
    for group in mapping::groups(mapping).unwrap_or_default() {
        let is_known = lb.groups.iter().any(|known| known.id == group);
        if !is_known && behaviour.has_group(&id, group) {
            lb.groups.push(Group {
                id: group.to_owned(),
                name: format!("name-of-{group}"),
                backends: Vec::new(),
            });
        }
    }
}
