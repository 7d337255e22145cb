//! Where credentials are looked for, in the `aliyun` CLI's order: its file's profile, then the
//! environment; after these what its SDKs look at: a pod's token, the credentials URI, the shared
//! file, the instance's role.

use std::{io, path::PathBuf};

use super::{
    Keys, Means, Role, Sts,
    config_file::{ConfigFile, Profile},
    profile::{ROLE_SECONDS, ROLE_SESSION, Reading, sts},
    shared_file, variables,
};
use crate::{Error, ErrorKind, Options, endpoint, surroundings::Surroundings};

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) means: Means,
    /// Where, in words.
    pub(crate) place: String,
    pub(crate) region: Option<String>,
    /// The CLB API's endpoint as somebody wrote it, and who.
    pub(crate) endpoint: Option<(String, String)>,
    /// Whether the endpoint is to be the one inside VPCs.
    pub(crate) vpc: bool,
    pub(crate) sts: Sts,
    /// Where nothing was found, if the means are only a guess: told when they fail, too.
    pub(crate) looked: Option<Vec<String>>,
}

/// Looks for credentials, region and endpoint. Nothing is asked of anybody yet.
pub(crate) fn find(options: &Options, surroundings: &dyn Surroundings) -> Result<Found, Error> {
    let mut search = Search { options, surroundings, looked: Vec::new(), guessed: false };
    let choice = search.choice()?;
    let of_profile = match &choice {
        Some(choice) => choice.reading(surroundings).means(&choice.profile)?,
        None => None,
    };
    let (means, place) = match (of_profile, &choice) {
        (Some(means), Some(choice)) => (means, choice.place(surroundings)),
        (_, None) if search.named().is_some() => search.named_section()?,
        _ => search.beyond_profile()?,
    };
    // What the profile says beyond its keys holds with the environment's keys, too.
    let own = |field: fn(&Profile) -> Option<&String>| {
        let choice = choice.as_ref()?;
        let value = field(&choice.profile)?.clone();
        Some((value, choice.place(surroundings)))
    };
    let flag = |value: &Option<String>, name: &str| Some((value.clone()?, name.to_owned()));
    let variable = |names: &[&str]| {
        let (name, value) = surroundings.first(names)?;
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
    let sts_region = own(|profile| profile.sts_region.as_ref()).map(|(region, _)| region);
    Ok(Found {
        means,
        place,
        region: region.map(|(text, origin)| endpoint::region(&text, &origin)).transpose()?,
        endpoint,
        vpc: kind.is_some_and(|(kind, _)| kind.eq_ignore_ascii_case("vpc")),
        sts: sts(sts_region, surroundings),
        looked: search.guessed.then_some(search.looked),
    })
}

/// The profile that was named, or is the current one.
struct Choice {
    file: ConfigFile,
    shown: String,
    profile: Profile,
}

impl Choice {
    fn reading<'a>(&'a self, surroundings: &'a dyn Surroundings) -> Reading<'a> {
        Reading { file: &self.file, shown: &self.shown, surroundings }
    }

    fn place(&self, surroundings: &dyn Surroundings) -> String {
        self.reading(surroundings).place(&self.profile)
    }
}

struct Search<'a> {
    options: &'a Options,
    surroundings: &'a dyn Surroundings,
    /// Where nothing was found.
    looked: Vec<String>,
    /// Whether nobody has said that there are credentials.
    guessed: bool,
}

