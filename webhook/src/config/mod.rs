//! The administrator's configuration: one YAML file, read strictly and read again when it changes.

mod enforcement;
mod file;
mod last_good;
mod watcher;

pub use enforcement::Enforcement;
pub use file::{ConfigError, Problem};
pub use last_good::{LAST_GOOD_NAME, LastGoodConfig};
pub use watcher::{ConfigWatcher, Reload, SharedConfig};

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clbmigrate_core::{
    finding::Severity,
    inject::DEFAULT_SECONDS,
    rules::{self, Language, Rule},
    version::NamedCcmVersion,
};

/// The users that delete on behalf of Kubernetes itself: what belongs to a namespace or to an owner
/// that is deleted. The chart's conditions name the same.
const SYSTEM_USERS: [&str; 3] = [
    "system:serviceaccount:kube-system:namespace-controller",
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:kube-controller-manager",
];

/// What is done about a rule's findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// The request is denied.
    Deny,
    /// The request is allowed, and the client gets a warning.
    Warn,
    /// The request is allowed. The finding is counted, and noted in the API server's audit log.
    Audit,
    /// The finding is dropped.
    Off,
}

impl Mode {
    /// All modes, the strictest first.
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

    /// The mode of a severity where the administrator has chosen none.
    pub fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Deny,
            Severity::Warning => Self::Warn,
            Severity::Info => Self::Audit,
        }
    }
}

/// What CCM takes for backends where a Service does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendType {
    /// Nodes.
    Ecs,
    /// Pods.
    Eni,
}

/// What the webhook must be told about its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterConfig {
    /// The cluster's id; `None` where the webhook is to read it from ACK's profile.
    pub id: Option<String>,
    /// What the names of this cluster's Services end in, where its id cannot differ from that of
    /// another cluster.
    pub suffix: Option<String>,
    /// What CCM takes for backends where a Service does not say; `None` where the nodes are to show
    /// it.
    pub backend_type: Option<BackendType>,
}

/// What becomes of workloads without a preStop hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectConfig {
    /// Whether a preStop hook is added to them.
    pub enabled: bool,
}

/// The periodic look at what the cluster holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditConfig {
    /// Whether it takes place.
    pub enabled: bool,
    /// The time from the begin of one scan to the begin of the next.
    pub interval: Duration,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_secs(600) }
    }
}

/// The rules that an object's annotation `clbmigrate.io/allow` may soften to warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExemptableRules {
    /// Every rule.
    All,
    /// These rules, by id; none if empty.
    Only(BTreeSet<&'static str>),
}

impl Default for ExemptableRules {
    /// The rules of intent.
    fn default() -> Self {
        let of_intent = rules::catalogue().filter(|rule| rule.is_of_intent);
        Self::Only(of_intent.map(|rule| rule.id).collect())
    }
}

/// Whose requests are allowed unjudged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exemptions {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    deleting_users: BTreeSet<String>,
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What the webhook must be told about its cluster.
    pub cluster: ClusterConfig,
    /// The release of the cluster's CCM; `None` where the newest is assumed.
    pub ccm: Option<NamedCcmVersion>,
    /// What becomes of workloads without a preStop hook.
    pub inject: InjectConfig,
    /// How long the preStop hook that is added sleeps, in seconds: 1 to 3600.
    pub pre_stop_seconds: u32,
    /// The language in which denials and warnings tell of a rule.
    pub lang: Language,
    /// The rules that an object's annotation `clbmigrate.io/allow` may soften to warnings.
    pub allow: ExemptableRules,
    /// Whose requests are allowed unjudged.
    pub exempt: Exemptions,
    /// How far the webhook goes where a namespace says nothing else.
    pub mode: Enforcement,
    namespace_modes: BTreeMap<String, Enforcement>,
    /// The periodic look at what the cluster holds already.
    pub audit: AuditConfig,
    rules: BTreeMap<&'static str, Mode>,
    namespaces: BTreeMap<String, BTreeMap<&'static str, Mode>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: ClusterConfig::default(),
            ccm: None,
            inject: InjectConfig { enabled: true },
            pre_stop_seconds: DEFAULT_SECONDS,
            lang: Language::English,
            allow: ExemptableRules::default(),
            exempt: Exemptions::default(),
            mode: Enforcement::default(),
            namespace_modes: BTreeMap::new(),
            audit: AuditConfig::default(),
            rules: BTreeMap::new(),
            namespaces: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads a file's text. An empty text gives the defaults.
    ///
    /// # Errors
    /// With the line and the remedy of every value that is wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        file::parse(text)
    }

    /// The mode of a rule's finding of that severity in that namespace: what is written for namespace
    /// and rule, else what is written for the rule, else the severity's mode.
    pub fn mode(&self, rule: &Rule, severity: Severity, namespace: &str) -> Mode {
        let here = self.namespaces.get(namespace).and_then(|rules| rules.get(rule.id));
        let chosen = here.or_else(|| self.rules.get(rule.id));
        chosen.copied().unwrap_or_else(|| Mode::of(severity))
    }

    /// How far the webhook goes in a namespace: what is written for it here, else what its label says, else
    /// what is written for all.
    pub fn enforcement(&self, namespace: &str, label: Option<Enforcement>) -> Enforcement {
        self.namespace_modes.get(namespace).copied().or(label).unwrap_or(self.mode)
    }

    /// Whether an object's annotation may soften the rule with this id to a warning.
    pub fn may_exempt(&self, rule: &str) -> bool {
        match &self.allow {
            ExemptableRules::All => true,
            ExemptableRules::Only(rules) => rules.contains(rule),
        }
    }
}

