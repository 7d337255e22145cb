//! The provider that a profile of the `aliyun` CLI names by its mode.

use jiff::Timestamp;

use super::{
    Credentials, Provider, Role, Sts,
    config_file::{ConfigFile, Profile},
    mode::Mode,
    switches::{check_external_source, check_instance_role, imds_v1_is_allowed},
    variables,
};
use crate::{
    Error, ErrorKind,
    endpoint::{self, Endpoint},
    environment::Environment,
};

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
    /// The profile's provider; `None` where the profile says nothing about an identity.
    pub(super) fn provider(&self, profile: &Profile) -> Result<Option<Provider>, Error> {
        if profile.mode.is_empty() && !profile.has_identity() {
            return Ok(None);
        }
        self.provider_within(&profile.with_environment(self.environment), &[]).map(Some)
    }

    /// `above` are the profiles that refer to this one.
    fn provider_within(&self, profile: &Profile, above: &[&str]) -> Result<Provider, Error> {
        let mode = profile.mode_name().ok_or_else(|| match &profile.access_key_id {
            Some(_) => self.missing(profile, "access_key_secret"),
            None => self.missing(profile, "mode"),
        })?;
        let profile = &Profile { mode: mode.to_owned(), ..profile.clone() };
        let provider = match Mode::named(mode) {
            Mode::Ak => Provider::Static(Credentials { token: None, ..self.credentials(profile)? }),
            Mode::StsToken => {
                let credentials = self.credentials(profile)?;
                if credentials.token.is_none() {
                    return Err(self.missing(profile, "sts_token"));
                }
                Provider::Static(credentials)
            }
            Mode::RamRoleArn => self.role(profile, Provider::Static(self.credentials(profile)?))?,
            Mode::RamRoleArnWithRoleName => self.role(profile, self.instance(profile)?)?,
            Mode::ChainableRamRoleArn => {
                let source = self.source(profile, above)?;
                self.role(profile, source)?
            }
            Mode::EcsRamRole => self.instance(profile)?,
            Mode::Oidc => self.oidc(profile)?,
            Mode::CredentialsUri => {
                let uri =
                    self.needed(profile, "credentials_uri", profile.credentials_uri.as_ref())?;
                self.check_external(profile, "credentials URIs")?;
                Provider::Uri(uri)
            }
            Mode::External => {
                let command =
                    self.needed(profile, "process_command", profile.process_command.as_ref())?;
                self.check_external(profile, "credential programs")?;
                Provider::Process(command)
            }
            Mode::CloudSso | Mode::OAuth => Provider::Static(self.saved_login(profile)?),
            Mode::Unsupported => return Err(self.unsupported(profile)),
        };
        Ok(provider)
    }

    fn check_external(&self, profile: &Profile, what: &str) -> Result<(), Error> {
        check_external_source(self.environment, &self.place(profile), what)
    }

    /// The instance's role; `IMDSv1` as the environment allows it.
    fn instance(&self, profile: &Profile) -> Result<Provider, Error> {
        check_instance_role(self.environment, &self.place(profile))?;
        let role = profile.ram_role_name.clone();
        let role = role.or_else(|| self.environment.value(&variables::INSTANCE_ROLE));
        Ok(Provider::InstanceRole { role, v1: imds_v1_is_allowed(self.environment) })
    }

    fn credentials(&self, profile: &Profile) -> Result<Credentials, Error> {
        Ok(Credentials {
            id: self.needed(profile, "access_key_id", profile.access_key_id.as_ref())?,
            secret: self.needed(
                profile,
                "access_key_secret",
                profile.access_key_secret.as_ref(),
            )?,
            token: profile.sts_token.clone(),
            expires: None,
        })
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
        let session = profile.ram_session_name.clone();
        let session = session.or_else(|| self.environment.value(&variables::ROLE_SESSION));
        Ok(Role {
            arn: self.needed(profile, "ram_role_arn", profile.ram_role_arn.as_ref())?,
            session: session.unwrap_or_else(|| ROLE_SESSION.to_owned()),
            external_id: profile.external_id.clone(),
            seconds: profile.expired_seconds.filter(|seconds| *seconds > 0).unwrap_or(ROLE_SECONDS),
            sts: self.sts(profile)?,
        })
    }

    /// The STS that the profile names, or the environment.
    pub(super) fn sts(&self, profile: &Profile) -> Result<Sts, Error> {
        let place = self.place(profile);
        let named = |text: &Option<String>| Some((text.clone()?, place.clone()));
        sts(named(&profile.sts_endpoint), named(&profile.sts_region), self.environment)
    }

    fn oidc(&self, profile: &Profile) -> Result<Provider, Error> {
        Ok(Provider::AssumeRoleWithOidc {
            provider: self.needed(
                profile,
                "oidc_provider_arn",
                profile.oidc_provider_arn.as_ref(),
            )?,
            token_file: self.needed(
                profile,
                "oidc_token_file",
                profile.oidc_token_file.as_ref(),
            )?,
            role: self.role_of(profile)?,
        })
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
        // The environment adds nothing to it: it is another identity than the one asked for.
        self.provider_within(source, &path)
    }

    fn needed<T: Clone>(
        &self,
        profile: &Profile,
        name: &str,
        value: Option<&T>,
    ) -> Result<T, Error> {
        value.cloned().ok_or_else(|| self.missing(profile, name))
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

/// The STS to ask: the endpoint and region that a profile names, each with where it stands, else the
/// environment's.
pub(super) fn sts(
    endpoint: Option<(String, String)>,
    region: Option<(String, String)>,
    environment: &dyn Environment,
) -> Result<Sts, Error> {
    let variable = |names: &[&str]| {
        let (name, value) = environment.first_variable(names)?;
        Some((value, format!("environment {name}")))
    };
    let endpoint = endpoint.or_else(|| variable(&variables::STS_ENDPOINT));
    let region = region.or_else(|| variable(&variables::STS_REGION));
    Ok(Sts {
        endpoint: endpoint
            .map(|(text, origin)| Endpoint::parse_host(&text, &origin, environment))
            .transpose()?,
        region: region.map(|(text, origin)| endpoint::region(&text, &origin)).transpose()?,
        vpc: environment.is_true(&variables::VPC_ENDPOINTS),
    })
}