impl Search<'_> {
    /// The profile that somebody wants, and where it is said.
    fn named(&self) -> Option<(&'static str, String)> {
        match &self.options.profile {
            Some(name) => Some(("--clb-profile", name.clone())),
            None if self.ignores_profiles() => None,
            None => self.surroundings.first(&variables::PROFILE),
        }
    }

    fn ignores_profiles(&self) -> bool {
        self.surroundings.says_true(&variables::IGNORE_PROFILE)
            || self.surroundings.says_true(&variables::PROFILE_DISABLED)
    }

    /// The CLI's file and the profile to use; none where there is no such file or profile.
    fn choice(&mut self) -> Result<Option<Choice>, Error> {
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
            return Ok(Some(Choice { file, shown, profile }));
        }
        if named.is_none() && !file.profiles.is_empty() {
            let message = format!("{shown} has no profile {name:?}, which it calls current");
            return Err(Error::new(ErrorKind::Config, message)
                .hint(format!("profiles there are: {}", file.names()))
                .hint("choose one with --clb-profile, or with aliyun configure switch"));
        }
        self.looked.push(format!("{shown}: profiles {}", file.names()));
        Ok(None)
    }

    /// A profile that was named and is not in the CLI's file must be a section of the shared one:
    /// nobody who names a profile wants to act as somebody else.
    fn named_section(&mut self) -> Result<(Means, String), Error> {
        let (origin, name) = self.named().unwrap_or_default();
        if let Some(found) = self.section(&name)? {
            return Ok(found);
        }
        let message =
            format!("there is no profile {name:?} ({origin}): {}", self.looked.join("; "));
        Err(Error::new(ErrorKind::Config, message)
            .hint(format!("aliyun configure --profile {name} writes it")))
    }

    /// What is left where no profile says anything.
    fn beyond_profile(&mut self) -> Result<(Means, String), Error> {
        if let Some(found) = environment(self.surroundings)? {
            return Ok(found);
        }
        self.looked.push(format!("environment: no {}", variables::ID[0]));
        if let Some(found) = token_of_pod(self.surroundings) {
            return Ok(found);
        }
        if let Some((name, uri)) = self.surroundings.first(&variables::URI) {
            return Ok((Means::Uri(uri), format!("environment {name}")));
        }
        if let Some(found) = self.section("default")? {
            return Ok(found);
        }
        let role = self.surroundings.value(&variables::INSTANCE_ROLE);
        self.guessed = role.is_none();
        let given_up = self.guessed && !self.options.guess;
        if given_up || self.surroundings.says_true(&variables::INSTANCE_DISABLED) {
            return Err(nothing(&self.looked));
        }
        let v1 = !self.surroundings.says_true(&variables::IMDS_V1_DISABLED);
        Ok((Means::Instance { role, v1 }, "role of this ECS instance".to_owned()))
    }

    /// A section of the SDKs' shared file.
    fn section(&mut self, name: &str) -> Result<Option<(Means, String)>, Error> {
        let file = self.file(&variables::SHARED_FILE, ".alibabacloud/credentials")?;
        let Some((shown, content)) = file else { return Ok(None) };
        let means = shared_file::means(&content, name, &shown, self.surroundings)?;
        if means.is_none() {
            self.looked.push(format!("{shown}: no section [{name}]"));
        }
        Ok(means.map(|means| (means, format!("section [{name}] of {shown}"))))
    }

    /// A file as shown, with its content: the one a variable names, which must be there, else the
    /// one in the home folder, which need not.
    fn file(
        &mut self,
        variables: &[&str],
        usual: &str,
    ) -> Result<Option<(String, Vec<u8>)>, Error> {
        let named = self.surroundings.value(variables).map(PathBuf::from);
        let must_be = named.is_some();
        let path = named.or_else(|| Some(self.surroundings.home()?.join(usual)));
        let Some(path) = path else { return Ok(None) };
        let shown = self.surroundings.shown(&path);
        match self.surroundings.read(&path) {
            Ok(content) => Ok(Some((shown, content))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_be => {
                self.looked.push(format!("{shown}: no such file"));
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

fn environment(surroundings: &dyn Surroundings) -> Result<Option<(Means, String)>, Error> {
    let Some((name, id)) = surroundings.first(&variables::ID) else { return Ok(None) };
    let place = format!("environment {name}");
    let secret = surroundings.value(&variables::SECRET).ok_or_else(|| {
        let wanted = name.replace("_ID", "_SECRET");
        Error::new(ErrorKind::Config, format!("{place} is set, but no {wanted}"))
            .hint(format!("set {wanted}, or unset {name}"))
    })?;
    let mut keys = Keys::new(id, secret);
    keys.token = surroundings.value(&variables::TOKEN).map(Into::into);
    let role = surroundings.value(&variables::ROLE_ARN).filter(|_| keys.token.is_none());
    let means = match role {
        Some(arn) => {
            Means::Role { from: Box::new(Means::Written(keys)), role: role_of(arn, surroundings) }
        }
        None => Means::Written(keys),
    };
    Ok(Some((means, place)))
}

/// What ACK puts into a pod whose service account has a RAM role (RRSA).
fn token_of_pod(surroundings: &dyn Surroundings) -> Option<(Means, String)> {
    let (name, token_file) = surroundings.first(&variables::OIDC_TOKEN_FILE)?;
    let provider = surroundings.value(&variables::OIDC_PROVIDER)?;
    let arn = surroundings.value(&variables::ROLE_ARN)?;
    let role = role_of(arn, surroundings);
    Some((Means::Oidc { provider, token_file, role }, format!("environment {name}")))
}

fn role_of(arn: String, surroundings: &dyn Surroundings) -> Role {
    let session = surroundings.value(&variables::ROLE_SESSION);
    Role {
        arn,
        session: session.unwrap_or_else(|| ROLE_SESSION.to_owned()),
        external_id: surroundings.value(&variables::EXTERNAL_ID),
        seconds: ROLE_SECONDS,
        sts: sts(None, surroundings),
    }
}

/// The error where nobody has credentials.
pub(crate) fn nothing(looked: &[String]) -> Error {
    let message = format!("no credentials for the CLB API ({})", looked.join("; "));
    Error::new(ErrorKind::NoCredentials, message)
        .hint("aliyun configure writes a profile; or set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET")
        .hint("on an ECS instance or in a pod, give it a RAM role")
}

#[cfg(test)]
mod tests;
