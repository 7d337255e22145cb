//! On a terminal.

use anyhow::ensure;
use clbmigrate_e2e::Terminal;

use crate::{
    Case,
    two_clusters::{NEW, OLD, TestContext, TwoClusters},
};

pub const CASES: &[Case] = &[
    ("it asks with all sides in sight, and takes only a clear yes", "asked", asked),
    ("status -w follows both clusters and the machines", "followed", followed),
];

pub(crate) fn terminal(
    clusters: &TwoClusters<'_>,
    line: &str,
    (rows, cols): (u16, u16),
) -> anyhow::Result<Terminal> {
    let user = clusters.new.with_kubeconfig(&clusters.kubeconfig);
    let line = format!(
        "clbmigrate {line} -n {} {}",
        clusters.new.namespace,
        clusters.clb.endpoint_flag()?
    );
    Terminal::start_with(&user, &clusters.clb.environment(), &line, rows, cols)
}

fn asked(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 20, &[("i-bp1m1", 80)])?;
    let line = format!("shift svc/web --from external --to {NEW} 40%");
    let mut refused = terminal(&clusters, &line, (60, 110))?;
    refused.wait_for("Write it? [y/N]")?;
    let screen = refused.screen();
    // What, where, as whom, and what it comes to.
    for words in [
        "40 % of asked/web to new",
        "weight 20 -> 40",
        "i-bp1m1:8080 80 -> ",
        "new: cluster",
        "account",
        "region cn-bed",
        "39.4 %",
    ] {
        ensure!(screen.contains(words), "no {words:?}:\n{screen}");
    }
    refused.types("\r")?;
    ensure!(refused.ends()? == 5);
    clusters.has_weights("0", "20")?;
    clusters.holds("i-bp1m1", 80)?;

    let mut accepted = terminal(&clusters, &line, (24, 60))?;
    accepted.wait_for("Write it? [y/N]")?;
    accepted.types("y\r")?;
    ensure!(accepted.ends()? == 0, "{}", accepted.screen());
    ensure!(accepted.screen().contains("seen at the CLB"), "{}", accepted.screen());
    clusters.has_share(NEW, 0.4)
}

fn followed(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[("i-bp1m1", 50)])?;
    let mut watched = terminal(&clusters, &format!("status -w --contexts {OLD},{NEW}"), (30, 110))?;
    watched.wait_for("i-bp1m1")?;
    // 80, 18 and 50 of 148.
    watched.wait_for("12.2 %")?;
    clusters.shifts("30%", "")?.expect_code(0)?;
    watched.wait_in_place("29.8 %", "i-bp1m1")?;
    watched.types("\u{3}")?;
    ensure!(watched.ends()? == 0);
    Ok(())
}
