//! Whether a Service is one of those that CCM and the rules are about.

use super::{CLASS, TUNNEL_TYPE, nearest_known_key};
use crate::{
    object::Service,
    version::{Behaviour, CcmVersion},
};

/// What CCM puts on a Service for as long as it has something in the cloud for it.
pub const FINALIZER: &str = "service.k8s.alibaba/resources";

/// The label with the id of the CLB that CCM uses for a Service (CCM 2.14: `service_utils.go`).
pub const CLB_LABEL: &str = "service.k8s.alibaba/loadbalancer-id";

/// The class of a Service that CCM's NLB controller takes (CCM 2.14: `service_utils.go`, `NeedNLB`).
pub const NLB_CLASS: &str = "alibabacloud.com/nlb";

impl Service {
    /// Whether CCM's CLB controller takes this Service (CCM 2.14: `NeedCLB`, without the feature
    /// gate for the type annotation, which is off by default).
    pub fn is_taken_by_ccm(&self) -> bool {
        self.is_taken_by(CcmVersion::NEWEST)
    }

    /// The same for a given release: CCM 2.11 and older do not look at `tunnel-type`.
    pub fn is_taken_by(&self, version: CcmVersion) -> bool {
        let annotations = &self.metadata.annotations;
        let has_tunnel =
            version.has(Behaviour::ReadsTunnelType) && annotations.get(TUNNEL_TYPE).is_some();
        self.is_load_balancer()
            && self.spec.load_balancer_class.is_none()
            && !has_tunnel
            && annotations.get(CLASS).is_none_or(str::is_empty)
    }

    /// Whether CCM takes away what it made for the Service: it is being deleted, or is of another
    /// type (CCM 2.14: `NeedDeleteLoadBalancer`).
    pub fn needs_clean_up(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || !self.is_load_balancer()
    }

    /// Whether CCM has something in the cloud for the Service.
    pub fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }

    /// Whether CCM takes this Service and [`Self::has_clb_keys`] holds.
    pub fn is_candidate(&self) -> bool {
        self.is_taken_by_ccm() && self.has_clb_keys()
    }

    /// Whether the Service carries a CLB annotation, or a key that was probably meant as one.
    pub fn has_clb_keys(&self) -> bool {
        let annotations = &self.metadata.annotations;
        annotations.has_clb_keys() || annotations.keys().any(|key| nearest_known_key(key).is_some())
    }
}
