//! Suites of tests that tell when they cannot run here, and share testbeds.

use std::env;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::plan::{Plan, Size};
use crate::requirements::can_run;
use crate::stderr::write_line;
use crate::testbed::Testbed;

/// Tests at once, where they wait for what others do, most of the time.
const PARALLEL: usize = 8;

/// A test that needs a testbed of some size. Where that cannot run, the test counts as ignored and
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

/// Whether tests that take long are asked for: with `CLBMIGRATE_TEST_FULL=1`, as `make test-full` sets
/// it. A test of over a minute belongs to the suite only then.
pub fn is_full() -> bool {
    env::var_os("CLBMIGRATE_TEST_FULL").is_some_and(|value| value == "1")
}

/// A testbed that several tests use: started by the first, ended after the last.
#[derive(Debug)]
pub struct SharedTestbed {
    plan: Plan,
    testbed: Mutex<Option<Result<Arc<Testbed>, String>>>,
}

impl SharedTestbed {
    /// A testbed of this plan, not started yet.
    pub fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self { plan, testbed: Mutex::new(None) })
    }

    /// A test with this testbed.
    pub fn trial(
        self: &Arc<Self>,
        name: &str,
        run: impl FnOnce(&Testbed) -> anyhow::Result<()> + Send + 'static,
    ) -> Trial {
        let shared = Arc::clone(self);
        trial(name, self.plan.size(), move || run(&*shared.testbed()?))
    }

    /// A start that has failed is not tried again, because it would only take long again.
    fn testbed(&self) -> anyhow::Result<Arc<Testbed>> {
        let mut testbed = self.testbed.lock().unwrap_or_else(PoisonError::into_inner);
        let testbed = testbed.get_or_insert_with(|| {
            let begin = Instant::now();
            let testbed = Testbed::start(&self.plan).map_err(|error| format!("{error:#}"))?;
            let seconds = begin.elapsed().as_secs_f64();
            write_line(&format!("testbed {} is Ready after {seconds:.1} s", testbed.number()));
            Ok(Arc::new(testbed))
        });
        testbed.clone().map_err(anyhow::Error::msg)
    }

    /// Tests hold it only while they run.
    fn stop(&self) -> anyhow::Result<()> {
        let testbed = self.testbed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match testbed.and_then(Result::ok).and_then(Arc::into_inner) {
            Some(testbed) => testbed.stop(),
            None => Ok(()),
        }
    }
}

/// Runs tests with the arguments of this process, then ends the testbed that they share.
pub fn run(trials: Vec<Trial>, shared: Option<&SharedTestbed>) -> ExitCode {
    run_with(&Arguments::from_args(), trials, shared)
}

/// The same for tests that wait most of the time, each in a namespace of its own: more of them at
/// once, unless the arguments say otherwise.
pub fn run_parallel(trials: Vec<Trial>, shared: Option<&SharedTestbed>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    run_with(&arguments, trials, shared)
}

fn run_with(arguments: &Arguments, trials: Vec<Trial>, shared: Option<&SharedTestbed>) -> ExitCode {
    let conclusion = libtest_mimic::run(arguments, trials);
    match shared.map_or(Ok(()), SharedTestbed::stop) {
        Ok(()) => conclusion.exit_code(),
        Err(error) => {
            write_line(&format!("error: the testbed did not end well: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
