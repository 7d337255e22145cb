//! The CLB API's answers, as the `aliyun` command line prints them (API of 2014-05-15).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::object::{SourceLocation, nullable};

/// The answers of the CLB's API that are at hand.
#[derive(Debug, Clone, Default)]
pub struct ClbAnswers {
    /// `DescribeVServerGroupAttribute`, by group id.
    pub groups: BTreeMap<String, GroupAnswer>,
    /// `DescribeVServerGroups`, the newest last.
    pub lists: Vec<GroupList>,
    /// `DescribeLoadBalancerListeners`, the newest last.
    pub listeners: Vec<ListenerList>,
    /// `DescribeLoadBalancerAttribute`, by CLB id.
    pub balancers: BTreeMap<String, LoadBalancer>,
    /// `DescribeHealthStatus`, the newest last.
    pub health: Vec<HealthAnswer>,
}

/// One answer, to be inserted into [`ClbAnswers`].
#[derive(Debug, Clone)]
pub enum ClbAnswer {
    /// `DescribeVServerGroupAttribute`.
    Group(GroupAnswer),
    /// `DescribeVServerGroups`.
    GroupList(GroupList),
    /// `DescribeLoadBalancerListeners`.
    Listeners(ListenerList),
    /// `DescribeLoadBalancerAttribute`.
    LoadBalancer(LoadBalancer),
    /// `DescribeHealthStatus`.
    Health(HealthAnswer),
}

impl ClbAnswers {
    /// Adds an answer. A group or load balancer replaces the older answer about the same id. Lists
    /// of groups, listeners and health are all kept, and the readers prefer the newest that fits.
    pub fn insert(&mut self, answer: ClbAnswer) {
        match answer {
            ClbAnswer::Group(group) => {
                self.groups.insert(group.id.clone(), group);
            }
            ClbAnswer::GroupList(list) => self.lists.push(list),
            ClbAnswer::Listeners(list) => self.listeners.push(list),
            ClbAnswer::LoadBalancer(balancer) => {
                self.balancers.insert(balancer.id.clone(), balancer);
            }
            ClbAnswer::Health(health) => self.health.push(health),
        }
    }

    /// All groups of a CLB as `(id, name)`; `None` where its list is not at hand.
    ///
    /// The API's list does not tell its CLB. A list counts as `clb`'s if it names `clb`
    /// nevertheless, or if the answer about one of its groups names `clb`. A list of which nothing
    /// is known counts where `only_clb` says that no other CLB is known.
    pub fn groups_of(&self, clb: &str, only_clb: bool) -> Option<Vec<(&str, &str)>> {
        let is_of = |list: &&GroupList| match &list.clb {
            Some(id) => id == clb,
            None => {
                let mut owners = list.groups.iter().filter_map(|group| {
                    self.groups.get(&group.id).and_then(|answer| answer.clb.as_deref())
                });
                owners.next().map_or(only_clb, |owner| owner == clb)
            }
        };
        let list = self.lists.iter().rev().find(is_of)?;
        Some(list.groups.iter().map(|group| (group.id.as_str(), group.name.as_str())).collect())
    }

    /// The listeners of a CLB, each as its newest answer has it; `None` where no answer about that
    /// CLB is at hand.
    pub fn listeners_of(&self, clb: &str) -> Option<Vec<&Listener>> {
        let mut answers = self.listeners.iter().rev().filter(|list| list.is_of(clb)).peekable();
        answers.peek()?;
        let mut listeners: Vec<&Listener> = Vec::new();
        for listener in answers.flat_map(|list| &list.listeners).filter(|l| l.is_of(clb)) {
            let same = |known: &&Listener| {
                known.port == listener.port && known.protocol == listener.protocol
            };
            if !listeners.iter().any(same) {
                listeners.push(listener);
            }
        }
        Some(listeners)
    }

    /// Whether the newest health answer that names a backend calls it `normal`; `None` where none
    /// names it. Answers do not tell their CLB and listener: a server counts by its id and port
    /// alone, whichever listener saw it.
    pub fn is_healthy(&self, backend: &RegisteredBackend) -> Option<bool> {
        let status = self.health.iter().rev().flat_map(|answer| &answer.servers).find(|server| {
            server.server_id == backend.server_id
                && server.port == backend.port
                && (server.server_ip.is_empty()
                    || backend.server_ip.is_empty()
                    || server.server_ip == backend.server_ip)
        });
        status.map(|server| server.status == "normal")
    }
}

