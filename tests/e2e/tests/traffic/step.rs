//! Moving traffic.

use anyhow::{Context, Result, ensure};

use crate::{
    cases::Step,
    fixture::TestContext,
    measure::Measurement,
    route::{NEW, OLD, Route},
};

/// How far a share may be from what was wished, or from what it was: weights are integers.
const POINT: f64 = 0.01;

/// Moves traffic of a route.
pub fn apply(context: &TestContext<'_>, route: &Route, step: &Step) -> Result<()> {
    let Step { from, to, share } = step;
    let line = format!(
        "shift svc/{} --contexts {OLD},{NEW} --from {from} --to {to} {share}% --yes",
        route.name
    );
    context.run_plugin(&line)?.expect_code(0).map(drop).context(line)
}

impl Step {
    /// Demands that the gaining side has what was wished, and that the others have what they had; a
    /// side that all was taken from has nothing at all.
    pub fn has_moved(&self, before: &Measurement, after: &Measurement) -> Result<()> {
        let others = |name: &str| !is_on(self.from, name) && !is_on(self.to, name);
        let wished = f64::from(self.share) / 100.0;
        let gained = after.share_of(|name| is_on(self.to, name));
        let (kept, had) = (after.share_of(others), before.share_of(others));
        ensure!((gained - wished).abs() <= POINT, "{} has {gained}: {after:?}", self.to);
        ensure!((kept - had).abs() <= POINT, "others had {had}, and have {kept}: {after:?}");
        let left = after.share_of(|name| is_on(self.from, name));
        ensure!(self.share < 100 || left == 0.0, "{} is left with {left}: {after:?}", self.from);
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
