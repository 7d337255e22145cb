//! Which requests an API server sends to a hook, found out with a hook where nobody listens: what it
//! refuses was to be judged, what passes was not.

use std::time::Duration;

use anyhow::{Context, ensure};
use clbmigrate_e2e::{IMAGE, NAMESPACE};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::{CommandOutput, manifests};
use serde_json::{Value, json};

use crate::TestCluster;

/// Long enough for an API server to know of a new hook.
const DEADLINE: Duration = Duration::from_secs(60);

/// What becomes of a request while the webhook is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The conditions let it through.
    Passes,
    /// It would have been judged, and nobody is there.
    Refused,
}

/// A request, on an object of its own.
pub struct Case {
    /// What it is about.
    pub what: &'static str,
    /// Manifests that are there before the hook is; `NAME` stands for the object's name everywhere.
    pub before: String,
    /// What kubectl does before the hook is there, if anything.
    pub prepared: &'static str,
    /// The request: kubectl's arguments, separated by spaces.
    pub request: String,
    /// A manifest for the request, if it takes one.
    pub input: String,
    /// What shall become of it.
    pub expected: Expected,
}

impl Case {
    /// A request on an object of this manifest.
    pub fn new(
        what: &'static str,
        before: impl Into<String>,
        request: impl Into<String>,
        expected: Expected,
    ) -> Self {
        let (before, request) = (before.into(), request.into());
        Self { what, before, prepared: "", request, input: String::new(), expected }
    }

    /// With a manifest for the request.
    pub fn with(self, input: impl Into<String>) -> Self {
        Self { input: input.into(), ..self }
    }

    /// With something that kubectl does before the hook is there.
    pub fn after(self, prepared: &'static str) -> Self {
        Self { prepared, ..self }
    }
}

/// A hook of the chart, in a cluster where nobody answers for it.
struct UnreachableHook<'s, 'b> {
    cluster: &'s TestCluster<'b>,
    kind: String,
    name: String,
}

impl<'s, 'b> UnreachableHook<'s, 'b> {
    /// Installs the hook of this template so that a failure refuses, whatever its own policy is.
    fn install(cluster: &'s TestCluster<'b>, template: &str, values: &str) -> anyhow::Result<Self> {
        let arguments =
            format!("-n {NAMESPACE} {IMAGE} --show-only templates/{template}.yaml {values}");
        let text = cluster.helm.template(&arguments)?.expect_code(0)?.stdout;
        let mut hook: Value = serde_saphyr::from_str(&text)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&hook["kind"]), text(&hook["metadata"]["name"]));
        hook["webhooks"][0]["clientConfig"] = json!({"url": "https://127.0.0.1:9"});
        hook["webhooks"][0]["failurePolicy"] = "Fail".into();
        cluster.apply(&hook.to_string())?;
        Ok(Self { cluster, kind, name })
    }

    fn has_refused(&self, output: &CommandOutput) -> bool {
        let words = format!("failed calling webhook \"{}.clbmigrate.io\"", self.name);
        output.code != 0 && output.stderr.contains(&words)
    }
}

impl Drop for UnreachableHook<'_, '_> {
    fn drop(&mut self) {
        let removed = self.cluster.run_kubectl(&["delete", &self.kind, &self.name]);
        // Tests that follow would fail, and not say why.
        removed.expect("a webhook configuration that can be removed");
    }
}

/// Installs the hook of a template, makes every request, and tells which ended otherwise. `probe` is
/// a manifest whose creation the hook refuses.
pub fn check_requests(
    cluster: &TestCluster<'_>,
    template: &str,
    namespace: &str,
    probe: &str,
    cases: &[Case],
) -> anyhow::Result<()> {
    let probe = Probe { request: "create --dry-run=server", manifest: probe, values: "" };
    check_requests_with(cluster, template, &probe, namespace, cases)
}

/// How a test finds out that the API server knows the hook.
pub struct Probe<'p> {
    /// A request that the hook refuses, and that changes nothing: kubectl's arguments.
    pub request: &'p str,
    /// A manifest for it, if it takes one.
    pub manifest: &'p str,
    /// The values that the hook is rendered with: helm's arguments.
    pub values: &'p str,
}

/// The same with another probe.
pub fn check_requests_with(
    cluster: &TestCluster<'_>,
    template: &str,
    probe: &Probe<'_>,
    namespace: &str,
    cases: &[Case],
) -> anyhow::Result<()> {
    let named = |text: &str, index: usize| text.replace("NAME", &format!("n{index}"));
    cluster.apply(&manifests::namespace(namespace, &json!({})).to_string())?;
    let before = cases.iter().enumerate().filter(|(_, case)| !case.before.is_empty());
    let before: Vec<String> = before.map(|(index, case)| named(&case.before, index)).collect();
    let flags = format!("-n {namespace}");
    if !before.is_empty() {
        cluster.kubectl(&format!("{flags} apply"), &before.join("\n---\n"))?.expect_code(0)?;
    }
    for (index, case) in cases.iter().enumerate().filter(|(_, case)| !case.prepared.is_empty()) {
        let prepared = named(&format!("{flags} {}", case.prepared), index);
        cluster.kubectl(&prepared, "")?.expect_code(0).context(case.what)?;
    }

    let hook = UnreachableHook::install(cluster, template, probe.values)?;
    try_wait_for("the hook to be known", DEADLINE, || {
        let request = format!("{flags} {}", probe.request);
        let output = cluster.kubectl(&request, &named(probe.manifest, 0))?;
        Ok(hook.has_refused(&output).then_some(()))
    })?;
    let mut wrong = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let request = named(&format!("{flags} {}", case.request), index);
        let output = cluster.kubectl(&request, &named(&case.input, index))?;
        let found = match output.code {
            0 => Some(Expected::Passes),
            _ => hook.has_refused(&output).then_some(Expected::Refused),
        };
        if found != Some(case.expected) {
            wrong.push(format!(
                "{}: {found:?}, not {:?}: {}",
                case.what, case.expected, output.stderr
            ));
        }
    }
    drop(hook);
    ensure!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
    Ok(())
}
