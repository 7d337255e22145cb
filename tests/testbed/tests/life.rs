//! Beds come and go, also when somebody is killed, and leave nothing.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a test may show what it measured")]

mod support;

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clbmigrate_testbed::suite::trial;
use clbmigrate_testbed::{Plan, Size, Testbed, Version, image, wait_for};
use libtest_mimic::Arguments;
use support::left;

/// The first argument that makes this program a helper, which starts a testbed and keeps it.
const HELPER: &str = "hold-a-bed";
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(HELPER) {
        let nodes = arguments.next().expect("a number of nodes").parse().expect("a number");
        return hold(nodes);
    }
    let (small, large) = (Size::ControlPlane, Size::Nodes);
    let trials = vec![
        trial("two clusters of three nodes go up and down ten times", large, rounds),
        trial("a testbed that is left running does not hold who started it", small, by_hand),
        trial("nothing is left when the owner of control planes is killed", small, || owner(0)),
        trial("nothing is left when the owner of nodes and pods is killed", large, || owner(1)),
        trial("a killed supervisor takes its control planes along", small, || supervisor(0)),
        trial("the next start clears what a killed supervisor has left", large, || supervisor(1)),
    ];
    // A number that is free again is taken by the next testbed, which would look like something left.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn rounds() -> anyhow::Result<()> {
    let rounds = match env::var("CLBMIGRATE_BED_ROUNDS") {
        Ok(rounds) => rounds.parse().context("CLBMIGRATE_BED_ROUNDS")?,
        Err(_) => 10,
    };
    let plan =
        Plan::new().cluster("a", Version::NEWEST).nodes(3).cluster("b", Version::OLDEST).nodes(3);
    for round in 1..=rounds {
        let begin = Instant::now();
        let testbed = Testbed::start(&plan)?;
        let up = begin.elapsed().as_secs_f64();
        let (number, folder) = (testbed.number(), testbed.folder().to_owned());
        run_a_pod(&testbed)?;
        let begin = Instant::now();
        testbed.stop()?;
        let down = begin.elapsed().as_secs_f64();
        eprintln!("round {round} of {rounds}: Ready after {up:.1} s, gone after {down:.1} s");
        let left = left(number, &folder);
        ensure!(left.is_empty(), "round {round}: {left:#?}");
    }
    Ok(())
}

fn run_a_pod(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    let pull = "--image-pull-policy=Never";
    cluster.run_kubectl(&["run", "left", &format!("--image={}", image::APP), pull])?;
    cluster.run_kubectl(&["wait", "--for=condition=Ready", "pod/left", "--timeout=60s"]).map(drop)
}

fn by_hand() -> anyhow::Result<()> {
    let testbed = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bed"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let (ended, end) = mpsc::channel();
    let up = testbed(&["up", "hand=v1.36.3"]).spawn()?;
    // Both pipes to their end, which is what `| tee` waits for.
    thread::spawn(move || ended.send(up.wait_with_output()));
    let output = end.recv_timeout(2 * DEADLINE).context("`bed up` holds its pipes")??;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let number = said.strip_prefix("bed ").and_then(|rest| rest.split(' ').next());
    let number = number.with_context(|| format!("`bed up` said {said}"))?;
    let down = testbed(&["down", number]).output()?;
    ensure!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    let listed = String::from_utf8(testbed(&["status"]).output()?.stdout)?;
    ensure!(!listed.contains(" hand "), "{listed}");
    Ok(())
}

/// Starts a testbed, says where, and keeps it until somebody ends this process.
fn hold(nodes: u8) -> ExitCode {
    let plan = Plan::new().cluster("a", Version::NEWEST).nodes(nodes);
    let testbed = Testbed::start(&plan).expect("a testbed");
    if nodes > 0 {
        run_a_pod(&testbed).expect("a pod");
    }
    println!("{} {} {}", testbed.number(), testbed.supervisor(), testbed.folder().display());
    loop {
        thread::park();
    }
}

/// A helper and its testbed.
struct OwnedTestbed {
    helper: Child,
    number: u8,
    supervisor: u32,
    folder: PathBuf,
}

fn held(nodes: u8) -> anyhow::Result<OwnedTestbed> {
    let mut helper = Command::new(env::current_exe()?)
        .args([HELPER, &nodes.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = helper.stdout.take().context("no pipe")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let mut words = line.trim_end().splitn(3, ' ');
    let mut word = || words.next().with_context(|| format!("the helper said {line:?}"));
    let (number, supervisor) = (word()?.parse()?, word()?.parse()?);
    let folder = PathBuf::from(word()?);
    // Else the look for what is left would be worth nothing.
    ensure!(left(number, &folder).len() > 5, "{:#?}", left(number, &folder));
    Ok(OwnedTestbed { helper, number, supervisor, folder })
}

fn nothing_left(held: &OwnedTestbed) -> anyhow::Result<()> {
    wait_for("nothing to be left", DEADLINE, || {
        left(held.number, &held.folder).is_empty().then_some(())
    })
    .with_context(|| format!("{:#?}", left(held.number, &held.folder)))
}

fn owner(nodes: u8) -> anyhow::Result<()> {
    let mut held = held(nodes)?;
    held.helper.kill()?;
    held.helper.wait()?;
    nothing_left(&held)
}

fn supervisor(nodes: u8) -> anyhow::Result<()> {
    let mut held = held(nodes)?;
    let killed = Command::new("kill").args(["-KILL", &held.supervisor.to_string()]).status()?;
    ensure!(killed.success());
    let daemons = |held: &OwnedTestbed| {
        let found = left(held.number, &held.folder);
        found.into_iter().filter(|left| left.contains("kube")).collect::<Vec<_>>()
    };
    wait_for("the processes of Kubernetes to end", DEADLINE, || {
        daemons(&held).is_empty().then_some(())
    })
    .with_context(|| format!("{:#?}", daemons(&held)))?;
    held.helper.kill()?;
    held.helper.wait()?;

    let next = Testbed::start(&Plan::new().cluster("next", Version::NEWEST))?;
    // It may have the same number, and then what is there is its own.
    next.stop()?;
    nothing_left(&held)
}
