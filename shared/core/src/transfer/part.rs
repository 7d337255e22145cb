use crate::{
    annotation,
    clb_answers::RegisteredBackend,
    history::{OneService, Part, Server, Servers, Whole},
    index::{Index, ServiceRef},
    snapshot::Snapshot,
};

/// The state of a part, compared with the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is as before the change.
    Before,
    /// Some of its servers are as before and some as after: a write was interrupted.
    Between,
    /// It is as after the change.
    After,
    /// It has other values: somebody has changed it since. Holds these, in words.
    Other(String),
    /// Its state is not at hand. Holds the reason.
    Unknown(String),
}

impl Whole {
    /// The contexts of its Services, each once.
    pub fn contexts(&self) -> Vec<&str> {
        let mut contexts: Vec<&str> = Vec::new();
        for part in &self.parts {
            if let Part::Service(of) = part
                && let Some(context) = of.context.as_deref()
                && !contexts.contains(&context)
            {
                contexts.push(context);
            }
        }
        contexts
    }

    /// The change that takes this one back. Parts that gain by that come first.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut parts: Vec<Part> = self.parts.iter().map(Part::reversed).collect();
        parts.sort_by_key(|part| !part.is_raise());
        Self { parts }
    }
}

impl Part {
    /// The part with before and after swapped.
    #[must_use]
    pub fn reversed(&self) -> Self {
        match self {
            Self::Service(of) => Self::Service(OneService {
                from: of.to.clone(),
                to: of.from.clone(),
                gains: of.gains.map(|gains| !gains),
                ..of.clone()
            }),
            Self::Servers(of) => Self::Servers(of.reversed()),
        }
    }

    /// The same, with whether its Service gains computed from the sums of the weights that CCM would
    /// write before and after. Unchanged where its Service is not in the index, or where the sums
    /// cannot be computed.
    #[must_use]
    pub fn weighed(mut self, index: &Index<'_>) -> Self {
        if let Self::Service(of) = &mut self {
            of.gains = of.computed_gain(index).or(of.gains);
        }
        self
    }

    /// Whether the sum of its weights is greater after the change than before. Where the sums were
    /// not computed, the annotation's values tell: no weight counts as the greatest, one that CCM
    /// refuses as 0.
    pub fn is_raise(&self) -> bool {
        match self {
            Self::Service(OneService { gains: Some(gains), .. }) => *gains,
            Self::Service(of) => {
                // Without a weight every backend gets 100 (CCM 2.14: `backend.go`).
                let weight = |text: &Option<String>| match text {
                    None => u32::MAX,
                    Some(text) => annotation::parse_weight(text).unwrap_or_default(),
                };
                weight(&of.to) > weight(&of.from)
            }
            Self::Servers(of) => {
                let sum = |weight: fn(&Server) -> u32| of.servers.iter().map(weight).sum::<u32>();
                sum(|server| server.to) > sum(|server| server.from)
            }
        }
    }

    /// What it is about, in a few words: `shop/web (b)`, `i-bp1old of group rsp-bp1example`.
    pub fn label(&self) -> String {
        match self {
            Self::Service(of) => {
                let context = of.context.as_ref().map(|context| format!(" ({context})"));
                format!("{}/{}{}", of.namespace, of.name, context.unwrap_or_default())
            }
            Self::Servers(of) => {
                let mut ids: Vec<&str> = of.servers.iter().map(|of| of.id.as_str()).collect();
                ids.dedup();
                format!("{} of group {}", ids.join(", "), of.vgroup)
            }
        }
    }

    /// Its state in a snapshot.
    pub fn standing(&self, snapshot: &Snapshot) -> Standing {
        match self {
            Self::Service(of) => of.standing(snapshot),
            Self::Servers(of) => of.standing(snapshot),
        }
    }
}

impl OneService {
    /// A Service of a snapshot, without weights.
    pub fn of(service_ref: &ServiceRef<'_>) -> Self {
        let (cluster, meta) = (service_ref.cluster, &service_ref.service.metadata);
        Self {
            context: cluster.context.as_deref().map(str::to_owned),
            cluster: cluster.id.clone(),
            cluster_uid: cluster.uid.clone(),
            uid: Some(meta.uid.clone()).filter(|uid| !uid.is_empty()),
            namespace: meta.namespace().to_owned(),
            name: meta.name.clone(),
            from: None,
            to: None,
            gains: None,
        }
    }

    /// The Service in the index, in the cluster that is proven to be its own; `None` where it is not
    /// there.
    pub fn service_in<'a>(&self, index: &Index<'a>) -> Option<ServiceRef<'a>> {
        index.services().find(|service_ref| {
            let meta = &service_ref.service.metadata;
            self.is_in(service_ref.cluster)
                && meta.name == self.name
                && meta.namespace() == self.namespace
        })
    }

    fn computed_gain(&self, index: &Index<'_>) -> Option<bool> {
        let service_ref = self.service_in(index)?;
        let sum = |weight: &Option<String>| index.weight_sum_under(&service_ref, weight.as_deref());
        let (from, to) = (sum(&self.from)?, sum(&self.to)?);
        (from != to).then_some(to > from)
    }

    fn standing(&self, snapshot: &Snapshot) -> Standing {
        let Some(cluster) = self.cluster_in(snapshot) else {
            return Standing::Unknown(self.why_not_found(snapshot));
        };
        let Some(service) = cluster.service(&self.namespace, &self.name) else {
            return Standing::Other("the Service is gone".to_owned());
        };
        let found = service.metadata.annotations.effective(annotation::WEIGHT);
        let now = found.map(|found| found.text);
        if now == self.to.as_deref() {
            Standing::After
        } else if now == self.from.as_deref() {
            Standing::Before
        } else {
            let now = now.map_or_else(|| "none".to_owned(), |text| format!("{text:?}"));
            Standing::Other(format!("its weight is {now}"))
        }
    }
}

impl Servers {
    /// The servers with before and after swapped.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let back = |server: &Server| Server { from: server.to, to: server.from, ..server.clone() };
        Self { servers: self.servers.iter().map(back).collect(), ..self.clone() }
    }

    fn standing(&self, snapshot: &Snapshot) -> Standing {
        match snapshot.clb_answers.groups.get(&self.vgroup) {
            Some(group) => self.standing_in(&group.backends),
            None => Standing::Unknown(format!("group {} was not read", self.vgroup)),
        }
    }

    /// Its state, given the backends of its group.
    pub fn standing_in(&self, backends: &[RegisteredBackend]) -> Standing {
        let (mut is_before, mut is_after) = (true, true);
        let mut others = Vec::new();
        for server in &self.servers {
            let Server { id, port, from, to } = server;
            match server.weight_in(backends) {
                None => return Standing::Other(format!("{id}:{port} is not in the group")),
                Some(now) => {
                    is_before &= now == *from;
                    is_after &= now == *to;
                    if now != *from && now != *to {
                        others.push(format!("{id}:{port} has weight {now}"));
                    }
                }
            }
        }
        match (is_after, is_before) {
            (true, _) => Standing::After,
            (_, true) => Standing::Before,
            _ if others.is_empty() => Standing::Between,
            _ => Standing::Other(others.join(", ")),
        }
    }
}

impl Server {
    /// The server's weight among these backends; `None` where it is not among them.
    pub fn weight_in(&self, backends: &[RegisteredBackend]) -> Option<u32> {
        let is_it = |of: &&RegisteredBackend| of.is_server(&self.id, self.port);
        backends.iter().find(is_it).map(|backend| backend.weight)
    }
}
