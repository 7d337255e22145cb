//! How the double behaves: set by flags at the start and by `PATCH /behaviour` later.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

/// How the double behaves. The default is a CCM that does everything at once and without faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Behaviour {
    /// Milliseconds that every round waits before it reads its Service.
    pub delay_ms: u64,
    /// While true, every round waits before it reads its Service. Edits are still noticed and announced by events.
    pub stuck: bool,
    /// With it, rounds end with a Warning event and write nothing else.
    pub fail: Option<Fail>,
    /// Hashed together with the Service, so that hashes differ from those of CCM 2.14 unless it is empty.
    pub salt: String,
    /// The release whose hashes it writes.
    pub hash_release: HashRelease,
    /// Usable vServer groups by CLB id. A CLB that is not listed has every group whose id is well-formed.
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Addresses by CLB id. A CLB that is not listed has an invented one, always the same for its id.
    pub addresses: BTreeMap<String, IpAddr>,
    /// The backend type of Services without a `backend-type` annotation.
    pub backend_type: BackendType,
    /// The cluster id in the names of groups and backends. CCM's own default is `clusterid`.
    pub cluster_id: String,
    /// How many events about a Service are written at once. Another number fills the tokens of all Services anew.
    pub event_tokens: EventTokens,
}

/// A failure of rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fail {
    /// What the event says, after `Error syncing load balancer [lb-…]: `.
    pub message: String,
    /// How many rounds fail; absent: all, until the failure is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
}

/// What the backends of a Service are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendType {
    /// Nodes, by their node ports.
    #[default]
    Ecs,
    /// Pods.
    Eni,
}

/// A release of CCM, for what it hashes of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
pub enum HashRelease {
    /// CCM 2.7 to 2.13: all but `loadBalancerSourceRanges`.
    #[serde(rename = "2.13")]
    #[value(name = "2.13")]
    V2_13,
    /// CCM 2.14: these, too.
    #[default]
    #[serde(rename = "2.14")]
    #[value(name = "2.14")]
    V2_14,
}

/// How many events about a Service are written at once; then one token comes back every five minutes. In JSON and on
/// the command line a number, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub enum EventTokens {
    /// So many. With 0 no event is written any more.
    Limited(u32),
    /// Every event is written, which the real CCM never does.
    Unlimited,
}

/// The word for [`EventTokens::Unlimited`].
const UNLIMITED: &str = "unlimited";

impl Default for EventTokens {
    /// client-go 0.28: `defaultSpamBurst`.
    fn default() -> Self {
        Self::Limited(25)
    }
}

impl FromStr for EventTokens {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == UNLIMITED {
            return Ok(Self::Unlimited);
        }
        let number = text.parse().map(Self::Limited);
        number.map_err(|_| format!("give a number of tokens or {UNLIMITED}, not {text}"))
    }
}

impl From<EventTokens> for Value {
    fn from(tokens: EventTokens) -> Self {
        match tokens {
            EventTokens::Limited(number) => number.into(),
            EventTokens::Unlimited => UNLIMITED.into(),
        }
    }
}

impl TryFrom<Value> for EventTokens {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match &value {
            Value::String(text) if text == UNLIMITED => Ok(Self::Unlimited),
            other => other.to_string().parse(),
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            delay_ms: 0,
            stuck: false,
            fail: None,
            salt: String::new(),
            hash_release: HashRelease::default(),
            groups: BTreeMap::new(),
            addresses: BTreeMap::new(),
            backend_type: BackendType::default(),
            cluster_id: "clusterid".to_owned(),
            event_tokens: EventTokens::default(),
        }
    }
}

impl Behaviour {
    /// Whether a CLB has a vServer group that a Service may use.
    pub(crate) fn has_group(&self, clb: &str, group: &str) -> bool {
        match self.groups.get(clb) {
            Some(groups) => groups.contains(group),
            None => group.strip_prefix("rsp-").is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            }),
        }
    }

    /// A CLB's address.
    pub(crate) fn address(&self, clb: &str) -> IpAddr {
        // 198.18.0.0/15 is set aside for test networks.
        let invented = || {
            let hash = clb.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            let [_, a, b, c] = hash.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(198, 18 + (a & 1), b, c))
        };
        self.addresses.get(clb).copied().unwrap_or_else(invented)
    }
}

/// The behaviour that all parts of the double share, and that a test may change while it runs. Clones share it too.
#[derive(Debug, Clone)]
pub struct SharedBehaviour(watch::Sender<Behaviour>);

impl SharedBehaviour {
    /// A shared behaviour that begins as the given one.
    pub fn new(behaviour: Behaviour) -> Self {
        Self(watch::Sender::new(behaviour))
    }

    /// The behaviour as it is now.
    pub fn get(&self) -> Behaviour {
        self.0.borrow().clone()
    }

    /// Applies a JSON merge patch and returns the new behaviour. Fails, and changes nothing, if a field is unknown or
    /// has a wrong value; the error names it.
    pub fn patch(&self, patch: &Value) -> Result<Behaviour, serde_json::Error> {
        let mut changed = Err(serde::de::Error::custom("not applied"));
        self.0.send_if_modified(|behaviour| {
            changed = merged(behaviour, patch);
            match &changed {
                Ok(new) => {
                    behaviour.clone_from(new);
                    true
                }
                Err(_) => false,
            }
        });
        changed
    }

