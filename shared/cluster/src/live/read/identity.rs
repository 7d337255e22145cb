//! Which cluster it is, and whether its API server is one that can be read.

use serde::Deserialize;

use crate::live::{
    connect::Connection,
    error::{Error, ErrorKind},
    list::ListItems,
};

/// The oldest API servers that have what is read here (discovery.k8s.io/v1).
const OLDEST: (u32, u32) = (1, 21);

/// Why an API server may not be one that can be read.
#[derive(Clone)]
pub(in crate::live) enum VersionError {
    /// It is too old.
    TooOld(Error),
    /// It does not say.
    Unknown(Error),
}

/// Whether the API server is new enough.
pub(in crate::live) async fn check_version(connection: &Connection) -> Result<(), VersionError> {
    #[derive(Deserialize)]
    struct Version {
        major: String,
        minor: String,
        #[serde(rename = "gitVersion", default)]
        full: String,
    }
    let version = async { connection.get("/version").await?.parse(connection) };
    let version: Version = version.await.map_err(VersionError::Unknown)?;
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    match (number(&version.major), number(&version.minor)) {
        (Some(major), Some(minor)) if (major, minor) < OLDEST => {
            let message = format!(
                "the API server is Kubernetes {}; this needs {}.{} or newer",
                version.full, OLDEST.0, OLDEST.1
            );
            let error = Error::new(ErrorKind::Other, message);
            Err(VersionError::TooOld(connection.in_context(error.hint(
                "look at files instead: kubectl get svc,nodes,endpoints -A -o json | kubectl clbmigrate status -f -",
            ))))
        }
        _ => Ok(()),
    }
}

/// What identifies and configures a cluster.
pub(in crate::live) struct ClusterIdentity {
    /// The objects that hold its id, and that say whether `preStop` hooks are injected. `None` of one
    /// that is not there, or that the user may not read.
    pub configuration: Vec<(&'static Configuration, Result<Option<ListItems>, Error>)>,
    /// The UID of namespace `kube-system`.
    pub uid: Result<Option<String>, Error>,
}

/// An object that says something of a cluster as a whole.
pub(in crate::live) struct Configuration {
    /// What it is.
    pub name: &'static str,
    /// What is unknown without it.
    pub without: &'static str,
    path: &'static str,
}

/// The ConfigMap in which ACK says the cluster's id.
static PROFILE: Configuration = Configuration {
    name: "ConfigMap kube-system/ack-cluster-profile",
    without: "the cluster's id is not known from it",
    path: "/api/v1/namespaces/kube-system/configmaps/ack-cluster-profile",
};

/// The configuration of this project's mutating webhook.
static INJECTION: Configuration = Configuration {
    name: "the mutating webhook's configuration",
    without: "whether preStop hooks are injected is unknown",
    path: "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/clbmigrate-mutate-workloads",
};

impl ClusterIdentity {
    /// All of it.
    pub async fn read(connection: &Connection) -> Self {
        Self::of(connection, &[&PROFILE, &INJECTION]).await
    }

    /// The identity alone.
    pub async fn read_id(connection: &Connection) -> Self {
        Self::of(connection, &[&PROFILE]).await
    }

    async fn of(connection: &Connection, objects: &[&'static Configuration]) -> Self {
        let mut configuration = Vec::new();
        for object in objects {
            let read = async {
                match connection.object(object.path).await? {
                    Some(page) => connection.items(page).await.map(Some),
                    None => Ok(None),
                }
            };
            configuration.push((*object, read.await));
        }
        Self { configuration, uid: connection.cluster_uid().await }
    }
}
