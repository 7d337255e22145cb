//! The SDKs' shared file, `~/.alibabacloud/credentials`: sections of `key = value`.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{
    Credentials, Provider, Role,
    profile::{ROLE_SECONDS, ROLE_SESSION, sts},
    switches::{check_instance_role, imds_v1_is_allowed},
};
use crate::{Error, ErrorKind, environment::Environment};

/// A section's entries; any may be secret.
type Section = BTreeMap<String, SecretString>;

/// The provider of a section of the file; `None` where the file has no such section.
pub(super) fn provider(
    content: &[u8],
    section: &str,
    shown: &str,
    environment: &dyn Environment,
) -> Result<Option<Provider>, Error> {
    let Some(entries) = discover(content, section, shown)? else { return Ok(None) };
    let wrong = |why: String| {
        Error::new(ErrorKind::Config, format!("{shown}: section [{section}]: {why}"))
            .hint("types that work: access_key, ram_role_arn, ecs_ram_role")
    };
    let entry = |name: &str| entries.get(name).cloned();
    let needed = |name: &str| entry(name).ok_or_else(|| wrong(format!("{name} is missing")));
    let plain = |name: &str| entry(name).map(|value| value.expose_secret().to_owned());
    let credentials = || -> Result<Credentials, Error> {
        let id = needed("access_key_id")?.expose_secret().to_owned();
        Ok(Credentials::new(id, needed("access_key_secret")?))
    };
    let provider = match needed("type")?.expose_secret() {
        "access_key" => Provider::Static(credentials()?),
        "ram_role_arn" => {
            let role = Role {
                arn: needed("role_arn")?.expose_secret().to_owned(),
                session: plain("role_session_name").unwrap_or_else(|| ROLE_SESSION.to_owned()),
                external_id: None,
                seconds: ROLE_SECONDS,
                sts: sts(None, None, environment)?,
            };
            Provider::AssumeRole { from: Box::new(Provider::Static(credentials()?)), role }
        }
        "ecs_ram_role" => {
            check_instance_role(environment, &format!("{shown}: section [{section}]"))?;
            Provider::InstanceRole { role: plain("role_name"), v1: imds_v1_is_allowed(environment) }
        }
        other => return Err(wrong(format!("type {other:?} is not supported"))),
    };
    Ok(Some(provider))
}

/// The entries of one section; `None` where the file does not have it. A malformed line anywhere in
/// the file is an error.
fn discover(content: &[u8], wanted: &str, shown: &str) -> Result<Option<Section>, Error> {
    let malformed = |line: usize, why: &str| {
        Error::new(ErrorKind::Config, format!("{shown}:{line}: {why}"))
            .hint("write [SECTION] and below it lines of KEY = VALUE")
    };
    let text = std::str::from_utf8(content).map_err(|_| malformed(1, "it is not UTF-8"))?;
    let mut current: Option<&str> = None;
    let mut entries_of_wanted: Option<Section> = None;
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').ok_or_else(|| malformed(number, "] is missing"))?;
            current = Some(name.trim());
            if current == Some(wanted) {
                entries_of_wanted.get_or_insert_default();
            }
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| malformed(number, "neither section nor KEY = VALUE"))?;
        let section =
            current.ok_or_else(|| malformed(number, "an entry before the first [SECTION]"))?;
        let value = value.trim();
        if section == wanted && !value.is_empty() {
            entries_of_wanted
                .get_or_insert_default()
                .insert(key.trim().to_owned(), unquoted(value).into());
        }
    }
    Ok(entries_of_wanted)
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::testing::FakeEnvironment;

    fn read(content: &str, section: &str) -> Result<Option<Provider>, Error> {
        provider(content.as_bytes(), section, "credentials", &FakeEnvironment::new())
    }

    #[test]
    fn a_section_with_keys_is_read_whatever_stands_around_it() {
        let content = "# mine\r\n[default]\r\ntype = access_key ; no comment\n[prod]\n; x\n\
                       type=access_key\naccess_key_id = \"LTAIexample\"\naccess_key_secret=a=b\n";
        let provider = read(content, "prod").expect("readable").expect("a section");
        let Provider::Static(credentials) = provider else { panic!("{provider:?}") };
        assert_eq!(
            (credentials.id.as_str(), credentials.secret.expose_secret()),
            ("LTAIexample", "a=b")
        );
    }

    #[test]
    fn a_section_that_is_not_there_is_no_error() {
        assert!(read("[default]\ntype = access_key\n", "prod").expect("readable").is_none());
    }

    #[rstest]
    #[case("[prod\n", "credentials:1: ] is missing")]
    #[case("type = x\n", "credentials:1: an entry before the first [SECTION]")]
    #[case("[a]\n\nhunter2\n", "credentials:3: neither section nor KEY = VALUE")]
    #[case("[prod]\nx = y\n", "credentials: section [prod]: type is missing")]
    #[case(
        "[prod]\ntype = bearer\n",
        "credentials: section [prod]: type \"bearer\" is not supported"
    )]
    #[case(
        "[prod]\ntype = access_key\naccess_key_id = hunter2\n",
        "credentials: section [prod]: access_key_secret is missing"
    )]
    fn a_mistake_is_told_by_place_and_without_content(
        #[case] content: &str,
        #[case] message: &str,
    ) {
        let error = read(content, "prod").expect_err("a mistake");
        assert_eq!(error.message, message);
    }
}
