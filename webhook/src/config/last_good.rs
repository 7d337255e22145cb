//! The last good configuration, kept in the cluster: a Pod that starts beside a file that somebody has
//! broken goes on with it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{sync::watch, time::sleep};

/// The name of the `ConfigMap`.
pub const LAST_GOOD_NAME: &str = "clbmigrate-webhook-last-good";
/// Where its text is.
const KEY: &str = "config.yaml";
/// How long to wait before it is written again after that failed.
const RETRY_DELAY: Duration = Duration::from_secs(60);

/// Reads and writes the last good configuration.
#[derive(Debug, Clone)]
pub struct LastGoodConfig {
    api: Api<ConfigMap>,
}

impl LastGoodConfig {
    /// The one of this namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { api: Api::namespaced(client, namespace) }
    }

    /// Its text; `None` where none was kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read(&self) -> kube::Result<Option<String>> {
        Ok(self.api.get_opt(LAST_GOOD_NAME).await?.and_then(text))
    }

    /// Keeps each text that `accepted` brings, for ever.
    pub async fn keep(self, mut accepted: watch::Receiver<String>) {
        loop {
            let current = accepted.borrow_and_update().clone();
            match self.write(current).await {
                Ok(()) => {
                    if accepted.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        %error,
                        configmap = LAST_GOOD_NAME,
                        "the configuration is not kept; will be tried again"
                    );
                    sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Writes a text unless it is there. Where another replica writes at the same time, either is good.
    async fn write(&self, current: String) -> kube::Result<()> {
        let old = self.api.get_opt(LAST_GOOD_NAME).await?;
        if old.clone().and_then(text).as_ref() == Some(&current) {
            return Ok(());
        }
        let data = Some([(KEY.to_owned(), current)].into());
        let params = PostParams {
            field_manager: Some("clbmigrate-webhook".to_owned()),
            ..PostParams::default()
        };
        let written = match old {
            Some(old) => {
                let config_map = ConfigMap { data, ..old };
                self.api.replace(LAST_GOOD_NAME, &params, &config_map).await
            }
            None => {
                let metadata =
                    ObjectMeta { name: Some(LAST_GOOD_NAME.to_owned()), ..ObjectMeta::default() };
                let config_map = ConfigMap { metadata, data, ..ConfigMap::default() };
                self.api.create(&params, &config_map).await
            }
        };
        match written {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            written => written.map(drop),
        }
    }
}

fn text(config_map: ConfigMap) -> Option<String> {
    config_map.data?.remove(KEY)
}
