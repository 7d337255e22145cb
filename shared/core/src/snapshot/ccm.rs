//! What a cluster's CCM and its network plugin say of themselves: which release CCM is, and whether
//! pods or nodes are the backends of a Service without `backend-type`.

use thiserror::Error;

use super::Cluster;
use crate::{
    object::{ObjectMeta, WorkloadKind},
    version::{CcmVersion, CcmVersionError, NamedCcmVersion},
};

/// The namespace of CCM, of its configuration and of Terway.
pub const SYSTEM_NAMESPACE: &str = "kube-system";

/// The name of CCM's Deployment or DaemonSet, and of its container, in ACK and in CCM's own manifests.
pub const CCM_NAME: &str = "cloud-controller-manager";

/// The ConfigMap that CCM's manifests mount for `--cloud-config`.
pub const CLOUD_CONFIG_NAME: &str = "cloud-config";

/// The ConfigMap of Terway's configuration, which every installation of it has.
pub const TERWAY_CONFIG_NAME: &str = "eni-config";

/// The names that Terway's DaemonSet has, one for each of its modes.
pub const TERWAY_NAMES: [&str; 3] = ["terway-eniip", "terway-eni", "terway"];

/// How the release of a cluster's CCM is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CcmSource {
    /// A flag, or the configuration, names it.
    Flag,
    /// The tag of the image that CCM runs.
    Image,
    /// Nothing tells it, so it counts as the newest.
    #[default]
    Assumed,
}

impl CcmSource {
    /// The word for it in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Image => "image",
            Self::Assumed => "assumed",
        }
    }
}

/// Why a release is judged as another one than the one that was named. Each holds what named it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CcmNote {
    /// It is newer than the newest whose behaviour is known.
    #[error("{0} is newer than CCM {newest}, the newest whose behaviour is known, and is judged as {newest}", newest = CcmVersion::NEWEST)]
    Newer(String),
    /// It is older than the oldest whose behaviour is known.
    #[error("{0} is older than CCM {oldest}, the oldest whose behaviour is known, and is judged as {oldest}", oldest = CcmVersion::OLDEST)]
    Older(String),
    /// It is no release at all.
    #[error("{0} names no release of CCM, and is judged as {newest}; --ccm-version names it", newest = CcmVersion::NEWEST)]
    Unreadable(String),
}

/// What CCM's Deployment or DaemonSet tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CcmWorkload {
    /// The image of its container; empty where it has none.
    pub image: String,
    /// The variable `SERVICE_FORCE_BACKEND_ENI`; empty where it is not set, or set by reference.
    pub force_backend_eni: String,
}

/// What tells whether pods are the backends of a Service without `backend-type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DefaultBackendsSource {
    /// A flag, or the configuration.
    Flag,
    /// CCM's own setting.
    Ccm,
    /// Terway, or that it is not there.
    Terway,
    /// The nodes that are at hand.
    Nodes,
}

/// The traces of what CCM takes as backends by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DefaultBackends {
    /// CCM's variable `SERVICE_FORCE_BACKEND_ENI`, empty where not set; `None` where CCM's workload
    /// was not read.
    pub force_backend_eni: Option<String>,
    /// `Global.serviceBackendType` of CCM's configuration, empty where not set; `None` where the
    /// ConfigMap was not read.
    pub service_backend_type: Option<String>,
    /// Whether Terway runs in the cluster; `None` where nobody looked, or was allowed to.
    pub has_terway: Option<bool>,
}

impl DefaultBackends {
    /// CCM's own setting: its variable unless that is empty, else its configuration (CCM 2.14:
    /// `IsENIBackendType`). `None` where what was read does not decide it.
    fn setting(&self) -> Option<bool> {
        let forced = self.force_backend_eni.as_deref();
        match (forced, self.service_backend_type.as_deref()) {
            (Some(value), _) if !value.is_empty() => Some(value == "true"),
            (_, Some(kind)) if !kind.is_empty() => Some(kind == "eni"),
            (Some(_), Some(_)) => Some(false),
            _ => None,
        }
    }
}

impl Cluster {
    /// Whether pods are the backends of a Service without `backend-type`: as somebody said, else as
    /// CCM is set, else as Terway's presence shows, for a cluster with Terway has pods as backends.
    /// Terway gives its nodes a resource or a condition of its own. `None` where nothing tells it.
    pub fn pods_by_default(&self) -> Option<bool> {
        self.default_backends().map(|(are_pods, _)| are_pods)
    }

