//! The objects of `kube-system` that tell of CCM: which release it is, and what it takes as backends
//! by default.

use clbmigrate_core::snapshot::{
    CCM_NAME, CLOUD_CONFIG_NAME, SYSTEM_NAMESPACE, TERWAY_CONFIG_NAME, TERWAY_NAMES,
};
use futures::{StreamExt, stream};

use super::{connect::Connection, error::Error, list::ListItems};

/// How many of the objects are CCM's own; the others are Terway's.
const OWN: usize = 3;

/// How many of them are read at once.
const AT_ONCE: usize = 4;

/// What was found of CCM and Terway.
#[derive(Default)]
pub(super) struct CcmObjects {
    /// The objects that exist and may be read.
    pub items: ListItems,
    /// Whether Terway's ConfigMap, or a DaemonSet of each of its names, was looked for and is not
    /// there.
    pub lacks_terway: bool,
    /// Whether a request failed that may succeed a little later.
    pub is_incomplete: bool,
}

impl Connection {
    /// Reads CCM's Deployment or DaemonSet, its configuration, and Terway's objects, as far as the
    /// user may. Nothing of this makes a command fail.
    pub(super) async fn ccm_objects(&self) -> CcmObjects {
        let apps = format!("/apis/apps/v1/namespaces/{SYSTEM_NAMESPACE}");
        let config_maps = format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps");
        let own: [String; OWN] = [
            format!("{apps}/deployments/{CCM_NAME}"),
            format!("{apps}/daemonsets/{CCM_NAME}"),
            format!("{config_maps}/{CLOUD_CONFIG_NAME}"),
        ];
        let daemon_sets = TERWAY_NAMES.iter().map(|name| format!("{apps}/daemonsets/{name}"));
        let terway = [format!("{config_maps}/{TERWAY_CONFIG_NAME}")].into_iter().chain(daemon_sets);

        let paths: Vec<String> = own.into_iter().chain(terway).collect();
        let lookups = stream::iter(&paths).map(|path| self.look_up(path)).buffered(AT_ONCE);
        let lookups: Vec<Result<Option<ListItems>, Error>> = lookups.collect().await;
        let is_missing = |lookup: &Result<Option<ListItems>, Error>| matches!(lookup, Ok(None));
        let lacks_terway = match lookups.get(OWN..) {
            Some([config_map, daemon_sets @ ..]) => {
                is_missing(config_map) || daemon_sets.iter().all(is_missing)
            }
            _ => false,
        };
        let mut errors = lookups.iter().filter_map(|lookup| lookup.as_ref().err());
        let is_incomplete = errors.any(|error| !error.is_refusal());
        let found = lookups.into_iter().flatten().flatten();
        let items = found.fold(ListItems::default(), ListItems::and);
        CcmObjects { items, lacks_terway, is_incomplete }
    }

    async fn look_up(&self, path: &str) -> Result<Option<ListItems>, Error> {
        match self.existing_object(path).await? {
            Some(page) => self.items(page).await.map(Some),
            None => Ok(None),
        }
    }
}
