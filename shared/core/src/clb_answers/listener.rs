//! Listeners.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer};

use crate::object::nullable;

/// `DescribeLoadBalancerListeners`: listeners of one CLB or of several.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListenerList {
    /// The CLB, where the file's name says it.
    #[serde(skip)]
    pub clb: Option<String>,
    /// The listeners.
    #[serde(deserialize_with = "listeners")]
    pub listeners: Vec<Listener>,
    /// What asks for the next page; empty where there is none.
    #[serde(default, deserialize_with = "nullable")]
    pub next_token: String,
    /// How many listeners all pages have; `None` where the answer does not tell.
    #[serde(default)]
    pub total_count: Option<usize>,
}

impl ListenerList {
    /// All listeners of a CLB.
    pub fn of_clb(clb: &str, listeners: Vec<Listener>) -> Self {
        let clb = Some(clb.to_owned());
        Self { clb, listeners, next_token: String::new(), total_count: None }
    }

    /// Whether it tells about a CLB. One that tells about none counts where `only_clb` says that no
    /// other CLB is known.
    pub(super) fn is_of(&self, clb: &str, only_clb: bool) -> bool {
        let mut named = self.listeners.iter().filter(|listener| !listener.clb.is_empty());
        match &self.clb {
            Some(known) => known == clb || named.any(|listener| listener.clb == clb),
            None => match named.next() {
                Some(first) => first.clb == clb || named.any(|listener| listener.clb == clb),
                None => only_clb,
            },
        }
    }

    /// Its listeners of a CLB that it is of.
    pub(super) fn listeners_of(
        &self,
        clb: &str,
        only_clb: bool,
    ) -> impl Iterator<Item = &Listener> {
        let owner = self.clb.as_deref();
        let is_unnamed_of = owner.map_or(only_clb, |owner| owner == clb);
        self.listeners.iter().filter(move |listener| {
            if listener.clb.is_empty() { is_unnamed_of } else { listener.clb == clb }
        })
    }
}

/// What tells the listeners of a CLB apart. It is shown as `tcp/80`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerName<'l> {
    /// The port.
    pub port: u16,
    /// The protocol, in lower case; empty where it is not known.
    pub protocol: &'l str,
}

impl fmt::Display for ListenerName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.protocol.is_empty() { "?" } else { self.protocol };
        write!(f, "{protocol}/{}", self.port)
    }
}

/// A listener of a CLB.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listener {
    /// Its CLB.
    #[serde(rename = "LoadBalancerId", default, deserialize_with = "nullable")]
    pub clb: String,
    /// Its port.
    #[serde(rename = "ListenerPort")]
    pub port: u16,
    /// `tcp`, `udp`, `http` or `https`.
    #[serde(rename = "ListenerProtocol", default, deserialize_with = "lower_case")]
    pub protocol: String,
    /// `running` or `stopped`; for a short time also `starting`, `configuring` or `stopping`. Empty
    /// where the answer does not tell.
    #[serde(default, deserialize_with = "lower_case")]
    pub status: String,
    /// `wrr`, `wlc`, `rr`, …
    #[serde(default, deserialize_with = "nullable")]
    pub scheduler: String,
    /// The id of the group that it forwards to; empty where it forwards elsewhere.
    #[serde(rename = "VServerGroupId", default, deserialize_with = "nullable")]
    pub vgroup: String,
    /// The port of the servers of the CLB's default group that it forwards to; 0 where it forwards
    /// elsewhere, or the answer does not tell.
    #[serde(rename = "BackendServerPort", default, deserialize_with = "nullable")]
    pub backend_port: u16,
    /// Its description; `k8s/…` where CCM wrote it.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    #[serde(rename = "TCPListenerConfig", default, deserialize_with = "nullable")]
    tcp: ListenerConfig,
    #[serde(rename = "UDPListenerConfig", default, deserialize_with = "nullable")]
    udp: ListenerConfig,
    #[serde(rename = "HTTPListenerConfig", default, deserialize_with = "nullable")]
    http: ListenerConfig,
    #[serde(rename = "HTTPSListenerConfig", default, deserialize_with = "nullable")]
    https: ListenerConfig,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ListenerConfig {
    #[serde(deserialize_with = "nullable")]
    persistence_timeout: u32,
    #[serde(deserialize_with = "nullable")]
    sticky_session: String,
    #[serde(deserialize_with = "nullable")]
    listener_forward: String,
    #[serde(deserialize_with = "nullable")]
    forward_port: u16,
    #[serde(deserialize_with = "lower_case")]
    health_check: String,
    #[serde(deserialize_with = "lower_case")]
    connection_drain: String,
    #[serde(deserialize_with = "nullable")]
    connection_drain_timeout: u64,
    #[serde(deserialize_with = "nullable")]
    master_slave_server_group_id: String,
}

