//! Moving traffic.

use anyhow::{Result, ensure};

use crate::{
    fixture::TestContext,
    measure::Measurement,
    requests::Requests,
    route::{NEW, OLD, Route},
};

/// How far a share may be from what was wished, or from what it was: weights are integers.
const POINT: f64 = 0.01;

/// A change of weights.
#[derive(Debug)]
pub enum Step {
    /// `shift`.
    Shift {
        /// The giving side: a cluster, `external`, or `external=ID,ID`.
        from: &'static str,
        /// The receiving side, written in the same way.
        to: &'static str,
        /// Percent of the whole route that the receiving side has afterwards.
        share: u8,
    },
    /// `set`.
    Set {
        /// The cluster of the Service.
        cluster: &'static str,
        /// Its new weight.
        weight: u8,
    },
    /// `undo` of the last step.
    Undo {
        /// The clusters of the change that is undone, separated by commas.
        clusters: &'static str,
    },
}

impl Step {
    /// Carries it out and waits until it is proven at the CLB. Nothing is lost meanwhile.
    pub fn apply(&self, context: &TestContext<'_>, route: &Route) -> Result<()> {
        let line = self.command(route);
        let name = line.split_once(" --context").map_or(&*line, |(name, _)| name);
        let requests = Requests::during(context, route, name, || {
            context.run_plugin(&line)?.expect_code(0)?.expect_stdout(r#""verified": true"#)
        })?;
        requests.expect_no_loss()
    }

    fn command(&self, route: &Route) -> String {
        let name = route.name;
        let line = match self {
            Self::Shift { from, to, share } => {
                format!("shift svc/{name} --from {from} --to {to} {share}% --contexts {OLD},{NEW}")
            }
            Self::Set { cluster, weight } => format!("set svc/{name} {weight} --context {cluster}"),
            Self::Undo { clusters } => format!("undo svc/{name} --contexts {clusters}"),
        };
        format!("{line} --wait --yes -o json")
    }

    /// Demands of the measurements before and after it that it did what was wished. `first` is the
    /// one before the step before it.
    pub fn has_moved(
        &self,
        (first, before): (Option<&Measurement>, &Measurement),
        after: &Measurement,
    ) -> Result<()> {
        match self {
            Self::Shift { from, to, share } => {
                let wished = f64::from(*share) / 100.0;
                let gained = after.share_of(|name| is_on(to, name));
                ensure!((gained - wished).abs() <= POINT, "{to} has {gained}: {after:?}");
                let others = |name: &str| !is_on(from, name) && !is_on(to, name);
                let (kept, had) = (after.share_of(others), before.share_of(others));
                ensure!((kept - had).abs() <= POINT, "others had {had}, have {kept}: {after:?}");
                let left = after.share_of(|name| is_on(from, name));
                ensure!(*share < 100 || left == 0.0, "{from} is left with {left}: {after:?}");
            }
            Self::Set { cluster, weight } => {
                let share = |of: &Measurement| of.share_of(|name| name == *cluster);
                let (had, has) = (share(before), share(after));
                let right = match (weight, before.weight_of(cluster)) {
                    (0, _) => has == 0.0,
                    (weight, was) if f64::from(*weight) > was => has > had,
                    _ => has < had && has > 0.0,
                };
                ensure!(right, "{cluster} had {had} and has {has}: {after:?}");
            }
            Self::Undo { .. } => after.has_shares_of(first.unwrap_or(before))?,
        }
        Ok(())
    }
}

/// Whether a participant, by its cluster or instance, is on a side.
fn is_on(side: &str, participant: &str) -> bool {
    match side.strip_prefix("external") {
        None => side == participant,
        Some("") => participant.starts_with("i-"),
        Some(ids) => ids.trim_start_matches('=').split(',').any(|id| id == participant),
    }
}
