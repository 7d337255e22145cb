//! What several tests of a suite need and the first one makes.

use std::sync::{Mutex, PoisonError};

use anyhow::Error;

/// A value that the first test which needs it makes for all. A failure is kept as well and told to
/// every test, because another try would only take long again.
#[derive(Debug)]
pub struct Prepared<T>(Mutex<Option<Result<T, String>>>);

impl<T> Default for Prepared<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Prepared<T> {
    /// The value; `make` runs if nobody has called this before. Others wait meanwhile.
    pub fn get(&self, make: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = value.get_or_insert_with(|| make().map_err(|error| format!("{error:#}")));
        outcome.clone().map_err(Error::msg)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::Prepared;

    #[test]
    fn a_value_is_made_once() {
        let prepared = Prepared::default();
        assert_eq!(prepared.get(|| Ok(1)).expect("a value"), 1);
        assert_eq!(prepared.get(|| bail!("made again")).expect("a value"), 1);
    }

    #[test]
    fn a_failure_is_told_to_everybody() {
        let prepared = Prepared::<u8>::default();
        for _ in 0..2 {
            let error = prepared.get(|| bail!("no room"));
            assert_eq!(error.expect_err("a failure").to_string(), "no room");
        }
    }
}
