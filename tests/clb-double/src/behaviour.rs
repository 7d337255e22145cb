//! How the double behaves where the cloud decides by itself: what tests set while it runs.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::health::Health;
use crate::state::BackendKey;

/// How the double behaves. The default is a cloud in which all takes effect at once, and health is what the checks of
/// the data plane find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Behaviour {
    /// Milliseconds after which a change of the state takes effect at the data plane. The API tells of it at once.
    /// With 0 all that still waits takes effect, too.
    pub effect_delay_ms: u64,
    /// The health of backends at listeners; the first entry that fits a backend holds.
    pub health: Vec<SetHealth>,
}

/// The health that some backends have, whatever the checks find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SetHealth {
    /// Only at this CLB; absent: at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_id: Option<String>,
    /// Only at listeners of this port; absent: at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_port: Option<u16>,
    /// Only backends of this server; absent: of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// Only backends at this address; absent: at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_ip: Option<IpAddr>,
    /// Their health; absent: what the checks find.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl SetHealth {
    /// This health for all backends at all listeners.
    pub fn of_all(health: Health) -> Self {
        Self { health: Some(health), ..Self::default() }
    }

    /// This health for the backends of a server at all listeners.
    pub fn of_server(server_id: &str, health: Health) -> Self {
        Self { server_id: Some(server_id.to_owned()), ..Self::of_all(health) }
    }

    fn fits(&self, load_balancer: &str, port: u16, backend: &BackendKey) -> bool {
        self.load_balancer_id.as_deref().is_none_or(|id| id == load_balancer)
            && self.listener_port.is_none_or(|wanted| wanted == port)
            && self.server_id.as_deref().is_none_or(|id| id == backend.server_id)
            && self.server_ip.is_none_or(|ip| backend.server_ip.parse() == Ok(ip))
    }
}

impl Behaviour {
    /// The health that a backend has at a listener, if a test has set one.
    pub(crate) fn health(
        &self,
        load_balancer: &str,
        port: u16,
        backend: &BackendKey,
    ) -> Option<Health> {
        self.health.iter().find(|set| set.fits(load_balancer, port, backend))?.health
    }

    /// Applies a JSON merge patch. Fails, and changes nothing, if a field is unknown or has a wrong value.
    pub(crate) fn patched(&self, patch: &serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut document = serde_json::to_value(self)?;
        json_patch::merge(&mut document, patch);
        serde_json::from_value(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(id: &str, ip: &str) -> BackendKey {
        BackendKey { server_id: id.to_owned(), server_ip: ip.to_owned(), port: 8080 }
    }

    #[test]
    fn the_first_entry_that_fits_holds_and_null_is_what_the_checks_find() {
        let of = |text: &str| serde_json::from_str::<Behaviour>(text).expect("a behaviour");
        let behaviour = of(r#"{"health": [
            {"loadBalancerId": "lb-2", "health": "unavailable"},
            {"listenerPort": 443, "serverId": "i-1", "health": null},
            {"serverIp": "10.0.0.7", "health": "normal"},
            {"serverId": "i-1", "health": "abnormal"}
        ]}"#);
        for (load_balancer, port, id, ip, wanted) in [
            ("lb-2", 80, "i-1", "", Some(Health::Unavailable)),
            ("lb-1", 443, "i-1", "", None),
            ("lb-1", 80, "eni-1", "10.0.0.7", Some(Health::Normal)),
            ("lb-1", 80, "eni-1", "10.0.0.8", None),
            ("lb-1", 80, "i-1", "", Some(Health::Abnormal)),
            ("lb-1", 80, "i-2", "", None),
        ] {
            let found = behaviour.health(load_balancer, port, &backend(id, ip));
            assert_eq!(found, wanted, "{load_balancer} {port} {id} {ip}");
        }
    }
}
