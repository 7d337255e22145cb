//! As fast as the server answers.

use std::time::Instant;

use anyhow::Result;
use tokio::task::JoinSet;

use super::Window;
use super::worker::Worker;

pub(super) fn spawn(tasks: &mut JoinSet<Result<()>>, workers: Vec<Worker>, window: Window) {
    for mut worker in workers {
        tasks.spawn(async move {
            loop {
                let now = Instant::now();
                if now >= window.end {
                    return Ok(());
                }
                worker.send_review(now, window, true).await?;
            }
        });
    }
}
