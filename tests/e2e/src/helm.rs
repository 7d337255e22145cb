//! Real helm with the project's chart.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;
use clbmigrate_testbed::{
    Binaries, Cluster, NO_HOME, RequiredBinaries, clean_environment, programs::workspace,
};
use clbmigrate_testkit::{CommandOutput, run};

/// The namespace the webhook lives in.
pub const NAMESPACE: &str = "clbmigrate-system";

/// Helm's arguments that name an image, without which the chart renders nothing. Nobody has this one.
pub const IMAGE: &str = "--set image.repository=clbmigrate.test/nobody-has/webhook";

/// Helm, and where the chart is.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    /// The chart's folder.
    pub chart: PathBuf,
}

impl Helm {
    /// Finds Helm 4, or builds it.
    pub fn provide() -> anyhow::Result<Self> {
        Self::with_program(Self::binaries()?.helm())
    }

    /// Finds Helm 3, or builds it.
    pub fn provide_3() -> anyhow::Result<Self> {
        Self::with_program(Self::binaries()?.helm3())
    }

    fn binaries() -> anyhow::Result<Binaries> {
        Binaries::provide(&RequiredBinaries { versions: Vec::new(), nodes: false, helm: true })
    }

    fn with_program(program: PathBuf) -> anyhow::Result<Self> {
        Ok(Self { program, chart: workspace()?.join("deploy/chart") })
    }

    /// The same helm with another chart.
    #[must_use]
    pub fn with_chart(&self, chart: PathBuf) -> Self {
        Self { program: self.program.clone(), chart }
    }

    /// The folder it is in, for PATH.
    pub fn folder(&self) -> anyhow::Result<&Path> {
        self.program.parent().context("helm's folder")
    }

    /// Runs it with these arguments, separated by spaces, as admin of a cluster. `CHART` stands for
    /// the chart.
    pub fn run(&self, cluster: &Cluster<'_>, arguments: &str) -> anyhow::Result<CommandOutput> {
        let mut command = cluster.command(&self.program);
        command.args(self.arguments(arguments)).stdin(Stdio::null());
        run(&mut command)
    }

    /// The chart as manifests, made without a cluster, with these further arguments.
    pub fn template(&self, arguments: &str) -> anyhow::Result<CommandOutput> {
        self.run_offline(&format!("template clbmigrate CHART {arguments}"))
    }

    /// What helm finds fault with, without a cluster.
    pub fn lint(&self, arguments: &str) -> anyhow::Result<CommandOutput> {
        self.run_offline(&format!("lint CHART {arguments}"))
    }

    /// Runs it without a cluster and without a home folder.
    fn run_offline(&self, arguments: &str) -> anyhow::Result<CommandOutput> {
        let mut command = Command::new(&self.program);
        clean_environment(&mut command, Path::new(NO_HOME)).args(self.arguments(arguments));
        command.env("KUBECONFIG", "/dev/null").stdin(Stdio::null());
        run(&mut command)
    }

    fn arguments(&self, text: &str) -> Vec<String> {
        let chart = self.chart.display().to_string();
        text.split_whitespace()
            .map(|word| if word == "CHART" { chart.clone() } else { word.to_owned() })
            .collect()
    }
}
