//! Which tests of a suite failed, and what each said first.

/// How many characters of a message are kept: enough for its reason, and short enough that the end of a
/// log shows every failed test.
const LONGEST: usize = 240;

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The test's name.
    pub test: String,
    /// The beginning of what it said, on one line. Empty where it said nothing.
    pub message: String,
}

/// Reads the failed tests from what a suite printed: a block that begins with `---- NAME ----`
/// (libtest-mimic), or with `---- NAME stdout ----` (libtest), for each.
pub fn failures(output: &str) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    let block = output.lines().skip_while(|line| *line != "failures:").skip(1);
    for line in block.take_while(|line| *line != "failures:") {
        if let Some(test) = header(line) {
            failures.push(Failure { test: test.to_owned(), message: String::new() });
        } else if let Some(failure) = failures.last_mut() {
            append(&mut failure.message, line.trim());
        }
    }
    failures
}

/// The test's name in the first line of its block.
fn header(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?.strip_suffix(" ----")?;
    Some(name.strip_suffix(" stdout").unwrap_or(name))
}

/// Appends a line of a message, as far as there is room for it.
fn append(message: &mut String, line: &str) {
    let room = LONGEST.saturating_sub(message.chars().count());
    if line.is_empty() || room == 0 {
        return;
    }
    if !message.is_empty() {
        message.push(' ');
    }
    message.extend(line.chars().take(room));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(test: &str, message: &str) -> Failure {
        Failure { test: test.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn failures_of_clusters_are_read() {
        let output = "test a (1.36.3) ... FAILED\n\nfailures:\n\n---- a (1.36.3) ----\nthe Pod is not ready\n  \
                      in 180 s\n\n---- b ----\n\n\nfailures:\n    a (1.36.3)\n    b\n\n\
                      test result: FAILED. 5 passed; 2 failed; 0 ignored\n";
        let expected = [failure("a (1.36.3)", "the Pod is not ready in 180 s"), failure("b", "")];
        assert_eq!(failures(output), expected);
    }

    #[test]
    fn failures_of_libtest_are_read() {
        let output = "running 1 test\ntest rules::one ... FAILED\n\nfailures:\n\n---- rules::one stdout ----\n\n\
                      thread 'rules::one' panicked at src/rules.rs:7:5:\nno finding\n\n\nfailures:\n    rules::one\n";
        let expected =
            [failure("rules::one", "thread 'rules::one' panicked at src/rules.rs:7:5: no finding")];
        assert_eq!(failures(output), expected);
    }

    #[test]
    fn a_long_message_is_cut() {
        let output = format!("failures:\n---- a ----\n{}\n", "x".repeat(1000));
        let read = failures(&output);
        assert_eq!(read.first().map(|failure| failure.message.chars().count()), Some(LONGEST));
    }

    #[test]
    fn what_no_test_printed_is_no_failure() {
        assert_eq!(failures("test result: ok. 2 passed; 0 failed; 0 ignored\n"), []);
        assert_eq!(failures("---- before ----\nfailures:\n"), []);
    }
}
