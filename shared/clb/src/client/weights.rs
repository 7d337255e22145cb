//! Keys and weights of backends.

use std::fmt;

use clbmigrate_core::clb_answers::RegisteredBackend;
use thiserror::Error as ThisError;

/// The key of a backend in its group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey {
    /// The id of the ECS instance or network interface.
    pub server_id: String,
    /// The pod's IP address; empty for instances.
    pub server_ip: String,
    /// The port, 1..=65535.
    pub port: u16,
}

impl BackendKey {
    /// The key of an ECS instance's port.
    pub fn ecs(server_id: impl Into<String>, port: u16) -> Self {
        Self { server_id: server_id.into(), server_ip: String::new(), port }
    }
}

impl From<&RegisteredBackend> for BackendKey {
    fn from(backend: &RegisteredBackend) -> Self {
        let server_ip = if backend.is_pod() { backend.server_ip.clone() } else { String::new() };
        Self { server_id: backend.server_id.clone(), server_ip, port: backend.port }
    }
}

/// `i-bp1example:80` for an instance, `10.0.0.1:80` for a pod.
impl fmt::Display for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = if self.server_ip.is_empty() { &self.server_id } else { &self.server_ip };
        write!(f, "{id}:{}", self.port)
    }
}

/// A backend's weight: 0..=100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u8);

/// The error for a number outside of 0..=100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[error("{0} is no weight: give 0 to 100")]
pub struct WeightError(pub u32);

impl Weight {
    /// Weight 0: the backend gets no new connections.
    pub const ZERO: Self = Self(0);

    /// The weight as a number, 0..=100.
    pub fn get(self) -> u32 {
        self.0.into()
    }
}

impl TryFrom<u32> for Weight {
    type Error = WeightError;

    fn try_from(number: u32) -> Result<Self, WeightError> {
        u8::try_from(number)
            .ok()
            .filter(|weight| *weight <= 100)
            .map(Self)
            .ok_or(WeightError(number))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn a_weight_is_0_to_100(number in 0_u32..1000) {
                prop_assert_eq!(Weight::try_from(number).map(Weight::get).ok(), Some(number).filter(|n| *n <= 100));
            }
        }
    }

    #[test]
    fn an_instance_s_address_is_no_part_of_its_key() {
        let backend = RegisteredBackend {
            server_id: "i-bp1example".to_owned(),
            server_ip: "10.0.0.1".to_owned(),
            port: 80,
            weight: 1,
            kind: "ecs".to_owned(),
            description: String::new(),
        };
        assert_eq!(BackendKey::from(&backend), BackendKey::ecs("i-bp1example", 80));
        let pod = RegisteredBackend { kind: "eni".to_owned(), ..backend };
        assert_eq!(BackendKey::from(&pod).to_string(), "10.0.0.1:80");
    }
}
