//! The log lines about reviews: what was denied, and what was allowed although a rule found an error.

use super::{AdmissionRequest, decision::AdmissionDecision};
use crate::{log::UserRateLimit, metrics::Metrics};

/// How many lines about one user's requests are written a second.
const LINES_PER_SECOND: u32 = 10;

/// How many users have a limit of their own at a time.
const MAX_USERS: usize = 1024;

/// The longest name that is logged, in bytes. Kubernetes' own names are shorter, but a review can be
/// forged.
const MAX_NAME: usize = 253;

/// Writes log lines about reviews, so many of each user.
#[derive(Debug)]
pub(super) struct ReviewLog {
    limit: UserRateLimit,
}

/// What a log line tells of the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoggedRequest<'r> {
    uid: &'r str,
    operation: &'static str,
    kind: &'r str,
    namespace: &'r str,
    name: &'r str,
    user: &'r str,
    is_dry_run: bool,
}

impl<'r> LoggedRequest<'r> {
    /// What is told of a request about the object of that name, which the request need not know.
    pub fn new<O>(request: &'r AdmissionRequest<'_, O>, name: &'r str) -> Self {
        Self {
            uid: cut(&request.uid),
            operation: request.operation.as_str(),
            kind: cut(&request.kind.kind),
            namespace: cut(&request.namespace),
            name: cut(name),
            user: cut(&request.user_info.username),
            is_dry_run: request.is_dry_run(),
        }
    }
}

/// Writes one line: what is told of the request, and these fields beside it.
macro_rules! log_line {
    ($level:ident, $request:ident, $suppressed:ident, { $($field:ident),+ }, $message:literal) => {
        tracing::$level!(
            uid = $request.uid,
            operation = $request.operation,
            kind = $request.kind,
            namespace = $request.namespace,
            name = $request.name,
            user = $request.user,
            $($field,)+
            dry_run = $request.is_dry_run,
            $suppressed,
            $message
        )
    };
}

impl ReviewLog {
    pub fn new() -> Self {
        Self { limit: UserRateLimit::new(LINES_PER_SECOND, MAX_USERS) }
    }

    /// Writes the line about a decision, if it denies the request or lets it through with an error.
    pub fn log(
        &self,
        request: LoggedRequest<'_>,
        is_allowed: bool,
        decision: &AdmissionDecision,
        metrics: &Metrics,
    ) {
        let let_through = decision.let_through();
        if is_allowed && let_through.is_empty() {
            return;
        }
        let Some(suppressed) = self.permit(request.user, metrics) else { return };
        if is_allowed {
            // A remark for each of the rules, in their order.
            let (rules, remarks): (Vec<_>, Vec<_>) = let_through.into_iter().unzip();
            let (rules, remark) = (rules.join(","), remarks.join(","));
            log_line!(info, request, suppressed, { rules, remark }, "allowed with an error");
        } else {
            let rules = decision.denying_rules().join(",");
            log_line!(info, request, suppressed, { rules }, "refused");
        }
    }

    /// Writes the line about an object that cannot be read, whole or in part.
    pub fn log_unread(
        &self,
        request: LoggedRequest<'_>,
        is_judged: bool,
        error: &str,
        metrics: &Metrics,
    ) {
        let Some(suppressed) = self.permit(request.user, metrics) else { return };
        let what = if is_judged {
            "an object is judged without what of it cannot be read"
        } else {
            "an object cannot be read and passes unjudged"
        };
        log_line!(warn, request, suppressed, { error }, "{what}");
    }

    /// How many lines about the user were suppressed since the last one that was written; `None` where
    /// this one is suppressed, too.
    fn permit(&self, user: &str, metrics: &Metrics) -> Option<u64> {
        let permit = self.limit.check(user);
        if permit.is_err() {
            metrics.count_suppressed_lines(1);
        }
        permit.ok()
    }
}

/// The text, cut between characters to the longest name that is logged.
fn cut(text: &str) -> &str {
    let end = (0..=MAX_NAME.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}
