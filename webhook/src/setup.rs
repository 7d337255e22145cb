//! Puts together what the program judges reviews with, and what runs beside them: cache, claims, API
//! reader and audit.

use std::sync::Arc;

use kube::Client;

use crate::{
    admission::{AdmissionHandler, LiveApiReader},
    audit::Audit,
    cache::Cache,
    claims::{Claims, LeaseStore},
    run::{Dependencies, HandlerSetup},
};

/// A handler that judges reviews by a cache of the cluster. It is ready once the cache has been
/// listed, and the cache is kept up to date in the background.
pub fn admission_handler(dependencies: Dependencies) -> HandlerSetup<AdmissionHandler> {
    let Dependencies { client, background, namespace, config, metrics } = dependencies;
    let cache = Arc::new(Cache::default());
    for kind in cache.kinds() {
        let cache = Arc::clone(&cache);
        metrics.register_cache_age(kind, move || cache.age_of(kind));
    }
    let leases = |client: &Client| LeaseStore::new(client.clone(), &namespace, Arc::clone(&cache));
    let swept_leases = leases(&background.client);
    let leases = leases(&client).filled_by(background.clone());
    let claims = Arc::new(Claims::new(leases, Arc::clone(&cache), Arc::clone(&metrics)));
    let audit = Arc::new(Audit::new(
        background.client.clone(),
        &namespace,
        Arc::clone(&cache),
        Arc::clone(&config),
        Arc::clone(&metrics),
    ));
    let audited = Arc::clone(&audit);
    let api_reader = LiveApiReader::in_background(background.clone());
    let handler = AdmissionHandler::new(Arc::clone(&cache), config, metrics, claims, api_reader);
    let is_ready = {
        let cache = Arc::clone(&cache);
        move || {
            let unsynced = cache.unsynced().collect::<Vec<_>>();
            if unsynced.is_empty() {
                Ok(())
            } else {
                Err(format!("not listed: {}", unsynced.join(", ")))
            }
        }
    };
    HandlerSetup {
        handler,
        is_ready: Box::new(is_ready),
        background: Box::pin(async move {
            tokio::join!(cache.run(&background.client), swept_leases.sweep(), audit.run());
        }),
        shutdown: Box::pin(async move { audited.stop().await }),
    }
}
