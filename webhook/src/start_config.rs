//! Starts what follows the configuration, from the file or, where that is bad, from the last good one.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use clbmigrate_core::version::CcmVersion;
use prometheus_client::metrics::gauge::Gauge;

use crate::{
    background::{Background, BackgroundClient},
    cli::Args,
    config::{ConfigWatcher, Enforcement, LastGoodConfig, Reload, SharedConfig},
    metrics::Metrics,
};

/// Starts what follows the configuration file, if there is one, and keeps the last good one in
/// `namespace`.
///
/// # Errors
/// When the file is bad and there is no last good configuration.
pub async fn start_config(
    args: &Args,
    client: &BackgroundClient,
    namespace: &str,
    metrics: &Arc<Metrics>,
    background: &mut Background,
) -> Result<SharedConfig> {
    let Some(file) = &args.config else {
        metrics.show_mode(Enforcement::default());
        return Ok(Arc::new(ArcSwap::default()));
    };
    let last_good = LastGoodConfig::new(client.client.clone(), namespace);
    let uses_last_good = Gauge::<i64>::default();
    let watcher = match ConfigWatcher::open(file) {
        Ok(watcher) => watcher,
        Err(why) => {
            uses_last_good.set(1);
            tracing::error!(why, "the configuration is bad; the last good one is looked for");
            let reading = last_good.clone();
            let read = client.run(async move { reading.read().await }).await?;
            from_last_good(file, &why, read)?
        }
    };
    let config = watcher.config();
    warn_of_newer_ccm(&config);
    metrics.show_mode(config.load().mode);
    background.spawn(last_good.keep(watcher.accepted()));
    let shown = uses_last_good.clone();
    metrics.register(|registry| {
        registry.register(
            "config_last_good",
            "1 while the last good configuration is in force because the file is bad",
            shown,
        );
    });
    let (metrics, reloaded) = (Arc::clone(metrics), watcher.config());
    background.spawn(watcher.run(args.reload_interval, move |reload| {
        metrics.count_config_reload(&reload);
        match reload {
            Reload::Applied => {
                uses_last_good.set(0);
                tracing::info!("configuration reloaded");
                warn_of_newer_ccm(&reloaded);
                metrics.show_mode(reloaded.load().mode);
            }
            Reload::Rejected(why) => {
                uses_last_good.set(1);
                tracing::error!(why, "the configuration stays as it was");
            }
        }
    }));
    Ok(config)
}

/// A watcher of a bad file that begins with the last good configuration.
fn from_last_good(
    file: &Path,
    why: &str,
    read: kube::Result<Option<String>>,
) -> Result<ConfigWatcher> {
    let text = match read {
        Ok(Some(text)) => text,
        Ok(None) => anyhow::bail!("the configuration: {why}"),
        Err(error) => {
            anyhow::bail!("the configuration: {why}; and the last good one cannot be read: {error}")
        }
    };
    let watcher = ConfigWatcher::beginning_with(file, &text).map_err(anyhow::Error::msg);
    watcher.with_context(|| format!("the configuration: {why}; and the last good one"))
}

/// Warns where `ccm.version` names a release whose behaviour is not known.
fn warn_of_newer_ccm(config: &SharedConfig) {
    if config.load().ccm.is_some_and(|ccm| ccm.is_newer) {
        let newest = CcmVersion::NEWEST.as_str();
        tracing::warn!(newest, "ccm.version is newer than any known release; judged as the newest");
    }
}
