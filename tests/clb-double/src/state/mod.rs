//! The state of the double: the API changes it, the data plane reads it.

mod credentials;
mod listener;
mod load_balancer;
mod lookup;
mod parse;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use credentials::{Account, Role, StsToken};
pub use listener::{HealthCheck, HealthCheckType, Listener, Protocol, Scheduler, Status};
pub use load_balancer::{
    AddressType, Backend, BackendKey, BackendType, DefaultServer, Group, IpVersion, LoadBalancer,
    ModificationProtection, NetworkType,
};
pub use parse::StateError;

pub(crate) use credentials::default_account;
pub(crate) use listener::{default_drain, default_established};

/// Everything that the double knows. The README describes its JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    /// Such as `cn-example`. Calls for another region are answered all the same.
    pub region: String,
    /// Access keys that do not expire.
    #[serde(default)]
    pub accounts: Vec<Account>,
    /// Access keys that expire, each with the security token that calls with it must carry.
    #[serde(default)]
    pub sts_tokens: Vec<StsToken>,
    /// Roles that may be assumed.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// What the metadata service answers.
    #[serde(default)]
    pub metadata: Metadata,
    /// The only VPC.
    #[serde(default)]
    pub vpc: Vpc,
    /// Elastic network interfaces, one entry for each address.
    #[serde(default)]
    pub network_interfaces: Vec<NetworkInterface>,
    /// The addresses of ECS instances by id. The data plane cannot reach others.
    #[serde(default)]
    pub instances: BTreeMap<String, IpAddr>,
    /// The limits that calls are held to.
    #[serde(default)]
    pub quotas: Quotas,
    /// Whether values of listeners' parameters that are out of their range are stored and described as they are, as if
    /// the cloud did not look at them. Ports, groups and certificates are always looked at.
    #[serde(default)]
    pub takes_any_listener_value: bool,
    /// The CLBs.
    #[serde(default)]
    pub load_balancers: Vec<LoadBalancer>,
}

/// What an ECS instance can ask about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metadata {
    /// Name of the instance's RAM role, if it has one.
    pub role: Option<String>,
    /// The instance.
    pub instance_id: String,
    /// Its zone.
    pub zone_id: String,
    /// Its vSwitch.
    pub vswitch_id: String,
    /// Whether requests without a token are refused (`IMDSv2`).
    pub tokens_only: bool,
    /// Have no tokens: answer as `IMDSv1` alone did.
    pub without_tokens: bool,
    /// Seconds that the role's credentials last.
    pub session_seconds: u32,
}

/// A private network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Vpc {
    /// Such as `vpc-bp1example`.
    pub id: String,
    /// Its address ranges, such as `10.0.0.0/8`; the first is the primary one.
    pub cidrs: Vec<String>,
}

/// One address of an elastic network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkInterface {
    /// Such as `eni-bp1example`.
    pub id: String,
    /// One of its addresses.
    pub ip: IpAddr,
}

/// Limits of the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quotas {
    /// Entries in all groups of one CLB together.
    pub backends_per_load_balancer: usize,
    /// Listeners of one CLB.
    pub listeners_per_load_balancer: usize,
    /// Entries in one call, for keys without a limit of their own. The cloud documents 20 for
    /// `AddVServerGroupBackendServers`; CCM 2.14 sends up to 40.
    pub backends_per_call: usize,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            role: None,
            instance_id: "i-bp1example".to_owned(),
            zone_id: "cn-example-a".to_owned(),
            vswitch_id: "vsw-bp1example".to_owned(),
            tokens_only: false,
            without_tokens: false,
            session_seconds: 3600,
        }
    }
}

impl Default for Vpc {
    fn default() -> Self {
        Self { id: "vpc-bp1example".to_owned(), cidrs: vec!["10.0.0.0/8".to_owned()] }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            backends_per_load_balancer: 200,
            listeners_per_load_balancer: 50,
            backends_per_call: 20,
        }
    }
}
