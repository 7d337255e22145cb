//! Moving traffic.

use anyhow::{Context, Result};

use crate::{
    route::{NEW, Route},
    stage::Stage,
};

/// Changes what the new cluster carries of a route.
pub fn change(stage: &Stage<'_>, route: &Route, weight: u8) -> Result<()> {
    let line = format!("set svc/{} {weight} --context {NEW} --yes --wait", route.name);
    stage.clbmigrate(&line)?.ends_with(0).map(drop).context(line)
}
