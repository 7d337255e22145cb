//! Contexts that lead to one cluster.

use std::collections::BTreeSet;

use clbmigrate_cluster::live::Connection;
use clbmigrate_core::snapshot::{Cluster, Snapshot};

use crate::error::Error;

/// A cluster that was read, and what tells it from others.
#[derive(Debug)]
pub(super) struct KnownCluster {
    context: String,
    /// The UID of `kube-system`.
    uid: Option<String>,
    /// URL, proxy and `tls-server-name`: two clusters may be behind one URL.
    address: [Option<String>; 3],
    /// The UIDs of its Services.
    services: BTreeSet<String>,
}

impl KnownCluster {
    /// The cluster of a connection, with what was read of it.
    pub fn new(connection: &Connection, snapshot: &Snapshot) -> Self {
        let Connection { server, proxy, tls_server_name, .. } = connection;
        let uids = snapshot.clusters.iter().flat_map(Cluster::services);
        let uids = uids.map(|service| service.metadata.uid.clone());
        Self {
            context: connection.context.as_deref().unwrap_or_default().to_owned(),
            uid: snapshot.clusters.iter().find_map(|cluster| cluster.uid.clone()),
            address: [Some(server.clone()), proxy.clone(), tls_server_name.clone()],
            services: uids.filter(|uid| !uid.is_empty()).collect(),
        }
    }

    /// Refuses the cluster if it was read already under another context: every participant would
    /// count twice.
    ///
    /// # Errors
    /// A usage error that names both contexts.
    pub fn refuse_duplicate(&self, seen: &[Self]) -> Result<(), Error> {
        let Some(same) = seen.iter().find(|other| self.is_same(other)) else { return Ok(()) };
        Err(Error::Usage {
            message: format!("contexts {} and {} are one cluster", same.context, self.context),
            hints: vec![format!("name one of them only: --context {}", same.context)],
        })
    }

    /// Whether both are one cluster. The UIDs of `kube-system` tell that. Where one of them may not
    /// be read, a Service with one UID in both does, and so does the way to the API server.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.uid, &other.uid) {
            (Some(uid), Some(other)) => uid == other,
            _ => self.address == other.address || !self.services.is_disjoint(&other.services),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn known(uid: Option<&str>, address: [Option<&str>; 3], services: &[&str]) -> KnownCluster {
        KnownCluster {
            context: "x".to_owned(),
            uid: uid.map(str::to_owned),
            address: address.map(|part| part.map(str::to_owned)),
            services: services.iter().map(|&uid| uid.to_owned()).collect(),
        }
    }

    const URL: Option<&str> = Some("https://teleport.example.com");
    const PLAIN: [Option<&str>; 3] = [URL, None, None];
    const ELSEWHERE: [Option<&str>; 3] = [Some("https://10.0.0.1:6443"), None, None];
    const BY_PROXY: [Option<&str>; 3] = [URL, Some("http://proxy.example.com"), None];
    const BY_NAME: [Option<&str>; 3] = [URL, None, Some("kube-b.example.com")];

    #[rstest]
    #[case::one_uid_behind_two_addresses((Some("k1"), PLAIN), (Some("k1"), ELSEWHERE), true)]
    #[case::two_uids_behind_one_address((Some("k1"), PLAIN), (Some("k2"), PLAIN), false)]
    #[case::no_uid_and_one_address((None, PLAIN), (Some("k2"), PLAIN), true)]
    #[case::no_uid_at_all((None, PLAIN), (None, PLAIN), true)]
    #[case::no_uid_and_another_address((None, PLAIN), (None, ELSEWHERE), false)]
    #[case::no_uid_and_another_proxy((None, PLAIN), (None, BY_PROXY), false)]
    #[case::no_uid_and_one_proxy((None, BY_PROXY), (None, BY_PROXY), true)]
    #[case::no_uid_and_another_server_name((None, BY_NAME), (Some("k2"), PLAIN), false)]
    fn clusters_are_told_apart_by_uid_and_else_by_the_whole_address(
        #[case] a: (Option<&str>, [Option<&str>; 3]),
        #[case] b: (Option<&str>, [Option<&str>; 3]),
        #[case] is_same: bool,
    ) {
        let (a, b) = (known(a.0, a.1, &["s1"]), known(b.0, b.1, &["s2"]));
        assert_eq!((a.is_same(&b), b.is_same(&a)), (is_same, is_same));
    }

    #[rstest]
    #[case::without_uids(None, None, true)]
    #[case::the_uids_say_otherwise(Some("k1"), Some("k2"), false)]
    fn a_service_in_both_shows_one_cluster(
        #[case] a: Option<&str>,
        #[case] b: Option<&str>,
        #[case] is_same: bool,
    ) {
        let (a, b) = (known(a, PLAIN, &["s1", "s2"]), known(b, ELSEWHERE, &["s2"]));
        assert_eq!(a.is_same(&b), is_same);
    }
}
