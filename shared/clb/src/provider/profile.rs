//! The provider that a profile of the `aliyun` CLI names by its mode.

use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    Credentials, Provider, Role, Sts,
    config_file::{ConfigFile, Profile},
    variables,
};
use crate::{Error, ErrorKind, environment::Environment};

/// How long a role's credentials are to be valid where no profile says it, in seconds.
pub(super) const ROLE_SECONDS: u32 = 3600;
/// The session's name where neither profile nor environment say it.
pub(super) const ROLE_SESSION: &str = "clbmigrate";

/// Reads profiles of one file. A profile may refer to others of the file.
pub(super) struct ProfileReader<'a> {
    pub(super) file: &'a ConfigFile,
    /// The file as shown.
    pub(super) shown: &'a str,
    pub(super) environment: &'a dyn Environment,
}

impl ProfileReader<'_> {
    /// The profile's provider; `None` where it has neither mode nor access key.
    pub(super) fn provider(&self, profile: &Profile) -> Result<Option<Provider>, Error> {
        self.means_within(profile, &[])
    }

    /// `above` are the profiles that refer to this one.
    fn means_within(&self, profile: &Profile, above: &[&str]) -> Result<Option<Provider>, Error> {
        let mode = profile.mode.to_ascii_lowercase();
        let provider = match mode.as_str() {
            "" if profile.access_key_id.is_none() => return Ok(None),
            "" if profile.sts_token.is_none() && profile.ram_role_arn.is_some() => {
                self.role(profile, Provider::Static(self.credentials(profile)?))?
            }
            "" | "ak" => {
                let mut credentials = self.credentials(profile)?;
                if !mode.is_empty() {
                    credentials.token = None;
                }
                Provider::Static(credentials)
            }
            "ststoken" => {
                let credentials = self.credentials(profile)?;
                if credentials.token.is_none() {
                    return Err(self.missing(profile, "sts_token"));
                }
                Provider::Static(credentials)
            }
            "ramrolearn" => self.role(profile, Provider::Static(self.credentials(profile)?))?,
            "ramrolearnwithrolename" => {
                let instance = self.instance(profile.ram_role_name.clone());
                self.role(profile, instance)?
            }
            "chainableramrolearn" => {
                let source = self.source(profile, above)?;
                self.role(profile, source)?
            }
            "ecsramrole" => self.instance(profile.ram_role_name.clone()),
            "oidc" => self.oidc(profile)?,
            "credentialsuri" => Provider::Uri(self.field(
                profile,
                "credentials_uri",
                profile.credentials_uri.as_ref(),
                &variables::URI,
            )?),
            "external" => Provider::Process(self.field(
                profile,
                "process_command",
                profile.process_command.as_ref(),
                &[],
            )?),
            "cloudsso" | "oauth" => Provider::Static(self.saved_login(profile)?),
            _ => return Err(self.unsupported(profile)),
        };
        Ok(Some(provider))
    }

    /// The instance's role; `IMDSv1` as the environment allows it.
    pub(super) fn instance(&self, role: Option<String>) -> Provider {
        let role = role.or_else(|| self.environment.value(&variables::INSTANCE_ROLE));
        Provider::InstanceRole { role, v1: !self.environment.is_true(&variables::IMDS_V1_DISABLED) }
    }

    /// The profile's credentials. Where it has no access key, the environment's is used, as the CLI
    /// does. The token always comes from the same place as the key.
    fn credentials(&self, profile: &Profile) -> Result<Credentials, Error> {
        let value = |names| self.environment.value(names);
        let (id, token) = match &profile.access_key_id {
            Some(id) => (Some(id.clone()), profile.sts_token.clone()),
            None => (value(&variables::ID), value(&variables::TOKEN).map(SecretString::from)),
        };
        let id = id.ok_or_else(|| self.missing(profile, "access_key_id"))?;
        let secret = profile.access_key_secret.clone();
        let secret = secret.or_else(|| value(&variables::SECRET).map(SecretString::from));
        let secret = secret.ok_or_else(|| self.missing(profile, "access_key_secret"))?;
        Ok(Credentials { id, secret, token, expires: None })
    }

    /// The credentials that the CLI has written to the file after a log-in, if they are still
    /// valid.
    fn saved_login(&self, profile: &Profile) -> Result<Credentials, Error> {
        let now = self.environment.now();
        let end = profile.sts_expiration.and_then(|second| Timestamp::from_second(second).ok());
        let credentials = self
            .credentials(profile)
            .ok()
            .filter(|credentials| credentials.token.is_some() && end > Some(now));
        credentials.map(|credentials| Credentials { expires: end, ..credentials }).ok_or_else(
            || {
                let message =
                    format!("{}: the log-in ({}) has expired", self.place(profile), profile.mode);
                let name = &profile.name;
                Error::new(ErrorKind::Expired, message)
                    .hint(format!("renew it: aliyun sts GetCallerIdentity --profile {name}"))
                    .hint(format!(
                        "or log in again: aliyun configure --profile {name} --mode {}",
                        profile.mode
                    ))
            },
        )
    }

    fn role(&self, profile: &Profile, from: Provider) -> Result<Provider, Error> {
        Ok(Provider::AssumeRole { from: Box::new(from), role: self.role_of(profile)? })
    }

    fn role_of(&self, profile: &Profile) -> Result<Role, Error> {
        let value = |names| self.environment.value(names);
        let arn = self.field(
            profile,
            "ram_role_arn",
            profile.ram_role_arn.as_ref(),
            &variables::ROLE_ARN,
        )?;
        let session = profile.ram_session_name.clone().or_else(|| value(&variables::ROLE_SESSION));
        Ok(Role {
            arn,
            session: session.unwrap_or_else(|| ROLE_SESSION.to_owned()),
            external_id: profile.external_id.clone().or_else(|| value(&variables::EXTERNAL_ID)),
            seconds: profile.expired_seconds.filter(|seconds| *seconds > 0).unwrap_or(ROLE_SECONDS),
            sts: sts(profile.sts_region.clone(), self.environment),
        })
    }

    fn oidc(&self, profile: &Profile) -> Result<Provider, Error> {
        let provider = &variables::OIDC_PROVIDER;
        let provider =
            self.field(profile, "oidc_provider_arn", profile.oidc_provider_arn.as_ref(), provider)?;
        let file = &variables::OIDC_TOKEN_FILE;
        let token_file =
            self.field(profile, "oidc_token_file", profile.oidc_token_file.as_ref(), file)?;
        Ok(Provider::AssumeRoleWithOidc { provider, token_file, role: self.role_of(profile)? })
    }

    fn source(&self, profile: &Profile, above: &[&str]) -> Result<Provider, Error> {
        let name = profile.source.as_deref();
        let name = name.ok_or_else(|| self.missing(profile, "source_profile"))?;
        let path: Vec<&str> = above.iter().copied().chain([profile.name.as_str()]).collect();
        if path.contains(&name) {
            let message = format!(
                "{}: source_profile goes round in a circle: {} -> {name}",
                self.shown,
                path.join(" -> ")
            );
            return Err(Error::new(ErrorKind::Config, message)
                .hint("let the last of them name a profile that has keys of its own"));
        }
        let source = self.file.profile(name).ok_or_else(|| {
            let message =
                format!("{}: source_profile {name:?} does not exist", self.place(profile));
            Error::new(ErrorKind::Config, message)
                .hint(format!("profiles there are: {}", self.file.names()))
        })?;
        let provider = self.means_within(source, &path)?;
        provider.ok_or_else(|| self.missing(source, "mode"))
    }

    fn field(
        &self,
        profile: &Profile,
        name: &str,
        value: Option<&String>,
        variables: &[&str],
    ) -> Result<String, Error> {
        let value = value.cloned().or_else(|| self.environment.value(variables));
        value.ok_or_else(|| self.missing(profile, name))
    }

    fn missing(&self, profile: &Profile, field: &str) -> Error {
        let mode = if profile.mode.is_empty() { "AK" } else { &profile.mode };
        Error::new(ErrorKind::Config, format!("{}: {field} is missing", self.place(profile)))
            .hint(format!("set it with aliyun configure --profile {} --mode {mode}", profile.name))
    }

    fn unsupported(&self, profile: &Profile) -> Error {
        let message = format!("{}: mode {:?} is not supported", self.place(profile), profile.mode);
        let hint = match profile.mode.to_ascii_lowercase().as_str() {
            "rsakeypair" => "Alibaba Cloud has given it up; use RamRoleArn or AK",
            "bearertoken" | "anonymous" => {
                "the CLB API needs a signature; use a profile with keys or a role"
            }
            _ => {
                "modes that work: AK, StsToken, RamRoleArn, ChainableRamRoleArn, EcsRamRole, OIDC, CredentialsURI, External, CloudSSO, OAuth"
            }
        };
        Error::new(ErrorKind::Config, message).hint(hint)
    }

    /// The profile's name and file, for messages.
    pub(super) fn place(&self, profile: &Profile) -> String {
        format!("profile {:?} of {}", profile.name, self.shown)
    }
}

/// STS of the profile's region, or of the environment's.
pub(super) fn sts(region: Option<String>, environment: &dyn Environment) -> Sts {
    let region = region.or_else(|| environment.value(&variables::STS_REGION));
    Sts { region, vpc: environment.is_true(&variables::VPC_ENDPOINTS) }
}
