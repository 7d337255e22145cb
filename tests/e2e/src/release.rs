//! The webhook as users run it: an image with the project's own program, the chart, real helm.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clbmigrate_testbed::{
    Cluster,
    image::{self, Image},
    programs, try_wait_for,
};
use clbmigrate_testkit::{CommandOutput, manifests::service_in, run};

use crate::helm::{Helm, NAMESPACE};

/// Where the image says it is from; nobody there could be asked.
const REPOSITORY: &str = "clbmigrate.test/webhook";
/// Long enough for Pods to start on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A release of the chart in a cluster with nodes.
#[derive(Debug, Clone)]
pub struct Release<'b> {
    cluster: Cluster<'b>,
    helm: Helm,
    values: PathBuf,
}

impl<'b> Release<'b> {
    /// The release of a cluster, installed or not.
    pub fn of(cluster: Cluster<'b>, helm: Helm) -> Self {
        let values = cluster.kubeconfig().with_file_name("values.yaml");
        Self { cluster, helm, values }
    }

    /// Builds the program for the image.
    pub fn program() -> anyhow::Result<PathBuf> {
        programs::build_static("clbmigrate-webhook", "clbmigrate-webhook")
    }

    /// Gives the nodes an image with this program, and writes the values of the installation to a
    /// file. Once a cluster.
    pub fn prepare(&self, program: &Path) -> anyhow::Result<()> {
        // A shorter time to end than the default, for tests that end the webhook often.
        let text = format!(
            "image: {{repository: {REPOSITORY}, tag: \"1\", pullPolicy: Never}}\nshutdown: {{delaySeconds: 2}}\n"
        );
        fs::write(&self.values, text)?;
        let archive = self.values.with_file_name("webhook.tar");
        let name = format!("{REPOSITORY}:1");
        image::write(&archive, &[Image { name: &name, program, arguments: &[] }])?;
        self.cluster.import_image(&archive)?;
        Ok(fs::remove_file(&archive)?)
    }

    /// Helm's arguments that name the release, the chart and the values of the installation.
    pub fn arguments(&self) -> String {
        format!("clbmigrate CHART -n {NAMESPACE} -f {}", self.values.display())
    }

    /// The file with the values of the installation.
    pub fn values(&self) -> &PathBuf {
        &self.values
    }

    /// Installs it, or changes the values of what is installed, and waits until it answers.
    pub fn upgrade(&self, more: &str) -> anyhow::Result<()> {
        let arguments = self.arguments();
        self.helm(&format!("upgrade --install {arguments} --create-namespace {more}"))?;
        self.wait()
    }

    /// Helm, which must succeed.
    pub fn helm(&self, arguments: &str) -> anyhow::Result<CommandOutput> {
        self.helm.run(&self.cluster, arguments)?.expect_code(0)
    }

    /// Waits until all Pods are Ready and API servers reach them.
    pub fn wait(&self) -> anyhow::Result<()> {
        let rollout =
            format!("rollout status deployment/clbmigrate-webhook -n {NAMESPACE} --timeout=120s");
        let mut kubectl = self.cluster.kubectl();
        let rolled = run(kubectl.args(rollout.split_whitespace()))?.expect_code(0);
        rolled.with_context(|| self.state())?;
        self.wait_until_it_validates()
    }

    /// Waits until a bad Service is refused for what is bad about it.
    pub fn wait_until_it_validates(&self) -> anyhow::Result<()> {
        let bad = self.values.with_file_name("bad.yaml");
        fs::write(&bad, service_in("default", "bad", &[("weight", "101")]).to_string())?;
        let judged = try_wait_for("the webhook to validate", DEADLINE, || {
            let mut kubectl = self.cluster.kubectl();
            kubectl.args(["create", "--dry-run=server", "-f"]).arg(&bad);
            let output = run(&mut kubectl)?;
            Ok((output.code != 0 && output.stderr.contains("CLB001")).then_some(()))
        });
        judged.with_context(|| self.state())
    }

    /// What the Pods are at, for those who look into a failure.
    fn state(&self) -> String {
        let ask = |arguments: &str| {
            let arguments = arguments.split_whitespace().collect::<Vec<_>>();
            self.cluster.run_kubectl(&arguments).unwrap_or_else(|error| format!("{error:#}"))
        };
        let pods = ask(&format!("describe pods -n {NAMESPACE}"));
        let logs = ask(&format!(
            "logs -n {NAMESPACE} -l app.kubernetes.io/name=clbmigrate-webhook --tail=30 --prefix"
        ));
        format!("{pods}\n{logs}")
    }
}
