//! The one way to wait: for a condition, with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

/// Between two looks: long enough not to keep a core busy, short enough not to be felt.
const INTERVAL: Duration = Duration::from_millis(50);

/// Calls `look` every 50 ms, at least once, until it returns a value. After `deadline` the error says
/// how long and for `what` this has waited.
pub fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    try_wait_for(what, deadline, || Ok(look()))
}

/// Like [`wait_for`], but ends with the error of `look` as soon as it returns one.
pub fn try_wait_for<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if start.elapsed() >= deadline {
            bail!("waited {} s in vain for {what}", deadline.as_secs_f64());
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{try_wait_for, wait_for};

    #[test]
    fn waiting_ends_with_the_first_value() {
        let mut looks = 0;
        let found = wait_for("the third look", Duration::from_secs(60), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.ok(), Some(3));
    }

    #[test]
    fn waiting_in_vain_says_for_what() {
        let found = wait_for("Godot", Duration::ZERO, || None::<()>);
        let message = found.map_err(|error| error.to_string());
        assert_eq!(message, Err("waited 0 s in vain for Godot".to_owned()));
    }

    #[test]
    fn waiting_ends_when_it_is_of_no_use() {
        let found: anyhow::Result<()> =
            try_wait_for("a dead process", Duration::from_secs(60), || anyhow::bail!("it ended"));
        assert_eq!(found.map_err(|error| error.to_string()), Err("it ended".to_owned()));
    }
}
