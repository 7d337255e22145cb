//! What API servers answer to requests that they do not carry out.

use kube::core::Status;

use super::{
    error::{Error, ErrorKind},
    registrations::WEBHOOK_REGISTRATIONS,
};

impl Error {
    /// The error for a `Status` that the API server answered with.
    pub(super) fn from_status(status: &Status, user: Option<&str>) -> Self {
        let text = status.message.as_str();
        let who = user.map(|user| format!(" of user {user}")).unwrap_or_default();
        let kind = kind_of(status);
        let message = match kind {
            ErrorKind::Unauthorized => {
                format!("the API server does not accept the credentials{who} (401)")
            }
            ErrorKind::Throttled | ErrorKind::ServerError | ErrorKind::Other if text.is_empty() => {
                format!("the API server answered {} {}", status.code, status.reason)
            }
            ErrorKind::Throttled | ErrorKind::ServerError => {
                format!("the API server answered {}: {text}", status.code)
            }
            _ => text.to_owned(),
        };
        let error = Self::new(kind, message);
        match kind {
            ErrorKind::Unauthorized => {
                error.hint("log in again, or see whether the certificate or token has expired")
            }
            ErrorKind::Webhook => uncalled(error),
            ErrorKind::Forbidden => error.hint(
                "ask for the ClusterRole clbmigrate-viewer (to look) or clbmigrate-operator (to change)",
            ),
            _ => error,
        }
    }
}

/// Adds hints for a webhook that could not be called: for this project's webhook, the command.
fn uncalled(error: Error) -> Error {
    let named = error.message.split('"').nth(1).unwrap_or_default();
    match WEBHOOK_REGISTRATIONS.iter().find(|(_, name)| named.split('.').next() == Some(name)) {
        Some((resource, name)) => {
            let command = format!(
                "kubectl patch {resource} {name} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/webhooks/0/failurePolicy\",\"value\":\"Ignore\"}}]'"
            );
            error
                .hint("weight 0 passes all the same")
                .hint("kubectl clbmigrate webhook status shows what is wrong with it")
                .hint(format!("to let Services pass unjudged until it is back: {command}"))
        }
        None => error.hint("kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations shows whose it is"),
    }
}

fn kind_of(status: &Status) -> ErrorKind {
    let text = status.message.as_str();
    if text.contains("failed calling webhook") {
        return ErrorKind::Webhook;
    }
    let causes = status.details.as_ref().map(|details| details.causes.as_slice());
    let causes = causes.unwrap_or_default();
    match status.code {
        401 => ErrorKind::Unauthorized,
        _ if is_denied(status) => ErrorKind::Denied,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Precondition,
        410 => ErrorKind::Expired,
        413 => ErrorKind::TooLarge,
        // A failed test of a JSON Patch has no details; a field that is not valid has causes.
        422 if causes.is_empty() => ErrorKind::Precondition,
        // Kubernetes: `ValidateAnnotationsSize` in apimachinery.
        422 if causes.iter().any(|cause| {
            cause.reason == "FieldValueTooLong" && cause.field == "metadata.annotations"
        }) =>
        {
            ErrorKind::TooLarge
        }
        429 => ErrorKind::Throttled,
        500..=599 => ErrorKind::ServerError,
        _ => ErrorKind::Other,
    }
}