    /// [`Cluster::pods_by_default`], and what tells it.
    pub fn default_backends(&self) -> Option<(bool, DefaultBackendsSource)> {
        use DefaultBackendsSource::{Ccm, Flag, Nodes, Terway};
        let evidence = &self.backends_evidence;
        if let Some(said) = self.eni_by_default {
            return Some((said, Flag));
        }
        if let Some(set) = evidence.setting() {
            return Some((set, Ccm));
        }
        let on_nodes =
            || *self.shows_terway.get_or_init(|| self.nodes.iter().any(|node| node.has_terway));
        match evidence.has_terway {
            Some(true) => Some((true, Terway)),
            _ if on_nodes() => Some((true, Nodes)),
            Some(false) => Some((false, Terway)),
            None => (!self.nodes.is_empty()).then_some((false, Nodes)),
        }
    }

    /// Takes over the release that somebody named; `what` is what named it, for the note.
    pub fn set_ccm(&mut self, named: NamedCcmVersion, what: &str) {
        self.ccm_version = named.version;
        self.ccm_source = CcmSource::Flag;
        self.ccm_note = named.is_newer.then(|| CcmNote::Newer(what.to_owned()));
    }

    /// Takes over what CCM's workload tells. A release that somebody named stays.
    pub(super) fn insert_ccm(&mut self, found: &CcmWorkload) {
        let known = &mut self.backends_evidence.force_backend_eni;
        if known.as_deref().is_none_or(str::is_empty) {
            *known = Some(found.force_backend_eni.clone());
        }
        if self.ccm_source != CcmSource::Assumed || found.image.is_empty() {
            return;
        }
        let (version, source, note) = of_image(&found.image);
        self.ccm_version = version;
        self.ccm_source = source;
        self.ccm_note = note;
    }

    /// Takes over what a newer state of the cluster tells of CCM and Terway.
    pub(super) fn overlay_ccm(&mut self, newer: &Self) {
        if newer.ccm_source != CcmSource::Assumed || self.ccm_source == CcmSource::Assumed {
            self.ccm_version = newer.ccm_version;
            self.ccm_source = newer.ccm_source;
            self.ccm_note.clone_from(&newer.ccm_note);
        }
        let (evidence, newer) = (&mut self.backends_evidence, &newer.backends_evidence);
        let take = |known: &mut Option<String>, newer: &Option<String>| {
            if newer.is_some() {
                known.clone_from(newer);
            }
        };
        take(&mut evidence.force_backend_eni, &newer.force_backend_eni);
        take(&mut evidence.service_backend_type, &newer.service_backend_type);
        evidence.has_terway = newer.has_terway.or(evidence.has_terway);
    }

    /// Takes over the release of CCM, what is said of it, and what tells the default backends from an
    /// older state of the same cluster.
    pub fn keep_settings_of(&mut self, old: &Self) {
        self.id.clone_from(&old.id);
        self.suffix.clone_from(&old.suffix);
        self.eni_by_default = old.eni_by_default;
        self.ccm_version = old.ccm_version;
        self.ccm_source = old.ccm_source;
        self.ccm_note.clone_from(&old.ccm_note);
        self.backends_evidence = old.backends_evidence.clone();
    }
}

/// Whether a workload is CCM.
pub fn is_ccm(kind: WorkloadKind, meta: &ObjectMeta) -> bool {
    matches!(kind, WorkloadKind::Deployment | WorkloadKind::DaemonSet)
        && meta.namespace() == SYSTEM_NAMESPACE
        && meta.name == CCM_NAME
}

/// Whether a workload is Terway.
pub(super) fn is_terway(kind: WorkloadKind, meta: &ObjectMeta) -> bool {
    kind == WorkloadKind::DaemonSet
        && meta.namespace() == SYSTEM_NAMESPACE
        && TERWAY_NAMES.contains(&meta.name.as_str())
}

