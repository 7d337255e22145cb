//! Why CCM leaves a port out.

use thiserror::Error;

use crate::{
    annotation::{self, ValueError},
    mapping::MappingFormatError,
    object::ProviderIdError,
};

/// Why CCM leaves a port out. CCM says nothing and reports success. Any edit of an annotation makes
/// it clean up afterwards, and the Service's backends leave the group (CCM 2.12 to 2.14).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SkipReason {
    /// An entry of the mapping without a colon, before the one for this port.
    #[error("{path}: {0}", path = annotation::VGROUP_PORT)]
    Mapping(MappingFormatError),
    /// The mapped group is not in the Service's CLB.
    #[error("group {0:?} is not in this CLB")]
    NoSuchGroup(String),
    /// The mapped group is one that CCM made itself.
    #[error("group {0:?} was made by CCM itself, which refuses to reuse it")]
    MadeByCcm(String),
    /// The value of `loadbalancer-weight` is not within 0..=100.
    #[error("weight {text:?}: {error}")]
    Weight {
        /// The value.
        text: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// The value of `loadbalancer-default-weight` is not within 0..=100.
    #[error("default-weight {text:?}: {error}")]
    DefaultWeight {
        /// The value.
        text: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// A node's `providerID` names no instance.
    #[error(transparent)]
    Instance(#[from] ProviderIdError),
    /// An endpoint has no `nodeName`. Holds its address.
    #[error("endpoint {0} has no nodeName")]
    NoNodeName(String),
}
