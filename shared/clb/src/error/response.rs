//! Errors that the API itself answers with.

use clbmigrate_errors::without_secrets;
use jiff::Timestamp;

use super::{Error, ErrorKind, ErrorResponse};

/// An answer that is an error, with what is needed to explain it.
pub(crate) struct FailedCall<'a> {
    pub(crate) action: &'static str,
    pub(crate) response: ErrorResponse,
    pub(crate) message: &'a str,
    /// The server's clock by the answer's header `Date`, and this machine's.
    pub(crate) clocks: Option<(Timestamp, Timestamp)>,
    /// Where the credentials come from.
    pub(crate) source: &'a str,
    /// The RAM action that allows the call, such as `slb:DescribeVServerGroups`.
    pub(crate) ram_action: &'a str,
    /// The endpoint's host.
    pub(crate) host: &'a str,
}

/// The longest text of a server that is passed on, in characters.
const LONGEST: usize = 400;

/// Codes of a CLB whose configuration is being changed (also by CCM): try again.
const BUSY: [&str; 5] = [
    "BackendServer.configuring",
    "OperationBusy",
    "ServiceIsConfiguring",
    "ServiceIsStopping",
    "SystemBusy",
];

/// The error for an answer of the API.
pub(crate) fn from_response(call: &FailedCall<'_>) -> Error {
    let FailedCall { response, source, host, .. } = call;
    let kind = kind_of(response.status, &response.code, call.message);
    let error = Error {
        kind,
        action: Some(call.action),
        response: Some(Box::new(response.clone())),
        message: message_of(kind, call),
        hints: Vec::new(),
    };
    match kind {
        ErrorKind::Throttled => error.hint(
            "everybody in the account shares the API's quota, CCM too; wait a little, and see who else calls it",
        ),
        ErrorKind::Busy => error.hint("another change of this CLB is under way; try again in a moment"),
        ErrorKind::Signature => {
            error.hint(format!("see whether the access key secret is complete: {source}"))
        }
        ErrorKind::Unauthorized => {
            error.hint(format!("see whether the access key exists and is enabled: {source}"))
        }
        ErrorKind::Expired => error.hint(format!("log in again, or renew the STS token: {source}")),
        ErrorKind::ClockSkew => error.hint("set this machine's clock, for example with chrony or timedatectl"),
        ErrorKind::Forbidden => error
            .hint(format!("ask for a RAM policy that allows {}", call.ram_action))
            .hint(format!("or see whether these are the right credentials: {source}")),
        ErrorKind::NotFound => error.hint(format!(
            "see whether the id, the region (endpoint {host}) and the account are right: {source}"
        )),
        ErrorKind::Quota => error.hint("see Quota Center in the console, or remove what is not needed"),
        _ => error,
    }
}

/// The message: the server's words, except where they may hold what was signed.
fn message_of(kind: ErrorKind, call: &FailedCall<'_>) -> String {
    // A proxy on the way may repeat the URL.
    let text = shortened(&without_secrets(call.message));
    match kind {
        ErrorKind::Signature => "the signature does not match".to_owned(),
        ErrorKind::ClockSkew => call.clocks.and_then(skew).unwrap_or_else(|| {
            "the request's time is refused: this machine's clock is more than 15 minutes off"
                .to_owned()
        }),
        _ if text.is_empty() => {
            format!("{} answered HTTP {}", call.host, call.response.status)
        }
        _ => text,
    }
}

/// How far this machine's clock is from the server's; `None` below a minute.
fn skew((theirs, ours): (Timestamp, Timestamp)) -> Option<String> {
    let seconds = ours.as_second().checked_sub(theirs.as_second())?;
    let direction = if seconds < 0 { "behind" } else { "ahead of" };
    let size = seconds.unsigned_abs();
    if size < 60 {
        return None;
    }
    let size =
        if size < 7200 { format!("{} min", size / 60) } else { format!("{} h", size / 3600) };
    Some(format!("this machine's clock is {size} {direction} the cloud's, 15 min are allowed"))
}

