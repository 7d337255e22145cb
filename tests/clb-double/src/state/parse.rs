//! Reading a state strictly: what is wrong is told with its place.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::de::{Deserialize as _, Deserializer, Error as _};

use super::{HealthCheck, Listener, LoadBalancer, State};

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct StateError {
    /// Path into the JSON, such as `loadBalancers[0].id`.
    pub place: String,
    /// What is wrong there, and what is allowed.
    pub what: String,
}

impl StateError {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

impl FromStr for State {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let state: Self = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            StateError::new(error.path().to_string(), error.inner().to_string())
        })?;
        reader.end().map_err(|error| StateError::new("after the state", error.to_string()))?;
        state.check()?;
        Ok(state)
    }
}

impl State {
    /// Checks what the JSON's structure cannot: that ids are unique, that groups of listeners exist,
    /// and that numbers are in their ranges. Returns the first error.
    pub fn check(&self) -> Result<(), StateError> {
        let keys = self.accounts.iter().map(|account| account.access_key_id.as_str());
        let keys = keys.chain(self.sts_tokens.iter().map(|token| token.access_key_id.as_str()));
        check_unique(keys, |id| {
            StateError::new("accounts, stsTokens", format!("{id:?} is there twice"))
        })?;
        check_unique(self.load_balancers.iter().map(|lb| lb.id.as_str()), |id| {
            StateError::new("loadBalancers", format!("{id:?} is there twice"))
        })?;
        let groups = self.load_balancers.iter().flat_map(|lb| &lb.groups);
        check_unique(groups.map(|group| group.id.as_str()), |id| {
            StateError::new("loadBalancers[].groups", format!("{id:?} is there twice"))
        })?;
        for (index, load_balancer) in self.load_balancers.iter().enumerate() {
            load_balancer.check(&format!("loadBalancers[{index}]"))?;
        }
        Ok(())
    }
}

impl LoadBalancer {
    fn check(&self, place: &str) -> Result<(), StateError> {
        for (index, group) in self.groups.iter().enumerate() {
            check_unique(group.backends.iter().map(super::Backend::key), |key| {
                let place = format!("{place}.groups[{index}].backends");
                StateError::new(place, format!("{}:{} is there twice", key.server_id, key.port))
            })?;
        }
        check_unique(
            self.listeners.iter().map(|listener| (listener.port, listener.is_udp())),
            |key| {
                StateError::new(
                    format!("{place}.listeners"),
                    format!("port {} is there twice", key.0),
                )
            },
        )?;
        for (index, listener) in self.listeners.iter().enumerate() {
            let place = format!("{place}.listeners[{index}]");
            if let Some(id) = &listener.v_server_group_id
                && !self.groups.iter().any(|group| group.id == *id)
            {
                let known = self.groups.iter().map(|group| group.id.as_str()).collect::<Vec<_>>();
                let what = format!("{id:?} is not a group of this CLB; it has {known:?}");
                return Err(StateError::new(format!("{place}.vServerGroupId"), what));
            }
            listener.check(&place)?;
        }
        Ok(())
    }
}

impl Listener {
    fn check(&self, place: &str) -> Result<(), StateError> {
        let HealthCheck {
            interval, connect_timeout, healthy_threshold, unhealthy_threshold, ..
        } = self.health_check;
        let ranges: [(&str, u32, RangeInclusive<u32>); 7] = [
            ("persistenceTimeout", self.persistence_timeout, 0..=3600),
            ("establishedTimeout", self.established_timeout, 10..=900),
            ("connectionDrainTimeout", self.connection_drain_timeout, 10..=900),
            ("healthCheck.interval", interval, 1..=50),
            ("healthCheck.connectTimeout", connect_timeout, 1..=300),
            ("healthCheck.healthyThreshold", healthy_threshold, 2..=10),
            ("healthCheck.unhealthyThreshold", unhealthy_threshold, 2..=10),
        ];
        for (name, value, range) in ranges {
            if !range.contains(&value) {
                let what = format!("{value} is not in {}..={}", range.start(), range.end());
                return Err(StateError::new(format!("{place}.{name}"), what));
            }
        }
        Ok(())
    }
}

