//! Which routes the CLB API is asked about.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{
    annotation,
    index::routes_of,
    object::Service,
    snapshot::{Cluster, Snapshot},
    transfer::{Part, Whole},
};

use crate::selection::Selection;

/// What a command asks the CLB API about. Before a write that is no more than what the write touches:
/// CCM takes the backends out of a group where its own read of it is throttled, and all of an account
/// share one quota (CCM 2.14: vgroups.go).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Scope {
    /// The routes of all selected Services.
    #[default]
    Selected,
    /// The routes of the Services that a command line names.
    Services(NamedServices),
    /// Groups that a command line names, and what the listeners of their ports send to now.
    Groups(Routes),
}

/// Services that a command line or a record names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedServices {
    /// Names, each with its namespace, or of a selected Service.
    names: BTreeSet<(Option<String>, String)>,
    /// Whether the Services in their groups are meant as well: the counterpart of a shift is one.
    has_partners: bool,
    /// Groups beside theirs, each with its CLB.
    groups: BTreeSet<(String, String)>,
}

/// Groups of one CLB that Services are to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    /// The CLB's id.
    pub clb: String,
    /// The Service ports that are to be mapped to each group, by its id.
    pub ports: BTreeMap<String, BTreeSet<u16>>,
}

/// Groups, each behind its CLB: ids of CLBs and groups.
pub(super) type GroupIds<'s> = BTreeSet<(&'s str, &'s str)>;

impl Scope {
    /// The routes of the selected Service of that name.
    pub fn service(name: &str) -> Self {
        let names = [(None, name.to_owned())].into();
        Self::Services(NamedServices { names, ..NamedServices::default() })
    }

    /// The same, with the routes of all who are in one of them. `others` are Services named besides,
    /// by namespace and name.
    pub fn shift<'n>(name: &str, others: impl IntoIterator<Item = &'n (String, String)>) -> Self {
        let others =
            others.into_iter().map(|(namespace, name)| (Some(namespace.clone()), name.clone()));
        let names = [(None, name.to_owned())].into_iter().chain(others).collect();
        Self::Services(NamedServices { names, has_partners: true, ..NamedServices::default() })
    }

    /// The routes of the selected Service of that name, and of all that a recorded change touched.
    pub fn change(name: &str, whole: &Whole) -> Self {
        let mut named = NamedServices::default();
        named.names.insert((None, name.to_owned()));
        for part in &whole.parts {
            match part {
                Part::Service(of) => {
                    named.names.insert((Some(of.namespace.clone()), of.name.clone()));
                }
                Part::Servers(of) => {
                    named.groups.insert((of.clb.clone(), of.vgroup.clone()));
                }
            }
        }
        Self::Services(named)
    }

    /// The groups that are asked about.
    pub(super) fn groups<'s>(
        &'s self,
        snapshot: &'s Snapshot,
        selection: &Selection<'_>,
    ) -> GroupIds<'s> {
        match self {
            Self::Selected => {
                groups_of(snapshot, |cluster, service| selection.includes(cluster, service))
            }
            Self::Services(named) => named.groups(snapshot, selection),
            Self::Groups(routes) if annotation::clb_id_problem(&routes.clb).is_some() => {
                GroupIds::new()
            }
            Self::Groups(routes) => {
                routes.ports.keys().map(|vgroup| (routes.clb.as_str(), vgroup.as_str())).collect()
            }
        }
    }

    /// The ports whose listeners' groups are asked about as well.
    pub(super) fn ports(&self) -> BTreeSet<u16> {
        match self {
            Self::Groups(routes) => routes.ports.values().flatten().copied().collect(),
            Self::Selected | Self::Services(_) => BTreeSet::new(),
        }
    }
}

impl NamedServices {
    fn groups<'s>(&'s self, snapshot: &'s Snapshot, selection: &Selection<'_>) -> GroupIds<'s> {
        let mut groups = groups_of(snapshot, |cluster, service| {
            let meta = &service.metadata;
            self.names.iter().filter(|(_, name)| *name == meta.name).any(|(namespace, _)| {
                match namespace {
                    Some(namespace) => namespace == meta.namespace(),
                    None => selection.includes(cluster, service),
                }
            })
        });
        groups.extend(self.groups.iter().map(|(clb, vgroup)| (clb.as_str(), vgroup.as_str())));
        if self.has_partners {
            let partners = groups_of(snapshot, |_, service| {
                groups_of_service(service).any(|group| groups.contains(&group))
            });
            groups.extend(partners);
        }
        groups
    }
}

/// The groups of Services that CCM takes.
fn groups_of(snapshot: &Snapshot, is_meant: impl Fn(&Cluster, &Service) -> bool) -> GroupIds<'_> {
    let clusters = snapshot.clusters.iter();
    let services = clusters.flat_map(|cluster| {
        let of_it = cluster.services().filter(|service| is_meant(cluster, service));
        of_it.collect::<Vec<_>>()
    });
    services.filter(|service| service.is_taken_by_ccm()).flat_map(groups_of_service).collect()
}

/// The groups of a Service; none where its CLB's id cannot be one.
fn groups_of_service(service: &Service) -> impl Iterator<Item = (&str, &str)> {
    let clb = service.metadata.annotations.text(annotation::ID);
    let routes = annotation::clb_id_problem(clb).is_none().then(|| routes_of(service));
    routes.into_iter().flatten().map(move |(vgroup, _)| (clb, vgroup))
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
