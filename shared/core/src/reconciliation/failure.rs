//! Which failures of CCM may pass by themselves.

/// Parts of messages about what may be over with the next round, in lower case.
///
/// CCM 2.14 shows the message of an answer of the cloud's API without its code
/// (`helper/event.go`), and an error of a connection as Go words it. Codes are here for releases
/// that show them. A plain "timeout" is not: annotations have it in their names.
const PASSING: [&str; 46] = [
    // Too many calls.
    "flow control",
    "throttl",
    "too many requests",
    // The API failed, or a gateway before it.
    "serviceunavailable",
    "service unavailable",
    "temporarily unavailable",
    "temporary failure",
    "internalerror",
    "internal error",
    "internal server error",
    "unknown error",
    "bad gateway",
    "gateway time",
    "message: <html",
    "message: <!doctype",
    "status 5",
    "status code 5",
    "status code: 5",
    "statuscode: 5",
    "failed to unmarshal response",
    "the answer is no json",
    // The CLB is busy with another change.
    "try again",
    "retry later",
    "is configuring",
    "being configured",
    "backendserver.configuring",
    "serviceisconfiguring",
    "serviceisstopping",
    "operationbusy",
    "systembusy",
    // A call that the SDK sent a second time after its answer was lost.
    "nonce was used",
    // No answer in time, or none at all.
    "timed out",
    "i/o timeout",
    "handshake timeout",
    "client.timeout",
    "timeout awaiting",
    "deadline exceeded",
    "no answer",
    // The connection.
    "connection reset",
    "connection refused",
    "connection closed",
    "broken pipe",
    "closed network connection",
    "server closed idle connection",
    // Writes to Kubernetes.
    "the object has been modified",
    "etcdserver:",
];

/// Whether a failure that CCM reported by `message` may pass by itself, so that one more round makes
/// sense: the API throttles or is out of order, or no answer came. What is not known cannot.
pub fn may_pass(message: &str) -> bool {
    let text = message.to_ascii_lowercase();
    // An answer without any text comes from something before the API.
    let is_empty = text.trim_end().ends_with("message:");
    let is_cut = message.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "EOF");
    is_empty || is_cut || PASSING.iter().any(|part| text.contains(part))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LB: &str = "Error syncing load balancer [lb-bp1example]: ";

    #[rstest]
    #[case::throttled_user("Message: Request was denied due to user flow control.")]
    #[case::throttled_api("Message: Request was denied due to api flow control.")]
    #[case::throttled("Message: Request was denied due to request throttling.")]
    #[case::code("[SDKError] API: X, ErrorCode: Throttling.User, RequestId: R, Message: slower")]
    #[case::unavailable(
        "Message: The request has failed due to a temporary failure of the server."
    )]
    #[case::internal(
        "Message: The request processing has failed due to some unknown error, exception or failure."
    )]
    #[case::internal_code("ErrorCode: InternalError, RequestId: R, Message: x")]
    #[case::unavailable_code("ErrorCode: ServiceUnavailable, RequestId: R, Message: x")]
    #[case::page("Message: <html>")]
    #[case::other_page("Message: <!DOCTYPE html>")]
    #[case::gateway("Message: 502 Bad Gateway")]
    #[case::gateway_time("Message: 504 Gateway Time-out")]
    #[case::page_in_a_line("Message: <p>503 Service Temporarily Unavailable</p>")]
    #[case::status("DescribeVServerGroups: the answer is status 503 without a reason")]
    #[case::nothing("Message: ")]
    #[case::nothing_to_read(
        "[SDK.JsonUnmarshalError] Failed to unmarshal response, but you can get"
    )]
    #[case::busy("Message: The specified load balancer is being configured. Try again later.")]
    #[case::nonce("Message: Specified signature nonce was used already.")]
    #[case::sdk("[SDK.TimeoutError] The request timed out 3 times(3 for retry), perhaps")]
    #[case::dial(r#"Post "http://slb.aliyuncs.com/?...": dial tcp: i/o timeout"#)]
    #[case::lookup(r#"Post "http://slb/?...": dial tcp: lookup slb: i/o timeout"#)]
    #[case::tls(r#"Post "https://slb/?...": net/http: TLS handshake timeout"#)]
    #[case::client(
        r#"Post "http://slb/?...": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"#
    )]
    #[case::eof(r#"Post "http://slb/?...": EOF"#)]
    #[case::unexpected_eof("unexpected EOF")]
    #[case::reset("read tcp 10.0.0.1:1->10.0.0.2:80: read: connection reset by peer")]
    #[case::refused("dial tcp 10.0.0.2:80: connect: connection refused")]
    #[case::pipe("write: broken pipe")]
    #[case::lost("no answer: connection closed before message completed")]
    #[case::conflict("Operation cannot be fulfilled on services: the object has been modified")]
    fn a_failure_of_the_moment_may_pass(#[case] message: &str) {
        assert!(may_pass(message), "{message}");
        assert!(may_pass(&format!("{LB}{message}")), "{message}");
    }

    #[rstest]
    #[case::nothing("")]
    #[case::unknown("the CLB is locked")]
    #[case::forbidden("Message: You are not authorized to do this action.")]
    #[case::port("Message: The specified Port is invalid.")]
    #[case::in_use("Message: there are vips associating with this vServer group.")]
    #[case::quota("Message: The number of backend servers exceeds the limit.")]
    #[case::not_there("Message: The specified VServerGroupId does not exist.")]
    #[case::signature("Message: The Access Key ID provided does not exist in our records.")]
    #[case::retry("can not change LoadBalancer AddressType once created. delete and retry")]
    #[case::mapping(
        "vgroupid and protocol format must be like 'vsp-xxx:443' with colon separated. got=[[]]"
    )]
    #[case::timeout(
        "build listener from servicePort 503 error: Annotation EstablishedTimeout must be integer, but got [900s]."
    )]
    #[case::drain("Annotation ConnectionDrainTimeout must be integer, but got [10s].")]
    #[case::eof_inside_a_word("parse backend label: GEOFENCE, [k1=v1,k2=v2]")]
    #[case::label("get nodes error: filter nodes by label error: parse backend label: abc")]
    fn a_failure_for_a_reason_that_stays_cannot_pass(#[case] message: &str) {
        assert!(!may_pass(message), "{message}");
        assert!(!may_pass(&format!("{LB}{message} ")), "{message}");
    }
}
