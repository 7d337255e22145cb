//! A listener as the cloud describes it.

use serde_json::{Map, Value};

/// One listener of a CLB.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listener {
    /// The port that clients connect to.
    pub port: i32,
    /// `tcp`, `udp`, `http` or `https`.
    pub protocol: String,
    /// `running`, `stopped` …
    pub status: String,
    /// Whose it is: `k8s/<port>/<service>/<namespace>/<cluster id>`, or anything else.
    pub description: String,
    /// Every other attribute by its name in the cloud API, numbers and booleans as text.
    pub attributes: Map<String, Value>,
}

impl Listener {
    /// Reads one of `Listeners`: attributes stand beside the port or in `TCPListenerConfig` and its like.
    pub(crate) fn read(answer: &Value) -> Self {
        let text = |name: &str| as_text(answer.get(name).unwrap_or(&Value::Null));
        let protocol = text("ListenerProtocol").to_lowercase();
        let mut attributes = Map::new();
        let nested = answer.get(format!("{}ListenerConfig", protocol.to_uppercase()));
        for object in [Some(answer), nested].into_iter().flatten().filter_map(Value::as_object) {
            for (name, value) in object.iter().filter(|(_, value)| !value.is_object()) {
                attributes.insert(name.clone(), Value::String(as_text(value)));
            }
        }
        Self {
            port: text("ListenerPort").parse().unwrap_or_default(),
            protocol,
            status: text("Status"),
            description: text("Description"),
            attributes,
        }
    }

    /// Whether it only sends clients to another listener.
    pub(crate) fn forwards(&self) -> bool {
        self.attribute("ListenerForward") == "on"
    }

    /// An attribute as text; empty if the cloud tells nothing of it.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
