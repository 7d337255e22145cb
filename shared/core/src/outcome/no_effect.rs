//! Annotations that CCM does not read where they stand.

use thiserror::Error;

use crate::{
    annotation::{self, EffectiveValue, VGROUP_IDS},
    backends,
    object::Service,
    version::{Behaviour, CcmVersion},
};

/// Why an annotation has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum NoEffect {
    /// A weight without CLB id or without mapping (CCM 2.14: `vgroups.go`).
    #[error("CCM reads the weight only beside a CLB id and a mapping")]
    WeightWithoutMapping,
    /// A key of older articles.
    #[error("CCM never read this key; the mapping is loadbalancer-vgroup-port")]
    OldMappingKey,
    /// A mapping without CLB id.
    #[error("CCM reads the mapping only beside a CLB id")]
    MappingWithoutClb,
    /// A weight that changes while `ignore-weight-update` is on.
    #[error(
        "loadbalancer-ignore-weight-update is on, so CCM leaves the weights of known backends alone"
    )]
    WeightUpdatesIgnored,
    /// An annotation that only newer releases of CCM read.
    #[error("CCM {0} does not read this annotation")]
    NewerCcm(CcmVersion),
    /// A property of a listener that CCM does not touch.
    #[error(
        "CCM does not touch the listeners of a CLB that it did not make, unless force-override-listeners is \"true\"; set it on the listener"
    )]
    ForeignListener,
    /// A key of CCM's on a Service that is no load balancer.
    #[error("the Service is of another type than LoadBalancer, so CCM does not look at it")]
    NotALoadBalancer,
}

/// The annotations of `new` that CCM does not read, by full key. With `old`, the Service before a
/// change, also those whose change alone has no effect.
pub fn unread_annotations(
    old: Option<&Service>,
    new: &Service,
    version: CcmVersion,
) -> Vec<(String, NoEffect)> {
    let annotations = &new.metadata.annotations;
    if !new.is_load_balancer() {
        let was_load_balancer = old.is_some_and(Service::is_load_balancer);
        let keys = annotations.keys().filter(|key| {
            !was_load_balancer && annotation::suffix_of(key).is_some_and(annotation::is_of_clb)
        });
        return keys.map(|key| (key.to_owned(), NoEffect::NotALoadBalancer)).collect();
    }
    if !new.is_taken_by(version) {
        return Vec::new();
    }
    let set = |suffix| annotations.effective(suffix).filter(|found| !found.text.is_empty());
    let mut unread = Vec::new();
    let mut push = |found: Option<EffectiveValue<'_>>, why| {
        unread.extend(found.map(|found| (found.key.to_owned(), why)));
    };
    if !backends::is_mapped(new) {
        push(set(annotation::WEIGHT), NoEffect::WeightWithoutMapping);
        push(set(VGROUP_IDS), NoEffect::OldMappingKey);
    }
    if annotations.text(annotation::ID).is_empty() {
        push(set(annotation::VGROUP_PORT), NoEffect::MappingWithoutClb);
    }
    if let Some(old) = old {
        if is_weight_ignored(old, new, version) {
            unread.push((annotations.key_of(annotation::WEIGHT), NoEffect::WeightUpdatesIgnored));
        }
        unread.extend(unread_change(old, new, version));
    }
    unread
}

/// Whether a weight changes that CCM leaves as it is for `ignore-weight-update`.
fn is_weight_ignored(old: &Service, new: &Service, version: CcmVersion) -> bool {
    let weight =
        |service: &Service| service.metadata.annotations.text(annotation::WEIGHT).to_owned();
    weight(old) != weight(new)
        && backends::is_mapped(new)
        && backends::ignores_weight_update(new, version)
        && backends::weight_setting(new, version).is_ok()
}

/// The changed annotations, where the change of none of them has an effect.
fn unread_change(old: &Service, new: &Service, version: CcmVersion) -> Vec<(String, NoEffect)> {
    if old.spec != new.spec {
        return Vec::new();
    }
    let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
    let differs = |key: &&str| was.get(key) != is.get(key);
    let keys = was.keys().filter(|key| is.get(key).is_none()).chain(is.keys());
    let changed: Vec<&str> = keys.filter(differs).collect();
    let touches_listeners = is.text(annotation::FORCE_OVERRIDE) == "true";
    let why = |key: &str| {
        let suffix = annotation::suffix_of(key)?;
        let is_known_later = (suffix == annotation::DEFAULT_WEIGHT
            && !version.has(Behaviour::ReadsDefaultWeight))
            || (suffix == annotation::IGNORE_WEIGHT_UPDATE
                && !version.has(Behaviour::ReadsIgnoreWeightUpdate));
        if is_known_later {
            return Some(NoEffect::NewerCcm(version));
        }
        let is_reused = !is.text(annotation::ID).is_empty();
        (is_reused && !touches_listeners && annotation::is_of_listener(suffix))
            .then_some(NoEffect::ForeignListener)
    };
    let of_ours = |key: &&str| !key.starts_with(annotation::OWN_DOMAIN);
    let unread = changed.into_iter().filter(of_ours).map(|key| Some((key.to_owned(), why(key)?)));
    unread.collect::<Option<Vec<_>>>().unwrap_or_default()
}
