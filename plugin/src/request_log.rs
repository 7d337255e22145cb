//! The log of requests, which `-v=6` asks for.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use clbmigrate_cluster::live::{RequestObserver, RequestOutcome, RequestRecord};

/// Whether requests are told. It is for the whole program, as the level is.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// From now on, every request to an API server is told on stderr.
pub fn start() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// What tells of requests, where that is asked for.
pub fn observer() -> Option<RequestObserver> {
    IS_ON.load(Ordering::Relaxed).then(|| {
        RequestObserver::new(|record| {
            // Talk that nobody hears is no failure.
            let _ = writeln!(io::stderr(), "{}", line(record));
        })
    })
}

/// A request as kubectl tells it. Kubernetes: client-go, `round_trippers.go`.
fn line(record: &RequestRecord) -> String {
    let RequestRecord { method, url, outcome, milliseconds } = record;
    let outcome = match outcome {
        RequestOutcome::Answered(status) => status.to_string(),
        RequestOutcome::Failed(why) => why.lines().next().unwrap_or_default().to_owned(),
        RequestOutcome::GivenUp => "given up".to_owned(),
    };
    format!("{method} {url} {outcome} in {milliseconds} milliseconds")
}
