//! A namespace as the chart makes it, and programs that run for it.

use std::{
    process::Command,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clbmigrate_testbed::{Cluster, Network, Testbed, Validity, try_wait_for};
use clbmigrate_webhook::{Hook, tls::GENERATION};
use serde_json::{Value, json};

use crate::program::{DEADLINE, Program};

/// A test by name.
pub type Test = (&'static str, fn(&Scene<'_>) -> Result<()>);

/// The Service that API servers would reach the programs by.
pub const SERVICE: &str = "clbmigrate-webhook";
const SECRET: &str = "clbmigrate-webhook-ca";

/// One test's namespace. Configurations have one name each in a cluster, so there is one at a time.
pub struct Scene<'a> {
    testbed: &'a Testbed,
    pub cluster: Cluster<'a>,
    pub namespace: String,
    /// As whom programs ask; each test has its own, for the audit log.
    user: String,
    _alone: MutexGuard<'static, ()>,
}

impl<'a> Scene<'a> {
    pub fn new(testbed: &'a Testbed) -> Result<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = testbed.cluster("a")?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (namespace, user) = (format!("scene-{number}"), format!("webhook-{number}"));
        cluster.apply(include_str!("rbac.json"))?;
        cluster.run_kubectl(&["create", "namespace", &namespace])?;
        let scene = Self { testbed, cluster, namespace, user, _alone: alone };
        scene.cluster.apply(&scene.role().to_string())?;
        scene.forget_configurations()?;
        Ok(scene)
    }

