//! Changes of weights that take effect later than the API tells of them.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::{
    fixture::{Responder, TestContext},
    measure::settled,
    requests::Requests,
    route::{NEW, OLD, Route},
};

/// Moves traffic: with a delay of a second, and with one that only the test ends. In between the
/// giving side has been lowered, and nobody feels the receiving side's weight yet.
pub fn run(context: &TestContext<'_>, route: &Route) -> Result<()> {
    let clb = &context.site.clb;
    settled(context, route)?;
    let shift = |from: &str, to: &str, share: u8| {
        let line = format!("shift svc/{} --from {from} --to {to} {share}%", route.name);
        context.run_plugin(&format!("{line} --contexts {OLD},{NEW} --yes"))?.expect_code(0)
    };
    clb.set_effect_delay(Duration::from_secs(1))?;
    for (from, to, share) in [(OLD, NEW, 50), (OLD, NEW, 100)] {
        let step = format!("shift to {to} {share} %, in effect after 1 s");
        Requests::during(context, route, &step, || shift(from, to, share))?.expect_no_loss()?;
    }
    clb.set_effect_delay(Duration::from_secs(600))?;
    let step = "shift to old 100 %, in effect after its end";
    let requests = Requests::during(context, route, step, || {
        shift(NEW, OLD, 100)?;
        ensure!(answering(context, route)? == [NEW], "the change has taken effect too early");
        clb.set_effect_delay(Duration::ZERO)?;
        ensure!(answering(context, route)? == [OLD], "the change has taken no effect");
        Ok(())
    })?;
    requests.expect_no_loss()
}

/// The clusters that answer now.
fn answering(context: &TestContext<'_>, route: &Route) -> Result<Vec<&'static str>> {
    let mut clusters = Vec::new();
    for name in context.count(route.port, 50)?.answered_by.keys() {
        match context.responder(name)? {
            Responder::Pod(pod) => clusters.push(pod.cluster),
            Responder::Machine(machine) => bail!("{machine} has answered"),
        }
    }
    clusters.sort_unstable();
    clusters.dedup();
    Ok(clusters)
}
