//! Target: objects as a watch brings them, for the webhook's cache.

use clbmigrate_core::object::{Service, WorkloadKind};
use clbmigrate_webhook::cache::Cache;

/// Stores an object as each kind, twice.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let cache = Cache::default();
    let stored = cache.put_service(text).map_err(|error| error.to_string());
    let count = cache.services();
    assert!(count <= 1, "{count} Services from one");
    assert_eq!(cache.put_service(text).map_err(|error| error.to_string()), stored);
    assert_eq!(cache.services(), count, "an object is stored once");
    if count == 1 {
        let service: Service = serde_json::from_str(text).expect("a Service that was stored");
        let meta = &service.metadata;
        let known = cache.service(meta.namespace(), &meta.name).expect("found by its name");
        assert!(known.is_taken_by_ccm(), "{known:?}");
        assert_eq!(known.spec, service.spec);
        assert!(cache.neighbours([known.as_ref()]).is_empty(), "it is no neighbour of its own");
    }
    for kind in WorkloadKind::ALL {
        let cache = Cache::default();
        let stored = cache.put_workload(kind, text).map_err(|error| error.to_string());
        let count = cache.workloads();
        assert_eq!(count, usize::from(stored.is_ok()), "one workload from one");
        assert_eq!(cache.put_workload(kind, text).map_err(|error| error.to_string()), stored);
        assert_eq!(cache.workloads(), count, "an object is stored once");
    }
    let cache = Cache::default();
    if cache.put_nodes([text]).is_ok() {
        assert_eq!(cache.nodes().map(|nodes| nodes.len()), Some(1), "one node from one");
    }
}
