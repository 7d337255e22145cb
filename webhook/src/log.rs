//! Log lines on stderr, and how many refusals may write one.

use std::{
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line, for machines.
    Json,
    /// For people.
    Text,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(LevelFilter);

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "error" | "warn" | "info" | "debug" | "trace" => {
                text.parse().map(Self).map_err(|_| text.to_owned())
            }
            _ => Err("write error, warn, info, debug or trace".to_owned()),
        }
    }
}

/// Sends everything that is told from here on to stderr.
///
/// # Errors
/// If it was called before.
pub fn start(format: Format, level: Level) -> anyhow::Result<()> {
    // Of others only what they find worrying, unless somebody looks for a bug.
    let others = if level.0 == LevelFilter::TRACE { level.0 } else { LevelFilter::WARN };
    let told = Targets::new().with_target("clbmigrate", level.0).with_default(level.0.min(others));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let layer = match format {
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        Format::Text => lines.boxed(),
    };
    Ok(tracing_subscriber::registry().with(layer.with_filter(told)).try_init()?)
}

/// So many lines a second and not more: a controller that tries a refused change again and again
/// must not fill a disk.
#[derive(Debug)]
pub struct Cap {
    a_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    second: Instant,
    written: u32,
    suppressed: u64,
}

impl Cap {
    /// A cap of so many lines a second.
    pub fn new(a_second: u32) -> Self {
        let state = State { second: Instant::now(), written: 0, suppressed: 0 };
        Self { a_second, state: Mutex::new(state) }
    }

    /// Whether a line may be written now, and how many were not since the one before.
    ///
    /// # Errors
    /// Gives how many lines in a row were not written, this one included.
    pub fn admit(&self) -> Result<u64, u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Result<u64, u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.second) >= Duration::from_secs(1) {
            state.second = now;
            state.written = 0;
        }
        if state.written < self.a_second {
            state.written += 1;
            return Ok(std::mem::take(&mut state.suppressed));
        }
        state.suppressed += 1;
        Err(state.suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_cap_are_counted_and_told_with_the_next() {
        let cap = Cap::new(2);
        let start = Instant::now();
        let admitted: Vec<_> = (0..4).map(|_| cap.admit_at(start)).collect();
        assert_eq!(admitted, [Ok(0), Ok(0), Err(1), Err(2)]);
        let later = start + Duration::from_secs(1);
        assert_eq!(cap.admit_at(later), Ok(2));
        assert_eq!(cap.admit_at(later), Ok(0));
        assert_eq!(cap.admit_at(later), Err(1));
    }

    #[test]
    fn a_level_is_one_of_five_words() {
        assert!("info".parse::<Level>().is_ok());
        for text in ["off", "INFO", "3", ""] {
            assert!(text.parse::<Level>().is_err(), "{text}");
        }
    }
}
