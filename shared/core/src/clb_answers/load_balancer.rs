//! CLBs themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::object::nullable;

/// `DescribeLoadBalancerAttribute`: a CLB.
#[derive(Debug, Clone, Deserialize)]
pub struct LoadBalancer {
    /// `lb-…`.
    #[serde(rename = "LoadBalancerId")]
    pub id: String,
    /// Its name.
    #[serde(rename = "LoadBalancerName", default, deserialize_with = "nullable")]
    pub name: String,
    /// Its address.
    #[serde(rename = "Address", default, deserialize_with = "nullable")]
    pub address: String,
    /// `internet` or `intranet`; `None` where the answer does not say.
    #[serde(rename = "AddressType", default)]
    pub address_type: Option<String>,
    /// `ipv4` or `ipv6`; `None` where the answer does not say.
    #[serde(rename = "AddressIPVersion", default)]
    pub ip_version: Option<String>,
    /// `vpc` or `classic`; `None` where the answer does not say.
    #[serde(rename = "NetworkType", default)]
    pub network_type: Option<String>,
    /// The id of its first zone; `None` where the answer does not say.
    #[serde(rename = "MasterZoneId", default)]
    pub master_zone: Option<String>,
    /// The id of its second zone; `None` where the answer does not say.
    #[serde(rename = "SlaveZoneId", default)]
    pub slave_zone: Option<String>,
    /// The id of its resource group; `None` where the answer does not say.
    #[serde(rename = "ResourceGroupId", default)]
    pub resource_group: Option<String>,
    /// `active`, `inactive` or `locked`; `None` where the answer does not say.
    #[serde(rename = "LoadBalancerStatus", default)]
    pub status: Option<String>,
    /// Its region; `None` where the answer does not say.
    #[serde(rename = "RegionId", default)]
    pub region: Option<String>,
    /// Its specification, such as `slb.s1.small`; `None` where it is paid by use, or the answer does
    /// not say.
    #[serde(rename = "LoadBalancerSpec", default)]
    pub spec: Option<String>,
    /// `PayBySpec` or `PayByCLCU`; `None` where the answer does not say.
    #[serde(rename = "InstanceChargeType", default)]
    pub charge_type: Option<String>,
    /// The id of its VPC; empty where it is in none, or the answer does not say.
    #[serde(rename = "VpcId", default, deserialize_with = "nullable")]
    pub vpc: String,
    /// The servers of its default group, to which listeners without a vServer group forward.
    #[serde(rename = "BackendServers", default, deserialize_with = "servers")]
    pub default_servers: Vec<DefaultServer>,
    /// Its tags, by key.
    #[serde(rename = "Tags", default, deserialize_with = "tags")]
    pub tags: BTreeMap<String, String>,
}

/// A server of a CLB's default group. Its port is the listener's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DefaultServer {
    /// The ECS instance's id, or that of a network interface.
    pub server_id: String,
    /// The address of a network interface; empty for an instance.
    #[serde(default, deserialize_with = "nullable")]
    pub server_ip: String,
    /// 0..=100.
    #[serde(default, deserialize_with = "nullable")]
    pub weight: u32,
    /// `ecs`, `eni` or `eci`; empty where the answer does not tell.
    #[serde(rename = "Type", default, deserialize_with = "nullable")]
    pub kind: String,
}

fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DefaultServer>, D::Error> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(default, deserialize_with = "nullable")]
        backend_server: Vec<DefaultServer>,
    }
    let wrapped = Option::<Wrapped>::deserialize(deserializer)?.unwrap_or_default();
    Ok(wrapped.backend_server)
}

fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(default, deserialize_with = "nullable")]
        tag: Vec<Tag>,
    }
    #[derive(Deserialize)]
    struct Tag {
        #[serde(alias = "Key", rename = "TagKey", default, deserialize_with = "nullable")]
        key: String,
        #[serde(alias = "Value", rename = "TagValue", default, deserialize_with = "nullable")]
        value: String,
    }
    let wrapped = Option::<Wrapped>::deserialize(deserializer)?.unwrap_or_default();
    Ok(wrapped.tag.into_iter().map(|tag| (tag.key, tag.value)).collect())
}