/// `DescribeVServerGroupAttribute`: a vServer group and the backends registered in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupAnswer {
    /// `rsp-…`.
    #[serde(rename = "VServerGroupId")]
    pub id: String,
    /// The group's name; one that reads `k8s/…/…/…/…` marks a group that CCM made.
    #[serde(rename = "VServerGroupName", default, deserialize_with = "nullable")]
    pub name: String,
    /// Its CLB, where the answer says.
    #[serde(rename = "LoadBalancerId", default)]
    pub clb: Option<String>,
    /// The backends.
    #[serde(rename = "BackendServers", deserialize_with = "remote_backends")]
    pub backends: Vec<RegisteredBackend>,
    /// The file that the answer was read from, if it was.
    #[serde(skip)]
    pub origin: SourceLocation,
}

/// A backend as it is registered in a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RegisteredBackend {
    /// The ECS instance's id, or that of a pod's network interface.
    pub server_id: String,
    /// The pod's address for `eni` and `eci`; may be filled for `ecs`, too.
    #[serde(default, deserialize_with = "nullable")]
    pub server_ip: String,
    /// 1..=65535.
    pub port: u16,
    /// 0..=100; 0 gets no new connections.
    pub weight: u32,
    /// `ecs`, `eni` or `eci`.
    #[serde(rename = "Type", default = "ecs", deserialize_with = "nullable")]
    pub kind: String,
    /// `k8s/…` on backends that CCM registered, any text on others.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
}

fn ecs() -> String {
    "ecs".to_owned()
}

impl RegisteredBackend {
    /// What names the backend in reports: a pod's address, an instance's id.
    pub fn id(&self) -> &str {
        if self.is_pod() { &self.server_ip } else { &self.server_id }
    }

    /// Whether the backend is this port of the instance `id`. Never true of a pod.
    pub fn is_server(&self, id: &str, port: u16) -> bool {
        !self.is_pod() && self.server_id == id && self.port == port
    }

    /// Whether the backend is a pod.
    pub fn is_pod(&self) -> bool {
        !self.server_ip.is_empty() && self.kind != "ecs"
    }
}

fn remote_backends<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<RegisteredBackend>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(default, deserialize_with = "nullable")]
        backend_server: Vec<RegisteredBackend>,
    }
    Wrapped::deserialize(d).map(|wrapped| wrapped.backend_server)
}

/// `DescribeVServerGroups`: the groups of one CLB.
#[derive(Debug, Clone, Deserialize)]
pub struct GroupList {
    /// The CLB, where the answer or its file's name says.
    #[serde(rename = "LoadBalancerId", default)]
    pub clb: Option<String>,
    /// The groups.
    #[serde(rename = "VServerGroups", deserialize_with = "listed_groups")]
    pub groups: Vec<ListedGroup>,
}

/// A group in a list.
#[derive(Debug, Clone, Deserialize)]
pub struct ListedGroup {
    /// Its id.
    #[serde(rename = "VServerGroupId")]
    pub id: String,
    /// Its name.
    #[serde(rename = "VServerGroupName", default, deserialize_with = "nullable")]
    pub name: String,
}

fn listed_groups<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<ListedGroup>, D::Error> {
    #[derive(Deserialize)]
    struct Wrapped {
        #[serde(rename = "VServerGroup", default, deserialize_with = "nullable")]
        groups: Vec<ListedGroup>,
    }
    Wrapped::deserialize(d).map(|wrapped| wrapped.groups)
}

/// `DescribeLoadBalancerListeners`: listeners of one CLB or of several.
#[derive(Debug, Clone, Deserialize)]
pub struct ListenerList {
    /// The CLB, where the file's name says it.
    #[serde(skip)]
    pub clb: Option<String>,
    /// The listeners.
    #[serde(rename = "Listeners", deserialize_with = "listeners")]
    pub listeners: Vec<Listener>,
}

