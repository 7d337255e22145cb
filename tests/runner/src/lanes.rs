//! Which suite runs when.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crate::{
    Arguments,
    build::{Lane, Suite},
    execute::{Finished, execute},
    output,
};

/// Runs suites in their lanes: a few at a time of those that start clusters, beside them one at a time
/// of those that compute, and then, one at a time, those that run alone. Prints a line for each that
/// ends, and all that a failed one has printed.
///
/// Returns the results in the order in which the suites ended.
pub fn run_all(suites: &[Suite], arguments: &Arguments) -> anyhow::Result<Vec<Finished>> {
    let limit = Duration::from_secs(arguments.limit.saturating_mul(60));
    let lane = |wanted: Lane, workers: u8| Queue {
        suites: Mutex::new(suites.iter().filter(|suite| suite.lane == wanted).collect()),
        workers,
    };
    let together = [lane(Lane::Clusters, arguments.clusters), lane(Lane::Computes, 1)];
    let mut results = Vec::new();
    for queues in [together.as_slice(), &[lane(Lane::Alone, 1)]] {
        let (send, receive) = mpsc::channel();
        thread::scope(|scope| {
            for queue in queues {
                for _ in 0..queue.workers {
                    let send = send.clone();
                    scope.spawn(move || {
                        while let Some(suite) = queue.next() {
                            let result = execute(suite, arguments.full, limit);
                            // Nobody listens any more only where printing has failed.
                            if send.send(result).is_err() {
                                return;
                            }
                        }
                    });
                }
            }
            drop(send);
            for result in receive {
                let finished = result?;
                print(&finished, results.len() + 1, suites.len())?;
                results.push(finished);
            }
            anyhow::Ok(())
        })?;
    }
    Ok(results)
}

/// The suites of a lane that have not begun.
struct Queue<'a> {
    suites: Mutex<VecDeque<&'a Suite>>,
    /// How many run at once.
    workers: u8,
}

impl<'a> Queue<'a> {
    fn next(&self) -> Option<&'a Suite> {
        self.suites.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

fn print(finished: &Finished, number: usize, of: usize) -> anyhow::Result<()> {
    let Finished { name, duration, is_success, output, counts } = finished;
    if !is_success {
        output::result(&format!(
            "\n---- {name} ----\n{}\n---- end of {name} ----",
            output.trim_end()
        ))?;
    }
    let verdict = if *is_success { "ok" } else { "FAILED" };
    let seconds = duration.as_secs_f64();
    output::result(&format!("[{number}/{of}] {verdict:6} {name:28} {seconds:7.1} s  {counts}"))
}
