//! The traces of CCM on a Service: its hash label, and events.

use std::collections::BTreeMap;

use clbmigrate_core::{
    hash,
    reconciliation::{Event, ObservedService},
    version::CcmVersion,
};
use clbmigrate_errors::without_secrets;
use serde::Deserialize;
use serde_json::Value;

use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    service::LiveService,
};

impl LiveService {
    /// The Service's marks by CCM of that release, without its events.
    pub fn marks_without_events(&self, version: CcmVersion) -> ObservedService {
        self.marks(BTreeMap::new(), version)
    }

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
            // Where a connection breaks, CCM's message holds the URL of a signed call.
            message: without_secrets(&item.message.unwrap_or_default()),
            count: count.max(1),
            last: last.or(item.last_timestamp).or(item.event_time).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(item: Value) -> Event {
        Event::from(serde_json::from_value::<EventItem>(item).expect("an event"))
    }

    #[test]
    fn an_event_keeps_type_reason_count_and_time() {
        let item = json!({
            "metadata": {"uid": "u"}, "type": "Warning", "reason": "SkipSyncBackends",
            "message": "Not sync pods [10.9.9.9] whose eni is invalid", "count": 3,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:05Z",
        });
        let expected = Event {
            is_warning: true,
            reason: "SkipSyncBackends".to_owned(),
            message: "Not sync pods [10.9.9.9] whose eni is invalid".to_owned(),
            count: 3,
            last: "2026-01-01T00:00:05Z".to_owned(),
        };
        assert_eq!(event(item), expected);
    }

    #[test]
    fn an_event_without_anything_happened_once() {
        let nothing =
            json!({"metadata": {"uid": "u"}, "type": "Normal", "count": 0, "message": null});
        assert_eq!(event(nothing), Event { count: 1, ..Event::default() });
    }

    #[test]
    fn a_series_counts_before_the_fields_of_old_events() {
        let item = json!({
            "metadata": {"uid": "u"}, "eventTime": "2026-01-01T00:00:00.000000Z",
            "series": {"count": 7, "lastObservedTime": "2026-01-01T00:00:09.000000Z"},
        });
        let Event { count, last, .. } = event(item);
        assert_eq!((count, last.as_str()), (7, "2026-01-01T00:00:09.000000Z"));
    }

    #[test]
    fn a_signed_call_in_a_message_is_cut_out() {
        let message = r#"Error syncing load balancer [lb-bp1example]: Post "http://slb.aliyuncs.com/?AccessKeyId=key&Signature=a7Gs%3D": EOF"#;
        let item = json!({"metadata": {"uid": "u"}, "message": message});
        let shown = r#"Error syncing load balancer [lb-bp1example]: Post "http://slb.aliyuncs.com/?...": EOF"#;
        assert_eq!(event(item).message, shown);
    }
}
