use thiserror::Error;

use super::cloud::Refusal;
use crate::{
    annotation::{self, ClbIdProblem, ValueError},
    backends::{BackendLabelError, SkipReason},
    listener::UnreadableAnnotation,
    mapping::MappingFormatError,
};

/// Why a round fails. CCM says so in a Warning event and tries again after 5, 10, … 300 seconds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// `bandwidth` is no integer.
    #[error("bandwidth {text:?}: {error}; CCM reads an integer here")]
    Bandwidth {
        /// The value.
        text: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// `backend-label` is malformed.
    #[error(transparent)]
    BackendLabel(#[from] BackendLabelError),
    /// An annotation of a listener cannot be read.
    #[error(transparent)]
    Listener(#[from] UnreadableAnnotation),
    /// A port cannot be built (CCM 2.11 and older; newer ones leave it out in silence).
    #[error("port {port}: {reason}")]
    Port {
        /// The number of the Service port.
        port: u16,
        /// Why.
        reason: SkipReason,
    },
    /// A pod inside the VPC has no network interface.
    #[error("pod {0} has an address of the VPC but no network interface")]
    NoInterface(String),
    /// A pod inside the VPC has no network interface, for which removals and weights of its groups
    /// wait (CCM 2.13 and later).
    #[error(
        "pod {0} has an address of the VPC but no network interface, and what else is to change in its groups waits for it"
    )]
    HeldBack(String),
    /// The mapping has an entry without colon.
    #[error("{path}: {0}", path = annotation::VGROUP_PORT)]
    Mapping(#[from] MappingFormatError),
    /// The id is none that a CLB can have, so that the cloud finds no CLB of that id.
    #[error("{id:?} is no CLB's id: {problem}")]
    NoClbId {
        /// The annotation's value.
        id: String,
        /// What is wrong with it.
        problem: ClbIdProblem,
    },
    /// There is no CLB of that id, though the Service has an address already.
    #[error("there is no CLB {0:?}, though the Service has an address already")]
    ClbGone(String),
    /// The round is about an unchanged Service, and its CLB is not there.
    #[error("there is no CLB {0:?}")]
    NoClb(String),
    /// CCM does not use the CLB for this Service.
    #[error(transparent)]
    NotReusable(#[from] NotReusable),
    /// An attribute of the CLB is not as the annotation wants it, and cannot be changed.
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
    /// The CLB is in another VPC than the cluster, so that the cloud takes none of its backends.
    #[error(
        "CLB {clb:?} is in VPC {vpc}, and the cluster in {cluster}: the CLB takes no backend of another VPC"
    )]
    OtherVpc {
        /// The CLB's id.
        clb: String,
        /// The id of its VPC.
        vpc: String,
        /// The id of the cluster's VPC.
        cluster: String,
    },
    /// A listener is to send to a group that the round does not build.
    #[error("listener {0} has no group, for port {0} cannot be built")]
    NoGroup(u16),
    /// The cloud refuses a call.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why CCM does not use the CLB that a Service names (CCM 2.14: `isLoadBalancerReusable`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotReusable {
    /// CCM made it for a Service, or it is the API server's.
    #[error(
        "CCM or the API server made CLB {clb:?}, as the tag {tag:?} says; CCM: \"can not reuse loadbalancer created by kubernetes.\""
    )]
    MadeByKubernetes {
        /// The CLB's id.
        clb: String,
        /// The tag that says so.
        tag: &'static str,
    },
    /// The Service has the address of another CLB.
    #[error(
        "the Service has the address {has} of another CLB; CCM: \"service has been associated with ip [{has}], cannot be bound to ip [{address}]\", which CLB {clb:?} has"
    )]
    OtherAddress {
        /// The CLB's id.
        clb: String,
        /// Its address.
        address: String,
        /// The address in the Service's status.
        has: String,
    },
    /// CCM uses another CLB for the Service, as its label says.
    #[error(
        "the Service has the address {ip} of CLB {has:?}; CCM: \"service has been associated with ip [{ip}], cannot be bound to ip […]\", which CLB {clb:?} has"
    )]
    OtherClb {
        /// The CLB's id.
        clb: String,
        /// The id in the label.
        has: String,
        /// The address in the Service's status.
        ip: String,
    },
}

/// An attribute that CCM cannot change (CCM 2.14: `loadbalancer.go`, `Update`).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{attribute} {wanted:?}: CLB {clb:?} has {found:?}, which cannot be changed; CCM: {words:?}", words = self.words())]
pub struct Mismatch {
    /// The suffix of the annotation.
    pub attribute: &'static str,
    /// What the Service wants.
    pub wanted: String,
    /// The CLB's id.
    pub clb: String,
    /// What the CLB has.
    pub found: String,
}

impl Mismatch {
    /// What CCM says of it (CCM 2.14: `loadbalancer.go`).
    fn words(&self) -> &'static str {
        match self.attribute {
            annotation::MASTER_ZONE => "can not change LoadBalancer master zone id once created",
            annotation::SLAVE_ZONE => "can not change LoadBalancer slave zone id once created",
            annotation::ADDRESS_TYPE => {
                "can not change LoadBalancer AddressType once created. delete and retry"
            }
            annotation::IP_VERSION => "can not change LoadBalancer AddressIPVersion once created",
            annotation::RESOURCE_GROUP => "can not change ResourceGroupId once created",
            annotation::NETWORK_TYPE => "can not change LoadBalancer network type once created",
            _ => "can not change LoadBalancer address once created",
        }
    }
}

impl Failure {
    /// What becomes of the Service, in words.
    pub(crate) fn fate(&self) -> &'static str {
        if self.writes_nothing() {
            "CCM fails each round: nothing is written, weights and backends freeze"
        } else {
            "CCM fails each round"
        }
    }

    /// Whether the round writes nothing before it fails, so that what stands in the groups stays as
    /// it is. Other failures stop a part of the round, and the rest is carried out.
    pub fn writes_nothing(&self) -> bool {
        !matches!(
            self,
            Self::Mismatch(_) | Self::OtherVpc { .. } | Self::Refused(_) | Self::HeldBack(_)
        )
    }
}