    /// Waits for `delay_ms`, then for as long as the behaviour is `stuck`.
    pub(crate) async fn wait_before_round(&self) {
        tokio::time::sleep(Duration::from_millis(self.get().delay_ms)).await;
        // The sender lives in self, so the channel is open.
        let _ = self.0.subscribe().wait_for(|behaviour| !behaviour.stuck).await;
    }

    /// The message with which the current round has to fail, or `None`. Counts the round against `rounds`.
    pub(crate) fn take_failure(&self) -> Option<String> {
        let mut message = None;
        self.0.send_if_modified(|behaviour| {
            let Some(fail) = &mut behaviour.fail else { return false };
            if fail.rounds != Some(0) {
                message = Some(fail.message.clone());
            }
            match &mut fail.rounds {
                None => return false,
                Some(0 | 1) => behaviour.fail = None,
                Some(left) => *left -= 1,
            }
            true
        });
        message
    }
}

fn merged(behaviour: &Behaviour, patch: &Value) -> Result<Behaviour, serde_json::Error> {
    let mut document = serde_json::to_value(behaviour)?;
    json_patch::merge(&mut document, patch);
    serde_json::from_value(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_changes_what_it_names_and_null_takes_back() {
        let control = SharedBehaviour::new(Behaviour { delay_ms: 5, ..Behaviour::default() });
        control
            .patch(&json!({"fail": {"message": "no"}, "groups": {"lb-a": ["rsp-a"]}}))
            .expect("a patch");
        let changed = control.get();
        assert_eq!((changed.delay_ms, changed.stuck), (5, false));
        assert_eq!(changed.fail, Some(Fail { message: "no".to_owned(), rounds: None }));
        control.patch(&json!({"fail": null, "delayMs": null})).expect("a patch");
        assert_eq!((control.get().fail, control.get().delay_ms), (None, 0));
        assert!(control.get().groups.contains_key("lb-a"));
    }

    #[test]
    fn a_patch_with_an_unknown_field_or_a_wrong_value_changes_nothing() {
        let control = SharedBehaviour::new(Behaviour::default());
        for (patch, named) in [
            (json!({"stuk": true}), "stuk"),
            (json!({"delayMs": "5s"}), "5s"),
            (json!({"eventTokens": -1}), "-1"),
            (json!({"eventTokens": "25"}), "25"),
            (json!({"eventTokens": "none"}), "none"),
        ] {
            let error = control.patch(&patch).expect_err("a bad patch").to_string();
            assert!(error.contains(named), "{error}");
            assert_eq!(control.get(), Behaviour::default());
        }
    }

    #[test]
    fn event_tokens_are_a_number_or_unlimited_and_null_is_as_many_as_client_go_has() {
        let control = SharedBehaviour::new(Behaviour::default());
        for (patch, wanted) in [
            (json!({"eventTokens": 0}), EventTokens::Limited(0)),
            (json!({"eventTokens": "unlimited"}), EventTokens::Unlimited),
            (json!({"eventTokens": null}), EventTokens::Limited(25)),
        ] {
            assert_eq!(control.patch(&patch).expect("a patch").event_tokens, wanted);
            let read: Behaviour = serde_json::from_value(json!(control.get())).expect("the same");
            assert_eq!(read.event_tokens, wanted);
        }
    }

    #[test]
    fn so_many_rounds_fail_and_no_more() {
        let control = SharedBehaviour::new(Behaviour::default());
        control.patch(&json!({"fail": {"message": "no", "rounds": 2}})).expect("a patch");
        let failures: Vec<_> = (0..4).map(|_| control.take_failure()).collect();
        assert_eq!(failures, [Some("no".to_owned()), Some("no".to_owned()), None, None]);
        assert_eq!(control.get().fail, None);
    }

    #[test]
    fn no_rounds_at_all_may_be_asked_to_fail() {
        let control = SharedBehaviour::new(Behaviour::default());
        control.patch(&json!({"fail": {"message": "no", "rounds": 0}})).expect("a patch");
        assert_eq!(control.take_failure(), None);
    }

    #[test]
    fn without_a_list_every_well_formed_group_exists() {
        let mut behaviour = Behaviour::default();
        assert!(behaviour.has_group("lb-a", "rsp-bp1example"));
        for id in [" rsp-a", "rsp-", "80", "", "sgp-a", "rsp-a b"] {
            assert!(!behaviour.has_group("lb-a", id), "{id}");
        }
        behaviour.groups.insert("lb-a".to_owned(), ["rsp-b".to_owned()].into());
        assert!(!behaviour.has_group("lb-a", "rsp-a") && behaviour.has_group("lb-a", "rsp-b"));
        assert!(behaviour.has_group("lb-b", "rsp-a"));
    }

    #[test]
    fn an_address_is_the_configured_one_or_always_the_same() {
        let mut behaviour = Behaviour::default();
        assert_eq!(behaviour.address("lb-a"), behaviour.address("lb-a"));
        assert_ne!(behaviour.address("lb-a"), behaviour.address("lb-b"));
        let chosen = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        behaviour.addresses.insert("lb-a".to_owned(), chosen);
        assert_eq!(behaviour.address("lb-a"), chosen);
    }
}
