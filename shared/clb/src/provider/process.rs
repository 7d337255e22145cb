//! Credentials that a program prints: mode `External`, `process_command`.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::{
    Credentials,
    command::{Backslash, split},
};
use crate::{Error, ErrorKind, deadline::time_left, environment::Environment, rpc::read};

/// The time limit of the program, which may ask somebody for a code.
const WITHIN: Duration = Duration::from_secs(60);

/// What the program prints on its standard output: a profile, as the CLI expects it.
#[derive(Deserialize)]
struct ProcessOutput {
    #[serde(default, alias = "Mode")]
    mode: String,
    access_key_id: String,
    access_key_secret: String,
    #[serde(default)]
    sts_token: String,
    #[serde(default)]
    expiration: Option<Timestamp>,
}

/// Runs the command and reads what it prints. Its arguments may be secret and are in no message.
pub(super) async fn credentials(
    environment: &dyn Environment,
    command: &SecretString,
    deadline: Instant,
) -> Result<Credentials, Error> {
    let words = split(command.expose_secret(), Backslash::OF_SYSTEM)
        .map_err(|why| failed("process_command", why))?;
    let (program, arguments) =
        words.split_first().ok_or_else(|| failed("process_command", "is empty"))?;
    let name = format!("the credential program {program}");
    let within = time_left(deadline, WITHIN)?;
    let output = timeout(within, environment.run(program, arguments))
        .await
        .map_err(|_| failed(&name, &format!("did not end within {:.0} s", within.as_secs_f64())))?
        .map_err(|error| failed(&name, &format!("cannot be started: {error}")))?;
    if !output.status.success() {
        // Standard output may hold secrets. Complaints are on standard error, which is passed through.
        return Err(failed(&name, &format!("failed with {}", output.status)));
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