/// The release that an image's tag names, and what is to be said of it.
fn of_image(image: &str) -> (CcmVersion, CcmSource, Option<CcmNote>) {
    let what = || format!("image {image}");
    match NamedCcmVersion::of_image(image) {
        Ok(NamedCcmVersion { version, is_newer }) => {
            (version, CcmSource::Image, is_newer.then(|| CcmNote::Newer(what())))
        }
        Err(CcmVersionError::TooOld(_)) => {
            (CcmVersion::OLDEST, CcmSource::Image, Some(CcmNote::Older(what())))
        }
        Err(CcmVersionError::Malformed(_)) => {
            (CcmVersion::NEWEST, CcmSource::Assumed, Some(CcmNote::Unreadable(what())))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn evidence(force: Option<&str>, kind: Option<&str>, has_terway: Option<bool>) -> Cluster {
        let backends_evidence = DefaultBackends {
            force_backend_eni: force.map(str::to_owned),
            service_backend_type: kind.map(str::to_owned),
            has_terway,
        };
        Cluster { backends_evidence, ..Cluster::default() }
    }

    #[rstest]
    #[case::nothing(None, None, None, None)]
    #[case::forced(Some("true"), Some("ecs"), Some(false), Some(true))]
    #[case::forced_otherwise(Some("1"), Some("eni"), Some(true), Some(false))]
    #[case::configured(Some(""), Some("eni"), Some(false), Some(true))]
    #[case::exactly(Some(""), Some("ENI"), Some(true), Some(false))]
    #[case::neither_is_set(Some(""), Some(""), Some(true), Some(false))]
    #[case::configuration_not_read(Some(""), None, Some(true), Some(true))]
    #[case::workload_not_read(None, Some(""), Some(true), Some(true))]
    #[case::configured_alone(None, Some("eni"), None, Some(true))]
    #[case::without_terway(None, None, Some(false), Some(false))]
    #[case::workload_alone(Some(""), None, None, None)]
    fn ccm_s_setting_wins_over_terway(
        #[case] force: Option<&str>,
        #[case] kind: Option<&str>,
        #[case] has_terway: Option<bool>,
        #[case] expected: Option<bool>,
    ) {
        assert_eq!(evidence(force, kind, has_terway).pods_by_default(), expected);
    }

    #[test]
    fn a_flag_wins_over_everything() {
        let mut cluster = evidence(Some("true"), Some("eni"), Some(true));
        cluster.eni_by_default = Some(false);
        assert_eq!(cluster.default_backends(), Some((false, DefaultBackendsSource::Flag)));
    }

    #[rstest]
    #[case("reg/acs/cloud-controller-manager-amd64:v2.11.2", "2.11", CcmSource::Image, "")]
    #[case("reg/acs/ccm:v2.15.0", "2.14", CcmSource::Image, "is newer than CCM 2.14")]
    #[case("reg/acs/ccm:v1.9.3", "2.9", CcmSource::Image, "is older than CCM 2.9")]
    #[case("reg/acs/ccm:latest", "2.14", CcmSource::Assumed, "--ccm-version")]
    #[case("reg/acs/ccm", "2.14", CcmSource::Assumed, "--ccm-version")]
    fn the_image_tells_the_release_unless_a_flag_does(
        #[case] image: &str,
        #[case] version: &str,
        #[case] source: CcmSource,
        #[case] note: &str,
    ) {
        let found = CcmWorkload { image: image.to_owned(), ..CcmWorkload::default() };
        let mut cluster = Cluster::default();
        cluster.insert_ccm(&found);
        assert_eq!((cluster.ccm_version.as_str(), cluster.ccm_source), (version, source));
        let told = cluster.ccm_note.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(told.contains(note) && told.is_empty() == note.is_empty(), "{told}");

        cluster.set_ccm(NamedCcmVersion { version: CcmVersion::V2_10, is_newer: false }, "2.10");
        cluster.insert_ccm(&found);
        assert_eq!((cluster.ccm_version, cluster.ccm_source), (CcmVersion::V2_10, CcmSource::Flag));
        assert_eq!(cluster.ccm_note, None);
    }

    #[test]
    fn a_newer_state_tells_more_than_an_older_one() {
        let found = |image: &str| {
            let mut cluster = Cluster::default();
            let (image, force_backend_eni) = (image.to_owned(), "true".to_owned());
            cluster.insert_ccm(&CcmWorkload { image, force_backend_eni });
            cluster
        };
        let mut cluster = found("ccm:v2.10.0");
        cluster.overlay_ccm(&Cluster::default());
        assert_eq!(cluster.ccm_version, CcmVersion::V2_10);
        cluster.overlay_ccm(&found("ccm:v2.11.0"));
        assert_eq!(cluster.ccm_version, CcmVersion::V2_11);
        assert_eq!(cluster.pods_by_default(), Some(true));
    }
}
