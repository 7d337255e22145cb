//! Listeners, with connection drain.

use std::{ops::Deref, time::Duration};

use clbmigrate_core::clb_answers;
use serde::{Deserialize, Deserializer, de::Error as _};

/// A listener of a CLB.
#[derive(Debug, Clone)]
pub struct Listener {
    /// What the core reads of it: port, protocol, status, scheduler, group and persistence.
    pub known: clb_answers::Listener,
    tcp: ConnectionDrain,
    udp: ConnectionDrain,
}

/// What the core does not read.
#[derive(Deserialize)]
struct ListenerDetails {
    #[serde(rename = "TCPListenerConfig", default, deserialize_with = "nullable")]
    tcp: ConnectionDrain,
    #[serde(rename = "UDPListenerConfig", default, deserialize_with = "nullable")]
    udp: ConnectionDrain,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConnectionDrain {
    #[serde(deserialize_with = "nullable")]
    connection_drain: String,
    #[serde(deserialize_with = "nullable")]
    connection_drain_timeout: u64,
}

/// Read twice: two structs that want the same fields cannot be flattened into one.
impl<'de> Deserialize<'de> for Listener {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        let known = clb_answers::Listener::deserialize(&json).map_err(D::Error::custom)?;
        let ListenerDetails { tcp, udp } =
            ListenerDetails::deserialize(&json).map_err(D::Error::custom)?;
        Ok(Self { known, tcp, udp })
    }
}

impl Listener {
    /// How long established connections live on after their backend was removed, 10..=900 s. `None`
    /// where connection drain is off or the protocol has none (CLB: only TCP and UDP have it).
    pub fn drain(&self) -> Option<Duration> {
        let draining = [&self.tcp, &self.udp].into_iter().find(|d| d.connection_drain == "on")?;
        Some(Duration::from_secs(draining.connection_drain_timeout))
    }
}

impl Deref for Listener {
    type Target = clb_answers::Listener;

    fn deref(&self) -> &clb_answers::Listener {
        &self.known
    }
}

fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(json: serde_json::Value) -> Listener {
        serde_json::from_value(json).expect("a listener")
    }

    #[test]
    fn drain_and_persistence_are_read_from_the_protocol_s_settings() {
        let listener = listener(serde_json::json!({
            "LoadBalancerId": "lb-bp1example", "ListenerPort": 80, "ListenerProtocol": "tcp",
            "Scheduler": "wrr", "VServerGroupId": "rsp-bp1example", "Status": "running",
            "TCPListenerConfig": {
                "ConnectionDrain": "on", "ConnectionDrainTimeout": 300, "PersistenceTimeout": 60,
            },
        }));
        assert_eq!(listener.drain(), Some(Duration::from_secs(300)));
        assert_eq!(listener.persistence().as_deref(), Some("persistence for 60 s"));
        assert_eq!((listener.port, listener.status.as_str()), (80, "running"));
    }

    #[test]
    fn without_settings_there_is_no_drain() {
        let listener = listener(serde_json::json!({
            "ListenerPort": 80, "ListenerProtocol": "http", "TCPListenerConfig": null,
        }));
        assert_eq!(listener.drain(), None);
    }
}
