//! What is left of the time of an operation.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, ErrorKind};

/// The time until `deadline`, but not more than `at_most`.
///
/// # Errors
/// [`ErrorKind::Deadline`] where none is left.
pub(crate) fn time_left(deadline: Instant, at_most: Duration) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::new(ErrorKind::Deadline, "the time is over; the call was not made"));
    }
    Ok(left.min(at_most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_deadline_and_the_longest_time_both_bound_what_is_left() {
        let now = Instant::now();
        let left = |seconds| time_left(now + Duration::from_secs(seconds), Duration::from_secs(5));
        assert_eq!(left(2).expect("time"), Duration::from_secs(2));
        assert_eq!(left(9).expect("time"), Duration::from_secs(5));
        assert_eq!(left(0).expect_err("none").kind, ErrorKind::Deadline);
    }
}
