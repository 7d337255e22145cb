//! How a profile gives credentials, and what the environment adds to it (aliyun-cli:
//! `config/profile.go`).

use secrecy::SecretString;

use super::{config_file::Profile, variables};
use crate::environment::Environment;

/// A profile's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Ak,
    StsToken,
    RamRoleArn,
    RamRoleArnWithRoleName,
    ChainableRamRoleArn,
    EcsRamRole,
    Oidc,
    CredentialsUri,
    External,
    CloudSso,
    OAuth,
    /// One that does not work here, or that the CLI does not know.
    Unsupported,
}

impl Mode {
    /// The mode of this name, in any case.
    pub(super) fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "ak" => Self::Ak,
            "ststoken" => Self::StsToken,
            "ramrolearn" => Self::RamRoleArn,
            "ramrolearnwithrolename" => Self::RamRoleArnWithRoleName,
            "chainableramrolearn" => Self::ChainableRamRoleArn,
            "ecsramrole" => Self::EcsRamRole,
            "oidc" => Self::Oidc,
            "credentialsuri" => Self::CredentialsUri,
            "external" => Self::External,
            "cloudsso" => Self::CloudSso,
            "oauth" => Self::OAuth,
            _ => Self::Unsupported,
        }
    }
}

impl Profile {
    /// The name of its mode: the one it has, or the one that its fields tell, in the CLI's order
    /// (`AutoModeRecognition`); `None` where they tell none.
    pub(super) fn mode_name(&self) -> Option<&str> {
        if !self.mode.is_empty() {
            return Some(&self.mode);
        }
        let has = Option::is_some;
        let has_keys = self.access_key_id.is_some() && self.access_key_secret.is_some();
        let has_role = has(&self.ram_role_arn);
        let has_token = has(&self.oidc_provider_arn) && has(&self.oidc_token_file);
        let candidates = [
            (has_keys && self.sts_token.is_some(), "StsToken"),
            (has_keys && has_role, "RamRoleArn"),
            (has_keys, "AK"),
            (self.private_key.is_some() && has(&self.key_pair_name), "RsaKeyPair"),
            (has(&self.ram_role_name), "EcsRamRole"),
            (self.process_command.is_some(), "External"),
            (has_token && has_role, "OIDC"),
            (has(&self.cloud_sso_sign_in_url), "CloudSSO"),
            (self.bearer_token.is_some(), "BearerToken"),
        ];
        candidates.into_iter().find_map(|(fits, mode)| fits.then_some(mode))
    }

    /// Whether it says anything about who calls.
    pub(super) fn has_identity(&self) -> bool {
        let texts = [
            &self.access_key_id,
            &self.ram_role_name,
            &self.ram_role_arn,
            &self.source,
            &self.oidc_provider_arn,
            &self.oidc_token_file,
            &self.key_pair_name,
            &self.cloud_sso_sign_in_url,
        ];
        let secrets = [
            &self.access_key_secret,
            &self.sts_token,
            &self.process_command,
            &self.credentials_uri,
            &self.private_key,
            &self.bearer_token,
        ];
        texts.iter().any(|text| text.is_some()) || secrets.iter().any(|secret| secret.is_some())
    }

    /// The profile with what the environment adds to it (`OverwriteWithFlags`). Unlike in the CLI, a
    /// token always comes from the same place as its key.
    pub(super) fn with_environment(&self, environment: &dyn Environment) -> Self {
        let value = |names: &[&str]| environment.value(names);
        let secret = |names: &[&str]| value(names).map(SecretString::from);
        let mut profile = self.clone();
        if profile.access_key_id.is_none() {
            profile.access_key_id = value(&variables::ID);
            profile.sts_token = secret(&variables::TOKEN);
        }
        let add = |field: &mut Option<String>, names: &[&str]| {
            *field = field.take().or_else(|| value(names));
        };
        add(&mut profile.ram_role_arn, &variables::ROLE_ARN);
        add(&mut profile.external_id, &variables::EXTERNAL_ID);
        add(&mut profile.oidc_provider_arn, &variables::OIDC_PROVIDER);
        add(&mut profile.oidc_token_file, &variables::OIDC_TOKEN_FILE);
        let add = |field: &mut Option<SecretString>, names: &[&str]| {
            *field = field.take().or_else(|| secret(names));
        };
        add(&mut profile.access_key_secret, &variables::SECRET);
        add(&mut profile.credentials_uri, &variables::URI);
        profile
    }
}
