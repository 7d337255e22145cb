//! The configuration file's fields, and which values they may have.

mod audit;
mod values;

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{
    inject::DEFAULT_SECONDS,
    object::is_dns_label,
    rules::{self, Language},
    version::{CcmVersion, CcmVersionError, NamedCcmVersion},
};
use serde::Deserialize;
use serde_saphyr::{MessageFormatter as _, Spanned, UserMessageFormatter};

use self::{
    audit::AuditSection,
    values::{AllowText, ModeText, SpannedMap},
};
use super::{
    BackendType, ClusterConfig, Config, Enforcement, ExemptableRules, Exemptions, InjectConfig,
    Mode,
};

/// How long a preStop hook may sleep, in seconds.
const PRE_STOP_SECONDS: std::ops::RangeInclusive<i64> = 1..=3600;

/// The longest name of a Service, in bytes.
const MAX_LABEL: usize = 63;

/// One mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct Problem {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// All mistakes in the file, at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    cluster: Option<ClusterSection>,
    #[serde(default)]
    ccm: Option<CcmSection>,
    #[serde(default)]
    inject: Option<InjectSection>,
    #[serde(default)]
    pre_stop_seconds: Option<Spanned<i64>>,
    #[serde(default)]
    lang: Option<Spanned<String>>,
    #[serde(default)]
    mode: Option<Spanned<String>>,
    #[serde(default)]
    namespace_modes: Option<SpannedMap<String>>,
    #[serde(default)]
    rules: Option<SpannedMap<ModeText>>,
    #[serde(default)]
    namespaces: Option<SpannedMap<NamespaceSection>>,
    #[serde(default)]
    allow: Option<Spanned<AllowText>>,
    #[serde(default)]
    exempt: Option<ExemptSection>,
    #[serde(default)]
    audit: Option<AuditSection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClusterSection {
    #[serde(default)]
    id: Option<Spanned<String>>,
    #[serde(default)]
    suffix: Option<Spanned<String>>,
    #[serde(default)]
    backend_type: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CcmSection {
    #[serde(default)]
    version: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InjectSection {
    #[serde(default)]
    enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NamespaceSection {
    #[serde(default)]
    rules: Option<SpannedMap<ModeText>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExemptSection {
    #[serde(default)]
    users: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    groups: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    namespaces: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    deletions: Option<DeletionsSection>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DeletionsSection {
    #[serde(default)]
    users: Option<Vec<Spanned<String>>>,
}

/// Reads a file's text.
pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    let wrong = |error: &serde_saphyr::Error| {
        let line = error.location().map_or(1, |location| location.line());
        let message = UserMessageFormatter.format_message(error.without_snippet()).into_owned();
        ConfigError(vec![Problem { line, message }])
    };
    // A file of comments alone counts as an empty one.
    let file = serde_saphyr::from_str::<Option<File>>(text).map_err(|error| wrong(&error))?;
    let Some(file) = file else { return Ok(Config::default()) };
    let mut validator = Validator::default();
    let config = validator.config(file);
    if validator.problems.is_empty() { Ok(config) } else { Err(ConfigError(validator.problems)) }
}

/// Turns the file's fields into a configuration, and collects the mistakes in them.
#[derive(Default)]
struct Validator {
    problems: Vec<Problem>,
}

impl Validator {
    fn config(&mut self, file: File) -> Config {
        Config {
            cluster: file.cluster.map_or_else(ClusterConfig::default, |it| self.cluster(it)),
            ccm: file.ccm.and_then(|ccm| ccm.version).and_then(|it| self.ccm_version(&it)),
            inject: InjectConfig {
                enabled: file.inject.and_then(|inject| inject.enabled).unwrap_or(true),
            },
            pre_stop_seconds: file
                .pre_stop_seconds
                .and_then(|seconds| self.seconds(&seconds))
                .unwrap_or(DEFAULT_SECONDS),
            lang: file.lang.map(|lang| self.language(&lang)).unwrap_or_default(),
            allow: file.allow.map_or_else(ExemptableRules::default, |allow| self.allow(&allow)),
            exempt: file.exempt.map_or_else(Exemptions::default, |exempt| self.exempt(exempt)),
            mode: file.mode.and_then(|mode| self.enforcement(&mode)).unwrap_or_default(),
            namespace_modes: file
                .namespace_modes
                .map(|modes| self.namespace_modes(modes))
                .unwrap_or_default(),
            audit: file.audit.map(|audit| self.audit(&audit)).unwrap_or_default(),
            rules: file.rules.map(|rules| self.rules(rules)).unwrap_or_default(),
            namespaces: file.namespaces.map(|it| self.namespaces(it)).unwrap_or_default(),
        }
    }

    fn report<T>(&mut self, place: &Spanned<T>, message: String) {
        self.problems.push(Problem { line: place.referenced.line(), message });
    }

    fn cluster(&mut self, cluster: ClusterSection) -> ClusterConfig {
        ClusterConfig {
            id: cluster.id.and_then(|id| self.cluster_id(id)),
            suffix: cluster.suffix.and_then(|suffix| self.suffix(suffix)),
            backend_type: cluster.backend_type.and_then(|kind| self.backend_type(&kind)),
        }
    }

    fn backend_type(&mut self, kind: &Spanned<String>) -> Option<BackendType> {
        match kind.value.as_str() {
            "" => None,
            "ecs" => Some(BackendType::Ecs),
            "eni" => Some(BackendType::Eni),
            other => {
                let message = format!("cluster.backendType is {other:?}; write eni or ecs");
                self.report(kind, message);
                None
            }
        }
    }

    fn ccm_version(&mut self, version: &Spanned<String>) -> Option<NamedCcmVersion> {
        if version.value.is_empty() {
            return None;
        }
        let read = version.value.parse::<NamedCcmVersion>();
        if let Err(error) = &read {
            let remedy = match error {
                CcmVersionError::Malformed(_) => String::new(),
                CcmVersionError::TooOld(_) => {
                    format!("; write {} to have it judged as that one", CcmVersion::OLDEST)
                }
            };
            self.report(version, format!("ccm.version: {error}{remedy}"));
        }
        read.ok()
    }

    /// Only spaces are refused here: CCM runs with other wrong ids, too, and rule CLB202 reports them.
    fn cluster_id(&mut self, id: Spanned<String>) -> Option<String> {
        if id.value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let message = format!(
                "cluster.id is {:?}, with a space in it; write the id as the console shows it",
                id.value
            );
            self.report(&id, message);
        }
        Some(id.value).filter(|id| !id.is_empty())
    }

    fn suffix(&mut self, suffix: Spanned<String>) -> Option<String> {
        let text = &suffix.value;
        let is_end_of_name = text.len() < MAX_LABEL
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.ends_with('-');
        if !is_end_of_name {
            let message = format!(
                "cluster.suffix is {text:?}, in which no Service's name can end; \
                 write lower-case letters, digits and dashes, as -a"
            );
            self.report(&suffix, message);
        }
        Some(suffix.value).filter(|suffix| !suffix.is_empty())
    }

    fn seconds(&mut self, seconds: &Spanned<i64>) -> Option<u32> {
        if !PRE_STOP_SECONDS.contains(&seconds.value) {
            let (least, most) = (PRE_STOP_SECONDS.start(), PRE_STOP_SECONDS.end());
            let message = format!(
                "preStopSeconds is {}; write {least} to {most}, or inject: {{enabled: false}} for no hooks",
                seconds.value
            );
            self.report(seconds, message);
        }
        u32::try_from(seconds.value).ok()
    }

    fn language(&mut self, lang: &Spanned<String>) -> Language {
        let code = lang.value.as_str();
        let known = Language::ALL.into_iter().find(|language| language.as_str() == code);
        if known.is_none() && !code.is_empty() {
            let [english, chinese] = Language::ALL.map(Language::as_str);
            self.report(lang, format!("lang is {code:?}; write {english} or {chinese}"));
        }
        known.unwrap_or_default()
    }

    fn rule(&mut self, id: &Spanned<String>) -> Option<&'static str> {
        let rule = rules::find(&id.value);
        if rule.is_none() {
            let message =
                format!("there is no rule {:?}; docs/rules.md lists all, as CLB001", id.value);
            self.report(id, message);
        }
        Some(rule?.id)
    }

    fn rules(&mut self, pairs: SpannedMap<ModeText>) -> BTreeMap<&'static str, Mode> {
        let mut rules = BTreeMap::new();
        for (id, word) in pairs.0 {
            let mode = Mode::ALL.into_iter().find(|mode| mode.as_str() == word.value.0);
            if mode.is_none() {
                let message = format!("there is no mode {:?}; write {}", word.value.0, modes());
                self.report(&word, message);
            }
            let rule = self.rule(&id);
            if let (Some(rule), Some(mode)) = (rule, mode)
                && rules.insert(rule, mode).is_some()
            {
                // Keys that differ in case only are different keys to YAML.
                self.report(&id, format!("{rule} is here twice; remove one of the two"));
            }
        }
        rules
    }

    fn namespaces(
        &mut self,
        pairs: SpannedMap<NamespaceSection>,
    ) -> BTreeMap<String, BTreeMap<&'static str, Mode>> {
        let mut namespaces = BTreeMap::new();
        for (name, namespace) in pairs.0 {
            let rules = namespace.value.rules.map(|rules| self.rules(rules)).unwrap_or_default();
            namespaces.extend(self.namespace(name).map(|name| (name, rules)));
        }
        namespaces
    }

    fn enforcement(&mut self, word: &Spanned<String>) -> Option<Enforcement> {
        let known = Enforcement::of(&word.value);
        if known.is_none() && !word.value.is_empty() {
            let [enforce, warn, audit] = Enforcement::ALL.map(Enforcement::as_str);
            let message =
                format!("there is no mode {:?}; write {enforce}, {warn} or {audit}", word.value);
            self.report(word, message);
        }
        known
    }

    fn namespace_modes(&mut self, pairs: SpannedMap<String>) -> BTreeMap<String, Enforcement> {
        let mut modes = BTreeMap::new();
        for (name, word) in pairs.0 {
            let mode = self.enforcement(&word);
            if let (Some(name), Some(mode)) = (self.namespace(name), mode) {
                modes.insert(name, mode);
            }
        }
        modes
    }

    fn namespace(&mut self, name: Spanned<String>) -> Option<String> {
        let text = &name.value;
        let is_label = is_dns_label(text);
        if !is_label {
            let message = format!(
                "no namespace can be called {text:?}; write whole names, patterns are not known here"
            );
            self.report(&name, message);
        }
        is_label.then_some(name.value)
    }

    fn allow(&mut self, allow: &Spanned<AllowText>) -> ExemptableRules {
        match &allow.value {
            AllowText::Keyword(word) if word == "all" => ExemptableRules::All,
            AllowText::Keyword(word) if word == "none" => ExemptableRules::Only(BTreeSet::new()),
            AllowText::Keyword(word) => {
                let message = format!("allow is {word:?}; write all, none or a list, as [CLB404]");
                self.report(allow, message);
                ExemptableRules::default()
            }
            AllowText::List(ids) => {
                ExemptableRules::Only(ids.iter().filter_map(|id| self.rule(id)).collect())
            }
        }
    }

    fn exempt(&mut self, exempt: ExemptSection) -> Exemptions {
        let namespaces = exempt.namespaces.unwrap_or_default();
        Exemptions {
            users: self.names("users", exempt.users),
            groups: self.names("groups", exempt.groups),
            namespaces: namespaces.into_iter().filter_map(|it| self.namespace(it)).collect(),
            deleting_users: self
                .names("deletions.users", exempt.deletions.and_then(|deletions| deletions.users)),
        }
    }

    fn names(&mut self, what: &str, names: Option<Vec<Spanned<String>>>) -> BTreeSet<String> {
        let mut known = BTreeSet::new();
        for name in names.unwrap_or_default() {
            if name.value.trim().is_empty() {
                self.report(&name, format!("exempt.{what} has an empty name; remove it"));
            }
            known.insert(name.value);
        }
        known
    }
}

fn modes() -> String {
    let [deny, warn, audit, off] = Mode::ALL.map(Mode::as_str);
    format!("{deny}, {warn}, {audit} or {off}")
}

#[cfg(test)]
mod tests;
