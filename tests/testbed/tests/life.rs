//! Starting, stopping and killing testbeds: nothing of them is left.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a test may show what it measured")]

mod support;

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clbmigrate_testbed::suite::{is_full, run, trial};
use clbmigrate_testbed::{Plan, Size, Testbed, Version, image, wait_for};
use support::left;

/// The first argument that makes this program a helper, which starts a testbed and keeps it.
const HELPER: &str = "hold-a-bed";
const DEADLINE: Duration = Duration::from_secs(60);

/// The lowest numbers of the testbeds of each test. They are high, so that no other suite is given a
/// number that has just become free: that would look like something left.
const ROUNDS: u8 = 150;
const AT_ONCE: u8 = 160;
const OWNER: u8 = 180;
const SUPERVISOR: u8 = 200;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some(HELPER) {
        let mut number = || arguments.next().expect("an argument").parse().expect("a number");
        return hold(number(), number());
    }
    let (small, large) = (Size::ControlPlane, Size::Nodes);
    let trials = vec![
        trial("two clusters of three nodes go up and down again and again", large, rounds),
        trial(
            "four testbeds that start at once do not meet and leave nothing",
            large,
            four_at_once,
        ),
        trial("a testbed that is left running does not hold who started it", small, by_hand),
        trial("nothing is left when the owner of control planes is killed", small, || {
            owner_killed(OWNER, 0)
        }),
        trial("nothing is left when the owner of nodes and pods is killed", large, || {
            owner_killed(OWNER + 10, 1)
        }),
        trial("a killed supervisor takes its control planes along", small, || {
            supervisor_killed(SUPERVISOR, 0)
        }),
        trial("the next start clears what a killed supervisor has left", large, || {
            supervisor_killed(SUPERVISOR + 10, 1)
        }),
    ];
    run(trials, None)
}

fn rounds() -> anyhow::Result<()> {
    let rounds = match env::var("CLBMIGRATE_BED_ROUNDS") {
        Ok(rounds) => rounds.parse().context("CLBMIGRATE_BED_ROUNDS")?,
        Err(_) if is_full() => 10,
        Err(_) => 2,
    };
    let plan = Plan::new()
        .cluster("a", Version::NEWEST)
        .nodes(3)
        .cluster("b", Version::OLDEST)
        .nodes(3)
        .first_number(ROUNDS);
    for round in 1..=rounds {
        let begin = Instant::now();
        let testbed = Testbed::start(&plan)?;
        let up = begin.elapsed().as_secs_f64();
        let (number, folder) = (testbed.number(), testbed.folder().to_owned());
        let begin = Instant::now();
        run_a_pod(&testbed)?;
        let pod = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        testbed.stop()?;
        let down = begin.elapsed().as_secs_f64();
        eprintln!(
            "round {round} of {rounds}: Ready after {up:.1} s, a pod {pod:.1} s later, gone after {down:.1} s"
        );
        let left = left(number, &folder);
        ensure!(left.is_empty(), "round {round}: {left:#?}");
    }
    Ok(())
}

/// Two testbeds of control planes and two with a node, started in the same moment by as many threads.
fn four_at_once() -> anyhow::Result<()> {
    let start = |nodes| {
        let plan = Plan::new().cluster("a", Version::NEWEST).nodes(nodes).first_number(AT_ONCE);
        let testbed = Testbed::start(&plan)?;
        testbed.cluster("a")?.run_kubectl(&["create", "namespace", &name(&testbed)])?;
        if nodes > 0 {
            run_a_pod(&testbed)?;
        }
        anyhow::Ok(testbed)
    };
    let testbeds = thread::scope(|scope| {
        let starts = [0, 1, 0, 1].map(|nodes| scope.spawn(move || start(nodes)));
        starts.map(|start| start.join().expect("a start does not panic"))
    });
    let mut testbeds = testbeds.into_iter().collect::<anyhow::Result<Vec<_>>>()?;

    let numbers = testbeds.iter().map(Testbed::number).collect::<BTreeSet<_>>();
    ensure!(numbers.len() == 4, "{numbers:?}");
    ensure!(numbers.iter().all(|&number| number >= AT_ONCE), "{numbers:?}");
    // Each API server knows its own namespace and none of the others.
    let only_its_own = |testbed: &Testbed| -> anyhow::Result<()> {
        let path = "jsonpath={.items[*].metadata.name}";
        let found = testbed.cluster("a")?.run_kubectl(&["get", "namespaces", "-o", path])?;
        let ours = found.split(' ').filter(|name| name.starts_with("only-")).collect::<Vec<_>>();
        ensure!(ours == [name(testbed)], "{ours:?}");
        Ok(())
    };
    while let Some(testbed) = testbeds.pop() {
        only_its_own(&testbed)?;
        let (number, folder) = (testbed.number(), testbed.folder().to_owned());
        testbed.stop()?;
        let left = left(number, &folder);
        ensure!(left.is_empty(), "testbed {number}: {left:#?}");
        // Those that still run do not notice.
        testbeds.iter().try_for_each(only_its_own)?;
    }
    Ok(())
}

