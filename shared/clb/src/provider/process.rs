//! Credentials that a program prints: mode `External`, `process_command`.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::timeout;

use super::Credentials;
use crate::{Error, ErrorKind, environment::Environment, error::shortened, rpc::read};

/// The time limit of the program.
const WITHIN: Duration = Duration::from_secs(60);

/// What the program prints on its standard output: a profile, as the CLI expects it.
#[derive(Deserialize)]
struct ProcessOutput {
    #[serde(default)]
    mode: String,
    access_key_id: String,
    access_key_secret: String,
    #[serde(default)]
    sts_token: String,
    #[serde(default)]
    expiration: Option<Timestamp>,
}

/// Runs the command and reads what it prints.
pub(super) async fn credentials(
    environment: &dyn Environment,
    command: &str,
) -> Result<Credentials, Error> {
    let words = split(command).map_err(|why| failed("process_command", why))?;
    let (program, arguments) =
        words.split_first().ok_or_else(|| failed("process_command", "is empty"))?;
    // Its arguments may be secret.
    let name = format!("the credential program {program}");
    let output = timeout(WITHIN, environment.run(program, arguments))
        .await
        .map_err(|_| failed(&name, &format!("did not end within {} s", WITHIN.as_secs())))?
        .map_err(|error| failed(&name, &format!("cannot be started: {error}")))?;
    if !output.status.success() {
        // Standard output may hold secrets. Complaints are on standard error.
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = shortened(complaint.trim().lines().last().unwrap_or_default());
        let complaint = if complaint.is_empty() { complaint } else { format!(": {complaint}") };
        return Err(failed(&name, &format!("failed with {}{complaint}", output.status)));
    }
    let printed = read::<ProcessOutput>(&output.stdout)
        .map_err(|why| failed(&name, &format!("printed no profile with keys: {why}")))?;
    keys_of(printed).map_err(|why| failed(&name, &why))
}

fn keys_of(printed: ProcessOutput) -> Result<Credentials, String> {
    let mut credentials = Credentials::new(printed.access_key_id, printed.access_key_secret);
    match printed.mode.to_ascii_lowercase().as_str() {
        "ak" => {}
        "ststoken" if printed.sts_token.is_empty() => {
            return Err("printed mode StsToken without sts_token".to_owned());
        }
        "" | "ststoken" => {
            credentials.token =
                Some(printed.sts_token).filter(|token| !token.is_empty()).map(SecretString::from);
        }
        _ => return Err(format!("printed mode {:?}, neither AK nor StsToken", printed.mode)),
    }
    credentials.expires = printed.expiration;
    Ok(credentials)
}

fn failed(what: &str, why: &str) -> Error {
    Error::new(ErrorKind::Credentials, format!("{what} {why}"))
        .hint("run it by hand and look at what it prints")
}

/// Splits a command at blanks outside of quotes. Nothing else is special.
fn split(command: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("has a quote that is not closed") } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", &[])]
    #[case("  a  b\tc ", &["a", "b", "c"])]
    #[case(r#"get "C:\my keys\x" --of '' 'a "b"'"#, &["get", r"C:\my keys\x", "--of", "", "a \"b\""])]
    fn a_command_is_split_at_blanks_outside_quotes(#[case] command: &str, #[case] words: &[&str]) {
        assert_eq!(split(command).expect("closed quotes"), words);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_an_error() {
        assert!(split("a 'b c").is_err());
    }
}