/// A text without control characters, cut to [`LONGEST`] characters.
fn shortened(text: &str) -> String {
    let text = text.trim();
    let mut short: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

/// The order matters: `InvalidAccessKeyId.NotFound` is about the key, and
/// `Forbidden.InstanceNotFound` about the CLB.
fn kind_of(status: u16, code: &str, message: &str) -> ErrorKind {
    let has = |part: &str| code.contains(part);
    let starts = |part: &str| code.starts_with(part);
    if has("Throttling") || status == 429 {
        ErrorKind::Throttled
    } else if BUSY.contains(&code) {
        ErrorKind::Busy
    } else if starts("SignatureDoesNotMatch")
        || starts("IncompleteSignature")
        || starts("InvalidSignature")
    {
        ErrorKind::Signature
    } else if starts("InvalidTimeStamp") || starts("IllegalTimestamp") {
        ErrorKind::ClockSkew
    } else if has("SecurityToken") && has("Expired")
        || starts("AuthenticationFail") && has("Expired")
    {
        ErrorKind::Expired
    } else if starts("InvalidAccessKey")
        || starts("InvalidSecurityToken")
        || starts("MissingSecurityToken")
        || starts("AuthenticationFail")
    {
        ErrorKind::Unauthorized
    } else if status >= 500
        || starts("InternalError")
        || starts("ServiceUnavailable")
        || starts("SignatureNonceUsed")
    {
        // A nonce that was used before means that somebody on the way has sent the call twice.
        ErrorKind::ServerError
    } else if has("NotFound") || has("NotExist") || message.contains("does not exist") {
        ErrorKind::NotFound
    } else if has("OverLimit") || has("Quota") || has("LimitExceed") {
        ErrorKind::Quota
    } else if starts("Forbidden") || starts("NoPermission") || has("Unauthorized") || status == 403
    {
        ErrorKind::Forbidden
    } else if status == 401 {
        ErrorKind::Unauthorized
    } else if status == 404 {
        ErrorKind::NotFound
    } else {
        ErrorKind::Refused
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(400, "Throttling", ErrorKind::Throttled)]
    #[case(400, "Throttling.User", ErrorKind::Throttled)]
    #[case(503, "Throttling.Api", ErrorKind::Throttled)]
    #[case(429, "", ErrorKind::Throttled)]
    #[case(503, "", ErrorKind::ServerError)]
    #[case(503, "ServiceUnavailable", ErrorKind::ServerError)]
    #[case(400, "BackendServer.configuring", ErrorKind::Busy)]
    #[case(400, "SignatureDoesNotMatch", ErrorKind::Signature)]
    #[case(404, "InvalidAccessKeyId.NotFound", ErrorKind::Unauthorized)]
    #[case(400, "InvalidAccessKeyId.Inactive", ErrorKind::Unauthorized)]
    #[case(400, "InvalidSecurityToken.Expired", ErrorKind::Expired)]
    #[case(400, "InvalidSecurityToken.Malformed", ErrorKind::Unauthorized)]
    #[case(400, "AuthenticationFail.OIDCToken.Expired", ErrorKind::Expired)]
    #[case(400, "InvalidTimeStamp.Expired", ErrorKind::ClockSkew)]
    #[case(403, "Forbidden.RAM", ErrorKind::Forbidden)]
    #[case(403, "NoPermission", ErrorKind::Forbidden)]
    #[case(404, "Forbidden.InstanceNotFound", ErrorKind::NotFound)]
    #[case(404, "InvalidLoadBalancerId.NotFound", ErrorKind::NotFound)]
    #[case(404, "EntityNotExist.Role", ErrorKind::NotFound)]
    #[case(400, "InstanceBackendServerNumberOverLimit", ErrorKind::Quota)]
    #[case(500, "InternalError", ErrorKind::ServerError)]
    #[case(502, "", ErrorKind::ServerError)]
    #[case(400, "SignatureNonceUsed", ErrorKind::ServerError)]
    #[case(400, "InvalidParameter", ErrorKind::Refused)]
    fn a_code_says_what_kind_of_refusal_it_is(
        #[case] status: u16,
        #[case] code: &str,
        #[case] kind: ErrorKind,
    ) {
        assert_eq!(kind_of(status, code, ""), kind);
    }

    #[test]
    fn a_group_that_is_gone_is_known_by_its_message() {
        let message = "The specified VServerGroupId does not exist.";
        assert_eq!(kind_of(400, "InvalidParameter", message), ErrorKind::NotFound);
    }

    fn call(code: &str, message: &'static str) -> FailedCall<'static> {
        FailedCall {
            action: "DescribeVServerGroups",
            response: ErrorResponse {
                status: 400,
                code: code.to_owned(),
                request_id: "R-1".to_owned(),
            },
            message,
            clocks: None,
            source: "environment",
            ram_action: "slb:DescribeVServerGroups",
            host: "slb.aliyuncs.com",
        }
    }

    #[test]
    fn a_wrong_signature_does_not_repeat_what_was_signed() {
        let error = from_response(&call("SignatureDoesNotMatch", "server string: tok-secret"));
        assert_eq!(
            error.to_string(),
            "DescribeVServerGroups: the signature does not match (SignatureDoesNotMatch, request R-1)"
        );
    }

    #[test]
    fn a_message_that_repeats_the_call_does_not_show_what_was_signed() {
        let message = "http://slb.aliyuncs.com/?AccessKeyId=key&Signature=a7Gs%3D was not found";
        let error = from_response(&call("X", message));
        assert_eq!(error.message, "http://slb.aliyuncs.com/?... was not found");
    }

    #[rstest]
    #[case(0, 1800, "this machine's clock is 30 min ahead of the cloud's, 15 min are allowed")]
    #[case(36_000, 0, "this machine's clock is 10 h behind the cloud's, 15 min are allowed")]
    #[case(0, 5, "the request's time is refused: this machine's clock is more than 15 minutes off")]
    fn a_clock_that_is_wrong_is_told_by_how_much(
        #[case] theirs: i64,
        #[case] ours: i64,
        #[case] message: &str,
    ) {
        let at = |second| Timestamp::from_second(second).expect("a second");
        let mut call = call("InvalidTimeStamp.Expired", "expired");
        call.clocks = Some((at(theirs), at(ours)));
        assert_eq!(from_response(&call).message, message);
    }

    #[test]
    fn a_long_or_wild_message_is_tamed() {
        let long: &'static str = Box::leak("a\u{1b}[31m\n".repeat(300).into_boxed_str());
        let message = from_response(&call("X", long)).message;
        assert_eq!(message.chars().count(), LONGEST + 1);
        assert!(!message.contains(char::is_control));
    }
}
