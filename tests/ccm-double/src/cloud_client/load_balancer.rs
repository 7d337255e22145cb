//! A load balancer as the cloud describes it.

use serde::Deserialize;

/// Its attributes, as far as CCM compares them. What the cloud leaves out is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LoadBalancer {
    /// `lb-…`; empty if there is none.
    #[serde(rename = "LoadBalancerId")]
    pub id: String,
    /// Its name.
    #[serde(rename = "LoadBalancerName")]
    pub name: String,
    /// The IP address that clients connect to.
    pub address: String,
    /// `internet` or `intranet`.
    pub address_type: String,
    /// `vpc` or `classic`.
    pub network_type: String,
    /// `ipv4` or `ipv6`; empty means `ipv4`.
    #[serde(rename = "AddressIPVersion")]
    pub ip_version: String,
    /// The primary zone.
    pub master_zone_id: String,
    /// The backup zone.
    pub slave_zone_id: String,
    /// The resource group it belongs to.
    pub resource_group_id: String,
    /// `slb.s1.small` and so on.
    #[serde(rename = "LoadBalancerSpec")]
    pub spec: String,
    /// `PayBySpec` or `PayByCLCU`.
    pub instance_charge_type: String,
    /// `paybytraffic` or `paybybandwidth`.
    pub internet_charge_type: String,
    /// In Mbit/s, -1 without a limit.
    pub bandwidth: i64,
    /// `on` or `off`.
    pub delete_protection: String,
    /// `ConsoleProtection` or `NonProtection`.
    #[serde(rename = "ModificationProtectionStatus")]
    pub modification_protection: String,
}