/// The name of a namespace that one testbed has.
fn name(testbed: &Testbed) -> String {
    format!("only-{}", testbed.number())
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
    let printed = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let number = printed.strip_prefix("bed ").and_then(|rest| rest.split(' ').next());
    let number = number.with_context(|| format!("`bed up` printed {printed}"))?;
    let down = testbed(&["down", number]).output()?;
    ensure!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    let listed = String::from_utf8(testbed(&["status"]).output()?.stdout)?;
    ensure!(!listed.contains(" hand "), "{listed}");
    Ok(())
}

/// Starts a testbed, prints where it is, and keeps it until this process is killed.
fn hold(first_number: u8, nodes: u8) -> ExitCode {
    let plan = Plan::new().cluster("a", Version::NEWEST).nodes(nodes).first_number(first_number);
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

fn start_helper(first_number: u8, nodes: u8) -> anyhow::Result<OwnedTestbed> {
    let mut helper = Command::new(env::current_exe()?)
        .args([HELPER, &first_number.to_string(), &nodes.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = helper.stdout.take().context("no pipe")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let mut words = line.trim_end().splitn(3, ' ');
    let mut word = || words.next().with_context(|| format!("the helper printed {line:?}"));
    let (number, supervisor) = (word()?.parse()?, word()?.parse()?);
    let folder = PathBuf::from(word()?);
    // Else the look for what is left would be worth nothing.
    ensure!(left(number, &folder).len() > 5, "{:#?}", left(number, &folder));
    Ok(OwnedTestbed { helper, number, supervisor, folder })
}

fn nothing_left(owned: &OwnedTestbed) -> anyhow::Result<()> {
    wait_for("nothing to be left", DEADLINE, || {
        left(owned.number, &owned.folder).is_empty().then_some(())
    })
    .with_context(|| format!("{:#?}", left(owned.number, &owned.folder)))
}

fn owner_killed(first_number: u8, nodes: u8) -> anyhow::Result<()> {
    let mut owned = start_helper(first_number, nodes)?;
    owned.helper.kill()?;
    owned.helper.wait()?;
    nothing_left(&owned)
}

fn supervisor_killed(first_number: u8, nodes: u8) -> anyhow::Result<()> {
    let mut owned = start_helper(first_number, nodes)?;
    let killed = Command::new("kill").args(["-KILL", &owned.supervisor.to_string()]).status()?;
    ensure!(killed.success());
    let daemons = |owned: &OwnedTestbed| {
        let found = left(owned.number, &owned.folder);
        found.into_iter().filter(|left| left.contains("kube")).collect::<Vec<_>>()
    };
    wait_for("the processes of Kubernetes to end", DEADLINE, || {
        daemons(&owned).is_empty().then_some(())
    })
    .with_context(|| format!("{:#?}", daemons(&owned)))?;
    owned.helper.kill()?;
    owned.helper.wait()?;

    let next = Testbed::start(&Plan::new().cluster("next", Version::NEWEST))?;
    // It may have the same number, and then what is there is its own.
    next.stop()?;
    nothing_left(&owned)
}
