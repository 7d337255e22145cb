//! Which cluster of a snapshot a part of a recorded change is in.

use crate::{
    history::{self, History, OneService, Part, Whole, is_proven, non_empty},
    snapshot::{Cluster, Snapshot},
};

impl Whole {
    /// The same change as this snapshot shows it: each Service that is in one of its clusters has
    /// that cluster's context name, and the UIDs that the record lacks. A part that names no UID is
    /// in the cluster whose Service has `change` in its history, with that part's weights.
    #[must_use]
    pub fn located(&self, change: &str, snapshot: &Snapshot) -> Self {
        let parts = self.parts.iter().map(|part| match part {
            Part::Service(of) => Part::Service(of.located(change, snapshot)),
            Part::Servers(_) => part.clone(),
        });
        Self { parts: parts.collect() }
    }
}

impl OneService {
    /// Whether the Service's cluster is this one. The UID of `kube-system` tells where it is known on
    /// both sides; else the Service of that namespace and name has the recorded UID.
    pub fn is_in(&self, cluster: &Cluster) -> bool {
        let recorded = [self.cluster_uid.as_deref(), self.uid.as_deref()];
        is_proven(recorded, [cluster.uid.as_deref(), self.uid_in(cluster)])
    }

    /// The cluster of the snapshot that the Service is in; `None` where none is proven to be it.
    pub fn cluster_in<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Cluster> {
        snapshot.clusters.iter().find(|cluster| self.is_in(cluster))
    }

    /// Why no cluster of the snapshot is proven to be the Service's.
    pub(super) fn why_not_found(&self, snapshot: &Snapshot) -> String {
        let name = self.context.as_deref().or(self.cluster.as_deref());
        let cluster = match name {
            Some(name) => format!("the cluster that was called {name}"),
            None => "its cluster".to_owned(),
        };
        if !self.has_uid() {
            return format!("the record holds no UID that tells {cluster} from others");
        }
        let unread = snapshot.clusters.iter().filter(|of| non_empty(of.uid.as_deref()).is_none());
        let unread: Vec<&str> =
            unread.map(|of| of.context.as_deref().unwrap_or("the cluster at hand")).collect();
        if unread.is_empty() {
            return format!("{cluster} is not looked at");
        }
        format!(
            "{cluster} is not looked at, as far as can be told: the UID of kube-system was not read in {}",
            unread.join(", ")
        )
    }

    fn has_uid(&self) -> bool {
        non_empty(self.cluster_uid.as_deref()).or(non_empty(self.uid.as_deref())).is_some()
    }

    /// The UID that the Service has in a cluster.
    fn uid_in<'c>(&self, cluster: &'c Cluster) -> Option<&'c str> {
        let service = cluster.service(&self.namespace, &self.name)?;
        non_empty(Some(&service.metadata.uid))
    }

    fn located(&self, change: &str, snapshot: &Snapshot) -> Self {
        let cluster = if self.has_uid() {
            self.cluster_in(snapshot)
        } else {
            self.only_holder_of(change, snapshot)
        };
        let Some(cluster) = cluster else { return self.clone() };
        let or = |recorded: &Option<String>, present: Option<&str>| {
            non_empty(recorded.as_deref()).or(non_empty(present)).map(str::to_owned)
        };
        Self {
            context: cluster.context.as_deref().map(str::to_owned),
            cluster_uid: or(&self.cluster_uid, cluster.uid.as_deref()),
            uid: or(&self.uid, self.uid_in(cluster)),
            ..self.clone()
        }
    }

    /// The one cluster whose Service of this namespace and name has `change` in its history, with
    /// these weights.
    fn only_holder_of<'s>(&self, change: &str, snapshot: &'s Snapshot) -> Option<&'s Cluster> {
        let holds = |cluster: &&Cluster| {
            let service = cluster.service(&self.namespace, &self.name);
            let text = service.and_then(|of| of.metadata.annotations.get(history::KEY));
            let history = History::parse(text).unwrap_or_default();
            let mut entries = history.entries().iter();
            entries.any(|of| of.change == change && (&of.from, &of.to) == (&self.from, &self.to))
        };
        let mut holders = snapshot.clusters.iter().filter(holds);
        holders.next().filter(|_| holders.next().is_none())
    }
}
