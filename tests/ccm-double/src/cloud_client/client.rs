//! The calls of the cloud API that CCM makes, and what it reads of their answers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::backend::{self, Backend};
use super::listener::Listener;
use super::load_balancer::LoadBalancer;
use super::request::{ApiError, ApiProduct, ApiRequest, Transport};
use super::signature;

/// Addresses in one `DescribeNetworkInterfaces` (CCM 2.14: `ecs.go`).
const ADDRESSES_AT_ONCE: usize = 100;
/// Listeners in one answer.
const LISTENERS_AT_ONCE: &str = "50";

/// A vServer group as a CLB lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteGroup {
    /// `rsp-…`.
    pub id: String,
    /// Its name: one that CCM gave (`k8s/…`), or a person.
    pub name: String,
}

/// A client of the cloud API with the calls that CCM makes.
#[derive(Debug, Clone)]
pub struct CloudClient {
    api: Arc<dyn Transport>,
    vpc: String,
}

impl CloudClient {
    /// A client that sends requests by `transport`, for a cluster whose nodes are in the VPC of that id.
    pub fn new(api: Arc<dyn Transport>, vpc: impl Into<String>) -> Self {
        Self { api, vpc: vpc.into() }
    }

    async fn call(&self, call: ApiRequest) -> Result<Value, ApiError> {
        self.api.call(call).await
    }

