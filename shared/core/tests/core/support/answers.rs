//! The CLB API's answers of a snapshot on paper.

use clbmigrate_core::clb_answers::{ClbAnswer, ClbAnswers, HealthAnswer, UnknownClb};
use serde_json::Value;

use super::{TestSnapshot, from, group};

/// A CLB that the API was asked about and did not show.
#[derive(Debug, Clone)]
pub(super) enum Unshown {
    Unknown(UnknownClb),
    Unread(String, String),
}

impl TestSnapshot {
    /// Puts an answer in the place of the one of the same sort, or beside it.
    pub fn answer(mut self, answer: Value) -> Self {
        let name = |a: &Value| (sort(a), a.get("VServerGroupId").cloned());
        self.answers.retain(|known| name(known) != name(&answer));
        self.answers.push(answer);
        self
    }

    /// The group's answer.
    pub fn group(self, id: &str, backends: &[Value]) -> Self {
        self.answer(group(id, backends))
    }

    /// Takes the answers of one sort away: `BackendServers`, `VServerGroups`, `Listeners` or
    /// `Health`.
    pub fn unanswered(mut self, of: &str) -> Self {
        self.answers.retain(|answer| sort(answer) != of);
        self
    }

    /// Takes every answer away.
    pub fn no_answers(mut self) -> Self {
        self.answers.clear();
        self.unshown.clear();
        self
    }

    /// The API does not know this CLB.
    pub fn unknown_clb(mut self, id: &str, account: Option<&str>) -> Self {
        self.unshown.push(Unshown::Unknown(UnknownClb {
            id: id.to_owned(),
            region: "cn-example".to_owned(),
            account: account.map(str::to_owned),
            credentials: "profile \"prod\"".to_owned(),
        }));
        self
    }

    /// The API could not be asked about this CLB.
    pub fn unread_clb(mut self, id: &str, why: &str) -> Self {
        self.unshown.push(Unshown::Unread(id.to_owned(), why.to_owned()));
        self
    }

    /// Adds the answers to those of a snapshot.
    pub(super) fn add_answers(&self, answers: &mut ClbAnswers) {
        for answer in &self.answers {
            answers.insert(match sort(answer) {
                "BackendServers" => ClbAnswer::Group(from(answer)),
                "LoadBalancerName" => ClbAnswer::LoadBalancer(from(answer)),
                "VServerGroups" => ClbAnswer::GroupList(from(answer)),
                "Health" => ClbAnswer::Health(HealthAnswer {
                    clb: answer["LoadBalancerId"].as_str().map(str::to_owned),
                    ..from(answer)
                }),
                _ => ClbAnswer::Listeners(from(answer)),
            });
        }
        for unshown in &self.unshown {
            match unshown {
                Unshown::Unknown(clb) => answers.insert_unknown(clb.clone()),
                Unshown::Unread(id, why) => answers.insert_unread(id, why),
            }
        }
    }
}

fn sort(answer: &Value) -> &'static str {
    let found = ["BackendServers", "VServerGroups", "LoadBalancerName"]
        .into_iter()
        .find(|sort| answer.get(sort).is_some());
    match found {
        Some("BackendServers") if answer.get("VServerGroupId").is_none() => "Health",
        found => found.unwrap_or("Listeners"),
    }
}
