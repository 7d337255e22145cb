//! Plans: the clusters and machines of a testbed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::version::Version;

/// Addresses are derived from positions, one byte each.
const MOST_CLUSTERS: usize = 50;
const MOST_NODES: u8 = 200;
const MOST_MACHINES: usize = 200;

/// The clusters of a testbed, and machines outside of them. [`crate::Testbed::start`] refuses a plan
/// without clusters, with names that are not allowed, or with one name twice.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) clusters: Vec<ClusterPlan>,
    pub(crate) machines: Vec<String>,
    pub(crate) deadline: Duration,
    pub(crate) first_number: u8,
    nodes_without_cluster: bool,
}

/// One cluster of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClusterPlan {
    pub name: String,
    pub version: Version,
    pub nodes: u8,
}

/// What a testbed needs of the machine it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Processes on loopback addresses; needs no root.
    ControlPlane,
    /// Network namespaces, containers and packet filters; needs root on Linux.
    Nodes,
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

impl Plan {
    /// An empty plan; at least one cluster must be added.
    pub fn new() -> Self {
        Self {
            clusters: Vec::new(),
            machines: Vec::new(),
            deadline: Duration::from_secs(120),
            first_number: 0,
            nodes_without_cluster: false,
        }
    }

    /// Adds a cluster, without nodes. `name` becomes its context in the kubeconfig: lower-case
    /// letters, digits and hyphens, at most 20, beginning with a letter.
    #[must_use]
    pub fn cluster(mut self, name: &str, version: Version) -> Self {
        self.clusters.push(ClusterPlan { name: name.to_owned(), version, nodes: 0 });
        self
    }

    /// Gives the cluster that was added last this many nodes, at most 200.
    #[must_use]
    pub fn nodes(mut self, nodes: u8) -> Self {
        match self.clusters.last_mut() {
            Some(cluster) => cluster.nodes = nodes,
            None => self.nodes_without_cluster = true,
        }
        self
    }

    /// Adds a machine outside the clusters, on the same network. Its name follows the rules for
    /// names of clusters.
    #[must_use]
    pub fn machine(mut self, name: &str) -> Self {
        self.machines.push(name.to_owned());
        self
    }

    /// How long a start may take until everything is Ready, in place of 120 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The lowest number that the testbed may have, in place of 0. Tests that look for what a stopped
    /// testbed has left take high numbers, which no other suite is given meanwhile.
    #[must_use]
    pub fn first_number(mut self, number: u8) -> Self {
        self.first_number = number;
        self
    }

    /// What a testbed of this plan needs of the machine it runs on.
    pub fn size(&self) -> Size {
        let namespaces =
            !self.machines.is_empty() || self.clusters.iter().any(|cluster| cluster.nodes > 0);
        if namespaces { Size::Nodes } else { Size::ControlPlane }
    }

    /// Adds a cluster written as `NAME=VERSION:NODES` or `NAME=VERSION`; another form is an error.
    pub fn cluster_from_text(self, text: &str) -> anyhow::Result<Self> {
        let parts = || {
            let (name, rest) = text.split_once('=')?;
            let (version, nodes) = rest.split_once(':').unwrap_or((rest, "0"));
            Some((name, version, nodes))
        };
        let (name, version, nodes) =
            parts().with_context(|| format!("{text:?}: write NAME=VERSION:NODES, a=v1.36.3:3"))?;
        let version = version.parse().with_context(|| format!("in {text:?}"))?;
        let nodes = nodes.parse().with_context(|| format!("{nodes:?} nodes in {text:?}"))?;
        Ok(self.cluster(name, version).nodes(nodes))
    }

    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        ensure!(!self.nodes_without_cluster, "the plan gives nodes before it has a cluster");
        ensure!(!self.clusters.is_empty(), "the plan has no cluster");
        ensure!(self.clusters.len() <= MOST_CLUSTERS, "more than {MOST_CLUSTERS} clusters");
        ensure!(self.machines.len() <= MOST_MACHINES, "more than {MOST_MACHINES} machines");
        // Names of nodes are derived, `a-1`, and so can meet names that were given. Hyphens do not
        // tell ids apart, because the cloud's ids have none.
        let mut taken = BTreeSet::new();
        let mut take = |name: String| {
            let new = taken.insert(name.replace('-', ""));
            ensure!(new, "the plan has {name} twice; clusters, machines and nodes share names");
            Ok(())
        };
        for cluster in &self.clusters {
            check_name(&cluster.name)?;
            ensure!(cluster.nodes <= MOST_NODES, "{} has over {MOST_NODES} nodes", cluster.name);
            take(cluster.name.clone())?;
            (1..=cluster.nodes).try_for_each(|node| take(format!("{}-{node}", cluster.name)))?;
        }
        for machine in &self.machines {
            check_name(machine)?;
            take(machine.clone())?;
        }
        Ok(())
    }
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let letter = name.starts_with(|first: char| first.is_ascii_lowercase());
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        letter && name.len() <= 20 && name.chars().all(rest) && !name.ends_with('-'),
        "{name:?} is no name for a cluster or a machine; take a lower-case letter and at most 19 \
         letters, digits and hyphens"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Plan, Size};
    use crate::version::Version;

    fn error_of(plan: &Plan) -> String {
        plan.validate().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_plan_without_nodes_and_machines_needs_no_root() {
        let plan = Plan::new().cluster("a", Version::NEWEST);
        assert_eq!(plan.size(), Size::ControlPlane);
        assert_eq!(plan.clone().nodes(1).size(), Size::Nodes);
        assert_eq!(plan.machine("ecs1").size(), Size::Nodes);
    }

    #[test]
    fn names_that_meet_are_refused() {
        let plan = Plan::new().cluster("a", Version::NEWEST).nodes(2).machine("a-2");
        assert!(error_of(&plan).contains("a-2 twice"));
        let plan = Plan::new().cluster("a", Version::NEWEST).cluster("a", Version::OLDEST);
        assert!(error_of(&plan).contains("a twice"));
    }

    #[test]
    fn names_that_kubernetes_or_the_system_would_refuse_are_refused_at_once() {
        for name in ["", "A", "1a", "a_b", "a-", "a/b", "aaaaaaaaaaaaaaaaaaaaa"] {
            let plan = Plan::new().cluster(name, Version::NEWEST);
            assert!(error_of(&plan).contains("is no name"), "{name}");
        }
    }

    #[test]
    fn nodes_before_any_cluster_are_refused() {
        let plan = Plan::new().nodes(3).cluster("a", Version::NEWEST);
        assert!(error_of(&plan).contains("before it has a cluster"));
        assert!(error_of(&Plan::new()).contains("no cluster"));
    }

    #[test]
    fn a_cluster_can_be_written_as_text() {
        let plan = Plan::new().cluster_from_text("b=v1.33.13:3").and_then(|plan| {
            plan.validate()?;
            Ok(plan)
        });
        let found = plan.ok().and_then(|plan| {
            let cluster = plan.clusters.first()?;
            Some((cluster.name.clone(), cluster.version, cluster.nodes))
        });
        assert_eq!(found, Some(("b".to_owned(), Version::OLDEST, 3)));
        for text in ["b", "b=1.33", "b=v1.33.13:many", "b=v1.33.13:300"] {
            assert!(Plan::new().cluster_from_text(text).is_err(), "{text}");
        }
    }
}
