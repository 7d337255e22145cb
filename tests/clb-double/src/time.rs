//! Times as the cloud writes them.

use jiff::Timestamp;

/// `2026-11-21T20:00:00Z`, without fractions.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
