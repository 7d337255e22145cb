//! Log lines on stderr, and a limit of how many of one sort are written.

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

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Plain text, for people.
    Text,
}

/// The lowest level that is logged: error, warn, info, debug or trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(LevelFilter);

impl FromStr for LogLevel {
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

/// Writes the log events of this process to stderr from now on. Of other crates only warnings and
/// errors are logged, unless the level is trace.
///
/// # Errors
/// If it was called before.
pub fn init(format: LogFormat, level: LogLevel) -> anyhow::Result<()> {
    let others = if level.0 == LevelFilter::TRACE { level.0 } else { LevelFilter::WARN };
    let filter =
        Targets::new().with_target("clbmigrate", level.0).with_default(level.0.min(others));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let layer = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()?)
}

/// A limit of log lines a second: a controller that tries a denied change again and again must not
/// fill a disk.
#[derive(Debug)]
pub struct RateLimit {
    per_second: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    second: Instant,
    written: u32,
    suppressed: u64,
}

impl RateLimit {
    /// A limit of `per_second` lines a second.
    pub fn new(per_second: u32) -> Self {
        let state = State { second: Instant::now(), written: 0, suppressed: 0 };
        Self { per_second, state: Mutex::new(state) }
    }

    /// Whether a line may be written now. Returns how many were suppressed since the last one that was
    /// written.
    ///
    /// # Errors
    /// When it may not: how many lines in a row were suppressed, this one included.
    pub fn check(&self) -> Result<u64, u64> {
        self.check_at(Instant::now())
    }

    fn check_at(&self, now: Instant) -> Result<u64, u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.second) >= Duration::from_secs(1) {
            state.second = now;
            state.written = 0;
        }
        if state.written < self.per_second {
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
    fn lines_beyond_the_limit_are_counted_and_told_with_the_next() {
        let limit = RateLimit::new(2);
        let start = Instant::now();
        let results: Vec<_> = (0..4).map(|_| limit.check_at(start)).collect();
        assert_eq!(results, [Ok(0), Ok(0), Err(1), Err(2)]);
        let later = start + Duration::from_secs(1);
        assert_eq!(limit.check_at(later), Ok(2));
        assert_eq!(limit.check_at(later), Ok(0));
        assert_eq!(limit.check_at(later), Err(1));
    }

    #[test]
    fn a_level_is_one_of_five_words() {
        assert!("info".parse::<LogLevel>().is_ok());
        for text in ["off", "INFO", "3", ""] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}
