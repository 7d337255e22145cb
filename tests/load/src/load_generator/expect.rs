//! Whether an answer is the right one.

use std::borrow::Cow;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::connection::Answer;
use crate::review::{Review, Verdict};

/// What is looked for in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Expect {
    /// The uid of the review, and what the rules say of it.
    Verdict,
    /// Any answer to a review, as of a server that understands nothing.
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
    /// Judges an answer; both kinds cost the client the same. The error says what is wrong with it.
    pub fn judge(self, review: &Review, answer: Answer<'_>) -> Result<()> {
        let told = || format!("{}: {}", answer.status, String::from_utf8_lossy(answer.body));
        ensure!(answer.status == 200, "the answer to {} is {}", review.uid(), told());
        let reply: Reply<'_> = serde_json::from_slice(answer.body)
            .with_context(|| format!("the answer to {} is {}", review.uid(), told()))?;
        let right = self.is_right(review, &reply);
        ensure!(right, "the answer to {}, {:?}, is {}", review.uid(), review.verdict(), told());
        Ok(())
    }

    fn is_right(self, review: &Review, reply: &Reply<'_>) -> bool {
        let Reply { api_version, kind, response } = reply;
        let of_review = *api_version == "admission.k8s.io/v1" && *kind == "AdmissionReview";
        let fits = || match review.verdict() {
            Verdict::Allowed => response.allowed,
            Verdict::Refused => !response.allowed && response.status.message.contains("CLB001"),
        };
        of_review && (self == Self::Anything || (response.uid == review.uid() && fits()))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::{Answer, Expect};
    use crate::echo::same_answer;
    use crate::review::{Review, Verdict};

    fn review(verdict: Verdict) -> Review {
        Review::new("host", "/validate-services", verdict).expect("a review")
    }

    fn judged(verdict: Verdict, response: &serde_json::Value) -> Result<(), String> {
        let reply = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response,
        });
        let answer = Answer { status: 200, body: &reply.to_string().into_bytes() };
        let judged = Expect::Verdict.judge(&review(verdict), answer);
        judged.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_right_verdict_on_the_right_uid_passes() {
        let uid = review(Verdict::Allowed).uid().to_owned();
        let allowed = json!({"uid": uid, "allowed": true});
        assert_eq!(judged(Verdict::Allowed, &allowed), Ok(()));
        let message = "CLB001: a \"quoted\" weight";
        let refused = json!({"uid": uid, "allowed": false, "status": {"message": message}});
        assert_eq!(judged(Verdict::Refused, &refused), Ok(()));
    }

    #[rstest]
    #[case::allowed_what_must_be_refused(Verdict::Refused, json!({"allowed": true}))]
    #[case::refused_what_must_be_allowed(
        Verdict::Allowed, json!({"allowed": false, "status": {"message": "CLB001"}}))]
    #[case::refused_for_another_reason(
        Verdict::Refused, json!({"allowed": false, "status": {"message": "try again"}}))]
    #[case::another_uid(Verdict::Allowed, json!({"allowed": true, "uid": "1"}))]
    #[case::no_verdict(Verdict::Allowed, json!({}))]
    fn everything_else_is_an_error(#[case] verdict: Verdict, #[case] part: serde_json::Value) {
        let mut response = json!({"uid": review(verdict).uid()});
        json_merge(&mut response, part);
        let error = judged(verdict, &response).expect_err("a wrong answer");
        assert!(error.starts_with("the answer to 00000000-0000-"), "{error}");
    }

    fn json_merge(into: &mut serde_json::Value, part: serde_json::Value) {
        let serde_json::Value::Object(part) = part else { return };
        into.as_object_mut().expect("an object").extend(part);
    }

    #[test]
    fn a_server_that_understands_nothing_must_still_answer_with_a_review() {
        let review = review(Verdict::Allowed);
        let body = same_answer(300);
        let answer = Answer { status: 200, body: &body };
        assert!(Expect::Anything.judge(&review, answer).is_ok());
        assert!(Expect::Verdict.judge(&review, answer).is_err());
        assert!(Expect::Anything.judge(&review, Answer { status: 500, ..answer }).is_err());
        assert!(Expect::Anything.judge(&review, Answer { body: b"ok", ..answer }).is_err());
    }
}