    /// What a program may do in its own namespace. The creation of one name cannot be told from
    /// that of another.
    fn role(&self) -> Value {
        let meta = json!({"name": "webhook", "namespace": self.namespace});
        let group = "rbac.authorization.k8s.io";
        let rules = json!([
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET],
             "verbs": ["get", "list", "watch", "update"]},
        ]);
        json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": meta, "rules": rules},
            {"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": meta,
             "roleRef": {"apiGroup": group, "kind": "Role", "name": "webhook"},
             "subjects": [{"apiGroup": group, "kind": "User", "name": self.user}]},
        ]})
    }

    /// A command for a program of this namespace.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let kubeconfig = self.cluster.kubeconfig_for(&self.user, &["webhooks"], Validity::Valid)?;
        let program = env!("CARGO_BIN_EXE_clbmigrate-webhook");
        let mut command = self.testbed.command_in(Network::ControlPlane("a"), program)?;
        command.arg("--kubeconfig").arg(kubeconfig);
        command.args(["--listen", "127.0.0.1:0", "--namespace", &self.namespace]);
        command.args(["--reload-interval", "100ms"]).args(arguments);
        Ok(command)
    }

    /// A program that listens.
    pub fn program(&self, arguments: &[&str]) -> Result<Program> {
        Program::start(self.command(arguments)?)
    }

    /// A program that is ready.
    pub fn ready(&self, arguments: &[&str]) -> Result<Program> {
        let program = self.program(arguments)?;
        self.until_ready(&program)?;
        Ok(program)
    }

    /// Waits until a program says that it is ready to who trusts the Secret.
    pub fn until_ready(&self, program: &Program) -> Result<()> {
        let ready = try_wait_for("the program to be ready", DEADLINE, || {
            let Ok(bundle) = self.bundle() else { return Ok(None) };
            let answer = program.get("/readyz", &bundle, &self.server_name());
            Ok(answer.is_ok_and(|(status, _)| status == 200).then_some(()))
        });
        ready.with_context(|| program.told())
    }

    /// The name in its certificate.
    pub fn server_name(&self) -> String {
        format!("{SERVICE}.{}.svc", self.namespace)
    }

    /// A value of the Secret.
    pub fn secret(&self, key: &str) -> Result<String> {
        let secret = self.get("secret", SECRET)?;
        let value = secret["data"][key].as_str().with_context(|| format!("no {key}"))?;
        Ok(String::from_utf8(STANDARD.decode(value)?)?)
    }

    /// Writes values into the Secret, which may not be there.
    pub fn put_secret(&self, values: &[(&str, &str)]) -> Result<()> {
        let data: serde_json::Map<String, Value> = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(STANDARD.encode(value))))
            .collect();
        let meta = json!({"name": SECRET, "namespace": self.namespace});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data});
        self.cluster.apply(&secret.to_string())
    }

    pub fn delete_secret(&self) -> Result<()> {
        self.cluster.run_kubectl(&["-n", &self.namespace, "delete", "secret", SECRET]).map(drop)
    }

    /// What API servers shall trust, PEM.
    pub fn bundle(&self) -> Result<String> {
        self.secret("ca.crt")
    }

    pub fn generation(&self) -> Result<u64> {
        Ok(self.secret("generation")?.parse()?)
    }

    fn get(&self, kind: &str, name: &str) -> Result<Value> {
        let arguments =
            ["-n", &self.namespace, "get", kind, name, "--show-managed-fields", "-o", "json"];
        Ok(serde_json::from_str(&self.cluster.run_kubectl(&arguments)?)?)
    }

    /// A hook's configuration, null if there is none.
    pub fn configuration(&self, hook: Hook) -> Result<Value> {
        let arguments = [
            "get",
            kind(hook),
            hook.configuration(),
            "--ignore-not-found",
            "--show-managed-fields",
            "-o",
            "json",
        ];
        let found = self.cluster.run_kubectl(&arguments)?;
        if found.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&found)?) }
    }

    /// Applies a hook's configuration as the chart has it, with changes: a JSON merge patch.
    pub fn configure(&self, hook: Hook, change: &Value) -> Result<()> {
        self.cluster.apply(&self.manifest(hook, change).to_string())
    }

    /// Puts the chart's configuration in place of what is there, as `helm upgrade --force` does.
    pub fn replace(&self, hook: Hook) -> Result<()> {
        let file = self.testbed.folder().join(format!("{}.json", hook.configuration()));
        std::fs::write(&file, self.manifest(hook, &json!({})).to_string())?;
        let file = file.to_str().context("a path")?;
        self.cluster.run_kubectl(&["replace", "-f", file]).map(drop)
    }

    fn manifest(&self, hook: Hook, change: &Value) -> Value {
        let kind = if hook.is_mutating() { "Mutating" } else { "Validating" };
        let service = json!({"namespace": self.namespace, "name": SERVICE, "path": hook.path()});
        let mut manifest = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": format!("{kind}WebhookConfiguration"),
            "metadata": {"name": hook.configuration()},
            "webhooks": [{
                "name": format!("{}.clbmigrate.io", hook.configuration()),
                "clientConfig": {"service": service},
                "rules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                    "resources": ["services"], "scope": "Namespaced",
                }],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
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
    pub fn published(&self, hook: Hook) -> Result<()> {
        let what = format!("{} to carry the bundle", hook.configuration());
        try_wait_for(&what, DEADLINE, || {
            let configuration = self.configuration(hook)?;
            let (Ok(bundle), Ok(generation)) = (self.bundle(), self.generation()) else {
                return Ok(None);
            };
            let is_right = carried(&configuration) == STANDARD.encode(bundle)
                && annotated(&configuration) == generation.to_string();
            Ok(is_right.then_some(()))
        })
    }

    /// `verb resource/name` of everything that programs have written, in order; an error if
    /// anything was refused for want of rights.
    pub fn writes(&self) -> Result<Vec<String>> {
        let mut writes = Vec::new();
        for entry in self.cluster.audit()? {
            if entry.user != self.user {
                continue;
            }
            let what = format!("{} {}/{}", entry.verb, entry.resource, entry.name);
            // What is not granted here is what the chart does not grant, or evidence that may fail.
            let ours =
                ["secrets", "validatingwebhookconfigurations", "mutatingwebhookconfigurations"];
            ensure!(
                !ours.contains(&entry.resource.as_str()) || entry.code != 403,
                "refused: {what}"
            );
            if entry.is_write() && entry.code < 300 {
                writes.push(what);
            }
        }
        Ok(writes)
    }

    fn forget_configurations(&self) -> Result<()> {
        for hook in Hook::ALL {
            self.cluster.run_kubectl(&[
                "delete",
                kind(hook),
                hook.configuration(),
                "--ignore-not-found",
            ])?;
        }
        Ok(())
    }
}

impl Drop for Scene<'_> {
    /// A configuration that is left would be asked by the next test's API server.
    fn drop(&mut self) {
        let _ = self.forget_configurations();
    }
}

fn kind(hook: Hook) -> &'static str {
    if hook.is_mutating() {
        "mutatingwebhookconfiguration"
    } else {
        "validatingwebhookconfiguration"
    }
}

/// The bundle in a configuration's first hook, base64.
pub fn carried(configuration: &Value) -> &str {
    configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default()
}

/// The generation on a configuration.
pub fn annotated(configuration: &Value) -> &str {
    configuration["metadata"]["annotations"][GENERATION].as_str().unwrap_or_default()
}
