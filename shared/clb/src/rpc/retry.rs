//! Repeating calls with growing pauses until a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{Error, ErrorKind};

/// Before the second attempt; each further pause is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(8);

/// Makes attempts until one succeeds, fails for good, or `deadline` leaves no time for another
/// pause. A throttled attempt was not carried out and is repeated. After a lost answer the attempt
/// is repeated only if `writes` is false. A read whose last attempt is cut short by `deadline` fails
/// with the error of the attempt before, which says more than that the time was over.
pub(super) async fn with_retries<T, F>(
    writes: bool,
    deadline: Instant,
    attempt: impl Fn() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let began = Instant::now();
    let mut pause = FIRST;
    let mut attempts = 1_u32;
    let mut previous = None;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let is_cut_short =
            !writes && error.kind == ErrorKind::Timeout && Instant::now() >= deadline;
        let error = previous.filter(|_| is_cut_short).unwrap_or(error);
        if !error.is_throttled() && (writes || !error.is_lost_answer()) {
            return Err(error);
        }
        let wait = with_jitter(pause);
        if Instant::now() + wait >= deadline {
            return Err(match attempts {
                1 => error,
                _ => error.hint(format!(
                    "given up after {attempts} attempts in {:.0} s",
                    began.elapsed().as_secs_f64()
                )),
            });
        }
        previous = Some(error);
        sleep(wait).await;
        pause = (pause * 2).min(LONGEST);
        attempts += 1;
    }
}

/// A random time between half the pause and all of it, so that clients that were throttled together
/// do not come back together.
fn with_jitter(pause: Duration) -> Duration {
    let mut byte = [u8::MAX];
    // Without random numbers the whole pause does, too.
    let _ = getrandom::fill(&mut byte);
    pause / 2 + (pause / 2).mul_f64(f64::from(byte[0]) / f64::from(u8::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tokio::time::sleep_until;

    use super::*;

    /// Attempts of which the first `failing` fail so, and when each was made.
    async fn run(
        kind: ErrorKind,
        failing: usize,
        writes: bool,
        within: Duration,
    ) -> (Result<(), Error>, Vec<Duration>) {
        let began = Instant::now();
        let times = RefCell::new(Vec::new());
        let result = with_retries(writes, began + within, || {
            times.borrow_mut().push(began.elapsed());
            let fails = times.borrow().len() <= failing;
            async move { if fails { Err(Error::new(kind, "no")) } else { Ok(()) } }
        })
        .await;
        (result, times.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_of_throttling_is_sat_out() {
        let (result, times) = run(ErrorKind::Throttled, 9, true, Duration::from_secs(90)).await;
        result.expect("the tenth attempt succeeds");
        let pauses: Vec<_> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        for (number, pause) in (0..).zip(&pauses) {
            let whole = (FIRST * 2_u32.pow(number)).min(LONGEST);
            // The clock of the tests ticks in milliseconds.
            let slack = Duration::from_millis(2);
            assert!(*pause + slack >= whole / 2 && *pause <= whole + slack, "{number}: {pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_attempts_and_is_never_passed() {
        let within = Duration::from_secs(10);
        let began = Instant::now();
        let (result, times) = run(ErrorKind::Throttled, usize::MAX, false, within).await;
        let error = result.expect_err("throttled for ever");
        assert_eq!(error.kind, ErrorKind::Throttled);
        assert!(began.elapsed() < within);
        assert!(error.hints[0].starts_with(&format!("given up after {} attempts", times.len())));
        assert!(times.len() >= 3, "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_asked_for_again_only_by_who_reads() {
        for kind in [ErrorKind::ConnectionLost, ErrorKind::Timeout, ErrorKind::ServerError] {
            let (read, _) = run(kind, 1, false, Duration::from_secs(10)).await;
            read.expect("the second attempt succeeds");
            let (written, times) = run(kind, 1, true, Duration::from_secs(10)).await;
            assert!(written.expect_err("lost").is_lost_answer());
            assert_eq!(times.len(), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_last_attempt_that_the_deadline_cuts_short_hides_no_earlier_error() {
        for (writes, first, told) in [
            (false, ErrorKind::ConnectionLost, ErrorKind::ConnectionLost),
            // Nobody knows whether the last attempt of a write was carried out.
            (true, ErrorKind::Throttled, ErrorKind::Timeout),
        ] {
            let deadline = Instant::now() + Duration::from_secs(10);
            let attempts = Cell::new(0);
            let result: Result<(), Error> = with_retries(writes, deadline, || {
                attempts.set(attempts.get() + 1);
                let is_first = attempts.get() == 1;
                async move {
                    if is_first {
                        return Err(Error::new(first, "no"));
                    }
                    sleep_until(deadline).await;
                    Err(Error::new(ErrorKind::Timeout, "late"))
                }
            })
            .await;
            assert_eq!(result.expect_err("never answered").kind, told);
            assert_eq!(attempts.get(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_and_a_missing_connection_are_final() {
        for kind in [ErrorKind::Forbidden, ErrorKind::Signature, ErrorKind::Unreachable] {
            let (result, times) = run(kind, 1, false, Duration::from_secs(10)).await;
            assert_eq!(result.expect_err("final").kind, kind);
            assert_eq!(times.len(), 1);
        }
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn jitter_keeps_at_least_half_the_pause(millis in 1_u64..100_000) {
                let pause = Duration::from_millis(millis);
                let wait = with_jitter(pause);
                prop_assert!(wait >= pause / 2 && wait <= pause);
            }
        }
    }
}
