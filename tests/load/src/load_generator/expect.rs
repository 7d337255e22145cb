//! Checks of answers.

use std::borrow::Cow;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::connection::Answer;
use crate::review::{Decision, Review};

/// What an answer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Expect {
    /// It has the uid of the review and the decision that the rules make.
    #[value(name = "verdict")]
    Decision,
    /// It is any answer to a review, as of a server that only echoes.
    Anything,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    api_version: &'a str,
    kind: &'a str,
    #[serde(borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(borrow, default)]
    status: Status<'a>,
}

#[derive(Deserialize, Default)]
struct Status<'a> {
    #[serde(borrow, default)]
    message: Cow<'a, str>,
}

impl Expect {
    /// Checks an answer. The error shows a wrong one. Both kinds of checks cost the client the same time.
    pub fn judge(self, review: &Review, answer: Answer<'_>) -> Result<()> {
        let shown = || format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body));
        ensure!(answer.status == 200, "the answer to {} is {}", review.uid(), shown());
        let reply: Reply<'_> = serde_json::from_slice(answer.body)
            .with_context(|| format!("the answer to {} is {}", review.uid(), shown()))?;
        let right = self.is_right(review, &reply);
        ensure!(right, "the answer to {}, {:?}, is {}", review.uid(), review.decision(), shown());
        Ok(())
    }

    fn is_right(self, review: &Review, reply: &Reply<'_>) -> bool {
        let Reply { api_version, kind, response } = reply;
        let of_review = *api_version == "admission.k8s.io/v1" && *kind == "AdmissionReview";
        let fits = || match review.decision() {
            Decision::Allowed => response.allowed,
            Decision::Denied => !response.allowed && response.status.message.contains("CLB001"),
        };
        of_review && (self == Self::Anything || (response.uid == review.uid() && fits()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::{Answer, Expect};
    use crate::echo::fixed_answer;
    use crate::review::{Decision, Review, ReviewSize};

    fn review(decision: Decision) -> Review {
        Review::new("host", "/validate-services", decision, ReviewSize::Small).expect("a review")
    }

    fn judged(decision: Decision, response: &serde_json::Value) -> Result<(), String> {
        let reply = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response,
        });
        let answer = Answer { status: 200, body: &reply.to_string().into_bytes() };
        let judged = Expect::Decision.judge(&review(decision), answer);
        judged.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_right_verdict_on_the_right_uid_passes() {
        let uid = review(Decision::Allowed).uid().to_owned();
        let allowed = json!({"uid": uid, "allowed": true});
        assert_eq!(judged(Decision::Allowed, &allowed), Ok(()));
        let message = "CLB001: a \"quoted\" weight";
        let refused = json!({"uid": uid, "allowed": false, "status": {"message": message}});
        assert_eq!(judged(Decision::Denied, &refused), Ok(()));
    }

    #[rstest]
    #[case::allowed_what_must_be_refused(Decision::Denied, json!({"allowed": true}))]
    #[case::refused_what_must_be_allowed(
        Decision::Allowed, json!({"allowed": false, "status": {"message": "CLB001"}}))]
    #[case::refused_for_another_reason(
        Decision::Denied, json!({"allowed": false, "status": {"message": "try again"}}))]
    #[case::another_uid(Decision::Allowed, json!({"allowed": true, "uid": "1"}))]
    #[case::no_verdict(Decision::Allowed, json!({}))]
    fn everything_else_is_an_error(#[case] decision: Decision, #[case] part: serde_json::Value) {
        let mut response = json!({"uid": review(decision).uid()});
        json_merge(&mut response, part);
        let error = judged(decision, &response).expect_err("a wrong answer");
        assert!(error.starts_with("the answer to 00000000-0000-"), "{error}");
    }

    fn json_merge(into: &mut serde_json::Value, part: serde_json::Value) {
        let serde_json::Value::Object(part) = part else { return };
        into.as_object_mut().expect("an object").extend(part);
    }

    #[test]
    fn a_server_that_understands_nothing_must_still_answer_with_a_review() {
        let review = review(Decision::Allowed);
        let body = fixed_answer(300);
        let answer = Answer { status: 200, body: &body };
        assert!(Expect::Anything.judge(&review, answer).is_ok());
        assert!(Expect::Decision.judge(&review, answer).is_err());
        assert!(Expect::Anything.judge(&review, Answer { status: 500, ..answer }).is_err());
        assert!(Expect::Anything.judge(&review, Answer { body: b"ok", ..answer }).is_err());
    }
}
