//! Log lines on stderr, and a limit of how many of one sort are written.

use std::{
    collections::HashMap,
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
    window: Mutex<Window>,
}

/// The same limit for each user, so that one who makes many lines does not silence another. Beyond a
/// number of users within a second, the rest share one limit.
#[derive(Debug)]
pub struct UserRateLimit {
    per_second: u32,
    max_users: usize,
    windows: Mutex<UserWindows>,
}

#[derive(Debug)]
struct UserWindows {
    users: HashMap<String, Window>,
    others: Window,
}

/// The lines of one second.
#[derive(Debug)]
struct Window {
    start: Instant,
    written: u32,
    suppressed: u64,
}

impl RateLimit {
    /// A limit of `per_second` lines a second.
    pub fn new(per_second: u32) -> Self {
        Self { per_second, window: Mutex::new(Window::new(Instant::now())) }
    }

    /// Whether a line may be written now. Returns how many were suppressed since the last one that was
    /// written.
    ///
    /// # Errors
    /// When it may not: how many lines in a row were suppressed, this one included.
    pub fn check(&self) -> Result<u64, u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.check(Instant::now(), self.per_second)
    }
}

impl UserRateLimit {
    /// A limit of `per_second` lines a second for each user, and `max_users` who have one at a time.
    pub fn new(per_second: u32, max_users: usize) -> Self {
        let windows = UserWindows { users: HashMap::new(), others: Window::new(Instant::now()) };
        Self { per_second, max_users, windows: Mutex::new(windows) }
    }

    /// Whether a line about this user may be written now. Returns how many were suppressed since the
    /// last one that was written.
    ///
    /// # Errors
    /// When it may not: how many lines in a row were suppressed, this one included.
    pub fn check(&self, user: &str) -> Result<u64, u64> {
        self.check_at(user, Instant::now())
    }

    fn check_at(&self, user: &str, now: Instant) -> Result<u64, u64> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let UserWindows { users, others } = &mut *windows;
        if !users.contains_key(user) && users.len() >= self.max_users {
            users.retain(|_, window| !window.is_over(now));
        }
        let window = if users.contains_key(user) || users.len() < self.max_users {
            users.entry(user.to_owned()).or_insert_with(|| Window::new(now))
        } else {
            others
        };
        window.check(now, self.per_second)
    }
}

impl Window {
    fn new(start: Instant) -> Self {
        Self { start, written: 0, suppressed: 0 }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.start) >= Duration::from_secs(1)
    }

    fn check(&mut self, now: Instant, per_second: u32) -> Result<u64, u64> {
        if self.is_over(now) {
            self.start = now;
            self.written = 0;
        }
        if self.written < per_second {
            self.written += 1;
            return Ok(std::mem::take(&mut self.suppressed));
        }
        self.suppressed += 1;
        Err(self.suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_counted_and_told_with_the_next() {
        let start = Instant::now();
        let mut window = Window::new(start);
        let results: Vec<_> = (0..4).map(|_| window.check(start, 2)).collect();
        assert_eq!(results, [Ok(0), Ok(0), Err(1), Err(2)]);
        let later = start + Duration::from_secs(1);
        assert_eq!(window.check(later, 2), Ok(2));
        assert_eq!(window.check(later, 2), Ok(0));
        assert_eq!(window.check(later, 2), Err(1));
    }

    #[test]
    fn a_user_with_many_lines_silences_no_other() {
        let limit = UserRateLimit::new(2, 3);
        let now = Instant::now();
        let robot: Vec<_> = (0..4).map(|_| limit.check_at("robot", now)).collect();
        assert_eq!(robot, [Ok(0), Ok(0), Err(1), Err(2)]);
        assert_eq!(limit.check_at("jane", now), Ok(0));
        assert_eq!(limit.check_at("robot", now + Duration::from_secs(1)), Ok(2));
    }

    #[test]
    fn so_many_users_are_remembered_and_no_more() {
        let limit = UserRateLimit::new(2, 3);
        let now = Instant::now();
        let results: Vec<_> =
            (0..6).map(|number| limit.check_at(&format!("user-{number}"), now)).collect();
        assert_eq!(results, [Ok(0), Ok(0), Ok(0), Ok(0), Ok(0), Err(1)], "the rest share a limit");
        assert_eq!(limit.check_at("user-0", now), Ok(0), "whoever is known keeps an own one");
        // Whoever was quiet for a second is forgotten.
        assert_eq!(limit.check_at("user-6", now + Duration::from_secs(1)), Ok(0));
        assert_eq!(limit.windows.lock().expect("a lock").users.len(), 1);
    }

    #[test]
    fn a_level_is_one_of_five_words() {
        assert!("info".parse::<LogLevel>().is_ok());
        for text in ["off", "INFO", "3", ""] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}
