//! A client that asks all the time, each time on a connection of its own, and what becomes of it.

use std::{
    fmt::{self, Display, Formatter},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clbmigrate_load::sender::{RunningSender, Summary};

use crate::{
    fixture::{DEADLINE, TestContext},
    route::Route,
};

/// Requests a second: so few that a busy machine answers them as well.
pub const RATE: u32 = 20;
/// How many requests are answered or lost before a step, and again after it.
const AROUND: u64 = 10;

/// The requests during a step.
#[derive(Debug)]
pub struct Requests {
    /// The case and the step.
    name: (String, String),
    summary: Summary,
}

impl Requests {
    /// Carries out a step while requests are sent to a route: some before it, all the time until it has
    /// ended, and some after that.
    pub fn during<T>(
        context: &TestContext<'_>,
        route: &Route,
        step: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<Self> {
        let target = context.site.clb.listener(route.port);
        let sender = RunningSender::start_to(context.testbed, target, RATE)?;
        let before = sender.wait_for_more(AROUND, DEADLINE)?;
        let done = work().with_context(|| step.to_owned());
        let after = sender.progress();
        sender.wait_for_more(AROUND, DEADLINE)?;
        let name = (context.title.to_owned(), step.to_owned());
        let requests = Self { name, summary: sender.finish()? };
        println!("{requests}");
        context.table.add(&requests);
        done?;
        ensure!(after.requests > before.requests, "no request during the step: {requests}");
        Ok(requests)
    }

    /// Demands that none was lost.
    pub fn expect_no_loss(&self) -> Result<()> {
        let Summary { lost, reasons, losses, .. } = &self.summary;
        ensure!(*lost == 0, "{self}: {reasons:?} {losses:?}");
        Ok(())
    }

    /// How many were lost.
    pub fn lost(&self) -> u64 {
        self.summary.lost
    }

    /// From the first lost request to the last one, in seconds.
    pub fn loss_seconds(&self) -> f64 {
        let (first, last) = self.summary.lost_between_ms.unwrap_or_default();
        Duration::from_millis(last - first).as_secs_f64()
    }
}

impl Display for Requests {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let (case, step) = &self.name;
        let Summary { requests, lost, .. } = self.summary;
        write!(out, "{case}: {step}: {requests} requests, {lost} lost")?;
        if lost > 0 {
            write!(out, " in {:.1} s", self.loss_seconds())?;
        }
        Ok(())
    }
}

/// All that was counted, for the end of the suite.
#[derive(Debug, Default)]
pub struct Table(Mutex<Vec<[String; 5]>>);

impl Table {
    fn add(&self, of: &Requests) {
        let (case, step) = of.name.clone();
        let Summary { requests, lost, .. } = of.summary;
        let time = if lost > 0 { format!("{:.1}", of.loss_seconds()) } else { String::new() };
        let row = [case, step, requests.to_string(), lost.to_string(), time];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(row);
    }
}

impl Display for Table {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let head = ["case", "step", "requests", "lost", "in s"].map(str::to_owned);
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Cases run side by side; the steps of each keep their order.
        rows.sort_by(|one, other| one[0].cmp(&other[0]));
        rows.insert(0, head);
        let width = |at: usize| rows.iter().map(|row| row[at].len()).max().unwrap_or_default();
        let [case, step] = [width(0), width(1)];
        for row in &rows {
            let [name, what, requests, lost, time] = row;
            writeln!(out, "{name:case$}  {what:step$}  {requests:>8}  {lost:>5}  {time:>5}")?;
        }
        Ok(())
    }
}
