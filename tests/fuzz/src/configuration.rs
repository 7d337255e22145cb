//! Target: the webhook's configuration file.

use clbmigrate_webhook::config::Config;

/// A field that no configuration has.
const UNKNOWN: &str = "noSuchField";

/// Reads a file, and the same file with a field in it that there is not.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let read = Config::parse(text);
    assert_eq!(read, Config::parse(text), "a file is read in one way");
    let Err(error) = &read else {
        let more = format!("{text}\n{UNKNOWN}: 1\n");
        let error = Config::parse(&more).expect_err("a field that there is not");
        assert_places(&error, &more);
        for problem in error.0.iter().filter(|problem| problem.message.contains(UNKNOWN)) {
            let line = more.lines().nth(line_index(problem.line)).unwrap_or_default();
            assert!(line.contains(UNKNOWN), "{problem} is about {line:?}");
        }
        return;
    };
    assert_places(error, text);
}

/// Each problem is about a line of the file, and says something.
fn assert_places(error: &clbmigrate_webhook::config::ConfigError, text: &str) {
    assert!(!error.0.is_empty(), "a file is refused for a reason");
    // An end that comes too early is on the line behind the last one.
    let lines = text.split('\n').count() + 1;
    for problem in &error.0 {
        assert!((1..=lines).contains(&(line_index(problem.line) + 1)), "{problem} of {lines}");
        assert!(!problem.message.trim().is_empty(), "{problem} says nothing");
    }
}

fn line_index(line: u64) -> usize {
    let line = usize::try_from(line).expect("a line");
    line.checked_sub(1).expect("lines are counted from 1")
}
