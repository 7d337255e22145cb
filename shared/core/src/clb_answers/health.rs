//! The health of backends.

use serde::{Deserialize, Deserializer};

use super::{ListenerName, RegisteredBackend, listener::lower_case};
use crate::object::nullable;

/// `DescribeHealthStatus`: the health of the backends behind listeners of one CLB.
#[derive(Debug, Clone, Deserialize)]
pub struct HealthAnswer {
    /// The CLB that was asked about; `None` where nothing tells it.
    #[serde(skip)]
    pub clb: Option<String>,
    /// One entry a backend and listener.
    #[serde(rename = "BackendServers", deserialize_with = "health")]
    pub servers: Vec<ServerHealth>,
}

/// The health of a backend as one listener sees it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerHealth {
    /// The id of the ECS instance or network interface.
    pub server_id: String,
    /// The pod's address.
    #[serde(default, deserialize_with = "nullable")]
    pub server_ip: String,
    /// The backend's port.
    #[serde(default, deserialize_with = "nullable")]
    pub port: u16,
    /// The listener's port; `None` where the answer does not tell it.
    #[serde(default)]
    pub listener_port: Option<u16>,
    /// The listener's protocol; empty where the answer does not tell it.
    #[serde(rename = "Protocol", default, deserialize_with = "lower_case")]
    pub protocol: String,
    /// What the health check says; `None` where it is not known.
    #[serde(rename = "ServerHealthStatus", default, deserialize_with = "status")]
    pub health: Option<Health>,
}

/// What a listener's health check says of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It gets connections, if it has weight.
    Normal,
    /// The listener sends it no new connections.
    Abnormal,
    /// It is not checked, or not yet: health checks are off, or do not apply to it.
    Unavailable,
}

impl HealthAnswer {
    /// The answer to a question about one listener of a CLB. Entries that name no listener are about
    /// this one.
    #[must_use]
    pub fn about(mut self, clb: &str, port: u16, protocol: &str) -> Self {
        self.clb = Some(clb.to_owned());
        for server in &mut self.servers {
            server.listener_port.get_or_insert(port);
            if server.protocol.is_empty() {
                server.protocol = protocol.to_lowercase();
            }
        }
        self
    }
}

impl ServerHealth {
    /// Whether both are about the same listener of one CLB.
    pub(super) fn is_same_listener(&self, other: &Self) -> bool {
        self.listener_port == other.listener_port && self.protocol == other.protocol
    }

    /// Whether it may be about that listener: it is where it does not tell another port or protocol.
    pub fn is_at(&self, listener: &ListenerName<'_>) -> bool {
        self.listener_port.is_none_or(|port| port == listener.port)
            && [listener.protocol, ""].contains(&self.protocol.as_str())
    }

    /// Whether it is about that backend.
    pub fn is_of(&self, backend: &RegisteredBackend) -> bool {
        self.server_id == backend.server_id
            && self.port == backend.port
            && (self.server_ip.is_empty()
                || backend.server_ip.is_empty()
                || self.server_ip == backend.server_ip)
    }

    /// The listener's name, as far as the answer tells it.
    pub fn listener(&self) -> Option<ListenerName<'_>> {
        let port = self.listener_port?;
        Some(ListenerName { port, protocol: &self.protocol })
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Health>, D::Error> {
    let status = Option::<String>::deserialize(deserializer)?;
    Ok(status.and_then(|status| match status.to_lowercase().as_str() {
        "normal" => Some(Health::Normal),
        "abnormal" => Some(Health::Abnormal),
        "unavailable" => Some(Health::Unavailable),
        _ => None,
    }))
}

fn health<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ServerHealth>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(default, deserialize_with = "nullable")]
        backend_server: Vec<ServerHealth>,
    }
    Wrapped::deserialize(deserializer).map(|wrapped| wrapped.backend_server)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::clb_answers::{ClbAnswer, ClbAnswers};

    /// An answer about server `i-1`, and the CLB that was asked about.
    fn answer(clb: Option<&str>, server: &Value) -> HealthAnswer {
        let mut server = server.clone();
        server["ServerId"] = json!("i-1");
        let answer = json!({"BackendServers": {"BackendServer": [server]}});
        let answer: HealthAnswer = serde_json::from_value(answer).expect("an answer");
        HealthAnswer { clb: clb.map(str::to_owned), ..answer }
    }

    fn at(port: u16, protocol: &str, status: &str) -> Value {
        json!({"ListenerPort": port, "Protocol": protocol, "ServerHealthStatus": status})
    }

    /// What is known after an older and a newer answer, the oldest first.
    fn after(older: HealthAnswer, newer: HealthAnswer) -> Vec<Option<Health>> {
        let mut answers = ClbAnswers::default();
        answers.insert(ClbAnswer::Health(older));
        answers.insert(ClbAnswer::Health(newer));
        answers.health.iter().flat_map(|answer| &answer.servers).map(|of| of.health).collect()
    }

    #[rstest]
    #[case::the_same_listener(Some("lb-a"), at(80, "TCP", "normal"), 1)]
    #[case::another_port(Some("lb-a"), at(81, "tcp", "normal"), 2)]
    #[case::another_protocol(Some("lb-a"), at(80, "udp", "normal"), 2)]
    #[case::another_clb(Some("lb-b"), at(80, "tcp", "normal"), 2)]
    #[case::a_clb_that_is_not_told(None, at(80, "tcp", "normal"), 2)]
    fn a_newer_answer_replaces_what_is_known_of_a_listener(
        #[case] clb: Option<&str>,
        #[case] newer: Value,
        #[case] known: usize,
    ) {
        let older = answer(Some("lb-a"), &at(80, "tcp", "abnormal"));
        let all = after(older, answer(clb, &newer));
        assert_eq!((all.len(), all.last()), (known, Some(&Some(Health::Normal))));
    }

    #[rstest]
    #[case("normal", Some(Health::Normal))]
    #[case("abnormal", Some(Health::Abnormal))]
    #[case("unavailable", Some(Health::Unavailable))]
    #[case("unused", None)]
    #[case("", None)]
    fn a_status_is_read(#[case] status: &str, #[case] health: Option<Health>) {
        assert_eq!(answer(None, &at(80, "tcp", status)).servers[0].health, health);
    }

    #[test]
    fn what_is_null_or_missing_is_not_known() {
        let nulls = json!({
            "ListenerPort": null, "Protocol": null, "ServerHealthStatus": null, "ServerIp": null,
        });
        for server in [nulls, json!({})] {
            let answer = answer(None, &server);
            let server = &answer.servers[0];
            assert_eq!((server.listener_port, server.protocol.as_str()), (None, ""));
            assert_eq!((server.health, server.server_ip.as_str()), (None, ""));
            assert!(server.listener().is_none());
        }
    }

    #[test]
    fn an_answer_about_one_listener_names_it_where_its_entries_do_not() {
        let told = answer(None, &at(443, "https", "normal")).about("lb-a", 80, "tcp");
        let untold = answer(None, &json!({})).about("lb-a", 80, "TCP");
        let name = |of: &HealthAnswer| of.servers[0].listener().map(|name| name.to_string());
        assert_eq!(name(&told).as_deref(), Some("https/443"));
        assert_eq!(name(&untold).as_deref(), Some("tcp/80"));
        assert_eq!(untold.clb.as_deref(), Some("lb-a"));
    }
}
