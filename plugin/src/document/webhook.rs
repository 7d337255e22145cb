//! What `webhook status` answers.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use clbmigrate_cluster::live::{
    self, Deregistrations, Probe, RegistrationState, WEBHOOK_REGISTRATIONS, WebhookInstallation,
    WebhookRegistration,
};
use clbmigrate_core::inject::DEFAULT_SECONDS;
use serde::Deserialize;

use super::deregistration::deregistration;
use crate::output::{
    Detail, Printable, Terminal, human,
    json::{
        ApiVersion, HookStatus, Recovery, WebhookConfiguration, WebhookStatus, WebhookStatusKind,
    },
};

/// What `webhook status` answers.
pub struct WebhookAnswer {
    document: WebhookStatus,
    /// The configuration objects that are installed, as kubectl takes them.
    names: Vec<String>,
}

impl WebhookAnswer {
    /// The answer about the webhook of the cluster of that context.
    pub fn new(
        context: Option<String>,
        webhook: &WebhookInstallation,
        deregistrations: &Result<Deregistrations, live::Error>,
    ) -> Self {
        let installed = webhook.registrations.iter().filter(|hook| is_present(hook));
        let name = |hook: &WebhookRegistration| {
            format!("{}.admissionregistration.k8s.io/{}", hook.resource, hook.name)
        };
        Self {
            names: installed.map(name).collect(),
            document: document(context, webhook, deregistrations),
        }
    }

    /// Whether anything is wrong with the webhook.
    pub fn has_problems(&self) -> bool {
        !self.document.problems.is_empty()
    }
}

impl Printable for WebhookAnswer {
    type Document = WebhookStatus;

    fn document(&self) -> &WebhookStatus {
        &self.document
    }

    fn write_text(&self, terminal: Terminal, _: Detail, out: &mut dyn Write) -> io::Result<()> {
        human::webhook(&self.document, terminal, out)
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }
}

fn document(
    context: Option<String>,
    webhook: &WebhookInstallation,
    deregistrations: &Result<Deregistrations, live::Error>,
) -> WebhookStatus {
    let problems = problems(webhook);
    let configuration = webhook.config.as_deref().and_then(configuration);
    let seconds = configuration.as_ref().and_then(|of| of.pre_stop_seconds);
    WebhookStatus {
        api_version: ApiVersion::V1Alpha1,
        kind: WebhookStatusKind::WebhookStatus,
        context,
        namespace: webhook.namespace.clone(),
        hooks: webhook.registrations.iter().map(hook).collect(),
        ready: webhook.ready,
        answers: match &webhook.probe {
            Probe::Refused | Probe::Warned => Some(true),
            Probe::Passed | Probe::Unreachable(_) => Some(false),
            Probe::NotAsked(_) => None,
        },
        asked: match &webhook.probe {
            Probe::Refused => "refuses a weight of 101".to_owned(),
            Probe::Warned => "warns of a weight of 101".to_owned(),
            Probe::Passed => "a weight of 101 passes without a word".to_owned(),
            Probe::Unreachable(message) => message.clone(),
            Probe::NotAsked(why) => format!("not asked: {why}"),
        },
        configuration,
        deregistration: deregistration(deregistrations, seconds, &webhook.namespace),
        nodes_without_hook: deregistrations.as_ref().ok().and_then(|of| of.old_nodes.clone()),
        recovery: if problems.is_empty() { Vec::new() } else { recovery(webhook) },
        problems,
    }
}

fn hook(hook: &WebhookRegistration) -> HookStatus {
    let name = hook.name.to_owned();
    match &hook.state {
        RegistrationState::Absent => {
            HookStatus { name, installed: Some(false), failure_policy: None, trusted_until: None }
        }
        RegistrationState::Unknown => {
            HookStatus { name, installed: None, failure_policy: None, trusted_until: None }
        }
        RegistrationState::Present { failure_policy, trusted_until } => HookStatus {
            name,
            installed: Some(true),
            failure_policy: Some(failure_policy.clone()),
            trusted_until: trusted_until.clone(),
        },
    }
}

fn is_present(hook: &WebhookRegistration) -> bool {
    matches!(hook.state, RegistrationState::Present { .. })
}

fn judges_services(webhook: &WebhookInstallation) -> bool {
    webhook.registrations.first().is_some_and(is_present)
}

fn problems(webhook: &WebhookInstallation) -> Vec<String> {
    let mut problems = Vec::new();
    if webhook.registrations.iter().all(|hook| hook.state == RegistrationState::Absent) {
        problems.push(
            "the webhook is not installed: nothing is refused, nothing gets a hook".to_owned(),
        );
        return problems;
    }
    for hook in &webhook.registrations {
        if let RegistrationState::Present { trusted_until: None, .. } = hook.state {
            problems.push(format!(
                "{} has no certificate to trust: the API server cannot call the webhook",
                hook.name
            ));
        }
    }
    if webhook.ready == Some(0) {
        problems.push(format!("no Pod of it is ready in namespace {}", webhook.namespace));
    }
    match &webhook.probe {
        Probe::Unreachable(message) => {
            problems.push(format!("the API server cannot call it: {message}"));
        }
        Probe::Passed if judges_services(webhook) => problems.push(
            "a weight of 101 passes without a word: rule CLB001 is off, or the namespace is exempt"
                .to_owned(),
        ),
        _ => {}
    }
    problems
}