    /// Asks for a list: `path` leads to it in the answer, and one that is not there is empty.
    async fn list<T: DeserializeOwned>(
        &self,
        call: ApiRequest,
        path: &str,
    ) -> Result<Vec<T>, ApiError> {
        let action = call.action;
        let mut answer = self.call(call).await?;
        match answer.pointer_mut(path).map(Value::take) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(list) => read(action, list),
        }
    }

    /// A load balancer by its id.
    pub(crate) async fn load_balancer(&self, id: &str) -> Result<LoadBalancer, ApiError> {
        let action = "DescribeLoadBalancerAttribute";
        read(action, self.call(ApiRequest::slb(action).with("LoadBalancerId", id)).await?)
    }

    /// Load balancers by a tag.
    pub(crate) async fn find_by_tag(
        &self,
        key: &str,
        value: &str,
    ) -> Result<Vec<LoadBalancer>, ApiError> {
        // The order of the keys is CCM's.
        let tags = format!(r#"[{{"TagValue":{},"TagKey":{}}}]"#, json!(value), json!(key));
        let call = ApiRequest::slb("DescribeLoadBalancers").with("Tags", tags);
        self.list(call, "/LoadBalancers/LoadBalancer").await
    }

    /// Load balancers by name.
    pub(crate) async fn find_by_name(&self, name: &str) -> Result<Vec<LoadBalancer>, ApiError> {
        let call = ApiRequest::slb("DescribeLoadBalancers").with("LoadBalancerName", name);
        self.list(call, "/LoadBalancers/LoadBalancer").await
    }

    /// Makes a load balancer with these attributes and tags, and gives its id. `reason` is that of its modification
    /// protection.
    pub(crate) async fn create(
        &self,
        wanted: &LoadBalancer,
        reason: &str,
        tags: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        let action = "CreateLoadBalancer";
        let mut call = ApiRequest::slb(action)
            .with_any("AddressType", &wanted.address_type)
            .with_any("LoadBalancerName", &wanted.name)
            .with_any("AddressIPVersion", &wanted.ip_version)
            .with_any("InstanceChargeType", &wanted.instance_charge_type)
            .with_any("InternetChargeType", &wanted.internet_charge_type)
            .with_any("LoadBalancerSpec", &wanted.spec)
            .with_any("MasterZoneId", &wanted.master_zone_id)
            .with_any("SlaveZoneId", &wanted.slave_zone_id)
            .with_any("ResourceGroupId", &wanted.resource_group_id)
            .with_any("Address", &wanted.address)
            .with_any("DeleteProtection", &wanted.delete_protection)
            .with_any("ModificationProtectionStatus", &wanted.modification_protection)
            .with_any("ModificationProtectionReason", reason);
        if wanted.bandwidth != 0 {
            call = call.with("Bandwidth", wanted.bandwidth.to_string());
        }
        if wanted.address_type == "intranet" {
            call = call.with("VpcId", &self.vpc);
        }
        let token = signature::nonce().map_err(|error| ApiError::NoAnswer {
            why: format!("{action}: no random bytes for a token: {error}"),
        })?;
        let call = with_tags(call.with("ClientToken", token), tags);
        self.create_and_read_id(call, "LoadBalancerId").await
    }

    /// Asks for something new, and gives its id.
    async fn create_and_read_id(&self, call: ApiRequest, id: &str) -> Result<String, ApiError> {
        let action = call.action;
        let answer = self.call(call).await?;
        match answer.get(id).and_then(Value::as_str) {
            Some(made) => Ok(made.to_owned()),
            None => Err(unreadable(action, &format!("there is no {id}"))),
        }
    }

    /// Changes one load balancer: an action with more parameters than its id.
    pub(crate) async fn change(
        &self,
        action: &'static str,
        id: &str,
        parameters: &[(&str, &str)],
    ) -> Result<(), ApiError> {
        let call = ApiRequest::slb(action).with("LoadBalancerId", id);
        let call = parameters.iter().fold(call, |call, (name, value)| call.with(*name, *value));
        self.call(call).await.map(drop)
    }

    /// A load balancer's tags.
    pub(crate) async fn tags(&self, id: &str) -> Result<BTreeMap<String, String>, ApiError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Tag {
            tag_key: String,
            #[serde(default)]
            tag_value: String,
        }
        let call = tagging("ListTagResources", id);
        let tags: Vec<Tag> = self.list(call, "/TagResources/TagResource").await?;
        Ok(tags.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect())
    }

    /// Adds tags to a load balancer.
    pub(crate) async fn tag(&self, id: &str, tags: &[(&str, &str)]) -> Result<(), ApiError> {
        self.call(with_tags(tagging("TagResources", id), tags)).await.map(drop)
    }

    /// Takes tags from a load balancer.
    pub(crate) async fn untag(&self, id: &str, keys: &[&str]) -> Result<(), ApiError> {
        let call = keys
            .iter()
            .zip(1..)
            .fold(tagging("UntagResources", id), |call, (key, number): (&&str, i32)| {
                call.with(format!("TagKey.{number}"), *key)
            });
        self.call(call).await.map(drop)
    }

    /// The vServer groups of a load balancer.
    pub(crate) async fn groups(&self, id: &str) -> Result<Vec<RemoteGroup>, ApiError> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Listed {
            v_server_group_id: String,
            #[serde(default)]
            v_server_group_name: String,
        }
        let call = ApiRequest::slb("DescribeVServerGroups").with("LoadBalancerId", id);
        let listed: Vec<Listed> = self.list(call, "/VServerGroups/VServerGroup").await?;
        let group =
            |one: Listed| RemoteGroup { id: one.v_server_group_id, name: one.v_server_group_name };
        Ok(listed.into_iter().map(group).collect())
    }

    /// The backends of a vServer group.
    pub(crate) async fn backends(&self, group: &str) -> Result<Vec<Backend>, ApiError> {
        let call = ApiRequest::slb("DescribeVServerGroupAttribute").with("VServerGroupId", group);
        let found: Vec<backend::BackendAnswer> =
            self.list(call, "/BackendServers/BackendServer").await?;
        Ok(found.into_iter().map(Backend::from).collect())
    }

    /// Makes a vServer group, and gives its id.
    pub(crate) async fn create_group(&self, id: &str, name: &str) -> Result<String, ApiError> {
        let call = ApiRequest::slb("CreateVServerGroup")
            .with("LoadBalancerId", id)
            .with("VServerGroupName", name);
        self.create_and_read_id(call, "VServerGroupId").await
    }

    /// Removes a vServer group.
    pub(crate) async fn delete_group(&self, group: &str) -> Result<(), ApiError> {
        self.call(ApiRequest::slb("DeleteVServerGroup").with("VServerGroupId", group))
            .await
            .map(drop)
    }

    /// Adds, removes or sets backends of a vServer group, as the action says.
    pub(crate) async fn change_backends(
        &self,
        action: &'static str,
        group: &str,
        backends: &[Backend],
    ) -> Result<(), ApiError> {
        let call = ApiRequest::slb(action)
            .with("VServerGroupId", group)
            .with("BackendServers", backend::sent(backends));
        self.call(call).await.map(drop)
    }

    /// The listeners of a load balancer.
    pub(crate) async fn listeners(&self, id: &str) -> Result<Vec<Listener>, ApiError> {
        let mut found = Vec::new();
        let mut next = String::new();
        loop {
            let call = ApiRequest::slb("DescribeLoadBalancerListeners")
                .with("LoadBalancerId.1", id)
                .with("MaxResults", LISTENERS_AT_ONCE)
                .with_any("NextToken", &next);
            let answer = self.call(call).await?;
            let page = answer.get("Listeners").and_then(Value::as_array);
            found.extend(page.into_iter().flatten().map(Listener::read));
            next = next_page(&answer);
            if next.is_empty() {
                return Ok(found);
            }
        }
    }

    /// The network interfaces of Pods in use, by address.
    pub(crate) async fn interfaces(
        &self,
        addresses: &[String],
    ) -> Result<BTreeMap<String, String>, ApiError> {
        let mut found = BTreeMap::new();
        for some in addresses.chunks(ADDRESSES_AT_ONCE) {
            let mut next = String::new();
            loop {
                let call = ApiRequest::new(ApiProduct::Ecs, "DescribeNetworkInterfaces")
                    .with("VpcId", &self.vpc)
                    .with("Status", "InUse")
                    .with("MaxResults", "100")
                    .with_any("NextToken", &next);
                let call = some.iter().zip(1..).fold(call, |call, (address, number)| {
                    call.with(format!("PrivateIpAddress.{number}"), address)
                });
                let answer = self.call(call).await?;
                collect_interfaces(&answer, &mut found);
                next = next_page(&answer);
                if next.is_empty() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The address ranges of the network, `10.0.0.0/8`.
    pub(crate) async fn ranges(&self) -> Result<Vec<String>, ApiError> {
        let call =
            ApiRequest::new(ApiProduct::Vpc, "DescribeVpcAttribute").with("VpcId", &self.vpc);
        let answer = self.call(call).await?;
        let main = answer.get("CidrBlock").and_then(Value::as_str);
        let more =
            answer.pointer("/SecondaryCidrBlocks/SecondaryCidrBlock").and_then(Value::as_array);
        let more = more.into_iter().flatten().filter_map(Value::as_str);
        Ok(main.into_iter().chain(more).map(str::to_owned).collect())
    }

    /// The elastic addresses of a load balancer.
    pub(crate) async fn elastic_addresses(&self, id: &str) -> Result<Vec<String>, ApiError> {
        let call = ApiRequest::new(ApiProduct::Vpc, "DescribeEipAddresses")
            .with("AssociatedInstanceType", "SlbInstance")
            .with("AssociatedInstanceId", id);
        let found: Vec<Value> = self.list(call, "/EipAddresses/EipAddress").await?;
        let address = |one: &Value| one.get("IpAddress")?.as_str().map(str::to_owned);
        Ok(found.iter().filter_map(address).collect())
    }
}

/// What to ask the next page with; empty after the last.
fn next_page(answer: &Value) -> String {
    answer.get("NextToken").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn tagging(action: &'static str, id: &str) -> ApiRequest {
    ApiRequest::slb(action).with("ResourceId.1", id).with("ResourceType", "instance")
}

/// `Tag.1.Key`, `Tag.1.Value` and so on.
fn with_tags(call: ApiRequest, tags: &[(&str, &str)]) -> ApiRequest {
    tags.iter().zip(1..).fold(call, |call, ((key, value), number)| {
        call.with(format!("Tag.{number}.Key"), *key).with(format!("Tag.{number}.Value"), *value)
    })
}

/// Every private address of an interface leads to it.
fn collect_interfaces(answer: &Value, found: &mut BTreeMap<String, String>) {
    let sets =
        answer.pointer("/NetworkInterfaceSets/NetworkInterfaceSet").and_then(Value::as_array);
    for interface in sets.into_iter().flatten() {
        let Some(id) = interface.get("NetworkInterfaceId").and_then(Value::as_str) else {
            continue;
        };
        let more = interface.pointer("/PrivateIpSets/PrivateIpSet").and_then(Value::as_array);
        let addresses = std::iter::once(interface).chain(more.into_iter().flatten());
        for address in addresses.filter_map(|one| one.get("PrivateIpAddress")?.as_str()) {
            found.insert(address.to_owned(), id.to_owned());
        }
    }
}

fn read<T: DeserializeOwned>(action: &'static str, answer: Value) -> Result<T, ApiError> {
    serde_json::from_value(answer).map_err(|error| unreadable(action, &error))
}

fn unreadable(action: &'static str, error: &dyn Display) -> ApiError {
    ApiError::NoAnswer { why: format!("{action}: the answer cannot be read: {error}") }
}
