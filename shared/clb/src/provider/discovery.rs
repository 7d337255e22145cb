//! Where credentials are looked for, in the `aliyun` CLI's order: its file's profile, then the
//! environment; after these what its SDKs look at: a pod's token, the credentials URI, the shared
//! file, the instance's role.

use std::{io, path::PathBuf};

use super::{
    Credentials, Provider, Role, Sts,
    config_file::{ConfigFile, Profile},
    profile::{ProfileReader, ROLE_SECONDS, ROLE_SESSION, sts},
    shared_file,
    switches::{check_external_source, imds_v1_is_allowed},
    variables,
};
use crate::{
    Error, ErrorKind, Options,
    endpoint::{self, Endpoint},
    environment::Environment,
};

/// Credentials, region and endpoint as configured.
#[derive(Debug)]
pub(crate) struct DiscoveredConfig {
    pub(crate) provider: Provider,
    /// Where the provider was found, such as `profile "prod" of ~/.aliyun/config.json`.
    pub(crate) place: String,
    pub(crate) region: Option<String>,
    /// The configured endpoint of the CLB API.
    pub(crate) endpoint: Option<Endpoint>,
    /// Whether the endpoint inside VPCs is to be used.
    pub(crate) vpc: bool,
    pub(crate) sts: Sts,
    /// The places without credentials, if the instance's role is only tried because they have none.
    /// The error names them when it fails.
    pub(crate) searched: Option<Vec<String>>,
}

/// Searches for credentials, region and endpoint. Reads files and variables, and calls nobody.
pub(crate) fn discover(
    options: &Options,
    environment: &dyn Environment,
) -> Result<DiscoveredConfig, Error> {
    refuse_anonymous(environment)?;
    let mut search = Discovery { options, environment, searched: Vec::new(), is_guess: false };
    let choice = search.choice()?;
    let of_profile = match &choice {
        Some(choice) => choice.reader(environment).provider(&choice.profile)?,
        None => None,
    };
    let (provider, place) = match (of_profile, &choice) {
        (Some(provider), Some(choice)) => {
            let place = choice.place_of(&provider, environment);
            (provider, place)
        }
        (_, None) if search.named().is_some() => search.named_section()?,
        (None, Some(choice)) if search.named().is_some() => {
            let place = choice.place(environment);
            search.environment()?.ok_or_else(|| nothing_in(&place, &choice.profile.name))?
        }
        _ => search.beyond_profile()?,
    };
    // What the profile says beyond its keys holds with the environment's keys, too.
    let own = |field: fn(&Profile) -> Option<&String>| {
        let choice = choice.as_ref()?;
        let value = field(&choice.profile)?.clone();
        Some((value, choice.place(environment)))
    };
    let flag = |value: &Option<String>, name: &str| Some((value.clone()?, name.to_owned()));
    let variable = |names: &[&str]| {
        let (name, value) = environment.first_variable(names)?;
        Some((value, format!("environment {name}")))
    };
    let region = flag(&options.region, "--clb-region")
        .or_else(|| own(|profile| profile.region_id.as_ref()))
        .or_else(|| variable(&variables::REGION));
    let endpoint = flag(&options.endpoint, "--clb-endpoint")
        .or_else(|| own(|profile| profile.endpoint.as_ref()))
        .or_else(|| variable(&variables::ENDPOINT));
    let kind = own(|profile| profile.endpoint_type.as_ref())
        .or_else(|| variable(&variables::ENDPOINT_TYPE));
    let sts = match &choice {
        Some(choice) => choice.reader(environment).sts(&choice.profile)?,
        None => sts(None, None, environment)?,
    };
    Ok(DiscoveredConfig {
        provider,
        place,
        region: region.map(|(text, origin)| endpoint::region(&text, &origin)).transpose()?,
        endpoint: endpoint
            .map(|(text, origin)| Endpoint::parse(&text, &origin, environment))
            .transpose()?,
        vpc: kind.is_some_and(|(kind, _)| kind.eq_ignore_ascii_case("vpc")),
        sts,
        searched: search.is_guess.then_some(search.searched),
    })
}

/// The profile to use: the one that was named, or the current one.
struct SelectedProfile {
    file: ConfigFile,
    shown: String,
    profile: Profile,
}

impl SelectedProfile {
    fn reader<'a>(&'a self, environment: &'a dyn Environment) -> ProfileReader<'a> {
        ProfileReader { file: &self.file, shown: &self.shown, environment }
    }

    fn place(&self, environment: &dyn Environment) -> String {
        self.reader(environment).place(&self.profile)
    }

