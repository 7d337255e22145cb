//! What `status` and `preview` print, held against who answers connections.
//!
//! The CLB double deals connections out by smooth weighted round robin: in each run of as many as all
//! weights sum up to, it gives every backend exactly its weight. So a few hundred connections show
//! every error, and nothing is left to chance.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use clbmigrate_testbed::try_wait_for;
use serde_json::Value;

use crate::{
    fixture::{DEADLINE, Responder, TestContext},
    route::{Mode, NEW, OLD, Route},
};

/// How often every backend is served as often as its weight says.
const ROUNDS: u64 = 5;
/// What expected counts may miss integers by, for shares are fractions.
const ROUNDING: f64 = 1e-6;

/// Some of a route's backends, which are counted together.
#[derive(Debug, Clone, Default)]
struct Class {
    /// Connections that they have answered.
    count: u64,
    /// What they should have had, as a part of all: a weight or a share, in the same unit for all
    /// classes.
    part: f64,
    /// How many backends they are.
    backends: u64,
}

/// Classes by participant or backend.
type Classes = BTreeMap<String, Class>;

/// A route that has been measured.
#[derive(Debug)]
pub struct Measurement {
    /// Participants and their shares, 0 to 1.
    shares: Classes,
    /// Participants and their nominal weights, those that people write.
    nominal: Classes,
}

/// Waits until a route has settled, counts connections by who answers, and demands that
/// participants have the shares that `status` prints, and backends the weights that `preview` prints.
pub fn measure(context: &TestContext<'_>, route: &Route) -> Result<Measurement> {
    let participants = settled(context, route)?;
    let mut backends = backends(context, route)?;
    let sum: f64 = backends.values().map(|class| class.part).sum();
    // Weights are integers, and few.
    ensure!(sum.fract() == 0.0 && (1.0..10_000.0).contains(&sum), "weights of {sum}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let connections = ROUNDS * sum as u64;

    let counted = context.count(route.port, connections)?;
    println!("{}: {connections} connections in {:.1} s", route.name, counted.seconds);
    ensure!(counted.lost == 0, "{:?} {:?}", counted.reasons, counted.losses);
    ensure!(counted.requests == connections, "{} requests", counted.requests);

    let (mut shares, mut nominal) = (Classes::new(), Classes::new());
    for of in &participants {
        let name = of["context"].as_str().or(of["name"].as_str()).context("no name")?;
        let backends = of["backends"].as_u64().context("no backends")?;
        let class = |part| Class { count: 0, part, backends };
        shares.insert(name.to_owned(), class(of["share"].as_f64().context("no share")?));
        nominal.insert(name.to_owned(), class(of["weight"].as_f64().context("no weight")?));
    }
    for (answer, count) in &counted.answered_by {
        let responder = context.responder(answer)?;
        for (classes, name) in [
            (&mut shares, participant_name(responder)),
            (&mut nominal, participant_name(responder)),
            (&mut backends, backend_name(responder, route)),
        ] {
            let class = classes.get_mut(&name).with_context(|| format!("{name} is not in it"))?;
            class.count += count;
        }
    }
    agree(&shares).with_context(|| format!("{}, participants", route.name))?;
    agree(&backends).with_context(|| format!("{}, backends", route.name))?;
    Ok(Measurement { shares, nominal })
}

impl Measurement {
    /// The share, 0 to 1, of all participants for which `is_meant` holds, by their clusters or
    /// instances.
    pub fn share_of(&self, is_meant: impl Fn(&str) -> bool) -> f64 {
        let meant = self.shares.iter().filter(|(name, _)| is_meant(name));
        meant.map(|(_, class)| class.part).sum()
    }

    /// The weight that somebody wrote for a participant, 0 if it is none.
    pub fn weight_of(&self, name: &str) -> f64 {
        self.nominal.get(name).map(|class| class.part).unwrap_or_default()
    }

    /// Demands that every participant has the share that it has in another measurement.
    pub fn has_shares_of(&self, other: &Self) -> Result<()> {
        let part = |of: &Classes, name: &str| of.get(name).map(|class| class.part);
        for name in self.shares.keys().chain(other.shares.keys()) {
            let (has, had) = (part(&self.shares, name), part(&other.shares, name));
            ensure!(has == had, "{name} had {had:?} and has {has:?}: {self:?}");
        }
        Ok(())
    }

    /// Demands that the counts do not agree with the nominal weights: so fine is the measurement.
    pub fn differs_from_nominal(&self) -> Result<()> {
        ensure!(agree(&self.nominal).is_err(), "nominal weights would pass, too: {self:?}");
        Ok(())
    }
}

/// The participants that `status` prints, as soon as CCM has done what it shall and the CLB finds
/// all backends well.
pub fn settled(context: &TestContext<'_>, route: &Route) -> Result<Vec<Value>> {
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
        let class = classes.entry(name.unwrap_or(id).to_owned()).or_default();
        class.part += of["weight"].as_f64().context("no weight")?;
        class.backends += 1;
    }
    Ok(classes)
}

fn participant_name(responder: &Responder) -> String {
    match responder {
        Responder::Pod(pod) => pod.cluster.to_owned(),
        Responder::Machine(instance) => instance.clone(),
    }
}

/// The backend that an answer came through. In Cluster mode it may be any node of the cluster.
fn backend_name(responder: &Responder, route: &Route) -> String {
    match responder {
        Responder::Machine(instance) => instance.clone(),
        Responder::Pod(pod) => match route.mode(pod.cluster) {
            Some(Mode::Local) => pod.instance.clone(),
            Some(Mode::Eni) => pod.address.clone(),
            Some(Mode::Cluster) | None => pod.cluster.to_owned(),
        },
    }
}

/// Demands that every class has answered as many connections as its part of all says. The count may
/// begin in the middle of a round, so one more or less for each backend of the class is right. A class
/// without a part must have answered none.
fn agree(classes: &Classes) -> Result<()> {
    let as_float = |number: u64| u32::try_from(number).map(f64::from).context("too many");
    let total = as_float(classes.values().map(|class| class.count).sum())?;
    let whole: f64 = classes.values().map(|class| class.part).sum();
    for (name, Class { count, part, backends }) in classes {
        let expected = total * part / whole;
        let allowed = if *part > 0.0 { as_float(*backends)? } else { 0.0 };
        let difference = (as_float(*count)? - expected).abs();
        ensure!(
            difference <= allowed + ROUNDING,
            "{name} has {count} of {total}, not {expected}: {classes:?}"
        );
    }
    Ok(())
}