/// Whether admission refused the request. A webhook that refuses answers `admission webhook "…" denied
/// the request`, a policy `ValidatingAdmissionPolicy '…' with binding '…' denied request`, both with whatever status they like. Plugins of the API server, such as its quotas,
/// answer 403 and `services "…" is forbidden: …`; an authorizer goes on with `User "…" cannot …`.
fn is_denied(status: &Status) -> bool {
    let text = status.message.as_str();
    let by_plugin = || {
        let why = text.split_once(" is forbidden: ").map(|(_, why)| why);
        why.is_some_and(|why| !(why.starts_with("User ") && why.contains(" cannot ")))
    };
    text.contains(" denied the request")
        || text.contains(" denied request")
        || (status.code == 403 && by_plugin())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn status(code: u16, message: &str, causes: usize) -> Status {
        let cause = || serde_json::json!({"reason": "FieldValueInvalid"});
        let causes: Vec<_> = (0..causes).map(|_| cause()).collect();
        with_causes(code, message, &serde_json::json!(causes))
    }

    fn with_causes(code: u16, message: &str, causes: &serde_json::Value) -> Status {
        serde_json::from_value(serde_json::json!({
            "code": code, "message": message, "reason": "", "status": "Failure",
            "details": {"causes": causes},
        }))
        .expect("a status")
    }

    const BY_POLICY: &str = "services \"web\" is forbidden: ValidatingAdmissionPolicy 'no-lb' with \
        binding 'no-lb' denied request: failed expression: object.spec.type != 'LoadBalancer'";
    const BY_QUOTA: &str = "services \"web\" is forbidden: exceeded quota: few, requested: \
        services.loadbalancers=1, used: services.loadbalancers=2, limited: services.loadbalancers=2";
    const BY_RIGHTS: &str = "services \"web\" is forbidden: User \"ann\" cannot patch resource \
        \"services\" in API group \"\" in the namespace \"shop\"";

    #[rstest]
    #[case(status(422, "the server rejected our request", 0), ErrorKind::Precondition)]
    #[case(status(422, "Service is invalid", 1), ErrorKind::Other)]
    #[case(status(403, "services is forbidden", 0), ErrorKind::Forbidden)]
    #[case(status(403, BY_RIGHTS, 0), ErrorKind::Forbidden)]
    #[case(status(403, "admission webhook \"x\" denied the request: no", 0), ErrorKind::Denied)]
    #[case(status(429, "admission webhook \"x\" denied the request: no", 0), ErrorKind::Denied)]
    #[case(status(422, BY_POLICY, 1), ErrorKind::Denied)]
    #[case(status(403, BY_POLICY, 1), ErrorKind::Denied)]
    #[case(status(422, BY_POLICY, 0), ErrorKind::Denied)]
    #[case(status(403, BY_QUOTA, 0), ErrorKind::Denied)]
    #[case(status(500, "failed calling webhook \"x\": refused", 0), ErrorKind::Webhook)]
    #[case(status(503, "", 0), ErrorKind::ServerError)]
    #[case(status(413, "Request entity too large: limit is 3145728", 0), ErrorKind::TooLarge)]
    fn a_refusal_is_told_from_trouble(#[case] status: Status, #[case] kind: ErrorKind) {
        let error = Error::from_status(&status, None);
        assert_eq!(error.kind, kind);
        assert_eq!(error.is_lost_answer(), kind == ErrorKind::ServerError);
    }

    #[test]
    fn a_request_that_is_throttled_is_not_carried_out() {
        let error = Error::from_status(&status(429, "too many requests", 0), None);
        assert_eq!(error.kind, ErrorKind::Throttled);
        assert!(error.is_transient() && !error.is_lost_answer());
        assert!(error.message.contains("429"), "{error}");
    }

    #[rstest]
    #[case("metadata.annotations", "FieldValueTooLong", ErrorKind::TooLarge)]
    #[case("metadata.name", "FieldValueTooLong", ErrorKind::Other)]
    #[case("metadata.annotations", "FieldValueInvalid", ErrorKind::Other)]
    fn annotations_that_are_too_large_are_told_from_values_that_are_wrong(
        #[case] field: &str,
        #[case] reason: &str,
        #[case] kind: ErrorKind,
    ) {
        let cause = serde_json::json!({"field": field, "reason": reason, "message": "Too long"});
        let status = with_causes(422, "Service \"web\" is invalid", &serde_json::json!([cause]));
        assert_eq!(Error::from_status(&status, None).kind, kind);
    }

    #[test]
    fn who_is_refused_by_a_quota_is_not_told_to_ask_for_rights() {
        assert!(Error::from_status(&status(403, BY_QUOTA, 0), None).hints.is_empty());
        assert!(!Error::from_status(&status(403, BY_RIGHTS, 0), None).hints.is_empty());
    }
}