    /// Where the provider's credentials are from: the profile, and the environment for a key that
    /// the profile lacks.
    fn place_of(&self, provider: &Provider, environment: &dyn Environment) -> String {
        let place = self.place(environment);
        let own_key = self.profile.access_key_id.is_some();
        let variable = environment.first_variable(&variables::ID).filter(|_| !own_key);
        match (provider, variable) {
            (Provider::Static(_), Some((name, _))) => format!("environment {name}"),
            (Provider::AssumeRole { from, .. }, Some((name, _)))
                if matches!(**from, Provider::Static(_)) && self.profile.source.is_none() =>
            {
                format!("{place}, with the key of environment {name}")
            }
            _ => place,
        }
    }
}

struct Discovery<'a> {
    options: &'a Options,
    environment: &'a dyn Environment,
    /// The places without credentials so far.
    searched: Vec<String>,
    /// Whether the instance's role is only tried because no other place has credentials.
    is_guess: bool,
}

impl Discovery<'_> {
    /// Where a profile is named, and its name.
    fn named(&self) -> Option<(&'static str, String)> {
        match &self.options.profile {
            Some(name) => Some(("--clb-profile", name.clone())),
            None if self.ignores_profiles() => None,
            None => self.environment.first_variable(&variables::PROFILE),
        }
    }

    fn ignores_profiles(&self) -> bool {
        self.environment.is_true(&variables::IGNORE_PROFILE)
            || self.environment.is_true(&variables::PROFILE_DISABLED)
    }

    /// The CLI's file and the profile to use; `None` where there is no such file or profile.
    fn choice(&mut self) -> Result<Option<SelectedProfile>, Error> {
        let named = self.named();
        if named.is_none() && self.ignores_profiles() {
            return Ok(None);
        }
        let Some((shown, content)) = self.file(&variables::CONFIG_FILE, ".aliyun/config.json")?
        else {
            return Ok(None);
        };
        let file = ConfigFile::parse(&content, &shown)?;
        let name = named.as_ref().map(|(_, name)| name).or(file.current.as_ref());
        let name = name.map_or("default", String::as_str);
        if let Some(profile) = file.profile(name).cloned() {
            return Ok(Some(SelectedProfile { file, shown, profile }));
        }
        if named.is_none() && !file.profiles.is_empty() {
            let message = format!("{shown} has no profile {name:?}, which it calls current");
            return Err(Error::new(ErrorKind::Config, message)
                .hint(format!("profiles there are: {}", file.names()))
                .hint("choose one with --clb-profile, or with aliyun configure switch"));
        }
        self.searched.push(format!("{shown}: profiles {}", file.names()));
        Ok(None)
    }

    /// A profile that was named and is not in the CLI's file must be a section of the shared one:
    /// nobody who names a profile wants to act as somebody else.
    fn named_section(&mut self) -> Result<(Provider, String), Error> {
        let (origin, name) = self.named().unwrap_or_default();
        if let Some(found) = self.section(&name)? {
            return Ok(found);
        }
        let message =
            format!("there is no profile {name:?} ({origin}): {}", self.searched.join("; "));
        Err(Error::new(ErrorKind::Config, message)
            .hint(format!("aliyun configure --profile {name} writes it")))
    }

    /// The provider where no profile names one.
    fn beyond_profile(&mut self) -> Result<(Provider, String), Error> {
        if let Some(found) = self.environment()? {
            return Ok(found);
        }
        if let Some(found) = self.section("default")? {
            return Ok(found);
        }
        let role = self.environment.value(&variables::INSTANCE_ROLE);
        self.is_guess = role.is_none();
        let given_up = self.is_guess && !self.options.try_instance_metadata;
        if given_up || self.environment.is_true(&variables::INSTANCE_DISABLED) {
            return Err(not_found(&self.searched));
        }
        let v1 = imds_v1_is_allowed(self.environment);
        Ok((Provider::InstanceRole { role, v1 }, "role of this ECS instance".to_owned()))
    }

    /// The provider that the environment names; `None` where it names none.
    fn environment(&mut self) -> Result<Option<(Provider, String)>, Error> {
        if let Some(found) = keys_in_environment(self.environment)? {
            return Ok(Some(found));
        }
        self.searched.push(format!("environment: no {}", variables::ID[0]));
        if let Some(found) = token_of_pod(self.environment)? {
            return Ok(Some(found));
        }
        let Some((name, uri)) = self.environment.first_variable(&variables::URI) else {
            return Ok(None);
        };
        let place = format!("environment {name}");
        check_external_source(self.environment, &place, "credentials URIs")?;
        Ok(Some((Provider::Uri(uri.into()), place)))
    }

    /// The provider of a section of the SDKs' shared file; `None` without such a file or section.
    fn section(&mut self, name: &str) -> Result<Option<(Provider, String)>, Error> {
        let file = self.file(&variables::SHARED_FILE, ".alibabacloud/credentials")?;
        let Some((shown, content)) = file else { return Ok(None) };
        let provider = shared_file::provider(&content, name, &shown, self.environment)?;
        if provider.is_none() {
            self.searched.push(format!("{shown}: no section [{name}]"));
        }
        Ok(provider.map(|provider| (provider, format!("section [{name}] of {shown}"))))
    }

    /// A file's name for messages and its content. The file that a variable names must exist. The
    /// usual one in the home folder need not: without it the result is `None`.
    fn file(
        &mut self,
        variables: &[&str],
        usual: &str,
    ) -> Result<Option<(String, Vec<u8>)>, Error> {
        let named = self.environment.value(variables).map(PathBuf::from);
        let must_be = named.is_some();
        let path = named.or_else(|| Some(self.environment.home()?.join(usual)));
        let Some(path) = path else { return Ok(None) };
        let shown = self.environment.shown(&path);
        match self.environment.read(&path) {
            Ok(content) => Ok(Some((shown, content))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_be => {
                self.searched.push(format!("{shown}: no such file"));
                Ok(None)
            }
            Err(error) => {
                let message = format!("{shown} cannot be read: {error}");
                Err(Error::new(ErrorKind::Config, message)
                    .hint("see whether the file is there and yours"))
            }
        }
    }
}

