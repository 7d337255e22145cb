//! How far the webhook goes in the namespace of a review.

use super::{AdmissionHandler, AdmissionResponse, ApiReader};
use crate::{
    claims::ClaimStore,
    config::{Config, Enforcement},
    metrics::ReviewResult,
};

/// The longest word of a label that is told. Kubernetes allows 63 characters.
const MAX_WORD: usize = 63;

impl<C: ClaimStore, R: ApiReader> AdmissionHandler<C, R> {
    /// The mode of a namespace, by configuration and label.
    pub(super) fn enforcement(&self, config: &Config, namespace: &str) -> Enforcement {
        let label = self.cache.mode_of_namespace(namespace);
        config.enforcement(namespace, label.as_deref().and_then(Enforcement::of))
    }

    /// The response as the mode of the namespace has it: without warnings in mode `audit`, else with one
    /// about a label that names no mode.
    pub(super) fn in_mode(
        &self,
        namespace: &str,
        response: AdmissionResponse,
        result: ReviewResult,
    ) -> (AdmissionResponse, ReviewResult) {
        let config = self.config.load();
        let label = self.cache.mode_of_namespace(namespace);
        let known = label.as_deref().and_then(Enforcement::of);
        let mode = config.enforcement(namespace, known);
        if mode == Enforcement::Audit {
            let response = response.without_warnings();
            let is_warned = result == ReviewResult::Warned;
            return (response, if is_warned { ReviewResult::Allowed } else { result });
        }
        match label.filter(|_| known.is_none()) {
            None => (response, result),
            Some(word) => {
                let word = word.chars().take(MAX_WORD).collect::<String>();
                let [enforce, warn, audit] = Enforcement::ALL.map(Enforcement::as_str);
                let response = response.warn(config.lang.pick(
                    format!(
                        "namespace {namespace}: the label clbmigrate.io/mode is {word:?}; write {enforce}, {warn} or {audit}. Mode {} counts",
                        mode.as_str()
                    ),
                    format!(
                        "命名空间 {namespace}：标签 clbmigrate.io/mode 的值为 {word:?}；请写 {enforce}、{warn} 或 {audit}。当前模式为 {}",
                        mode.as_str()
                    ),
                ));
                (response, result)
            }
        }
    }
}
