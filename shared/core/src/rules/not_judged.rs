//! Services that another controller takes, though they carry keys of CCM's CLBs.

use super::findings::ReportBuilder;
use crate::{
    annotation::{self, NLB_CLASS},
    index::ServiceRef,
    object::Service,
    version::{Behaviour, CcmVersion},
};

/// Why no rule judges a Service that carries CLB annotations; `None` where one does, or where it
/// carries none. A Service of another type than `LoadBalancer` has findings of its own (CLB032).
pub fn why_not_judged(service: &Service, version: CcmVersion) -> Option<String> {
    let is_others = service.is_load_balancer() && !service.is_taken_by(version);
    if !is_others || !service.has_clb_keys() {
        return None;
    }
    let annotations = &service.metadata.annotations;
    Some(match &service.spec.load_balancer_class {
        // CCM 2.14: service_utils.go, NeedNLB.
        Some(class) if class == NLB_CLASS => format!(
            "loadBalancerClass {class}: CCM makes an NLB of it, and the rules here are about CLB"
        ),
        // CCM 2.14: service_utils.go, NeedCLB.
        Some(class) => format!(
            "loadBalancerClass {class:?}: CCM does not take it, and another controller may read its annotations otherwise"
        ),
        None if version.has(Behaviour::ReadsTunnelType)
            && annotations.get(annotation::TUNNEL_TYPE).is_some() =>
        {
            format!("CCM does not take it, for it has {}", annotation::TUNNEL_TYPE)
        }
        None => format!("CCM does not take it, for it has {}", annotation::CLASS),
    })
}

/// Tells that a Service is not judged, where that is so.
pub(super) fn note(service_ref: &ServiceRef<'_>, report: &mut ReportBuilder) {
    let ServiceRef { service, cluster, .. } = service_ref;
    if !report.is_terse()
        && let Some(why) = why_not_judged(service, cluster.ccm_version)
    {
        report.not_judged(format!("Service {}", service_ref.label()), why);
    }
}
