//! The `aliyun` CLI's configuration file, `~/.aliyun/config.json`.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::{Error, ErrorKind, rpc::explain_json};

/// The file, as the CLI writes it; what it holds beyond that is skipped.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ConfigFile {
    #[serde(default, deserialize_with = "filled")]
    pub(super) current: Option<String>,
    #[serde(default, deserialize_with = "list")]
    pub(super) profiles: Vec<Profile>,
}

/// A profile; an empty text counts as absent, as it does for the CLI.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Profile {
    #[serde(deserialize_with = "text")]
    pub(super) name: String,
    #[serde(deserialize_with = "text")]
    pub(super) mode: String,
    #[serde(deserialize_with = "filled")]
    pub(super) access_key_id: Option<String>,
    #[serde(deserialize_with = "hidden")]
    pub(super) access_key_secret: Option<SecretString>,
    #[serde(deserialize_with = "hidden")]
    pub(super) sts_token: Option<SecretString>,
    #[serde(deserialize_with = "filled")]
    pub(super) sts_region: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) ram_role_name: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) ram_role_arn: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) ram_session_name: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) external_id: Option<String>,
    #[serde(deserialize_with = "filled")]
    #[serde(rename = "source_profile")]
    pub(super) source: Option<String>,
    pub(super) expired_seconds: Option<u32>,
    #[serde(deserialize_with = "filled")]
    pub(super) region_id: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) sts_endpoint: Option<String>,
    #[serde(deserialize_with = "hidden")]
    pub(super) process_command: Option<SecretString>,
    #[serde(deserialize_with = "hidden")]
    pub(super) credentials_uri: Option<SecretString>,
    #[serde(deserialize_with = "filled")]
    pub(super) oidc_provider_arn: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) oidc_token_file: Option<String>,
    /// When the keys that the CLI has kept end, in seconds of Unix time: modes `CloudSSO`, `OAuth`.
    pub(super) sts_expiration: Option<i64>,
    #[serde(deserialize_with = "hidden")]
    pub(super) private_key: Option<SecretString>,
    #[serde(deserialize_with = "filled")]
    pub(super) key_pair_name: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) cloud_sso_sign_in_url: Option<String>,
    #[serde(deserialize_with = "hidden")]
    pub(super) bearer_token: Option<SecretString>,
    #[serde(deserialize_with = "filled")]
    pub(super) endpoint_type: Option<String>,
    #[serde(deserialize_with = "filled")]
    pub(super) endpoint: Option<String>,
}

impl ConfigFile {
    /// Reads the file's content. `shown` names the file in errors, which quote nothing of it.
    pub(super) fn parse(content: &[u8], shown: &str) -> Result<Self, Error> {
        // Editors of Windows put a mark before UTF-8.
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let mut reader = serde_json::Deserializer::from_slice(content);
        let file: Self = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| malformed(shown, error.inner().line(), &explain_json(&error)))?;
        reader
            .end()
            .map_err(|error| malformed(shown, error.line(), "more follows after the end"))?;
        Ok(file)
    }

    pub(super) fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The profiles' names, for an error.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

fn malformed(shown: &str, line: usize, why: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{shown}:{line}: {why}"))
        .hint("correct that line, or write the profile anew with aliyun configure")
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Profile>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    filled(deserializer).map(|text| text.map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn what_the_cli_writes_is_read() {
        let content = br#"{
            "current": "prod",
            "profiles": [{
                "name": "prod", "mode": "AK", "access_key_id": "LTAIexample",
                "access_key_secret": "s", "sts_token": "", "ram_role_name": null,
                "expired_seconds": 0, "region_id": "cn-hangzhou", "output_format": "json",
                "retry_timeout": 0, "auto_plugin_install": true
            }],
            "meta_path": ""
        }"#;
        let file = ConfigFile::parse(content, "config.json").expect("a file");
        assert_eq!(file.current.as_deref(), Some("prod"));
        let profile = file.profile("prod").expect("a profile");
        assert_eq!(profile.region_id.as_deref(), Some("cn-hangzhou"));
        assert!(profile.sts_token.is_none(), "an empty token is none");
    }

    #[test]
    fn debug_output_shows_no_secret_of_a_profile() {
        let content = br#"{"profiles": [{
            "name": "prod", "access_key_id": "LTAIexample", "access_key_secret": "hunter2",
            "sts_token": "hunter2", "process_command": "get --password hunter2",
            "credentials_uri": "http://ann:hunter2@keys/?code=hunter2", "private_key": "hunter2",
            "bearer_token": "hunter2"
        }]}"#;
        let file = ConfigFile::parse(content, "config.json").expect("a file");
        let profile = file.profile("prod").expect("a profile");
        for text in [format!("{file:?}"), format!("{profile:#?}")] {
            assert!(text.contains("LTAIexample") && !text.contains("hunter2"), "{text}");
        }
    }

    #[rstest]
    #[case("{\n\"profiles\": [}", "config.json:2: expected value")]
    #[case("", "config.json:1: it ends too early")]
    #[case("{}\n{}", "config.json:2: more follows after the end")]
    #[case(
        "{\"profiles\": [{\"name\": \"a\"},\n{\"access_key_secret\": [\"hunter2\"]}]}",
        "config.json:2: profiles[1].access_key_secret has the wrong type"
    )]
    #[case(
        "{\"profiles\": [\n{\"expired_seconds\": \"hunter2\"}]}",
        "config.json:2: profiles[0].expired_seconds has the wrong type"
    )]
    fn a_malformed_file_is_told_by_line_and_without_its_content(
        #[case] content: &str,
        #[case] message: &str,
    ) {
        let error = ConfigFile::parse(content.as_bytes(), "config.json").expect_err("malformed");
        assert_eq!(error.kind, ErrorKind::Config);
        assert_eq!(error.message, message);
        assert!(!error.hints.is_empty());
    }
}