impl Listener {
    /// What tells it apart.
    pub fn name(&self) -> ListenerName<'_> {
        ListenerName { port: self.port, protocol: &self.protocol }
    }

    /// Whether it takes connections. It does where the answer does not tell its status.
    pub fn is_running(&self) -> bool {
        !["stopped", "stopping"].contains(&self.status.as_str())
    }

    /// The port of the HTTPS listener that an HTTP listener redirects to; `None` where it does not
    /// redirect.
    pub fn forward_port(&self) -> Option<u16> {
        (self.http.listener_forward == "on").then_some(self.http.forward_port)
    }

    /// Whether its health check is off: the CLB sends new connections also to a backend that does not
    /// answer. `false` where the answer does not tell.
    pub fn is_unchecked(&self) -> bool {
        self.checks_health() == Some(false)
    }

    /// Whether it checks the health of its backends; `None` where the answer does not tell.
    pub fn checks_health(&self) -> Option<bool> {
        let switches = self.configs().map(|config| config.health_check.as_str());
        if switches.contains(&"off") {
            Some(false)
        } else {
            switches.contains(&"on").then_some(true)
        }
    }

    /// How long established connections live on after their backend was removed, 10..=900 s;
    /// `Some(0)` where connection drain is off. `None` where the answer does not tell, and where the
    /// protocol has none (CLB: only TCP and UDP have it).
    pub fn drain(&self) -> Option<Duration> {
        [&self.tcp, &self.udp].into_iter().find_map(|config| {
            let seconds = match config.connection_drain.as_str() {
                "on" => config.connection_drain_timeout,
                "off" => 0,
                _ => return None,
            };
            Some(Duration::from_secs(seconds))
        })
    }

    /// The id of the primary/secondary group that it forwards to; `None` where it forwards elsewhere
    /// (CLB: only TCP and UDP listeners have one).
    pub fn master_slave_group(&self) -> Option<&str> {
        let ids = [&self.tcp, &self.udp].map(|config| config.master_slave_server_group_id.as_str());
        ids.into_iter().find(|id| !id.is_empty())
    }

    /// Whether it sends to the servers of the CLB's default group: to no other group, and it does not
    /// redirect.
    pub fn sends_to_default_group(&self) -> bool {
        self.vgroup.is_empty()
            && self.forward_port().is_none()
            && self.master_slave_group().is_none()
    }

    fn configs(&self) -> [&ListenerConfig; 4] {
        [&self.tcp, &self.udp, &self.http, &self.https]
    }

    /// What keeps a client at its backend: `persistence for N s` or `sticky sessions`; `None` where
    /// nothing does.
    pub fn persistence(&self) -> Option<String> {
        self.configs().into_iter().find_map(|config| {
            if config.persistence_timeout > 0 {
                Some(format!("persistence for {} s", config.persistence_timeout))
            } else {
                (config.sticky_session == "on").then(|| "sticky sessions".to_owned())
            }
        })
    }
}

fn listeners<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Listener>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape {
        Plain(Vec<Listener>),
        Wrapped {
            #[serde(rename = "Listener", default, deserialize_with = "nullable")]
            listeners: Vec<Listener>,
        },
    }
    Ok(match Option::<Shape>::deserialize(deserializer)? {
        Some(Shape::Plain(listeners) | Shape::Wrapped { listeners }) => listeners,
        None => Vec::new(),
    })
}

