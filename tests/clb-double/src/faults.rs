//! Faults that tests add.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// An effect on some calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Only calls of this action; absent: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Only calls with this access key; absent: with any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// How many matching calls are answered as usual before the effect begins.
    #[serde(default)]
    pub skip: u32,
    /// How many calls have the effect; absent: all, until the faults are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The effect.
    #[serde(rename = "do")]
    pub effect: FaultEffect,
}

/// The effect of a fault on a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum FaultEffect {
    /// It is refused with `Throttling.User`.
    Throttle {},
    /// It is refused with this error.
    #[serde(rename_all = "camelCase")]
    Error {
        /// HTTP status.
        status: u16,
        /// Such as `InternalError`.
        code: String,
        /// The message of the error.
        message: String,
    },
    /// It is carried out so many milliseconds later.
    DelayMs(u64),
    /// It is carried out, then the connection is cut.
    LoseAnswer {},
    /// The connection is cut; it is not carried out.
    LoseRequest {},
    /// It is carried out, then a gateway on the way answers 502 in HTML.
    BadGateway {},
    /// It is not carried out, and this is the answer, with status 200.
    WrongAnswer(String),
}

impl Fault {
    /// A fault with this effect on all calls.
    pub fn new(effect: FaultEffect) -> Self {
        Self { action: None, access_key_id: None, skip: 0, count: None, effect }
    }

    /// Restricts the fault to calls of an action.
    #[must_use]
    pub fn for_action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Restricts the fault to calls with an access key.
    #[must_use]
    pub fn for_access_key(mut self, access_key_id: &str) -> Self {
        self.access_key_id = Some(access_key_id.to_owned());
        self
    }

    /// Restricts the fault to so many calls.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Lets so many matching calls be answered as usual first.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    fn matches(&self, action: &str, access_key_id: Option<&str>) -> bool {
        self.action.as_deref().is_none_or(|wanted| wanted == action)
            && self.access_key_id.as_deref().is_none_or(|wanted| Some(wanted) == access_key_id)
    }
}

impl FaultEffect {
    /// Its name in JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Throttle {} => "throttle",
            Self::Error { .. } => "error",
            Self::DelayMs(_) => "delayMs",
            Self::LoseAnswer {} => "loseAnswer",
            Self::LoseRequest {} => "loseRequest",
            Self::BadGateway {} => "badGateway",
            Self::WrongAnswer(_) => "wrongAnswer",
        }
    }
}

/// The faults that wait for their calls, with what is left of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.with(|faults| faults.push(fault));
    }

    pub(crate) fn all(&self) -> Vec<Fault> {
        self.with(|faults| faults.clone())
    }

    pub(crate) fn clear(&self) {
        self.with(Vec::clear);
    }

    /// What happens to this call. Every fault that matches counts it as passed until one happens.
    pub(crate) fn next_effect(
        &self,
        action: &str,
        access_key_id: Option<&str>,
    ) -> Option<FaultEffect> {
        self.with(|faults| {
            let mut effect = None;
            for fault in faults.iter_mut().filter(|fault| fault.matches(action, access_key_id)) {
                if fault.skip > 0 {
                    fault.skip -= 1;
                } else if fault.count != Some(0) {
                    fault.count = fault.count.map(|count| count - 1);
                    effect = Some(fault.effect.clone());
                    break;
                }
            }
            faults.retain(|fault| fault.count != Some(0));
            effect
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Fault>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_after_those_that_pass_and_so_often() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultEffect::Throttle {}).for_action("A").after(1).times(2));
        let effect = |action| faults.next_effect(action, None).is_some();
        assert!(!effect("A"), "passes");
        assert!(!effect("B"), "is another");
        assert!(effect("A"));
        assert!(effect("A"));
        assert!(!effect("A"), "is used up");
        assert!(faults.all().is_empty());
    }

    #[test]
    fn a_fault_of_one_client_leaves_the_others_alone() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultEffect::LoseAnswer {}).for_access_key("key-a"));
        assert!(faults.next_effect("A", Some("key-b")).is_none());
        assert!(faults.next_effect("A", None).is_none());
        assert_eq!(faults.next_effect("A", Some("key-a")), Some(FaultEffect::LoseAnswer {}));
    }

    #[test]
    fn faults_are_written_as_the_readme_says() {
        let texts = [
            r#"{"action":"A","skip":0,"count":1,"do":{"throttle":{}}}"#,
            r#"{"skip":2,"do":{"delayMs":500}}"#,
            r#"{"accessKeyId":"k","skip":0,"do":{"loseAnswer":{}}}"#,
            r#"{"skip":0,"do":{"loseRequest":{}}}"#,
            r#"{"skip":0,"do":{"badGateway":{}}}"#,
            r#"{"skip":0,"do":{"error":{"status":500,"code":"InternalError","message":"m"}}}"#,
            r#"{"skip":0,"do":{"wrongAnswer":"<html>"}}"#,
        ];
        for text in texts {
            let fault: Fault = serde_json::from_str(text).expect("a fault");
            assert_eq!(serde_json::to_string(&fault).expect("JSON"), text);
        }
    }
}
