//! The time that a side has.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// What stands for no limit: longer than anybody waits, and short enough to be added to a time.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365);

/// The time until which a side is to be written and proven, or to be taken back. One is handed down to
/// all that is done for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline in `limit` from now. A limit of 0 is none, as for kubectl.
    pub fn after(limit: Duration) -> Self {
        Self((!limit.is_zero()).then(|| Instant::now() + limit))
    }

    /// This deadline, or one in `limit` from now where that is sooner.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        let soon = Instant::now() + limit;
        Self(Some(self.0.map_or(soon, |at| at.min(soon))))
    }

    /// Whether it has passed.
    pub fn is_over(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// When it is; far away where there is no limit.
    pub fn instant(self) -> Instant {
        self.0.unwrap_or_else(|| Instant::now() + FOR_EVER)
    }

    /// The time that is left, in words with a comma before them; empty where there is no limit.
    pub fn left_in_words(self) -> String {
        let Some(at) = self.0 else { return String::new() };
        let seconds = at.saturating_duration_since(Instant::now()).as_secs();
        match (seconds / 60, seconds % 60) {
            (0, seconds) => format!(", {seconds}s left"),
            (minutes, seconds) => format!(", {minutes}m{seconds:02}s left"),
        }
    }

    /// Waits for so long, or until it has passed.
    pub async fn pause(self, time: Duration) {
        sleep(time.min(self.instant().saturating_duration_since(Instant::now()))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_nothing_is_none() {
        let none = Deadline::after(Duration::ZERO);
        sleep(FOR_EVER / 2).await;
        assert!(!none.is_over());
        assert_eq!(none.at_most(SECOND), Deadline::after(SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_told_where_there_is_a_limit() {
        assert_eq!(Deadline::after(Duration::ZERO).left_in_words(), "");
        assert_eq!(Deadline::after(65 * SECOND).left_in_words(), ", 1m05s left");
        assert_eq!(Deadline::after(7 * SECOND).left_in_words(), ", 7s left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_with_the_deadline() {
        let deadline = Deadline::after(SECOND);
        let start = Instant::now();
        deadline.pause(10 * SECOND).await;
        assert_eq!(start.elapsed(), SECOND);
        assert!(deadline.is_over() && deadline.at_most(SECOND).is_over());
    }
}
