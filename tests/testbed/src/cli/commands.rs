//! Beds that run by themselves.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::connection::Connection;
use crate::layout::Layout;
use crate::netns;
use crate::plan::Plan;
use crate::supervisor::reservation::{Reservation, clear_unowned, numbers, root_folder};
use crate::testbed::prepare;
use crate::wait::try_wait_for;

/// For a supervisor that was killed to let go of its lock.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn up(plan: &Plan) -> anyhow::Result<()> {
    let start = prepare(plan)?;
    let program = env::current_exe().context("the running program")?;
    let begin = Instant::now();
    let layout = Connection::start_detached(&program, &start)?;
    let mut out = io::stdout().lock();
    let seconds = begin.elapsed().as_secs_f64();
    writeln!(out, "bed {} is Ready after {seconds:.1} s", layout.number)?;
    describe(&mut out, &layout)?;
    writeln!(out, "\nUse it:  make bed-shell\nEnd it:  make bed-down")?;
    if layout.namespace.is_none() {
        let kubeconfig = layout.kubeconfig("admin");
        writeln!(out, "Or:      export KUBECONFIG={}", kubeconfig.display())?;
    }
    Ok(())
}

pub(super) fn down(number: Option<u8>) -> anyhow::Result<()> {
    let root = root_folder()?;
    for layout in running()? {
        if !layout.kept || number.is_some_and(|number| number != layout.number) {
            continue;
        }
        let pid = i32::try_from(layout.supervisor).ok().and_then(Pid::from_raw);
        let pid = pid.context("process id of the supervisor")?;
        // It may be ending by itself.
        let _ = kill_process(pid, Signal::KILL);
        let reservation = try_wait_for("the supervisor to end", DEADLINE, || {
            Reservation::try_acquire(&root, layout.number)
        })?;
        reservation.clear()?;
        writeln!(io::stdout(), "bed {} has ended", layout.number)?;
    }
    clear_unowned(&root)
}

pub(super) fn status() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for layout in running()? {
        writeln!(out, "bed {}  {}", layout.number, layout.folder.display())?;
        describe(&mut out, &layout)?;
    }
    Ok(())
}

pub(super) fn shell(number: Option<u8>, command: &[String]) -> anyhow::Result<ExitCode> {
    let mut layouts = running()?.into_iter();
    let found = layouts.find(|layout| number.map_or(layout.kept, |number| number == layout.number));
    let Some(layout) = found else { bail!("no such bed runs; start one with make bed-up") };
    let cluster = layout.clusters.first().context("the testbed has no cluster")?;

    let mut words = command.iter().map(OsString::from);
    let program = match words.next() {
        Some(program) => program,
        None => env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()),
    };
    let mut path = vec![layout.binaries.kubernetes(cluster.version), layout.binaries.tool("")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    // Changed here as well, so that `nsenter` finds the command in it.
    let path = env::join_paths(path)?;
    let mut command: Command = netns::command_in(layout.namespace.as_deref(), program);
    let status = command
        .args(words)
        .env("PATH", path)
        .env("KUBECONFIG", layout.kubeconfig("admin"))
        .status()
        .context("start the shell")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What every testbed with an owner tells about itself, as far as it is Ready.
fn running() -> anyhow::Result<Vec<Layout>> {
    let root = root_folder()?;
    let mut layouts = Vec::new();
    for number in numbers(&root)? {
        let file = Layout::file(&root.join(number.to_string()));
        let Ok(text) = fs::read(&file) else { continue };
        let layout: Layout =
            serde_json::from_slice(&text).with_context(|| format!("{}", file.display()))?;
        layouts.push(layout);
    }
    Ok(layouts)
}

fn describe(out: &mut impl io::Write, layout: &Layout) -> anyhow::Result<()> {
    for cluster in &layout.clusters {
        let nodes = cluster.nodes.len();
        writeln!(
            out,
            "  {}  {}  {}  {nodes} nodes",
            cluster.name,
            cluster.version,
            cluster.api_server_url()
        )?;
    }
    for machine in &layout.machines {
        writeln!(out, "  {}  machine  {}", machine.name, machine.address)?;
    }
    Ok(())
}
