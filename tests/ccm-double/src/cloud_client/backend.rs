//! A backend of a vServer group, and the two ways in which it is written: as CCM sends it, as the cloud answers.

use serde::{Deserialize, Serialize};

/// The type of a backend in the cloud API.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ServerType {
    /// A machine, by its id.
    #[default]
    Ecs,
    /// A Pod, by its network interface and address.
    Eni,
    /// A serverless Pod that a person added; CCM writes `eni`.
    Eci,
}

impl ServerType {
    /// Its name in the cloud API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Eni => "eni",
            Self::Eci => "eci",
        }
    }
}

/// A Pod that an endpoint names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A backend of a vServer group: one that the model wants, or one that the cloud has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backend {
    /// Machine or Pod.
    pub kind: ServerType,
    /// The machine's or the network interface's id; of a Pod empty until the cloud has been asked.
    pub server_id: String,
    /// A Pod's address; empty for a machine.
    pub server_ip: String,
    /// 1 to 65535.
    pub port: i32,
    /// 0 to 100.
    pub weight: u32,
    /// Whose it is: `k8s/<port>/<service>/<namespace>/<cluster id>`, or anything else.
    pub description: String,
    /// The node that the endpoint names; not known of backends that were found.
    pub node: Option<String>,
    /// The Pod that the endpoint names; not known of backends that were found.
    pub target: Option<PodRef>,
}

impl Backend {
    /// Whether both are the same place in a group (CCM 2.14: `vgroups.go:diff`). The address counts only
    /// where `self`, the computed one, is a Pod.
    pub(crate) fn is_at(&self, found: &Self) -> bool {
        self.server_id == found.server_id
            && self.port == found.port
            && (self.kind != ServerType::Eni || self.server_ip == found.server_ip)
    }

    /// The same with the port left out: CCM 2.14 looks for changes by this.
    pub(crate) fn is_on_server_of(&self, found: &Self) -> bool {
        self.server_id == found.server_id
            && (self.kind != ServerType::Eni || self.server_ip == found.server_ip)
    }
}

/// As CCM writes it: lower-case keys, and what Go adds of its own struct.
#[derive(Serialize)]
struct BackendParameter<'a> {
    #[serde(rename = "IsUserManaged")]
    is_user_managed: bool,
    #[serde(rename = "NodeName")]
    node: Option<&'a str>,
    description: &'a str,
    #[serde(rename = "serverId")]
    server_id: &'a str,
    #[serde(rename = "serverIp")]
    server_ip: &'a str,
    weight: u32,
    port: i32,
    #[serde(rename = "type")]
    kind: ServerType,
    #[serde(rename = "TargetRef")]
    target: Option<PodRefParameter<'a>>,
    #[serde(rename = "Invalid")]
    is_invalid: bool,
}

#[derive(Serialize)]
struct PodRefParameter<'a> {
    kind: &'static str,
    namespace: &'a str,
    name: &'a str,
}

/// The value of `BackendServers`.
pub(crate) fn sent(backends: &[Backend]) -> String {
    let sent: Vec<BackendParameter<'_>> = backends
        .iter()
        .map(|backend| BackendParameter {
            is_user_managed: false,
            node: backend.node.as_deref(),
            description: &backend.description,
            server_id: &backend.server_id,
            server_ip: &backend.server_ip,
            weight: backend.weight,
            port: backend.port,
            kind: backend.kind,
            target: backend.target.as_ref().map(|target| PodRefParameter {
                kind: "Pod",
                namespace: &target.namespace,
                name: &target.name,
            }),
            is_invalid: false,
        })
        .collect();
    // Texts and numbers can always be written.
    serde_json::to_string(&sent).unwrap_or_default()
}

/// As the cloud answers, and as its documentation writes requests. CCM's spelling is read too.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BackendAnswer {
    #[serde(alias = "serverId")]
    pub(crate) server_id: String,
    #[serde(default, alias = "serverIp")]
    pub(crate) server_ip: String,
    #[serde(alias = "port")]
    pub(crate) port: i32,
    #[serde(default = "full", alias = "weight")]
    pub(crate) weight: u32,
    #[serde(default, alias = "type", rename = "Type")]
    pub(crate) kind: ServerType,
    #[serde(default, alias = "description")]
    pub(crate) description: String,
}

/// The cloud API's default.
fn full() -> u32 {
    100
}

impl From<BackendAnswer> for Backend {
    fn from(answered: BackendAnswer) -> Self {
        Self {
            kind: answered.kind,
            server_id: answered.server_id,
            server_ip: answered.server_ip,
            port: answered.port,
            weight: answered.weight,
            description: answered.description,
            node: None,
            target: None,
        }
    }
}

impl From<&Backend> for BackendAnswer {
    fn from(backend: &Backend) -> Self {
        Self {
            server_id: backend.server_id.clone(),
            server_ip: backend.server_ip.clone(),
            port: backend.port,
            weight: backend.weight,
            kind: backend.kind,
            description: backend.description.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_sent_in_ccms_spelling() {
        let node = Backend {
            server_id: "i-1".to_owned(),
            port: 30080,
            weight: 30,
            description: "k8s/30080/web/default/c1".to_owned(),
            ..Backend::default()
        };
        assert_eq!(
            sent(&[node]),
            r#"[{"IsUserManaged":false,"NodeName":null,"description":"k8s/30080/web/default/c1","serverId":"i-1","serverIp":"","weight":30,"port":30080,"type":"ecs","TargetRef":null,"Invalid":false}]"#
        );
    }

    #[test]
    fn both_spellings_are_read() {
        let documented =
            r#"{"ServerId":"i-1","Port":80,"Weight":7,"Type":"eni","ServerIp":"192.0.2.1"}"#;
        let ccms = r#"{"serverId":"i-1","port":80,"weight":7,"type":"eni","serverIp":"192.0.2.1","Invalid":false}"#;
        let read =
            |text| Backend::from(serde_json::from_str::<BackendAnswer>(text).expect("a backend"));
        assert_eq!(read(documented), read(ccms));
        assert_eq!(read(documented).kind, ServerType::Eni);
    }
}