fn keys_in_environment(environment: &dyn Environment) -> Result<Option<(Provider, String)>, Error> {
    let Some((name, id)) = environment.first_variable(&variables::ID) else { return Ok(None) };
    let place = format!("environment {name}");
    let secret = environment.value(&variables::SECRET).ok_or_else(|| {
        let wanted = name.replace("_ID", "_SECRET");
        Error::new(ErrorKind::Config, format!("{place} is set, but no {wanted}"))
            .hint(format!("set {wanted}, or unset {name}"))
    })?;
    let mut credentials = Credentials::new(id, secret);
    credentials.token = environment.value(&variables::TOKEN).map(Into::into);
    let role = environment.value(&variables::ROLE_ARN).filter(|_| credentials.token.is_none());
    let provider = match role {
        Some(arn) => Provider::AssumeRole {
            from: Box::new(Provider::Static(credentials)),
            role: role_of(arn, environment)?,
        },
        None => Provider::Static(credentials),
    };
    Ok(Some((provider, place)))
}

/// What ACK puts into a pod whose service account has a RAM role (RRSA).
fn token_of_pod(environment: &dyn Environment) -> Result<Option<(Provider, String)>, Error> {
    let token_file = environment.first_variable(&variables::OIDC_TOKEN_FILE);
    let provider = environment.value(&variables::OIDC_PROVIDER);
    let arn = environment.value(&variables::ROLE_ARN);
    let (Some((name, token_file)), Some(provider), Some(arn)) = (token_file, provider, arn) else {
        return Ok(None);
    };
    let role = role_of(arn, environment)?;
    let provider = Provider::AssumeRoleWithOidc { provider, token_file, role };
    Ok(Some((provider, format!("environment {name}"))))
}

fn role_of(arn: String, environment: &dyn Environment) -> Result<Role, Error> {
    let session = environment.value(&variables::ROLE_SESSION);
    Ok(Role {
        arn,
        session: session.unwrap_or_else(|| ROLE_SESSION.to_owned()),
        external_id: environment.value(&variables::EXTERNAL_ID),
        seconds: ROLE_SECONDS,
        sts: sts(None, None, environment)?,
    })
}

/// Whoever asks the CLI for calls without credentials does not want to be somebody (aliyun-cli:
/// `config/profile.go`).
fn refuse_anonymous(environment: &dyn Environment) -> Result<(), Error> {
    match environment.first_variable(&variables::MODE) {
        Some((name, mode)) if mode.eq_ignore_ascii_case("anonymous") => {
            let message = format!("{name} is {mode}, and the CLB API needs credentials");
            Err(Error::new(ErrorKind::NoCredentials, message).hint(format!("unset {name}")))
        }
        _ => Ok(()),
    }
}

/// The error for a profile that was named and says nothing about an identity.
fn nothing_in(place: &str, name: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{place} has no credentials, nor has the environment"))
        .hint(format!("aliyun configure --profile {name} writes them"))
}

/// The error for the case that no place has credentials.
pub(crate) fn not_found(searched: &[String]) -> Error {
    let message = format!("no credentials for the CLB API ({})", searched.join("; "));
    Error::new(ErrorKind::NoCredentials, message)
        .hint("aliyun configure writes a profile; or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")
        .hint("on an ECS instance or in a pod, give it a RAM role")
}

#[cfg(test)]
mod identity_tests;
#[cfg(test)]
mod tests;
