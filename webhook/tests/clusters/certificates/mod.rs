//! Certificates of the webhook's own: the shared Secret, and `caBundle`.

pub mod authority;
pub mod publishing;

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clbmigrate_testbed::{Network, Validity, try_wait_for};
use clbmigrate_webhook::{
    Webhook,
    audit::{backend::RECORD_NAME, record::SHARDS},
    config::LAST_GOOD_NAME,
    tls::{GENERATION_ANNOTATION, SECRET_NAME},
};
use serde_json::{Value, json};

use crate::{
    process::WebhookProcess,
    test_namespace::{DEADLINE, TestNamespace},
};

/// A test by name.
pub type Test = (&'static str, fn(&Installation<'_>) -> Result<()>);

/// The Service that API servers would reach the processes by.
pub const SERVICE: &str = "clbmigrate-webhook";

/// A namespace with the rights that the chart gives, and processes that run for it. Webhook
/// configurations have one name each in a cluster, so there is one installation at a time.
pub struct Installation<'a> {
    pub namespace: TestNamespace<'a>,
}

impl<'a> Installation<'a> {
    pub fn new(namespace: TestNamespace<'a>) -> Result<Self> {
        let installation = Self { namespace };
        let cluster = &installation.namespace.cluster;
        cluster.apply(include_str!("rbac.json"))?;
        cluster.apply(&installation.role().to_string())?;
        installation.delete_configurations()?;
        Ok(installation)
    }

