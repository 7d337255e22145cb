//! CLBs that the API does not show: it does not know them, or could not be asked about them.

use std::collections::BTreeMap;

/// A CLB that the API does not know (`InvalidLoadBalancerId.NotFound`), and where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownClb {
    /// The id that was asked for.
    pub id: String,
    /// The region that was asked, such as `cn-hangzhou`.
    pub region: String,
    /// The id of the account that asked; `None` where it is not known.
    pub account: Option<String>,
    /// Where its credentials are from, such as `profile "prod" of ~/.aliyun/config.json`.
    pub credentials: String,
}

impl UnknownClb {
    /// Where it was looked for, in words.
    pub fn place(&self) -> String {
        let Self { region, credentials, .. } = self;
        match &self.account {
            Some(account) => format!("region {region} of account {account} ({credentials})"),
            None => format!("region {region} of the account of {credentials}"),
        }
    }
}

/// What is known of CLBs that the API did not show.
#[derive(Debug, Clone, Default)]
pub struct UnshownClbs {
    /// Those that it does not know, by id.
    pub unknown: BTreeMap<String, UnknownClb>,
    /// Why it could not be asked about others, by id.
    pub unread: BTreeMap<String, String>,
}

impl UnshownClbs {
    /// Adds a CLB that the API does not know.
    pub(super) fn insert_unknown(&mut self, clb: UnknownClb) {
        self.forget(&clb.id);
        self.unknown.insert(clb.id.clone(), clb);
    }

    /// Forgets a CLB that the API shows.
    pub(super) fn forget(&mut self, id: &str) {
        self.unknown.remove(id);
        self.unread.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clb_answers::{ClbAnswer, ClbAnswers};

    fn shown() -> ClbAnswer {
        let answer = json!({"LoadBalancerId": "lb-a"});
        ClbAnswer::LoadBalancer(serde_json::from_value(answer).expect("a CLB"))
    }

    fn unknown() -> UnknownClb {
        UnknownClb {
            id: "lb-a".to_owned(),
            region: "cn-example".to_owned(),
            account: None,
            credentials: "profile \"prod\"".to_owned(),
        }
    }

    #[test]
    fn the_newest_answer_about_a_clb_counts() {
        let mut answers = ClbAnswers::default();
        answers.insert_unread("lb-a", "Forbidden.RAM");
        answers.insert_unknown(unknown());
        assert!(answers.unshown.unknown.contains_key("lb-a") && answers.unshown.unread.is_empty());
        answers.insert(shown());
        assert!(answers.unshown.unknown.is_empty() && answers.balancers.contains_key("lb-a"));
        answers.insert_unknown(unknown());
        assert!(answers.unshown.unknown.contains_key("lb-a") && answers.balancers.is_empty());
    }

    #[test]
    fn what_is_known_of_a_clb_stands_where_it_cannot_be_asked_about_again() {
        let mut answers = ClbAnswers::default();
        answers.insert(shown());
        answers.insert_unread("lb-a", "Forbidden.RAM");
        assert!(answers.unshown.unread.is_empty());
        answers.insert_unknown(unknown());
        answers.insert_unread("lb-a", "Forbidden.RAM");
        assert!(answers.unshown.unread.is_empty());
    }
}
