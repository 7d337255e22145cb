//! Nonces that were used: the same request does not come twice.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// The nonces of the last while.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<UsedNonces>);

#[derive(Debug, Default)]
struct UsedNonces {
    known: HashSet<(String, String)>,
    in_order: VecDeque<(Timestamp, (String, String))>,
}

impl Nonces {
    /// Takes note of a key's nonce. Those that are older than any request may be are forgotten.
    pub(crate) fn is_new(
        &self,
        key: &str,
        nonce: &str,
        now: Timestamp,
        tolerance: SignedDuration,
    ) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A request may be dated as far ahead as behind.
        let old = tolerance * 2;
        while let Some((time, _)) = used.in_order.front()
            && now.duration_since(*time) > old
        {
            if let Some((_, gone)) = used.in_order.pop_front() {
                used.known.remove(&gone);
            }
        }
        let entry = (key.to_owned(), nonce.to_owned());
        if !used.known.insert(entry.clone()) {
            return false;
        }
        used.in_order.push_back((now, entry));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_once_for_each_key_until_it_is_forgotten() {
        let nonces = Nonces::default();
        let tolerance = SignedDuration::from_mins(15);
        let start = Timestamp::UNIX_EPOCH;
        let at = |minutes| start + SignedDuration::from_mins(minutes);
        assert!(nonces.is_new("a", "1", at(0), tolerance));
        assert!(!nonces.is_new("a", "1", at(29), tolerance));
        assert!(nonces.is_new("b", "1", at(29), tolerance));
        assert!(nonces.is_new("a", "1", at(31), tolerance));
        assert!(!nonces.is_new("b", "1", at(31), tolerance));
    }
}
