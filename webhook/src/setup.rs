//! The cache and whoever judges with it, for the program.

use std::sync::Arc;

use crate::{
    admission::{Admission, Live},
    cache::Cache,
    claims::InMemory,
    run::{Judge, Surroundings},
};

/// Judges reviews by what the cluster holds.
pub fn judge(around: Surroundings) -> Judge<Admission> {
    let Surroundings { client, config, metrics } = around;
    let cache = Arc::new(Cache::default());
    for kind in cache.kinds() {
        let cache = Arc::clone(&cache);
        metrics.watch_cache(kind, move || cache.age_of(kind));
    }
    let claims = InMemory::new(Arc::clone(&cache));
    let evidence = Live::new(client.clone());
    let answer = Admission::new(Arc::clone(&cache), config, metrics, claims, evidence);
    let is_informed = {
        let cache = Arc::clone(&cache);
        move || {
            let missing = cache.waits_for().collect::<Vec<_>>();
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("not listed: {}", missing.join(", ")))
            }
        }
    };
    Judge {
        answer,
        is_informed: Box::new(is_informed),
        background: Box::pin(async move { cache.follow(&client).await }),
    }
}
