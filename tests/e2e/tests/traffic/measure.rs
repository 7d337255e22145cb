//! What `status` prints, held against who answers 20,000 connections, or 5,000 at each of many steps.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use clbmigrate_load::agreement::Agreement;
use clbmigrate_testbed::try_wait_for;
use serde_json::Value;

use crate::{
    fixture::{DEADLINE, Responder, TestContext},
    route::{Mode, NEW, OLD, Route},
};

/// Connections and what is held against them: a share or a weight, by participant or backend.
type Classes = BTreeMap<String, (u64, f64)>;

/// A route that has been measured.
#[derive(Debug)]
pub struct Measurement {
    /// Connections and shares.
    shares: Classes,
    /// Connections and the shares of nominal weights, those that people write.
    nominal: Classes,
}

/// Waits until a route is as it shall be, counts connections by who answers, and demands that
/// participants have the shares that `status` prints, and backends those that `preview` prints.
pub fn measure(context: &TestContext<'_>, route: &Route, connections: u64) -> Result<Measurement> {
    let participants = settled(context, route)?;
    let counted = context.count(route.port, connections)?;
    println!("{}: {connections} connections in {:.1} s", route.name, counted.seconds);
    ensure!(counted.lost == 0, "{:?} {:?}", counted.reasons, counted.losses);
    ensure!(counted.requests == connections, "{} requests", counted.requests);

    let (mut shares, mut nominal) = (Classes::new(), Classes::new());
    for of in &participants {
        let name = of["context"].as_str().or(of["name"].as_str()).context("no name")?;
        let share = of["share"].as_f64().context("no share")?;
        shares.insert(name.to_owned(), (0, share));
        nominal.insert(name.to_owned(), (0, of["weight"].as_f64().context("no weight")?));
    }
    let mut backends = backends(context, route)?;
    for (answer, count) in &counted.answered_by {
        let responder = context.responder(answer)?;
        for (classes, name) in [
            (&mut shares, participant(responder)),
            (&mut nominal, participant(responder)),
            (&mut backends, backend(responder, route)),
        ] {
            let class = classes.get_mut(&name).with_context(|| format!("{name} is not in it"))?;
            class.0 += count;
        }
    }
    agree(&shares, &format!("{}, participants", route.name))?;
    agree(&normal(&backends), &format!("{}, backends", route.name))?;
    Ok(Measurement { shares, nominal: normal(&nominal) })
}

impl Measurement {
    /// The share, 0 to 1, of all participants that are meant, by their clusters or instances.
    pub fn share_of(&self, is_meant: impl Fn(&str) -> bool) -> f64 {
        let meant = self.shares.iter().filter(|(name, _)| is_meant(name));
        meant.map(|(_, (_, share))| share).sum()
    }

    /// Demands that the shares of the nominal weights are wrong: so fine is the measurement.
    pub fn differs_from_nominal(&self) -> Result<()> {
        let found = Agreement::of(&self.nominal.values().copied().collect::<Vec<_>>())?;
        ensure!(!found.holds(), "nominal weights would pass, too: {found:?} {:?}", self.nominal);
        Ok(())
    }
}

/// The participants that `status` prints, as soon as CCM has done what it shall and the CLB finds
/// all backends well.
fn settled(context: &TestContext<'_>, route: &Route) -> Result<Vec<Value>> {
    let mut last = Value::Null;
    let settled = try_wait_for("a route that has settled", DEADLINE, || {
        let line = format!("status -o json --contexts {OLD},{NEW}");
        last = context.run_plugin(&line)?.expect_code(0)?.json()?;
        let mut routes = last["routes"].as_array().into_iter().flatten();
        let Some(found) = routes.find(|of| of["port"] == route.port) else { return Ok(None) };
        let participants = found["participants"].as_array().cloned().unwrap_or_default();
        let well = participants.iter().all(|of| {
            let as_wanted =
                of["expectedWeightSum"].is_null() || of["weightSum"] == of["expectedWeightSum"];
            as_wanted && of["backends"].is_u64() && of["healthy"] == of["backends"]
        });
        let all = participants.len() == route.services.len() + route.machines.len();
        Ok((found["complete"] == true && all && well).then_some(participants))
    });
    settled.with_context(|| format!("{last:#}"))
}

/// Weights of backends that are in the group, those together that answers do not tell apart.
fn backends(context: &TestContext<'_>, route: &Route) -> Result<Classes> {
    let mut classes = Classes::new();
    let (cluster, ..) = route.services.first().context("no Service")?;
    // Nothing is written, whatever the weight; what stands in the group is asked for.
    let line = format!("preview svc/{} 0 -o json --fail-on never --context {cluster}", route.name);
    let preview = context.run_plugin(&line)?.expect_code(0)?.json()?;
    let listed = preview["routes"][0]["before"]["backends"].as_array().context("no backends")?;
    for of in listed {
        let id = of["id"].as_str().context("no id")?;
        let is_one_of = |cluster: &&str| {
            route.mode(cluster) == Some(Mode::Cluster) && id.starts_with(&format!("i-{cluster}"))
        };
        let name = [OLD, NEW].into_iter().find(is_one_of);
        let weight = of["weight"].as_f64().context("no weight")?;
        classes.entry(name.unwrap_or(id).to_owned()).or_default().1 += weight;
    }
    Ok(classes)
}

fn participant(responder: &Responder) -> String {
    match responder {
        Responder::Pod { cluster, .. } => (*cluster).to_owned(),
        Responder::Machine(instance) => instance.clone(),
    }
}

/// The backend that an answer came through. In Cluster mode it may be any node of the cluster.
fn backend(responder: &Responder, route: &Route) -> String {
    match responder {
        Responder::Machine(instance) => instance.clone(),
        Responder::Pod { cluster, node, address } => match route.mode(cluster) {
            Some(Mode::Local) => node.clone(),
            Some(Mode::Eni) => address.clone(),
            Some(Mode::Cluster) | None => (*cluster).to_owned(),
        },
    }
}

/// Shares in place of weights.
fn normal(classes: &Classes) -> Classes {
    let sum: f64 = classes.values().map(|(_, weight)| weight).sum();
    let of = classes.iter().map(|(name, (count, weight))| (name.clone(), (*count, weight / sum)));
    of.collect()
}

fn agree(classes: &Classes, what: &str) -> Result<()> {
    let found = Agreement::of(&classes.values().copied().collect::<Vec<_>>())?;
    let Agreement { statistic, limit } = found;
    println!("{what}: chi-square {statistic:.2}, at most {limit}: {}", told(classes));
    ensure!(found.holds(), "{what}: chi-square {statistic:.2} over {limit}: {}", told(classes));
    Ok(())
}

fn told(classes: &Classes) -> String {
    let class = |(name, (count, share)): (&String, &(u64, f64))| {
        format!("{name} {count} for {:.2} %", share * 100.0)
    };
    classes.iter().map(class).collect::<Vec<_>>().join(", ")
}