/// A word in lower case; empty where it is null.
pub(super) fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    nullable(deserializer).map(|word: String| word.to_lowercase())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::clb_answers::{ClbAnswer, ClbAnswers};

    fn listener(clb: Option<&str>, port: u16) -> Value {
        json!({"LoadBalancerId": clb, "ListenerPort": port, "ListenerProtocol": "TCP"})
    }

    fn answers(lists: &[Value]) -> ClbAnswers {
        let mut answers = ClbAnswers::default();
        for list in lists {
            let list = serde_json::from_value(list.clone()).expect("listeners");
            answers.insert(ClbAnswer::Listeners(list));
        }
        answers
    }

    /// The ports of the listeners of CLB `lb-a`.
    fn ports(lists: &[Value], only_clb: bool) -> Option<Vec<u16>> {
        let answers = answers(lists);
        let listeners = answers.listeners_of("lb-a", only_clb)?;
        Some(listeners.into_iter().map(|listener| listener.port).collect())
    }

    #[rstest]
    #[case::named(json!([listener(Some("lb-a"), 80)]), false, Some(vec![80]))]
    #[case::wrapped(json!({"Listener": [listener(Some("lb-a"), 80)]}), false, Some(vec![80]))]
    #[case::another_clbs(json!([listener(Some("lb-b"), 80)]), true, None)]
    #[case::of_two_clbs(
        json!([listener(Some("lb-b"), 80), listener(Some("lb-a"), 443)]), false, Some(vec![443])
    )]
    #[case::of_a_clb_that_is_not_told(json!([listener(None, 80)]), false, None)]
    #[case::of_the_only_clb(json!([listener(None, 80)]), true, Some(vec![80]))]
    #[case::none(json!([]), true, Some(Vec::new()))]
    #[case::null(Value::Null, true, Some(Vec::new()))]
    #[case::null_within(json!({"Listener": null}), true, Some(Vec::new()))]
    #[case::none_of_whom_is_not_told(json!([]), false, None)]
    fn listeners_are_those_of_their_clb(
        #[case] listeners: Value,
        #[case] only_clb: bool,
        #[case] expected: Option<Vec<u16>>,
    ) {
        assert_eq!(ports(&[json!({"Listeners": listeners})], only_clb), expected);
    }

    #[rstest]
    #[case::one_page(&[(1, "", 1)], true)]
    #[case::the_first_of_two(&[(1, "more", 2)], false)]
    #[case::the_last_of_two(&[(2, "", 2)], false)]
    #[case::both(&[(1, "more", 2), (2, "", 2)], true)]
    fn several_pages_are_all_where_their_number_is_right(
        #[case] pages: &[(u16, &str, usize)],
        #[case] is_all: bool,
    ) {
        let page = |(port, token, total): &(u16, &str, usize)| {
            json!({
                "Listeners": [listener(Some("lb-a"), *port)],
                "NextToken": token, "TotalCount": total,
            })
        };
        let answers = answers(&pages.iter().map(page).collect::<Vec<_>>());
        assert_eq!(answers.shows_all_listeners("lb-a", false), is_all);
    }

    #[rstest]
    #[case::on(json!({"TCPListenerConfig": {"HealthCheck": "on"}}), Some(true))]
    #[case::off(json!({"TCPListenerConfig": {"HealthCheck": "off"}}), Some(false))]
    #[case::off_in_capitals(json!({"HTTPSListenerConfig": {"HealthCheck": "OFF"}}), Some(false))]
    #[case::null(json!({"UDPListenerConfig": {"HealthCheck": null}}), None)]
    #[case::not_told(json!({}), None)]
    fn a_listener_tells_whether_it_checks_health(
        #[case] config: Value,
        #[case] checks: Option<bool>,
    ) {
        let mut listener = listener(Some("lb-a"), 80);
        for (name, value) in config.as_object().into_iter().flatten() {
            listener[name] = value.clone();
        }
        let listener: Listener = serde_json::from_value(listener).expect("a listener");
        assert_eq!(listener.checks_health(), checks);
        assert_eq!(listener.is_unchecked(), checks == Some(false));
    }

    #[test]
    fn drain_persistence_and_group_are_read_from_the_protocol_s_settings() {
        let read = |config: Value| -> Listener {
            let mut listener = listener(Some("lb-a"), 80);
            for (name, value) in config.as_object().into_iter().flatten() {
                listener[name] = value.clone();
            }
            serde_json::from_value(listener).expect("a listener")
        };
        let seconds = |of: &Listener| of.drain().map(|time| time.as_secs());
        let draining = read(json!({"TCPListenerConfig": {
            "ConnectionDrain": "on", "ConnectionDrainTimeout": 300, "PersistenceTimeout": 60,
        }}));
        assert_eq!(seconds(&draining), Some(300));
        assert_eq!(draining.persistence().as_deref(), Some("persistence for 60 s"));
        assert!(draining.sends_to_default_group());
        let off = json!({"ConnectionDrain": "off", "ConnectionDrainTimeout": 300});
        assert_eq!(seconds(&read(json!({"UDPListenerConfig": off}))), Some(0));
        assert_eq!(seconds(&read(json!({"TCPListenerConfig": null}))), None);
        let pair = read(json!({"TCPListenerConfig": {"MasterSlaveServerGroupId": "rsp-pair"}}));
        assert_eq!(pair.master_slave_group(), Some("rsp-pair"));
        assert!(!pair.sends_to_default_group());
        assert!(!read(json!({"VServerGroupId": "rsp-a"})).sends_to_default_group());
        let redirects =
            json!({"HTTPListenerConfig": {"ListenerForward": "on", "ForwardPort": 443}});
        assert!(!read(redirects).sends_to_default_group());
    }

    #[rstest]
    #[case(json!("running"), true)]
    #[case(json!("Stopped"), false)]
    #[case(json!("stopping"), false)]
    #[case(json!("starting"), true)]
    #[case(Value::Null, true)]
    fn a_stopped_listener_takes_no_connections(#[case] status: Value, #[case] is_running: bool) {
        let mut listener = listener(Some("lb-a"), 80);
        listener["Status"] = status;
        let listener: Listener = serde_json::from_value(listener).expect("a listener");
        assert_eq!(listener.is_running(), is_running);
        assert_eq!(listener.name().to_string(), "tcp/80");
    }
}
