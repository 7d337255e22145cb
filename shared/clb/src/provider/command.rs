//! The words of `process_command` (aliyun-cli: `config/command_split.go`).

use std::iter::Peekable;

/// Which backslashes a command has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backslash {
    /// It takes the meaning from the next character, as in a POSIX shell.
    Escapes,
    /// It separates the parts of a path, as on Windows; only `\"` inside double quotes is an escape.
    SeparatesPath,
}

impl Backslash {
    /// The backslash of this system.
    pub(super) const OF_SYSTEM: Self =
        if cfg!(windows) { Self::SeparatesPath } else { Self::Escapes };

    /// Whether a backslash before this character is an escape inside double quotes.
    fn escapes_quoted(self, next: char) -> bool {
        match self {
            Self::Escapes => matches!(next, '"' | '\\' | '$' | '`' | '\n'),
            Self::SeparatesPath => next == '"',
        }
    }
}

/// Splits a command at blanks outside of quotes. Nothing is expanded.
///
/// # Errors
/// Why the text is no command.
pub(super) fn split(command: &str, backslash: Backslash) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = command.trim().chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default(), backslash)?,
            '\\' if backslash == Backslash::Escapes => {
                let next = rest.next().ok_or("ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err("is empty"),
    }
}

fn single_quoted(
    rest: &mut impl Iterator<Item = char>,
    word: &mut String,
) -> Result<(), &'static str> {
    for c in rest {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err(NOT_CLOSED)
}

fn double_quoted<I: Iterator<Item = char>>(
    rest: &mut Peekable<I>,
    word: &mut String,
    backslash: Backslash,
) -> Result<(), &'static str> {
    while let Some(c) = rest.next() {
        if c == '"' {
            return Ok(());
        }
        let escaped = rest.next_if(|next| c == '\\' && backslash.escapes_quoted(*next));
        word.push(escaped.unwrap_or(c));
    }
    Err(NOT_CLOSED)
}

const NOT_CLOSED: &str = "has a quote that is not closed";

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Cases of the CLI's own tests (`config/command_split_test.go`), and their siblings.
    #[rstest]
    #[case("cmd arg1 arg2", &["cmd", "arg1", "arg2"])]
    #[case("  cmd   arg1\targ2  ", &["cmd", "arg1", "arg2"])]
    #[case(r#""C:\Program Files\tool\cred.exe" get"#, &[r"C:\Program Files\tool\cred.exe", "get"])]
    #[case("'/usr/local/my tools/cred' arg", &["/usr/local/my tools/cred", "arg"])]
    #[case(r#"tool --name "First Last""#, &["tool", "--name", "First Last"])]
    #[case(r#"tool "say \"hi\"""#, &["tool", r#"say "hi""#])]
    #[case(r#"tool "" '' a"b c"d"#, &["tool", "", "", "ab cd"])]
    #[case(r#"tool 'a "b"' "c 'd'""#, &["tool", r#"a "b""#, "c 'd'"])]
    #[case("tool $HOME `id` *", &["tool", "$HOME", "`id`", "*"])]
    fn a_command_is_split_alike_on_all_systems(#[case] command: &str, #[case] words: &[&str]) {
        for backslash in [Backslash::Escapes, Backslash::SeparatesPath] {
            assert_eq!(split(command, backslash).expect("a command"), words, "{backslash:?}");
        }
    }

    #[rstest]
    #[case(r"tool arg\ with\ space", &["tool", "arg with space"], &["tool", r"arg\", r"with\", "space"])]
    #[case(r"C:\tools\cred.exe get", &["C:toolscred.exe", "get"], &[r"C:\tools\cred.exe", "get"])]
    #[case(r#"tool "\$a \\ \n""#, &["tool", r"$a \ \n"], &["tool", r"\$a \\ \n"])]
    #[case(r"tool 'a\ b'", &["tool", r"a\ b"], &["tool", r"a\ b"])]
    #[case(r#"tool \"a"#, &["tool", "\"a"], &[])]
    fn a_backslash_is_an_escape_or_separates_a_path(
        #[case] command: &str,
        #[case] posix: &[&str],
        #[case] windows: &[&str],
    ) {
        assert_eq!(split(command, Backslash::Escapes).expect("a command"), posix);
        let on_windows = split(command, Backslash::SeparatesPath);
        assert_eq!(on_windows.unwrap_or_default(), windows);
    }

    #[rstest]
    #[case("   ", "is empty")]
    #[case("''", "is empty")]
    #[case("'' get", "is empty")]
    #[case(r#""C:\Program Files\tool.exe"#, "has a quote that is not closed")]
    #[case("'/usr/bin/tool", "has a quote that is not closed")]
    #[case(r"tool\", "ends with a backslash")]
    fn what_is_no_command_is_an_error(#[case] command: &str, #[case] why: &str) {
        assert_eq!(split(command, Backslash::Escapes).expect_err("no command"), why);
    }
}
