//! What a command looks at: the flags of all commands that read objects, in one type.

use clbmigrate_cluster::files::Source;

use crate::{
    cli::{ClbArgs, ClusterArgs, ConnectArgs},
    selector::Selector,
};

/// What a command looks at, and how it gets at it. A flag that the command does not take is empty.
#[derive(Debug, Clone)]
pub struct Request {
    /// Files instead of a cluster.
    pub files: Vec<Source>,
    /// Files that are laid over the state of the cluster.
    pub overlay: Vec<Source>,
    /// The namespace that is given.
    pub namespace: Option<String>,
    /// Whether all namespaces are looked at.
    pub all_namespaces: bool,
    /// The one context that is given.
    pub context: Option<String>,
    /// Several contexts, looked at together.
    pub contexts: Vec<String>,
    /// The labels of the Services to look at.
    pub selector: Option<Selector>,
    /// The names of the Services to look at; empty for all of them.
    pub names: Vec<String>,
    /// How to reach the clusters.
    pub connect: ConnectArgs,
    /// How to reach the CLB API.
    pub clb: ClbArgs,
    /// What the clusters are.
    pub clusters: ClusterArgs,
}
