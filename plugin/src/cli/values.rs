//! Values that flags take.
#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

use std::str::FromStr;

use clap::ValueEnum;
use clap_complete::Shell;
use clbmigrate_core::finding::Severity;

/// What `completion` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletionTarget {
    /// Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// Fish.
    Fish,
    /// PowerShell.
    #[value(name = "powershell")]
    PowerShell,
    /// kubectl itself, which asks a helper of a certain name.
    Install,
}

impl CompletionTarget {
    /// The shell, if it is one.
    pub fn shell(self) -> Option<Shell> {
        Some(match self {
            Self::Bash => Shell::Bash,
            Self::Zsh => Shell::Zsh,
            Self::Fish => Shell::Fish,
            Self::PowerShell => Shell::PowerShell,
            Self::Install => return None,
        })
    }
}

/// Which findings make exit code 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors.
    Error,
    /// Warnings and errors.
    Warning,
    /// Any finding.
    Info,
    /// None.
    Never,
}

impl FailOn {
    /// Whether a finding of that severity fails.
    pub fn covers(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => true,
            Self::Never => false,
        }
    }
}

/// How a write is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// No dry run. The command line is read as if the flag were not given.
    None,
    /// Nothing is sent but what reads.
    Client,
    /// The API server judges the change, and stores nothing.
    #[value(name = "server")]
    ApiServer,
}

/// `GROUP:PORT` of `attach`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VgroupPort {
    /// The group's id.
    pub group: String,
    /// The Service port.
    pub port: u16,
}

impl FromStr for VgroupPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("{text:?}: {why}; write GROUP:PORT, for example rsp-bp1example:80");
        let (group, port) = text.split_once(':').ok_or_else(|| wrong("no colon"))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if group.is_empty() || !group.chars().all(is_plain) {
            return Err(wrong("the group's id may hold letters, digits and dashes only"));
        }
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self { group: group.to_owned(), port }),
            _ => Err(wrong("the Service port is a number from 1 to 65535")),
        }
    }
}

/// `ID=WEIGHT` of `set --external`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerWeight {
    /// The instance's id.
    pub id: String,
    /// 0..=100.
    pub weight: u32,
}

impl FromStr for ServerWeight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?}: {why}; write ID=WEIGHT, for example i-bp1a=30");
        let (id, weight) = text.split_once('=').ok_or_else(|| wrong("no ="))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if id.is_empty() || !id.chars().all(is_plain) {
            return Err(wrong("a server's id holds letters, digits and dashes"));
        }
        let is_number = !weight.is_empty() && weight.chars().all(|c| c.is_ascii_digit());
        match weight.parse() {
            Ok(weight) if is_number && weight <= 100 => Ok(Self { id: id.to_owned(), weight }),
            _ => Err(wrong("a weight is 0 to 100")),
        }
    }
}

/// How many characters `--reason` may have.
pub const MAX_REASON: usize = 256;

/// A text of `--reason`, which the record of the change holds.
pub fn reason(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length > MAX_REASON {
        return Err(format!("it has {length} characters; {MAX_REASON} are the most"));
    }
    match text.chars().find(|letter| letter.is_control()) {
        Some(letter) => Err(format!(
            "it holds the control character U+{:04X}; write it in one line of plain text",
            u32::from(letter)
        )),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("rsp-bp1example:80", true)]
    #[case("rsp-bp1example", false)]
    #[case("rsp-bp1example:http", false)]
    #[case("rsp-bp1example:0", false)]
    #[case("rsp-bp1example: 80", false)]
    #[case(" rsp-bp1example:80", false)]
    #[case("rsp-a:80,rsp-b:443", false)]
    #[case("80:rsp-bp1example", false)]
    fn a_group_is_given_with_its_service_port(#[case] text: &str, #[case] is_right: bool) {
        assert_eq!(text.parse::<VgroupPort>().is_ok(), is_right);
    }

    #[rstest]
    #[case("i-bp1a=30", Some(30))]
    #[case("i-bp1a=0", Some(0))]
    #[case("i-bp1a=100", Some(100))]
    #[case("i-bp1a=101", None)]
    #[case("i-bp1a=+3", None)]
    #[case("i-bp1a=", None)]
    #[case("i-bp1a", None)]
    #[case("=30", None)]
    #[case("i bp1a=30", None)]
    fn a_server_is_given_with_its_weight(#[case] text: &str, #[case] weight: Option<u32>) {
        assert_eq!(text.parse::<ServerWeight>().ok().map(|of| of.weight), weight);
    }

    #[rstest]
    #[case::plain("batch 2", None)]
    #[case::chinese("\u{7b2c}\u{4e8c}\u{6279}", None)]
    #[case::empty("", None)]
    #[case::a_line_break("a\nb", Some("it holds the control character U+000A"))]
    #[case::an_escape("\u{1b}[31mred", Some("it holds the control character U+001B"))]
    #[case::a_delete("a\u{7f}", Some("it holds the control character U+007F"))]
    #[case::a_next_line("a\u{85}b", Some("it holds the control character U+0085"))]
    fn a_reason_is_plain_text(#[case] text: &str, #[case] why_not: Option<&str>) {
        match (reason(text), why_not) {
            (Ok(read), None) => assert_eq!(read, text),
            (Err(said), Some(why_not)) => assert!(said.starts_with(why_not), "{said}"),
            (read, _) => panic!("{read:?}"),
        }
    }

    #[rstest]
    #[case::of_one_byte("x")]
    #[case::of_three_bytes("\u{7b2c}")]
    fn a_reason_has_256_characters_at_the_most(#[case] letter: &str) {
        assert_eq!(reason(&letter.repeat(256)), Ok(letter.repeat(256)));
        let said = reason(&letter.repeat(300)).expect_err("too long");
        assert_eq!(said, "it has 300 characters; 256 are the most");
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_readers_panic(text in any::<String>()) {
                let _ = text.parse::<VgroupPort>();
                let _ = text.parse::<ServerWeight>();
            }
        }
    }
}