/// What helps, the mildest first.
fn recovery(webhook: &WebhookInstallation) -> Vec<Recovery> {
    let command = |does: &str, command: String| Recovery { does: does.to_owned(), command };
    let install = command(
        "install it, or install it again",
        format!(
            "helm upgrade --install clbmigrate deploy/chart -n {} --create-namespace --reuse-values",
            webhook.namespace
        ),
    );
    let present: Vec<&WebhookRegistration> =
        webhook.registrations.iter().filter(|hook| is_present(hook)).collect();
    if present.is_empty() {
        return vec![install];
    }
    let mut commands = vec![command(
        "see what is wrong with its Pods",
        format!("kubectl get deployment,pods,events -n {}", webhook.namespace),
    )];
    if let Some(services) = present
        .iter()
        .find(|hook| Some(hook.name) == WEBHOOK_REGISTRATIONS.first().map(|(_, name)| *name))
    {
        commands.push(command(
            "let Services pass unjudged until it is back (weight 0 passes in any case)",
            format!(
                "kubectl patch {} {} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/webhooks/0/failurePolicy\",\"value\":\"Ignore\"}}]'",
                services.resource, services.name
            ),
        ));
    }
    let mut by_resource: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for hook in present {
        by_resource.entry(hook.resource).or_default().push(hook.name);
    }
    commands.extend(by_resource.into_iter().rev().map(|(resource, names)| {
        command("take its hooks away", format!("kubectl delete {resource} {}", names.join(" ")))
    }));
    commands.push(install);
    commands
}

/// What is shown of the configuration that the webhook reads.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ConfigFile {
    cluster: Cluster,
    inject: Inject,
    pre_stop_seconds: Option<u32>,
    rules: BTreeMap<String, String>,
    namespaces: BTreeMap<String, Namespace>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cluster {
    id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Inject {
    enabled: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Namespace {
    rules: BTreeMap<String, String>,
}

/// What a configuration says of what is shown; nothing where it cannot be read, which is for the
/// webhook to complain of.
fn configuration(text: &str) -> Option<WebhookConfiguration> {
    let file: ConfigFile = serde_saphyr::from_str(text).ok()?;
    let seconds = file.pre_stop_seconds.unwrap_or(DEFAULT_SECONDS);
    Some(WebhookConfiguration {
        cluster_id: Some(file.cluster.id).filter(|id| !id.is_empty()),
        pre_stop_seconds: file.inject.enabled.unwrap_or(true).then_some(seconds),
        rules: file.rules,
        namespaces: file.namespaces.into_iter().map(|(name, of)| (name, of.rules)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(state: &RegistrationState, ready: usize, probe: Probe) -> WebhookInstallation {
        let registrations = WEBHOOK_REGISTRATIONS.into_iter();
        WebhookInstallation {
            registrations: registrations
                .map(|(resource, name)| WebhookRegistration {
                    resource,
                    name,
                    state: state.clone(),
                })
                .collect(),
            namespace: "clbmigrate-system".to_owned(),
            ready: Some(ready),
            config: None,
            probe,
        }
    }

    fn present(trusted: bool) -> RegistrationState {
        RegistrationState::Present {
            failure_policy: "Fail".to_owned(),
            trusted_until: trusted.then(|| "2036-11-21T00:00:00Z".to_owned()),
        }
    }

    #[test]
    fn all_is_well_where_it_answers() {
        assert!(problems(&webhook(&present(true), 2, Probe::Refused)).is_empty());
        assert!(problems(&webhook(&present(true), 2, Probe::Warned)).is_empty());
        let not_asked = Probe::NotAsked("services is forbidden".to_owned());
        assert!(problems(&webhook(&present(true), 2, not_asked)).is_empty());
    }

    #[test]
    fn where_it_is_not_installed_only_the_installation_helps() {
        let webhook = webhook(&RegistrationState::Absent, 0, Probe::Passed);
        assert_eq!(problems(&webhook).len(), 1);
        let recovery = recovery(&webhook);
        assert_eq!(recovery.len(), 1);
        assert!(recovery[0].command.starts_with("helm upgrade --install"));
    }

    #[test]
    fn a_hook_that_nobody_answers_is_a_problem_with_the_way_out() {
        let probe = Probe::Unreachable("failed calling webhook".to_owned());
        let webhook = webhook(&present(true), 0, probe);
        assert_eq!(problems(&webhook).len(), 2);
        let commands: Vec<String> =
            recovery(&webhook).into_iter().map(|recovery| recovery.command).collect();
        assert!(commands.iter().any(|command| command.contains("\"value\":\"Ignore\"")));
        assert!(commands.iter().any(|command| {
            command
                == "kubectl delete validatingwebhookconfiguration clbmigrate-validate-services clbmigrate-validate-workloads clbmigrate-validate-cascading-deletion"
        }));
    }

    #[test]
    fn what_nobody_trusts_or_nobody_asks_is_a_problem() {
        assert_eq!(
            problems(&webhook(&present(false), 2, Probe::Refused)).len(),
            WEBHOOK_REGISTRATIONS.len()
        );
        assert_eq!(problems(&webhook(&present(true), 2, Probe::Passed)).len(), 1);
    }

    #[test]
    fn a_configuration_is_shown_as_far_as_it_matters() {
        let text = "cluster: {id: c1}\npreStopSeconds: 15\nrules: {CLB402: \"off\"}\nnamespaces: {shop: {rules: {CLB403: warn}}}\nallow: all\n";
        let seen = configuration(text).expect("a configuration");
        assert_eq!(seen.cluster_id.as_deref(), Some("c1"));
        assert_eq!(seen.pre_stop_seconds, Some(15));
        assert_eq!(seen.rules["CLB402"], "off");
        assert_eq!(seen.namespaces["shop"]["CLB403"], "warn");
        assert!(configuration("rules: [1").is_none());
        assert_eq!(configuration("inject: {enabled: false}").expect("one").pre_stop_seconds, None);
    }
}