fn check_unique<T: Ord>(
    values: impl IntoIterator<Item = T>,
    twice: impl Fn(&T) -> StateError,
) -> Result<(), StateError> {
    let mut seen = BTreeSet::new();
    for value in values {
        if seen.contains(&value) {
            return Err(twice(&value));
        }
        seen.insert(value);
    }
    Ok(())
}

pub(super) fn weight<'de, D: Deserializer<'de>>(input: D) -> Result<u8, D::Error> {
    let weight = i64::deserialize(input)?;
    u8::try_from(weight)
        .ok()
        .filter(|weight| *weight <= 100)
        .ok_or_else(|| D::Error::custom(format!("weight {weight} is not in 0..=100")))
}

pub(super) fn port<'de, D: Deserializer<'de>>(input: D) -> Result<u16, D::Error> {
    let port = i64::deserialize(input)?;
    u16::try_from(port)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| D::Error::custom(format!("port {port} is not in 1..=65535")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn error(text: &str) -> String {
        text.parse::<State>().expect_err("is wrong").to_string()
    }

    #[test]
    fn a_region_is_enough() {
        let state: State = r#"{"region": "cn-example"}"#.parse().expect("a state");
        assert_eq!(state.quotas.backends_per_load_balancer, 200);
        assert!(state.load_balancers.is_empty());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"{"region": "r", "accounts": [{"accessKeyId": "a", "accessKeySecret": "s"}],
            "loadBalancers": [{"id": "lb-1", "address": "127.0.0.9", "groups": [{"id": "rsp-1",
            "backends": [{"serverId": "i-1", "port": 80}]}], "listeners": [{"port": 80,
            "vServerGroupId": "rsp-1", "connectionDrain": true}]}]}"#;
        let state: State = text.parse().expect("a state");
        let again = serde_json::to_string(&state).expect("JSON").parse::<State>().expect("a state");
        assert_eq!(again, state);
    }

    #[rstest]
    #[case::unknown_key(r#"{"region": "r", "regoin": "x"}"#, "regoin")]
    #[case::weight(
        r#"{"region": "r", "loadBalancers": [{"id": "lb-1", "groups": [{"id": "g",
            "backends": [{"serverId": "i-1", "port": 80, "weight": 101}]}]}]}"#,
        "loadBalancers[0].groups[0].backends[0].weight: weight 101 is not in 0..=100"
    )]
    #[case::port(
        r#"{"region": "r", "loadBalancers": [{"id": "lb-1", "listeners": [{"port": 0}]}]}"#,
        "loadBalancers[0].listeners[0].port: port 0"
    )]
    #[case::group(
        r#"{"region": "r", "loadBalancers": [{"id": "lb-1", "groups": [{"id": "g"}],
            "listeners": [{"port": 80, "vServerGroupId": "h"}]}]}"#,
        "loadBalancers[0].listeners[0].vServerGroupId: \"h\" is not a group of this CLB; it has [\"g\"]"
    )]
    #[case::range(
        r#"{"region": "r", "loadBalancers": [{"id": "lb-1", "listeners": [{"port": 80,
            "connectionDrainTimeout": 5}]}]}"#,
        "connectionDrainTimeout: 5 is not in 10..=900"
    )]
    #[case::twice(
        r#"{"region": "r", "loadBalancers": [{"id": "lb-1"}, {"id": "lb-1"}]}"#,
        "\"lb-1\" is there twice"
    )]
    fn what_is_wrong_is_told_with_its_place(#[case] text: &str, #[case] wanted: &str) {
        let message = error(text);
        assert!(message.contains(wanted), "{message}");
    }
}
