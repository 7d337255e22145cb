//! Beds that run by themselves.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::bed::prepare;
use crate::connection::Connection;
use crate::enter;
use crate::plan::Plan;
use crate::site::Site;
use crate::supervisor::seat::{Seat, all, clear_all, root};
use crate::wait::try_wait_for;

/// For a supervisor that was killed to let go of its lock.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn up(plan: &Plan) -> anyhow::Result<()> {
    let start = prepare(plan)?;
    let program = env::current_exe().context("the running program")?;
    let begin = Instant::now();
    let site = Connection::leave(&program, &start)?;
    let mut out = io::stdout().lock();
    let seconds = begin.elapsed().as_secs_f64();
    writeln!(out, "bed {} is Ready after {seconds:.1} s", site.number)?;
    describe(&mut out, &site)?;
    writeln!(out, "\nUse it:  make bed-shell\nEnd it:  make bed-down")?;
    if site.namespace.is_none() {
        let kubeconfig = site.kubeconfig("admin");
        writeln!(out, "Or:      export KUBECONFIG={}", kubeconfig.display())?;
    }
    Ok(())
}

pub(super) fn down(number: Option<u8>) -> anyhow::Result<()> {
    let root = root()?;
    for site in running()? {
        if !site.kept || number.is_some_and(|number| number != site.number) {
            continue;
        }
        let pid = i32::try_from(site.supervisor).ok().and_then(Pid::from_raw);
        let pid = pid.context("process id of the supervisor")?;
        // It may be ending by itself.
        let _ = kill_process(pid, Signal::KILL);
        let seat =
            try_wait_for("the supervisor to end", DEADLINE, || Seat::try_take(&root, site.number))?;
        seat.clear()?;
        writeln!(io::stdout(), "bed {} has ended", site.number)?;
    }
    clear_all(&root)
}

pub(super) fn status() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for site in running()? {
        writeln!(out, "bed {}  {}", site.number, site.folder.display())?;
        describe(&mut out, &site)?;
    }
    Ok(())
}

pub(super) fn shell(number: Option<u8>, command: &[String]) -> anyhow::Result<ExitCode> {
    let mut sites = running()?.into_iter();
    let found = sites.find(|site| number.map_or(site.kept, |number| number == site.number));
    let Some(site) = found else { bail!("no such bed runs; start one with make bed-up") };
    let cluster = site.clusters.first().context("the bed has no cluster")?;

    let mut words = command.iter().map(OsString::from);
    let program = match words.next() {
        Some(program) => program,
        None => env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()),
    };
    let mut path = vec![site.binaries.kubernetes(cluster.version), site.binaries.tool("")];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    // Changed here as well, so that `nsenter` finds the command in it.
    let path = env::join_paths(path)?;
    let mut command: Command = enter::inside(site.namespace.as_deref(), program);
    let status = command
        .args(words)
        .env("PATH", path)
        .env("KUBECONFIG", site.kubeconfig("admin"))
        .status()
        .context("start the shell")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What every bed with an owner tells about itself, as far as it is Ready.
fn running() -> anyhow::Result<Vec<Site>> {
    let root = root()?;
    let mut sites = Vec::new();
    for number in all(&root)? {
        let file = Site::file(&root.join(number.to_string()));
        let Ok(text) = fs::read(&file) else { continue };
        let site: Site =
            serde_json::from_slice(&text).with_context(|| format!("{}", file.display()))?;
        sites.push(site);
    }
    Ok(sites)
}

fn describe(out: &mut impl io::Write, site: &Site) -> anyhow::Result<()> {
    for cluster in &site.clusters {
        let nodes = cluster.nodes.len();
        writeln!(
            out,
            "  {}  {}  {}  {nodes} nodes",
            cluster.name,
            cluster.version,
            cluster.server()
        )?;
    }
    for machine in &site.machines {
        writeln!(out, "  {}  machine  {}", machine.name, machine.address)?;
    }
    Ok(())
}
