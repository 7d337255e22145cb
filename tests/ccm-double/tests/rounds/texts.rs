//! Errors and events in a form that is equal for equal rounds: without request ids, and without the messages of the
//! cloud, which are each cloud's own.

use crate::names::Names;
use crate::writes;

/// How an error of the cloud begins.
const OF_CLOUD: &str = "[SDKError] API: ";
/// What follows it, up to the cloud's code for it.
const CODE: &str = ", ErrorCode: ";
/// What follows the code.
const AFTER_CODE: &str = ", RequestId: ";
/// What of an error of the cloud an event shows.
const MESSAGE: &str = "Message: ";

/// An error: what stands before the first error of the cloud in it, then each of these once, by action and code.
pub fn error(error: &str, names: &Names) -> Vec<String> {
    let error = names.in_text(error);
    let mut parts = error.split(OF_CLOUD);
    let before = parts.next().unwrap_or_default().trim_end_matches('[');
    let mut of_cloud: Vec<String> = parts
        .filter_map(|part| {
            let (action, more) = part.split_once(CODE)?;
            let (code, _) = more.split_once(AFTER_CODE)?;
            Some(format!("{action} {}", writes::code(code)))
        })
        .collect();
    of_cloud.sort();
    of_cloud.dedup();
    of_cloud.insert(0, before.to_owned());
    of_cloud
}

/// An event, up to the message of the cloud if it shows one. Lists of addresses have no order.
pub fn event(kind: &str, reason: &str, message: &str, names: &Names) -> String {
    let message = message.split(MESSAGE).next().unwrap_or_default();
    let words: Vec<String> = message.split(' ').map(sorted_list).collect();
    names.in_text(format!("{kind} {reason} {}", words.join(" ")).trim_end())
}

/// A word; if it is a list in brackets or without them, its elements in their order.
fn sorted_list(word: &str) -> String {
    let inner = word.trim_start_matches('[').trim_end_matches(']');
    let mut elements: Vec<&str> = inner.split(',').collect();
    elements.sort_unstable();
    word.replace(inner, &elements.join(","))
}
