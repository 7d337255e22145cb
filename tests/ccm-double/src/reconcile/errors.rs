//! Errors as CCM joins and shows them.

/// Several errors as one, as Kubernetes' `NewAggregate` says them: one as it is, more in brackets, equal ones once.
pub(super) fn aggregate(errors: Vec<String>) -> Result<(), String> {
    let mut distinct: Vec<String> = Vec::new();
    for error in errors {
        if !distinct.contains(&error) {
            distinct.push(error);
        }
    }
    match distinct.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// The part of an error that CCM 2.14 shows in an event: what the cloud says, if the cloud said it
/// (`helper/event.go`).
pub(super) fn event_text(error: &str) -> &str {
    let Some((_, of_cloud)) = error.split_once("[SDKError]") else { return error };
    let of_cloud = of_cloud.split("[SDKError]").next().unwrap_or_default();
    // Go's `.` stops at the end of a line, and `.*` takes as much as it can.
    let line = of_cloud.lines().find(|line| line.contains("Message:"));
    line.and_then(|line| line.get(line.rfind("Message:")?..)).unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_errors_are_told_once() {
        let errors = |all: &[&str]| aggregate(all.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(errors(&[]), Ok(()));
        assert_eq!(errors(&["a", "a"]), Err("a".to_owned()));
        assert_eq!(errors(&["a", "b", "a"]), Err("[a, b]".to_owned()));
    }

    #[test]
    fn of_the_clouds_errors_only_the_message_is_shown() {
        let error =
            "apply model error: [SDKError] API: A, ErrorCode: B, RequestId: C, Message: slower";
        assert_eq!(event_text(error), "Message: slower");
        assert_eq!(event_text("Message: mine"), "Message: mine");
        assert_eq!(event_text("no cloud"), "no cloud");
    }
}
