use clbmigrate_core::snapshot::{self, Cluster, Snapshot};
use schemars::JsonSchema;
use serde::Serialize;

/// The release of CCM by whose behaviour a cluster is judged.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CcmRelease {
    /// The cluster's context; null where files were given without a name.
    pub context: Option<String>,
    /// The release, for example `2.14`; its patch releases behave alike.
    pub version: String,
    /// How it is known.
    pub source: CcmSource,
    /// Why it is another one than the one that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How the release of a cluster's CCM is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CcmSource {
    /// `--ccm-version` names it.
    Flag,
    /// The tag of the image that CCM runs.
    Image,
    /// Nothing tells it, so it counts as the newest.
    Assumed,
}

impl CcmRelease {
    /// The releases of a snapshot's clusters, in their order.
    pub fn all(snapshot: &Snapshot) -> Vec<Self> {
        snapshot.clusters.iter().map(Self::from).collect()
    }
}

impl From<&Cluster> for CcmRelease {
    fn from(cluster: &Cluster) -> Self {
        Self {
            context: cluster.context.as_deref().map(str::to_owned),
            version: cluster.ccm_version.to_string(),
            source: cluster.ccm_source.into(),
            note: cluster.ccm_note.as_ref().map(ToString::to_string),
        }
    }
}

impl From<snapshot::CcmSource> for CcmSource {
    fn from(source: snapshot::CcmSource) -> Self {
        match source {
            snapshot::CcmSource::Flag => Self::Flag,
            snapshot::CcmSource::Image => Self::Image,
            snapshot::CcmSource::Assumed => Self::Assumed,
        }
    }
}
