//! Whether a Service is one of those that CCM and the rules are about.

use super::{CLASS, TUNNEL_TYPE, nearest_known_key};
use crate::object::Service;

impl Service {
    /// Whether CCM's CLB controller takes this Service (CCM 2.14: `NeedCLB`, without the feature
    /// gate for the type annotation, which is off by default).
    pub fn is_taken_by_ccm(&self) -> bool {
        let annotations = &self.metadata.annotations;
        self.is_load_balancer()
            && self.spec.load_balancer_class.is_none()
            && annotations.get(TUNNEL_TYPE).is_none()
            && annotations.get(CLASS).is_none_or(str::is_empty)
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
