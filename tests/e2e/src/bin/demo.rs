//! `demo`: the plugin and the webhook at work on a real cluster, in two minutes.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use clbmigrate_e2e::{CcmDouble, Helm, Release, Tools};
use clbmigrate_testbed::{
    Cluster, Plan, Testbed, Version,
    image::{self, Image},
    try_wait_for,
};
use clbmigrate_testkit::Kubectl;
use colored::{ColoredString, Colorize};

/// The image that the examples name.
const WEB: &str = "registry.example.com/shop/web:2.0.0";
const DEADLINE: Duration = Duration::from_secs(60);

/// Shows the webhook and the plugin at work on a cluster that is made for it.
///
/// Everything is real but CCM, which a double plays: Kubernetes with three nodes, kubectl, helm,
/// the chart and the examples of `deploy/`.
#[derive(Debug, Parser)]
struct Args {
    /// Wait for the Enter key before each scene
    #[arg(long)]
    pause: bool,
}

/// A part of the show: what is to be seen, and the commands that show it, with their exit codes.
struct Step {
    title: &'static str,
    commands: &'static [(&'static str, i32)],
}

const STEPS: &[Step] = &[
    Step {
        title: "The webhook is installed by its chart: two replicas, four hooks.",
        commands: &[
            ("kubectl get pods -n clbmigrate-system -o wide", 0),
            ("kubectl clbmigrate webhook status", 0),
        ],
    },
    Step {
        title: "The first home of a shop in the cluster: a Deployment, and a Service that joins a group with 20 of 100.",
        commands: &[
            ("kubectl apply -f deploy/examples/canary/", 0),
            ("kubectl rollout status deployment/web -n shop --timeout=60s", 0),
        ],
    },
    Step {
        title: "CCM has seen it: 20 over three nodes is 6 each. Who else is in the group, only the CLB's answer tells.",
        commands: &[("kubectl clbmigrate status -n shop", 0)],
    },
    Step {
        title: "A typing error that CCM takes in silence, and that empties the group. It is refused.",
        commands: &[
            (
                "kubectl annotate svc/web -n shop --overwrite service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight=101",
                1,
            ),
            ("kubectl clbmigrate set svc/web 101 -n shop", 3),
        ],
    },
    Step {
        title: "A Deployment without a preStop hook behind a migrated Service. It gets one, and the time for it.",
        commands: &[
            ("kubectl create namespace depot", 0),
            (
                "sed 's/namespace: shop/namespace: depot/; /nodePort:/d' deploy/examples/mistakes/CLB303-no-pre-stop.yaml | kubectl apply -f -",
                0,
            ),
            (
                "kubectl get deployment web -n depot -o jsonpath='{.spec.template.metadata.annotations}{\"\\n\"}{.spec.template.spec.containers[0].lifecycle}{\"\\n\"}{.spec.template.spec.terminationGracePeriodSeconds}{\"\\n\"}'",
                0,
            ),
        ],
    },
    Step {
        title: "More weight: first what CCM would make of it, then the change, until CCM has done it.",
        commands: &[
            ("kubectl clbmigrate preview svc/web 41 -n shop", 0),
            (
                "kubectl clbmigrate set svc/web 41 -n shop --yes --wait --reason 'a quiet evening'",
                0,
            ),
            ("kubectl clbmigrate status -n shop", 0),
        ],
    },
    Step {
        title: "And back.",
        commands: &[
            ("kubectl clbmigrate undo svc/web -n shop --yes --wait", 0),
            ("kubectl clbmigrate status -n shop", 0),
        ],
    },
];

fn main() -> ExitCode {
    let args = Args::parse();
    match show(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody else can be told if standard error is closed.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show(args: &Args) -> Result<()> {
    say("Building: the plugin, the webhook's image, helm, and Kubernetes if it is not there yet.")?;
    let (tools, helm) = (Tools::build()?, Helm::provide()?);
    let webhook = Release::program()?;
    say("Starting: a cluster of three nodes.")?;
    let testbed = Testbed::start(&Plan::new().cluster("demo", Version::NEWEST).nodes(3))?;
    let cluster = testbed.cluster("demo")?;
    give_web(&testbed, &cluster)?;
    let ccm = CcmDouble::of(&cluster, &tools, &[])?;
    say("Installing: the chart.")?;
    let release = Release::of(cluster.clone(), helm.clone());
    release.prepare(&webhook)?;
    release.upgrade("")?;
    let kubectl = Kubectl::new(cluster.clone(), &[tools.folder(), helm.folder()?])?;
    for (number, step) in STEPS.iter().enumerate() {
        show_step(number + 1, step, args, |command| {
            let status = kubectl.shell_command(command)?.status().context("sh")?;
            Ok(status.code().unwrap_or_default())
        })?;
        if number == 1 {
            seen_by_ccm(&cluster)?;
        }
    }
    drop(ccm);
    testbed.stop()
}

fn show_step(
    number: usize,
    step: &Step,
    args: &Args,
    run: impl Fn(&str) -> Result<i32>,
) -> Result<()> {
    say(&format!("{number}. {}", step.title))?;
    if args.pause {
        io::stdin().lock().read_line(&mut String::new())?;
    }
    for (command, code) in step.commands {
        prompt(command)?;
        let ended = run(command)?;
        ensure!(ended == *code, "this ended with {ended}, where {code} was to be shown");
    }
    Ok(())
}

/// The web server under the name that the examples give it.
fn give_web(testbed: &Testbed, cluster: &Cluster<'_>) -> Result<()> {
    let archive = testbed.folder().join("web.tar");
    image::write(&archive, &[Image { name: WEB, program: testbed.app()?, arguments: &["serve"] }])?;
    cluster.import_image(&archive)
}

/// Waits until CCM has written the Service's address, which it does last.
fn seen_by_ccm(cluster: &Cluster<'_>) -> Result<()> {
    try_wait_for("CCM to write the Service's address", DEADLINE, || {
        let jsonpath = "jsonpath={.status.loadBalancer.ingress[*].ip}";
        let address = cluster.run_kubectl(&["get", "service/web", "-n", "shop", "-o", jsonpath])?;
        Ok((!address.is_empty()).then_some(()))
    })
}

fn say(text: &str) -> io::Result<()> {
    line(&format!("\n# {text}").cyan().bold())
}

fn prompt(command: &str) -> io::Result<()> {
    line(&format!("$ {command}").bold())
}

fn line(text: &ColoredString) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
