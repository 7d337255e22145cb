//! Which suite runs when.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use crate::{
    Arguments,
    build::Suite,
    execute::{Finished, execute},
    output,
};

/// Runs suites in two lanes: a few at a time of those that start clusters, and beside them one at a
/// time of the others. Prints a line for each that ends, and all that a failed one has printed.
///
/// Returns the results in the order in which the suites ended.
pub fn run_all(suites: &[Suite], arguments: &Arguments) -> anyhow::Result<Vec<Finished>> {
    let limit = Duration::from_secs(arguments.limit.saturating_mul(60));
    let (waiting, computing): (VecDeque<&Suite>, VecDeque<&Suite>) =
        suites.iter().partition(|suite| suite.starts_clusters);
    let lanes = [(Mutex::new(waiting), arguments.clusters), (Mutex::new(computing), 1)];
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        for (queue, workers) in &lanes {
            for _ in 0..*workers {
                let send = send.clone();
                scope.spawn(move || {
                    while let Some(suite) = next(queue) {
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
        let mut results = Vec::new();
        for result in receive {
            let finished = result?;
            print(&finished, results.len() + 1, suites.len())?;
            results.push(finished);
        }
        Ok(results)
    })
}

fn next<'a>(queue: &Mutex<VecDeque<&'a Suite>>) -> Option<&'a Suite> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
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
