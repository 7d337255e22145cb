//! At a rate, whether the server keeps up or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinSet, yield_now};

use super::Window;
use super::worker::Worker;

/// One task says when reviews are due; whichever connection is free takes the next one.
pub(super) fn spawn(
    tasks: &mut JoinSet<Result<()>>,
    workers: Vec<Worker>,
    rate: f64,
    start: Instant,
    window: Window,
) {
    let (sender, due) = mpsc::unbounded_channel();
    let due = Arc::new(Mutex::new(due));
    tasks.spawn(schedule(sender, rate, start, window.end));
    for mut worker in workers {
        let due = Arc::clone(&due);
        tasks.spawn(async move {
            loop {
                let next = due.lock().await.recv().await;
                let Some(next) = next else { return Ok(()) };
                worker.send_review(next, window, false).await?;
            }
        });
    }
}

/// Looks at the clock all the time instead of sleeping: the runtime's timer has steps of a
/// millisecond, which is more than most answers take.
async fn schedule(
    sender: mpsc::UnboundedSender<Instant>,
    rate: f64,
    start: Instant,
    end: Instant,
) -> Result<()> {
    for number in 0_u32.. {
        let due = start + Duration::from_secs_f64(f64::from(number) / rate);
        if due >= end {
            break;
        }
        while Instant::now() < due {
            yield_now().await;
        }
        // Nobody listens only when a worker has failed, which ends the load test.
        if sender.send(due).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::sync::mpsc;

    use super::schedule;

    #[tokio::test]
    async fn what_is_due_does_not_depend_on_when_it_could_be_sent() {
        let (sender, mut due) = mpsc::unbounded_channel();
        // All of it is late already.
        let start = Instant::now().checked_sub(Duration::from_secs(2)).expect("a time");
        let end = start + Duration::from_secs(1);
        schedule(sender, 8.0, start, end).await.expect("a schedule");
        let mut all = Vec::new();
        while let Some(due) = due.recv().await {
            all.push(due.duration_since(start).as_millis());
        }
        assert_eq!(all, [0, 125, 250, 375, 500, 625, 750, 875]);
    }
}
