//! What goes wrong while traffic moves, and what requests notice of it.

use anyhow::{Context, Result, ensure};
use clbmigrate_clb_double::{Fault, FaultEffect};
use clbmigrate_e2e::Listener;

use crate::{
    closed,
    fixture::TestContext,
    late,
    measure::settled,
    pod_ends,
    requests::Requests,
    route::{
        Mode::{self, Cluster, Eni, Local},
        NEW, OLD, Route,
    },
};

/// No group is empty for longer, in seconds: CCM is called once more at the second look at an empty
/// group, and after 20 seconds of other weights at the latest.
const EMPTY: f64 = 20.0;

/// A route at a CLB of its own, and what happens there.
pub struct FaultCase {
    pub title: &'static str,
    /// Its name in the table of counts.
    pub short: &'static str,
    pub route: Route,
    pub listener: fn(&Route) -> Listener,
    /// About how many seconds it takes.
    pub seconds: usize,
    pub run: fn(&TestContext<'_>, &Route) -> Result<()>,
}

pub const FAULT_CASES: &[FaultCase] = &[
    FaultCase {
        title: "machines keep their weight while the CLB cannot reach the nodes",
        short: "closed nodes",
        route: Route {
            name: "closed",
            port: 80,
            services: &[(NEW, Cluster, 60)],
            machines: &[("ecs1", 100), ("ecs2", 100)],
        },
        listener: closed::listener,
        seconds: 24,
        run: closed::run,
    },
    FaultCase {
        title: "nothing is lost where weights take effect late",
        short: "late effect",
        route: Route {
            name: "late",
            port: 80,
            services: &[(OLD, Cluster, 60), (NEW, Cluster, 0)],
            machines: &[],
        },
        listener: Route::listener,
        seconds: 10,
        run: late::run,
    },
    FaultCase {
        title: "webhook status measures the time from a Pod's end to CCM's success",
        short: "a Pod's end",
        route: Route {
            name: pod_ends::NAME,
            port: 80,
            services: &[(NEW, Local, 60)],
            machines: &[("ecs1", 20)],
        },
        listener: Route::listener,
        // It waits for a minute since the start of the Pods: the later it begins, the less.
        seconds: 0,
        run: pod_ends::run,
    },
    beside(
        "nothing is lost beside others, emptied or taken back: Cluster mode",
        "Cluster mode",
        "besidecluster",
        &[(OLD, Cluster, 40), (NEW, Cluster, 21)],
    ),
    beside(
        "nothing is lost beside others, emptied or taken back: Local mode",
        "Local mode",
        "besidelocal",
        &[(OLD, Local, 40), (NEW, Local, 21)],
    ),
    beside(
        "nothing is lost beside others, emptied or taken back: ENI mode",
        "ENI mode",
        "besideeni",
        &[(OLD, Eni, 40), (NEW, Eni, 21)],
    ),
    alone(
        "requests are lost until an emptied group is filled again: Cluster mode",
        "Cluster mode",
        "alonecluster",
        &[(NEW, Cluster, 60)],
    ),
    alone(
        "requests are lost until an emptied group is filled again: Local mode",
        "Local mode",
        "alonelocal",
        &[(NEW, Local, 60)],
    ),
    alone(
        "requests are lost until an emptied group is filled again: ENI mode",
        "ENI mode",
        "aloneeni",
        &[(NEW, Eni, 60)],
    ),
];

/// Services of a route, each with its cluster and weight.
type Services = &'static [(&'static str, Mode, u8)];

const fn beside(
    title: &'static str,
    short: &'static str,
    name: &'static str,
    services: Services,
) -> FaultCase {
    let route = Route { name, port: 80, services, machines: &[("ecs1", 20)] };
    FaultCase { title, short, route, listener, seconds: 20, run: run_beside }
}

const fn alone(
    title: &'static str,
    short: &'static str,
    name: &'static str,
    services: Services,
) -> FaultCase {
    let route = Route { name, port: 80, services, machines: &[] };
    FaultCase { title, short, route, listener, seconds: 9, run: run_alone }
}

/// Connections of removed backends may end by themselves, so that all that is lost is lost for want of
/// a backend.
fn listener(route: &Route) -> Listener {
    Listener { drains: true, ..route.listener() }
}

/// The only Service of a group is taken out of it.
fn run_alone(context: &TestContext<'_>, route: &Route) -> Result<()> {
    settled(context, route)?;
    let counted = emptied(context, route, "silent drain and refill, nobody else")?;
    ensure!(counted.lost() > 0, "none was lost, so the group was not empty: {counted}");
    ensure!(counted.loss_seconds() <= EMPTY, "{counted}");
    Ok(())
}

/// One of several is taken out of a group. Then CCM fails in the middle of a change.
fn run_beside(context: &TestContext<'_>, route: &Route) -> Result<()> {
    settled(context, route)?;
    emptied(context, route, "silent drain and refill, others serve")?.expect_no_loss()?;
    taken_back(context, route)
}

/// Raises the weight of the new cluster's Service, while one throttled lookup makes CCM take all of its
/// backends out of the group and report success.
fn emptied(context: &TestContext<'_>, route: &Route, step: &str) -> Result<Requests> {
    const WEIGHT: u8 = 70;
    let throttled = Fault::new(FaultEffect::Throttle {}).for_action("DescribeVServerGroups");
    context.site.clb.fail_ccm_calls(throttled.times(1))?;
    let set = format!("set svc/{} {WEIGHT} --context {NEW} --wait --yes -o json", route.name);
    let counted = Requests::during(context, route, step, || {
        context
            .run_plugin(&set)?
            .expect_code(0)?
            .expect_stderr("CCM is called once more")?
            .expect_stdout(r#""verified": true"#)
    })?;
    let participants = settled(context, route)?;
    let new = participants.iter().find(|of| of["context"] == NEW).context("no participant")?;
    ensure!(new["weight"] == WEIGHT && new["outcome"] == "applied", "{new}");
    Ok(counted)
}

/// Moves traffic to the new cluster, while CCM of the old one fails: everything is taken back.
fn taken_back(context: &TestContext<'_>, route: &Route) -> Result<()> {
    let before = weights(context, route)?;
    context.site.ccm(OLD)?.fail_rounds("the CLB is locked", None)?;
    let shift = format!("shift svc/{} --from {OLD} --to {NEW} 80%", route.name);
    let shift = format!("{shift} --contexts {OLD},{NEW} --yes --timeout 30s");
    let counted = Requests::during(context, route, "shift, taken back, for CCM fails", || {
        context.run_plugin(&shift)?.expect_code(5)?.expect_stderr("the CLB is locked")
    })?;
    let after = weights(context, route)?;
    ensure!(before == after, "{before:?} became {after:?}");
    counted.expect_no_loss()
}

/// The weights in a route's group, sorted.
pub fn weights(context: &TestContext<'_>, route: &Route) -> Result<Vec<(String, u8)>> {
    let mut weights = context.site.clb.weights(&route.group())?;
    weights.sort();
    Ok(weights)
}
