//! What the administrator decides: one YAML file, read strictly and read again when it changes.

mod file;
mod live;

pub use file::{ConfigError, Problem};
pub use live::{Live, Reload, Watcher};

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{finding::Severity, inject::DEFAULT_SECONDS, rules::Rule};

/// What a finding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// The request is refused.
    Deny,
    /// It passes, and the client is told.
    Warn,
    /// It passes in silence; metrics and the API server's audit log know.
    Audit,
    /// Nobody looks.
    Off,
}

impl Mode {
    /// All of them, the strictest first.
    pub const ALL: [Self; 4] = [Self::Deny, Self::Warn, Self::Audit, Self::Off];

    /// The mode as it is written in the file and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
            Self::Audit => "audit",
            Self::Off => "off",
        }
    }

    /// The mode where nobody has chosen one.
    pub fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Deny,
            Severity::Warning => Self::Warn,
            Severity::Info => Self::Audit,
        }
    }
}

/// What CCM takes for backends where a Service does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendType {
    /// Nodes.
    #[default]
    Ecs,
    /// Pods.
    Eni,
}

/// What the webhook must know about its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterConfig {
    /// The cluster's id, where it is not to be found out.
    pub id: Option<String>,
    /// What this cluster's Services' names end in, where ids cannot differ.
    pub suffix: Option<String>,
    /// What CCM takes for backends where a Service does not say.
    pub backend_type: BackendType,
}

/// What becomes of workloads without a preStop hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectConfig {
    /// Whether they are given one.
    pub enabled: bool,
}

/// The rules that an object's annotation `clbmigrate.io/allow` may soften to warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// Every rule.
    All,
    /// These rules, by id; none if empty.
    Only(BTreeSet<&'static str>),
}

/// Whose requests pass unjudged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exempt {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What the webhook must know about its cluster.
    pub cluster: ClusterConfig,
    /// What becomes of workloads without a preStop hook.
    pub inject: InjectConfig,
    /// The length of the hook that is added, in seconds: 1 to 3600.
    pub pre_stop_seconds: u32,
    /// The rules that objects may soften for themselves.
    pub allow: Allow,
    /// Whose requests pass unjudged.
    pub exempt: Exempt,
    rules: BTreeMap<&'static str, Mode>,
    namespaces: BTreeMap<String, BTreeMap<&'static str, Mode>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: ClusterConfig::default(),
            inject: InjectConfig { enabled: true },
            pre_stop_seconds: DEFAULT_SECONDS,
            allow: Allow::All,
            exempt: Exempt::default(),
            rules: BTreeMap::new(),
            namespaces: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads a file's text. An empty one gives the defaults.
    ///
    /// # Errors
    /// With the line and the remedy of every value that is wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        file::parse(text)
    }

    /// What a rule's finding of that severity leads to in that namespace: what is written for the
    /// namespace and the rule, else for the rule, else what goes with the severity.
    pub fn mode(&self, rule: &Rule, severity: Severity, namespace: &str) -> Mode {
        let here = self.namespaces.get(namespace).and_then(|rules| rules.get(rule.id));
        let chosen = here.or_else(|| self.rules.get(rule.id));
        chosen.copied().unwrap_or_else(|| Mode::of(severity))
    }

    /// Whether an object may soften that rule for itself.
    pub fn may_allow(&self, rule: &str) -> bool {
        match &self.allow {
            Allow::All => true,
            Allow::Only(rules) => rules.contains(rule),
        }
    }
}

impl Exempt {
    /// Whether a request passes unjudged. `groups` are all groups of the user; `namespace` is the
    /// object's.
    pub fn covers<'g>(
        &self,
        user: &str,
        groups: impl IntoIterator<Item = &'g str>,
        namespace: &str,
    ) -> bool {
        self.users.contains(user)
            || self.namespaces.contains(namespace)
            || (!self.groups.is_empty()
                && groups.into_iter().any(|group| self.groups.contains(group)))
    }
}

#[cfg(test)]
mod tests {
    use clbmigrate_core::rules;

    use super::*;

    fn rule(id: &str) -> &'static Rule {
        rules::find(id).expect("a rule")
    }

    #[test]
    fn the_more_exact_choice_wins() {
        let text = "rules: {CLB001: warn}\nnamespaces: {legacy: {rules: {CLB001: audit}}}\n";
        let config = Config::parse(text).expect("a good file");
        assert_eq!(config.mode(rule("CLB001"), Severity::Error, "legacy"), Mode::Audit);
        assert_eq!(config.mode(rule("CLB001"), Severity::Error, "shop"), Mode::Warn);
        assert_eq!(config.mode(rule("CLB003"), Severity::Error, "legacy"), Mode::Deny);
    }

    #[test]
    fn without_a_choice_the_severity_decides() {
        let config = Config::default();
        let modes = Severity::ALL.map(|severity| config.mode(rule("CLB001"), severity, "shop"));
        assert_eq!(modes, [Mode::Deny, Mode::Warn, Mode::Audit]);
    }

    #[test]
    fn a_user_a_group_or_a_namespace_is_enough_to_be_exempt() {
        let text = "exempt: {users: [root], groups: [ops], namespaces: [lab]}";
        let exempt = Config::parse(text).expect("a good file").exempt;
        assert!(exempt.covers("root", [], "shop"));
        assert!(exempt.covers("eve", ["dev", "ops"], "shop"));
        assert!(exempt.covers("eve", ["dev"], "lab"));
        assert!(!exempt.covers("eve", ["dev"], "shop"));
        assert!(!Exempt::default().covers("", [""], ""));
    }

    #[test]
    fn objects_may_soften_what_the_administrator_allows() {
        let may = |text: &str| {
            let config = Config::parse(text).expect("a good file");
            ["CLB403", "CLB404"].map(|rule| config.may_allow(rule))
        };
        assert_eq!(may(""), [true, true]);
        assert_eq!(may("allow: all"), [true, true]);
        assert_eq!(may("allow: none"), [false, false]);
        assert_eq!(may("allow: [clb404]"), [false, true]);
    }
}
