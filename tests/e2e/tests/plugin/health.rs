//! `set` upwards looks at the health of the backends that gain traffic; downwards nothing hinders it.

use anyhow::ensure;
use clbmigrate_clb_double::{Health, SetHealth};
use clbmigrate_e2e::{Terminal, Tools, User};

use crate::{
    Case, SERVED,
    served::{ServedUser, ends, message},
};

pub const CASES: &[Case] = &[
    ("abnormal backends get no more weight, unless by force", SERVED, "ill", abnormal),
    ("a raise whose backends turn abnormal is taken back", SERVED, "turns-ill", abnormal_meanwhile),
    ("a raise that nobody can see the health of is asked about", SERVED, "unseen", unknown),
    ("a raise without credentials is not asked about", SERVED, "blind-raise", without_credentials),
];

fn ill(served: &ServedUser<'_, '_>) {
    served.clb.set_health(&[SetHealth::of_server("i-bp1n1", Health::Abnormal)]);
}

fn abnormal(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    ill(&served);
    let told = served.set(40, "30s")?.expect_code(3)?.expect_stderr("CLB416")?;
    told.expect_stderr("i-bp1n1")?.expect_stderr("--force")?;
    ensure!(user.writes()? == 0);
    // Down, to nothing, and back are open.
    ends(served.set(10, "30s")?, 0, "done")?;
    ends(served.set(0, "30s")?, 0, "done")?;
    served.holds(&[0, 0])?;
    let undo = "undo web --yes --wait --timeout 30s -o json";
    let told = served.run(&format!("{undo} --force"))?;
    ends(told.expect_stderr("CLB416")?, 0, "done")?;
    served.holds(&[5, 5])?;
    let forced = served.run("set web 40 --yes --wait --timeout 30s -o json --force")?;
    ends(forced, 0, "done")?;
    served.holds(&[20, 20])
}

fn abnormal_meanwhile(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &["--delay-ms", "2000"])?;
    let running = served.begin_set(40, "10s")?;
    ill(&served);
    let told = ends(running.wait()?, 5, "rolledBack")?;
    ensure!(message(&told).contains("CLB416"), "{told}");
    ensure!(user.annotation("weight")? == "20");
    served.waits_for(&[10, 10])
}

fn unknown(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    served.clb.set_health_check(80, false);
    let words = "tcp/80 has no health check";
    served.set(40, "30s")?.expect_code(3)?.expect_stderr(words)?.expect_stderr("--force")?;
    ensure!(user.writes()? == 0);
    ends(served.set(10, "30s")?, 0, "done")?;
    let undo = "undo web --yes --wait --timeout 30s -o json";
    ends(served.run(undo)?, 0, "done")?;
    served.holds(&[10, 10])?;

    let line = format!("clbmigrate set web 40 --wait -n {} {}", user.namespace, served.flags()?);
    let mut asked = Terminal::start_with(user, &served.clb.environment(), &line, 50, 200)?;
    asked.wait_for("Write it? [y/N]")?;
    ensure!(asked.screen().replace('\n', "").contains(words), "{}", asked.screen());
    asked.types("y\r")?;
    ensure!(asked.ends()? == 0, "{}", asked.screen());
    served.holds(&[20, 20])?;
    ends(served.run("set web 60 --yes --wait --timeout 30s -o json --force")?, 0, "done")?;
    Ok(())
}

fn without_credentials(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    ill(&served);
    ends(served.set_blind(40, "30s")?, 0, "unverified")?;
    served.holds(&[20, 20])
}
