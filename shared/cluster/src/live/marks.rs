//! The traces of CCM on a Service: its hash label, and events.

use std::collections::BTreeMap;

use clbmigrate_core::{
    hash,
    reconciliation::{Event, ObservedService},
    version::CcmVersion,
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    service::LiveService,
};

impl LiveService {
    fn marks(&self, events: BTreeMap<String, Event>, version: CcmVersion) -> ObservedService {
        let labels = self.raw.pointer("/metadata/labels");
        let label = labels.and_then(|labels| labels.get(hash::LABEL)).and_then(Value::as_str);
        ObservedService {
            label: label.map(str::to_owned),
            computed: hash::known_hashes(&self.raw, version),
            annotations: self.annotations(),
            events,
        }
    }
}

impl Connection {
    /// A Service's marks by CCM of that release, with its events. Where the user may not read events, the marks are
    /// without them, and the refusal is given as well.
    pub async fn marks(
        &self,
        service: &LiveService,
        version: CcmVersion,
    ) -> Result<(ObservedService, Option<Error>), Error> {
        let (events, refusal) = match self.events(service).await {
            Err(error) if error.kind == ErrorKind::Forbidden => (BTreeMap::new(), Some(error)),
            events => (events?, None),
        };
        Ok((service.marks(events, version), refusal))
    }

    async fn events(&self, service: &LiveService) -> Result<BTreeMap<String, Event>, Error> {
        let namespace = service.text("/metadata/namespace");
        let uid = service.uid();
        let path = format!(
            "/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.uid%3D{uid}"
        );
        let list: EventList = self.get(&path).await?.parse(self)?;
        let events = list.items.into_iter().map(|item| {
            let uid = item.metadata.uid.clone();
            (uid, Event::from(item))
        });
        Ok(events.collect())
    }
}

#[derive(Deserialize)]
struct EventList {
    #[serde(default)]
    items: Vec<EventItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventItem {
    metadata: EventMeta,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    last_timestamp: Option<String>,
    #[serde(default)]
    event_time: Option<String>,
    #[serde(default)]
    series: Option<Series>,
}

#[derive(Deserialize)]
struct EventMeta {
    uid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    #[serde(default)]
    count: u64,
    #[serde(default)]
    last_observed_time: Option<String>,
}

impl From<EventItem> for Event {
    fn from(item: EventItem) -> Self {
        let series = item.series.as_ref();
        let count = series.map(|series| series.count).or(item.count).unwrap_or(1);
        let last = series.and_then(|series| series.last_observed_time.clone());
        Self {
            is_warning: item.kind.as_deref() == Some("Warning"),
            reason: item.reason.unwrap_or_default(),
            message: item.message.unwrap_or_default(),
            count: count.max(1),
            last: last.or(item.last_timestamp).or(item.event_time).unwrap_or_default(),
        }
    }
}