impl ListenerList {
    fn is_of(&self, clb: &str) -> bool {
        self.clb.as_deref() == Some(clb) || self.listeners.iter().any(|l| l.is_of(clb))
    }
}

/// A listener of a CLB.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listener {
    /// Its CLB.
    #[serde(rename = "LoadBalancerId", default, deserialize_with = "nullable")]
    pub clb: String,
    /// Its port.
    #[serde(rename = "ListenerPort")]
    pub port: u16,
    /// `tcp`, `udp`, `http` or `https`.
    #[serde(rename = "ListenerProtocol", default, deserialize_with = "nullable")]
    pub protocol: String,
    /// `wrr`, `wlc`, `rr`, …
    #[serde(default, deserialize_with = "nullable")]
    pub scheduler: String,
    /// The id of the group that it forwards to; empty where it forwards elsewhere.
    #[serde(rename = "VServerGroupId", default, deserialize_with = "nullable")]
    pub vgroup: String,
    /// Its description; `k8s/…` where CCM wrote it.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    #[serde(rename = "TCPListenerConfig", default, deserialize_with = "nullable")]
    tcp: ListenerConfig,
    #[serde(rename = "UDPListenerConfig", default, deserialize_with = "nullable")]
    udp: ListenerConfig,
    #[serde(rename = "HTTPListenerConfig", default, deserialize_with = "nullable")]
    http: ListenerConfig,
    #[serde(rename = "HTTPSListenerConfig", default, deserialize_with = "nullable")]
    https: ListenerConfig,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ListenerConfig {
    #[serde(deserialize_with = "nullable")]
    persistence_timeout: u32,
    #[serde(deserialize_with = "nullable")]
    sticky_session: String,
    #[serde(deserialize_with = "nullable")]
    listener_forward: String,
    #[serde(deserialize_with = "nullable")]
    forward_port: u16,
}

impl Listener {
    fn is_of(&self, clb: &str) -> bool {
        self.clb == clb
    }

    /// The port of the HTTPS listener that an HTTP listener redirects to; `None` where it does not
    /// redirect.
    pub fn forward_port(&self) -> Option<u16> {
        (self.http.listener_forward == "on").then_some(self.http.forward_port)
    }

    /// What keeps a client at its backend: `persistence for N s` or `sticky sessions`; `None` where
    /// nothing does.
    pub fn persistence(&self) -> Option<String> {
        let configs = [&self.tcp, &self.udp, &self.http, &self.https];
        configs.into_iter().find_map(|config| {
            if config.persistence_timeout > 0 {
                Some(format!("persistence for {} s", config.persistence_timeout))
            } else {
                (config.sticky_session == "on").then(|| "sticky sessions".to_owned())
            }
        })
    }
}

fn listeners<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Listener>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Plain(Vec<Listener>),
        Wrapped {
            #[serde(rename = "Listener", default)]
            listeners: Vec<Listener>,
        },
    }
    Ok(match Shape::deserialize(deserializer)? {
        Shape::Plain(listeners) | Shape::Wrapped { listeners } => listeners,
    })
}

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
    /// Its tags, by key.
    #[serde(rename = "Tags", default, deserialize_with = "tags")]
    pub tags: BTreeMap<String, String>,
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

/// `DescribeHealthStatus`: the health of the backends behind listeners.
#[derive(Debug, Clone, Deserialize)]
pub struct HealthAnswer {
    /// One entry a backend and listener.
    #[serde(rename = "BackendServers", deserialize_with = "health")]
    pub servers: Vec<ServerHealth>,
}

/// The health of a backend as one listener sees it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerHealth {
    /// ECS instance or network interface.
    pub server_id: String,
    /// The pod's address.
    #[serde(default, deserialize_with = "nullable")]
    pub server_ip: String,
    /// The backend's port.
    #[serde(default, deserialize_with = "nullable")]
    pub port: u16,
    /// `normal`, `abnormal` or `unavailable`.
    #[serde(rename = "ServerHealthStatus", default, deserialize_with = "nullable")]
    pub status: String,
}

fn health<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ServerHealth>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(default, deserialize_with = "nullable")]
        backend_server: Vec<ServerHealth>,
    }
    Wrapped::deserialize(deserializer).map(|wrapped| wrapped.backend_server)
}
