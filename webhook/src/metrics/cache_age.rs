//! The metric of how long ago each cache last heard from the API server.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

pub(super) type Age = Box<dyn Fn() -> Option<Duration> + Send + Sync>;

/// The ages of the caches by kind, read when metrics are scraped.
#[derive(Clone, Default)]
pub(super) struct CacheAges(Arc<Mutex<BTreeMap<&'static str, Age>>>);

impl CacheAges {
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Age>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CacheAges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().keys()).finish()
    }
}

impl Collector for CacheAges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "cache_age",
            "Time since a cache last heard from the API server",
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?;
        for (kind, age) in self.lock().iter() {
            if let Some(age) = age() {
                let age = ConstGauge::new(age.as_secs_f64());
                age.encode(family.encode_family(&[("kind", *kind)])?)?;
            }
        }
        Ok(())
    }
}