impl Exemptions {
    /// Whether a request is allowed unjudged. `groups` are all groups of the user; `namespace` is the
    /// object's.
    pub fn covers<'g>(
        &self,
        user: &str,
        groups: impl IntoIterator<Item = &'g str>,
        namespace: &str,
    ) -> bool {
        self.users.contains(user)
            || self.covers_namespace(namespace)
            || (!self.groups.is_empty()
                && groups.into_iter().any(|group| self.groups.contains(group)))
    }

    /// Whether everybody's requests about objects of this namespace are allowed unjudged.
    pub fn covers_namespace(&self, namespace: &str) -> bool {
        self.namespaces.contains(namespace)
    }

    /// Whether this user's deletions are allowed unjudged: Kubernetes itself deletes what belongs to a
    /// namespace or to an owner that is deleted, and other systems may do the same.
    pub fn covers_deletions_by(&self, user: &str) -> bool {
        SYSTEM_USERS.contains(&user) || self.deleting_users.contains(user)
    }
}

#[cfg(test)]
mod tests {
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
    fn a_namespace_has_the_mode_that_is_written_for_it_then_that_of_its_label_then_that_of_all() {
        let config =
            Config::parse("mode: audit\nnamespaceModes: {shop: warn}").expect("a good file");
        let label = Some(Enforcement::Enforce);
        assert_eq!(config.enforcement("shop", label), Enforcement::Warn);
        assert_eq!(config.enforcement("other", label), Enforcement::Enforce);
        assert_eq!(config.enforcement("other", None), Enforcement::Audit);
        assert_eq!(Config::default().enforcement("shop", None), Enforcement::Enforce);
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
        assert!(!Exemptions::default().covers("", [""], ""));
    }

    #[test]
    fn a_user_whose_deletions_are_exempt_is_exempt_in_nothing_else() {
        let text = "exempt: {deletions: {users: ['system:serviceaccount:karmada-system:agent']}}";
        let exempt = Config::parse(text).expect("a good file").exempt;
        let agent = "system:serviceaccount:karmada-system:agent";
        assert!(exempt.covers_deletions_by(agent));
        assert!(!exempt.covers(agent, [], "shop"));
        assert!(!exempt.covers_deletions_by("jane"));
        for user in SYSTEM_USERS {
            assert!(exempt.covers_deletions_by(user), "{user}");
            assert!(Exemptions::default().covers_deletions_by(user), "{user}");
        }
        assert!(!Exemptions::default().covers_deletions_by(agent));
    }

    #[test]
    fn by_default_objects_may_soften_rules_of_intent_alone() {
        let may = |text: &str| {
            let config = Config::parse(text).expect("a good file");
            let all = rules::catalogue().map(|rule| rule.id);
            all.filter(|rule| config.may_exempt(rule)).collect::<Vec<_>>()
        };
        let of_intent = ["CLB301", "CLB403", "CLB404", "CLB405", "CLB406", "CLB412"];
        assert_eq!(may(""), of_intent);
        assert_eq!(may("allow:\nlang: en\n"), of_intent);
        assert_eq!(may("allow: all").len(), rules::catalogue().count());
        assert_eq!(may("allow: none"), Vec::<&str>::new());
        assert_eq!(may("allow: []"), Vec::<&str>::new());
        assert_eq!(may("allow: [CLB001]"), ["CLB001"]);
    }

    #[test]
    fn objects_may_soften_what_the_administrator_allows() {
        let may = |text: &str| {
            let config = Config::parse(text).expect("a good file");
            ["CLB403", "CLB404"].map(|rule| config.may_exempt(rule))
        };
        assert_eq!(may(""), [true, true]);
        assert_eq!(may("allow: all"), [true, true]);
        assert_eq!(may("allow: none"), [false, false]);
        assert_eq!(may("allow: [clb404]"), [false, true]);
    }

    #[test]
    fn the_chart_lets_objects_be_exempt_from_the_rules_that_are_the_default() {
        let manifests = include_str!("../../../deploy/manifests/clbmigrate-webhook.yaml");
        let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(manifests).expect("YAML");
        let map = objects.iter().find(|object| object["kind"] == "ConfigMap").expect("a ConfigMap");
        let text = map["data"]["config.yaml"].as_str().expect("the file");
        assert!(text.contains("allow"), "{text}");
        assert_eq!(Config::parse(text).expect("a good file").allow, Config::default().allow);
    }
}