    /// What a process may do in its own namespace. The creation of one name cannot be told from
    /// that of another.
    fn role(&self) -> Value {
        let meta = json!({"name": "webhook", "namespace": self.namespace.name});
        let group = "rbac.authorization.k8s.io";
        let record = (0..SHARDS).map(|number| format!("{RECORD_NAME}-{number:x}"));
        let config_maps: Vec<String> = record.chain([LAST_GOOD_NAME.to_owned()]).collect();
        let rules = json!([
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET_NAME],
             "verbs": ["get", "list", "watch", "update"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
             "verbs": ["create", "get", "list", "update", "delete"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": config_maps,
             "verbs": ["get", "update"]},
        ]);
        json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": meta, "rules": rules},
            {"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": meta,
             "roleRef": {"apiGroup": group, "kind": "Role", "name": "webhook"},
             "subjects": [{"apiGroup": group, "kind": "User", "name": self.namespace.user}]},
        ]})
    }

    /// A command for a process of this namespace.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let kubeconfig = self.namespace.cluster.kubeconfig_for(
            &self.namespace.user,
            &["webhooks"],
            Validity::Valid,
        )?;
        let program = env!("CARGO_BIN_EXE_clbmigrate-webhook");
        let mut command = self.namespace.testbed.command_in(Network::ControlPlane("a"), program)?;
        command.arg("--kubeconfig").arg(kubeconfig);
        command.args(["--listen", "127.0.0.1:0", "--namespace", &self.namespace.name]);
        command.args(["--reload-interval", "100ms"]).args(arguments);
        Ok(command)
    }

    /// A process that listens.
    pub fn start(&self, arguments: &[&str]) -> Result<WebhookProcess> {
        WebhookProcess::start(self.command(arguments)?)
    }

    /// A process that is ready.
    pub fn start_ready(&self, arguments: &[&str]) -> Result<WebhookProcess> {
        let process = self.start(arguments)?;
        self.wait_until_ready(&process)?;
        Ok(process)
    }

    /// Waits until a process says that it is ready, and answers a client that trusts the Secret's bundle.
    pub fn wait_until_ready(&self, process: &WebhookProcess) -> Result<()> {
        let ready = try_wait_for("the process to be ready", DEADLINE, || {
            if process.probe("/readyz")?.0 != 200 {
                return Ok(None);
            }
            let Ok(bundle) = self.bundle() else { return Ok(None) };
            let answer = process.get("/healthz", &bundle, &self.server_name());
            Ok(answer.is_ok_and(|(status, _)| status == 200).then_some(()))
        });
        ready.with_context(|| process.log())
    }

    /// The name in its certificate.
    pub fn server_name(&self) -> String {
        format!("{SERVICE}.{}.svc", self.namespace.name)
    }

    /// A value of the Secret.
    pub fn secret(&self, key: &str) -> Result<String> {
        let secret = self.get("secret", SECRET_NAME)?;
        let value = secret["data"][key].as_str().with_context(|| format!("no {key}"))?;
        Ok(String::from_utf8(STANDARD.decode(value)?)?)
    }

    /// A `ConfigMap`; null if there is none.
    pub fn config_map(&self, name: &str) -> Result<Value> {
        let arguments = ["-n", &self.namespace.name, "get", "configmap", name];
        let flags = ["--ignore-not-found", "-o", "json"];
        let found = self.namespace.cluster.run_kubectl(&[&arguments[..], &flags[..]].concat())?;
        if found.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&found)?) }
    }

    /// Writes values into the Secret, which may not be there.
    pub fn put_secret(&self, values: &[(&str, &str)]) -> Result<()> {
        let data: serde_json::Map<String, Value> = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(STANDARD.encode(value))))
            .collect();
        let meta = json!({"name": SECRET_NAME, "namespace": self.namespace.name});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data});
        self.namespace.cluster.apply(&secret.to_string())
    }

    pub fn delete_secret(&self) -> Result<()> {
        self.namespace.kubectl(&["delete", "secret", SECRET_NAME]).map(drop)
    }

    /// The CA bundle in the Secret, PEM.
    pub fn bundle(&self) -> Result<String> {
        self.secret("ca.crt")
    }

    pub fn generation(&self) -> Result<u64> {
        Ok(self.secret("generation")?.parse()?)
    }

    fn get(&self, kind: &str, name: &str) -> Result<Value> {
        let arguments =
            ["-n", &self.namespace.name, "get", kind, name, "--show-managed-fields", "-o", "json"];
        Ok(serde_json::from_str(&self.namespace.cluster.run_kubectl(&arguments)?)?)
    }

    /// A webhook's configuration, null if there is none.
    pub fn configuration(&self, webhook: Webhook) -> Result<Value> {
        let arguments = [
            "get",
            kind(webhook),
            webhook.configuration(),
            "--ignore-not-found",
            "--show-managed-fields",
            "-o",
            "json",
        ];
        let found = self.namespace.cluster.run_kubectl(&arguments)?;
        if found.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&found)?) }
    }

    /// Applies a webhook's configuration as the chart has it, with changes: a JSON merge patch.
    pub fn configure(&self, webhook: Webhook, change: &Value) -> Result<()> {
        self.namespace.cluster.apply(&self.manifest(webhook, change).to_string())
    }

    /// Puts the chart's configuration in place of what is there, as `helm upgrade --force` does.
    pub fn replace(&self, webhook: Webhook) -> Result<()> {
        let file =
            self.namespace.testbed.folder().join(format!("{}.json", webhook.configuration()));
        std::fs::write(&file, self.manifest(webhook, &json!({})).to_string())?;
        let file = file.to_str().context("a path")?;
        self.namespace.cluster.run_kubectl(&["replace", "-f", file]).map(drop)
    }

    fn manifest(&self, webhook: Webhook, change: &Value) -> Value {
        let kind = if webhook.is_mutating() { "Mutating" } else { "Validating" };
        let service =
            json!({"namespace": self.namespace.name, "name": SERVICE, "path": webhook.path()});
        let mut manifest = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": format!("{kind}WebhookConfiguration"),
            "metadata": {"name": webhook.configuration()},
            "webhooks": [{
                "name": format!("{}.clbmigrate.io", webhook.configuration()),
                "clientConfig": {"service": service},
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                    "resources": ["services"], "scope": "Namespaced",
                }],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace.name}},
                "sideEffects": "NoneOnDryRun",
                "failurePolicy": "Ignore",
                "timeoutSeconds": 5,
                "admissionReviewVersions": ["v1"],
            }],
        });
        json_patch::merge(&mut manifest, change);
        manifest
    }

    /// Waits until a configuration carries the Secret's bundle and generation.
    pub fn wait_until_published(&self, webhook: Webhook) -> Result<()> {
        let what = format!("{} to carry the bundle", webhook.configuration());
        try_wait_for(&what, DEADLINE, || {
            let configuration = self.configuration(webhook)?;
            let (Ok(bundle), Ok(generation)) = (self.bundle(), self.generation()) else {
                return Ok(None);
            };
            let is_right = ca_bundle_of(&configuration) == STANDARD.encode(bundle)
                && generation_of(&configuration) == generation.to_string();
            Ok(is_right.then_some(()))
        })
    }

    /// `verb resource/name` of everything that processes have written for certificates, in order; an error
    /// if anything was refused for want of rights.
    pub fn writes(&self) -> Result<Vec<String>> {
        let mut writes = Vec::new();
        for entry in self.namespace.cluster.audit()? {
            if entry.user != self.namespace.user {
                continue;
            }
            let what = format!("{} {}/{}", entry.verb, entry.resource, entry.name);
            // What is not granted here is what the chart does not grant, or evidence that may fail.
            let of_certificates =
                ["secrets", "validatingwebhookconfigurations", "mutatingwebhookconfigurations"]
                    .contains(&entry.resource.as_str());
            let of_audit = ["leases", "events"].contains(&entry.resource.as_str());
            ensure!(!(of_certificates || of_audit) || entry.code != 403, "refused: {what}");
            if of_certificates && entry.is_write() && entry.code < 300 {
                writes.push(what);
            }
        }
        Ok(writes)
    }

    fn delete_configurations(&self) -> Result<()> {
        for webhook in Webhook::ALL {
            self.namespace.cluster.run_kubectl(&[
                "delete",
                kind(webhook),
                webhook.configuration(),
                "--ignore-not-found",
            ])?;
        }
        Ok(())
    }
}

impl Drop for Installation<'_> {
    /// A configuration that is left would be asked by the next test's API server.
    fn drop(&mut self) {
        let _ = self.delete_configurations();
    }
}

fn kind(webhook: Webhook) -> &'static str {
    if webhook.is_mutating() {
        "mutatingwebhookconfiguration"
    } else {
        "validatingwebhookconfiguration"
    }
}

/// The bundle in a configuration's first webhook, base64; empty without one.
pub fn ca_bundle_of(configuration: &Value) -> &str {
    configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default()
}

/// The generation in a configuration's annotation; empty without one.
pub fn generation_of(configuration: &Value) -> &str {
    configuration["metadata"]["annotations"][GENERATION_ANNOTATION].as_str().unwrap_or_default()
}
