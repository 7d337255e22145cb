use crate::{clb_answers::RegisteredBackend, object::Node};

/// The backends of one Service port, in CCM's order. In Cluster mode every node is one, all with
/// the same port and weight. They stay nodes until somebody iterates over them, for there may be
/// hundreds, and often their number is enough.
#[derive(Debug, Clone, Default)]
pub struct Backends<'a> {
    /// Each with an instance.
    pub(super) nodes: Vec<&'a Node>,
    pub(super) node_port: u16,
    pub(super) node_weight: u32,
    pub(super) others: Vec<Backend<'a>>,
}

impl<'a> Backends<'a> {
    /// The empty list.
    pub fn none() -> &'static Self {
        static NONE: Backends<'_> =
            Backends { nodes: Vec::new(), node_port: 0, node_weight: 0, others: Vec::new() };
        &NONE
    }

    /// The same with one of the nodes alone, for all of them have the same port and weight.
    pub(crate) fn with_one_node(&self) -> Self {
        Self {
            nodes: self.nodes.first().copied().into_iter().collect(),
            node_port: self.node_port,
            node_weight: self.node_weight,
            others: self.others.clone(),
        }
    }

    /// One backend that stands for others of which nothing is known but whether they have a port.
    pub(crate) fn unknown(has_port: bool) -> Self {
        let target = BackendTarget::Ecs(crate::prediction::UNKNOWN_SERVER);
        vec![Backend { target, port: has_port.into(), weight: 0 }].into()
    }

    /// How many backends there are.
    pub fn len(&self) -> usize {
        self.nodes.len() + self.others.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All backends in CCM's order, nodes before pods.
    pub fn iter(&self) -> impl Iterator<Item = Backend<'a>> {
        let instances = self.nodes.iter().filter_map(|node| node.instance().ok());
        let (port, weight) = (self.node_port, self.node_weight);
        let of_nodes =
            instances.map(move |id| Backend { target: BackendTarget::Ecs(id), port, weight });
        of_nodes.chain(self.others.iter().copied())
    }

    /// The sum of the backends' weights.
    pub fn weight_sum(&self) -> u64 {
        let others = self.others.iter().map(|backend| u64::from(backend.weight));
        self.nodes.len() as u64 * u64::from(self.node_weight) + others.sum::<u64>()
    }
}

impl<'a> From<Vec<Backend<'a>>> for Backends<'a> {
    fn from(others: Vec<Backend<'a>>) -> Self {
        Self { others, ..Self::default() }
    }
}

/// A backend as CCM would register it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backend<'a> {
    /// The instance or pod that takes the traffic.
    pub target: BackendTarget<'a>,
    /// The port on it; 0 where the Service has no node port yet.
    pub port: u16,
    /// 0..=100, except in Local mode without a weight: there it is the number of the node's pods.
    pub weight: u32,
}

impl Backend<'_> {
    /// The backend as it stands in a group, with its description. `interface` is the id of the network
    /// interface that has a pod's address.
    pub(crate) fn registered(
        self,
        description: &str,
        interface: impl Fn(&str) -> String,
    ) -> RegisteredBackend {
        let (kind, server_id, address) = match self.target {
            BackendTarget::Ecs(id) => ("ecs", id.to_owned(), String::new()),
            BackendTarget::Pod(ip) => ("eni", interface(ip), ip.to_owned()),
        };
        RegisteredBackend {
            server_id,
            server_ip: address,
            port: self.port,
            weight: self.weight,
            kind: kind.to_owned(),
            description: description.to_owned(),
        }
    }
}

/// What takes the traffic of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendTarget<'a> {
    /// An ECS instance, by its id.
    Ecs(&'a str),
    /// A pod, by its address.
    Pod(&'a str),
}

impl<'a> BackendTarget<'a> {
    /// The instance's id or the pod's address.
    pub fn id(&self) -> &'a str {
        match self {
            Self::Ecs(id) | Self::Pod(id) => id,
        }
    }
}
