//! Suites of tests that tell when they cannot run here, and share beds.

use std::env;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::ability::can_run;
use crate::bed::Bed;
use crate::plan::{Plan, Size};
use crate::talk::say;

/// Tests at once, where they wait for what others do, most of the time.
const WAITING: usize = 8;

/// A test that needs a bed of some size. Where that cannot run, the test counts as ignored and
/// shows why before its name; with `CI=true` it runs, and so fails, all the same.
pub fn trial(
    name: &str,
    size: Size,
    run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    let ability = can_run(size);
    let must = env::var_os("CI").is_some_and(|value| value == "true");
    let trial = Trial::test(name, {
        let ability = ability.clone();
        move || {
            ability?;
            run().map_err(|error| Failed::from(format!("{error:#}")))
        }
    });
    match ability {
        Err(reason) if !must => trial.with_kind(reason).with_ignored_flag(true),
        _ => trial,
    }
}

/// A bed that several tests use: started by the first, ended after the last.
#[derive(Debug)]
pub struct Shared {
    plan: Plan,
    bed: Mutex<Option<Result<Arc<Bed>, String>>>,
}

impl Shared {
    /// A bed of this plan, not started yet.
    pub fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self { plan, bed: Mutex::new(None) })
    }

    /// A test with this bed.
    pub fn trial(
        self: &Arc<Self>,
        name: &str,
        run: impl FnOnce(&Bed) -> anyhow::Result<()> + Send + 'static,
    ) -> Trial {
        let shared = Arc::clone(self);
        trial(name, self.plan.size(), move || run(&*shared.bed()?))
    }

    /// A start that has failed is not tried again, because it would only take long again.
    fn bed(&self) -> anyhow::Result<Arc<Bed>> {
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        let bed = bed.get_or_insert_with(|| {
            let begin = Instant::now();
            let bed = Bed::start(&self.plan).map_err(|error| format!("{error:#}"))?;
            let seconds = begin.elapsed().as_secs_f64();
            say(&format!("bed {} is Ready after {seconds:.1} s", bed.number()));
            Ok(Arc::new(bed))
        });
        bed.clone().map_err(anyhow::Error::msg)
    }

    /// Tests hold it only while they run.
    fn end(&self) -> anyhow::Result<()> {
        let bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match bed.and_then(Result::ok).and_then(Arc::into_inner) {
            Some(bed) => bed.end(),
            None => Ok(()),
        }
    }
}

/// Runs tests with the arguments of this process, then ends the bed that they share.
pub fn run(trials: Vec<Trial>, shared: Option<&Shared>) -> ExitCode {
    run_with(&Arguments::from_args(), trials, shared)
}

/// The same for tests that wait most of the time, each in a namespace of its own: more of them at
/// once, unless the arguments say otherwise.
pub fn run_waiting(trials: Vec<Trial>, shared: Option<&Shared>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(WAITING);
    run_with(&arguments, trials, shared)
}

fn run_with(arguments: &Arguments, trials: Vec<Trial>, shared: Option<&Shared>) -> ExitCode {
    let conclusion = libtest_mimic::run(arguments, trials);
    match shared.map_or(Ok(()), Shared::end) {
        Ok(()) => conclusion.exit_code(),
        Err(error) => {
            say(&format!("error: the bed did not end well: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
