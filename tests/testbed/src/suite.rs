//! Test suites: what happens where they cannot run, testbeds that several tests share, and how many
//! tests run at once.

use std::env;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::plan::{Plan, Size};
use crate::requirements::can_run;
use crate::stderr::write_line;
use crate::testbed::Testbed;

/// How many tests of a suite run at once where they mostly wait for other programs.
const PARALLEL: usize = 8;

/// A test that needs a testbed of some size; [`trial_if`] says what happens where that cannot run.
pub fn trial(
    name: &str,
    size: Size,
    run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    trial_if(name, can_run(size), run)
}

/// A test that needs something of the machine: `Err` says what is missing, for a person.
///
/// Where something is missing, the test counts as ignored and shows the reason before its name. With
/// the environment variable `CI=true` it fails with that reason instead, so that CI never passes by
/// leaving tests out.
pub fn trial_if(
    name: &str,
    requirement: Result<(), String>,
    run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
) -> Trial {
    let is_ci = env::var_os("CI").is_some_and(|value| value == "true");
    let reason = reason_to_ignore(&requirement, is_ci);
    let trial = Trial::test(name, move || {
        run_if(requirement, run).map_err(|error| Failed::from(format!("{error:#}")))
    });
    match reason {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
        None => trial,
    }
}

/// Whether tests that take long are asked for: with `CLBMIGRATE_TEST_FULL=1`, as `make test-full` sets
/// it. A test of over a minute belongs to the suite only then.
pub fn is_full() -> bool {
    env::var_os("CLBMIGRATE_TEST_FULL").is_some_and(|value| value == "1")
}

/// Runs a test, or fails with what is missing for it.
fn run_if(
    requirement: Result<(), String>,
    run: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    requirement.map_err(anyhow::Error::msg)?;
    run()
}

/// Why a test is ignored; `None` if it runs.
fn reason_to_ignore(requirement: &Result<(), String>, is_ci: bool) -> Option<String> {
    requirement.as_ref().err().filter(|_| !is_ci).cloned()
}

/// A testbed that several tests of a suite use: the first of them starts it, and [`run`] stops it
/// after the last.
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

    /// A test that gets this testbed. Like [`trial`], it is ignored where the testbed cannot run.
    pub fn trial(
        self: &Arc<Self>,
        name: &str,
        run: impl FnOnce(&Testbed) -> anyhow::Result<()> + Send + 'static,
    ) -> Trial {
        let shared = Arc::clone(self);
        trial(name, self.plan.size(), move || run(&*shared.testbed()?))
    }

    /// The testbed, started by the first call. A start that failed is not tried again, because that
    /// would only take long again; every test gets its error.
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

    /// Stops the testbed, if a test has started it. Call this when no test runs any more.
    fn stop(&self) -> anyhow::Result<()> {
        let testbed = self.testbed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match testbed.and_then(Result::ok).and_then(Arc::into_inner) {
            Some(testbed) => testbed.stop(),
            None => Ok(()),
        }
    }
}

/// Runs tests as the arguments of this process say, then stops the testbed that they share. The exit
/// code is that of a failure if a test failed or the testbed could not be stopped.
pub fn run(trials: Vec<Trial>, shared: Option<&SharedTestbed>) -> ExitCode {
    run_with(&Arguments::from_args(), trials, shared.as_slice())
}

/// Like [`run`], for tests that wait most of the time, each in a Kubernetes namespace of its own: eight
/// of them run at once, unless `--test-threads` says otherwise.
pub fn run_parallel(trials: Vec<Trial>, shared: Option<&SharedTestbed>) -> ExitCode {
    run_parallel_on(trials, shared.as_slice())
}

/// Like [`run_parallel`], for tests that use several testbeds.
pub fn run_parallel_on(trials: Vec<Trial>, shared: &[&SharedTestbed]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    run_with(&arguments, trials, shared)
}

/// Like [`run_parallel`], with so many tests at once.
pub fn run_at_once(tests: usize, trials: Vec<Trial>, shared: &SharedTestbed) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(tests);
    run_with(&arguments, trials, &[shared])
}

fn run_with(arguments: &Arguments, trials: Vec<Trial>, shared: &[&SharedTestbed]) -> ExitCode {
    let conclusion = libtest_mimic::run(arguments, trials);
    let mut code = conclusion.exit_code();
    for shared in shared {
        if let Err(error) = shared.stop() {
            write_line(&format!("error: a testbed could not be stopped: {error:#}"));
            code = ExitCode::FAILURE;
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::{reason_to_ignore, run_if};

    #[test]
    fn what_cannot_run_is_ignored_on_a_developers_machine_only() {
        let missing = Err("no root".to_owned());
        assert_eq!(reason_to_ignore(&missing, false), Some("no root".to_owned()));
        assert_eq!(reason_to_ignore(&missing, true), None);
        for is_ci in [false, true] {
            assert_eq!(reason_to_ignore(&Ok(()), is_ci), None);
        }
    }

    #[test]
    fn a_test_that_runs_without_what_it_needs_fails_before_its_body() {
        let failed = run_if(Err("no root".to_owned()), || unreachable!("the body ran"));
        assert_eq!(failed.expect_err("a failure").to_string(), "no root");
        run_if(Ok(()), || Ok(())).expect("nothing is missing");
    }
}
