//! What becomes of an event before it is written, as in client-go 0.28, which CCM 2.14 is built with
//! (`tools/record/events_cache.go`): similar events are joined, equal ones are counted, and too many about one object
//! are dropped. Dropped ones count all the same.
//!
//! client-go remembers the last 4096 of each kind, this one all.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::EventType;
use crate::behaviour::EventTokens;
use crate::service::Key;

/// With so many different messages, events of one reason are joined (`defaultAggregateMaxEvents`).
const SIMILAR: usize = 10;
/// After a pause of more than this, similar events are told one by one again (`defaultAggregateIntervalInSeconds`).
const PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// How long a token takes to come back (`defaultSpamQPS`).
const REFILL: SignedDuration = SignedDuration::from_mins(5);
/// What stands before the message of joined events (`EventAggregatorByReasonMessageFunc`).
const COMBINED: &str = "(combined from similar events): ";

/// The Service that an event is about; one that is made anew is another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) service: Key,
    pub(super) uid: Option<String>,
}

/// An event that happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Occurrence {
    pub(super) subject: Subject,
    pub(super) kind: EventType,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What is to be written about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Correlated {
    /// The name of the event's object.
    pub(super) name: String,
    /// How often it has happened. From 2 on the object is changed, or made where it is not there.
    pub(super) count: i32,
    /// When it happened first.
    pub(super) first: Timestamp,
    /// When it happened last.
    pub(super) last: Timestamp,
    /// Its message, which joined events share.
    pub(super) message: String,
    /// Whether it stands for several similar ones.
    pub(super) is_combined: bool,
}

/// What makes two events similar.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SimilarKey {
    subject: Subject,
    kind: EventType,
    reason: &'static str,
}

/// The messages of similar events.
#[derive(Debug)]
struct Similar {
    messages: BTreeSet<String>,
    last: Timestamp,
}

/// What is counted as one event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum CountedKey {
    One(Occurrence),
    Joined(SimilarKey),
}

#[derive(Debug, Clone)]
struct Counted {
    name: String,
    count: i32,
    first: Timestamp,
}

/// How many more events about a Service are written.
#[derive(Debug)]
struct Bucket {
    /// How many tokens it holds at most.
    burst: u32,
    /// The time that has gone into its tokens: each is worth one [`REFILL`].
    credit: SignedDuration,
    at: Timestamp,
}

impl Bucket {
    fn full(burst: u32, now: Timestamp) -> Self {
        Self { burst, credit: Self::most(burst), at: now }
    }

    fn most(burst: u32) -> SignedDuration {
        REFILL.saturating_mul(i32::try_from(burst).unwrap_or(i32::MAX))
    }

    fn take(&mut self, now: Timestamp) -> bool {
        let passed = now.duration_since(self.at).max(SignedDuration::ZERO);
        let credit = self.credit.saturating_add(passed).min(Self::most(self.burst));
        self.at = now;
        let has_token = credit >= REFILL;
        self.credit = if has_token { credit - REFILL } else { credit };
        has_token
    }
}

/// The memory of a recorder.
#[derive(Debug, Default)]
pub(super) struct Correlator {
    similar: HashMap<SimilarKey, Similar>,
    counted: HashMap<CountedKey, Counted>,
    buckets: HashMap<Subject, Bucket>,
}

impl Correlator {
    /// Takes note of an event, and says what to write about it; nothing where no token is left.
    pub(super) fn correlate(
        &mut self,
        event: Occurrence,
        tokens: EventTokens,
        now: Timestamp,
    ) -> Option<Correlated> {
        let correlated = self.count(&event, now);
        self.may_write(event.subject, tokens, now).then_some(correlated)
    }

    /// Whether events of this reason are joined from now on (`EventAggregate`). The set of messages gives one up
    /// whenever it is full, so that it never grows; client-go leaves to chance which.
    fn joins(&mut self, event: &Occurrence, key: &SimilarKey, now: Timestamp) -> bool {
        let fresh = || Similar { messages: BTreeSet::new(), last: now };
        let similar = self.similar.entry(key.clone()).or_insert_with(fresh);
        if now.duration_since(similar.last) > PAUSE {
            similar.messages.clear();
        }
        similar.messages.insert(event.message.clone());
        similar.last = now;
        let is_full = similar.messages.len() >= SIMILAR;
        if is_full {
            similar.messages.pop_first();
        }
        is_full
    }

    /// Counts an event, whether it is written or not (`eventObserve`).
    fn count(&mut self, event: &Occurrence, now: Timestamp) -> Correlated {
        let similar =
            SimilarKey { subject: event.subject.clone(), kind: event.kind, reason: event.reason };
        let is_combined = self.joins(event, &similar, now);
        let new_name = || format!("{}.{:x}", event.subject.service.name, now.as_nanosecond());
        let (key, message) = if is_combined {
            (CountedKey::Joined(similar), format!("{COMBINED}{}", event.message))
        } else {
            (CountedKey::One(event.clone()), event.message.clone())
        };
        let fresh = || Counted { name: new_name(), count: 0, first: now };
        let counted = self.counted.entry(key).or_insert_with(fresh);
        counted.count = counted.count.saturating_add(1);
        let Counted { name, count, first } = counted.clone();
        Correlated { name, count, first, last: now, message, is_combined }
    }

    /// Takes a token of a Service's bucket (`EventSourceObjectSpamFilter`). Another number of tokens fills every
    /// bucket anew.
    fn may_write(&mut self, subject: Subject, tokens: EventTokens, now: Timestamp) -> bool {
        let EventTokens::Limited(burst) = tokens else { return true };
        let bucket = self.buckets.entry(subject).or_insert_with(|| Bucket::full(burst, now));
        if bucket.burst != burst {
            *bucket = Bucket::full(burst, now);
        }
        bucket.take(now)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const TOKENS: EventTokens = EventTokens::Limited(25);

    fn event(name: &str, kind: EventType, reason: &'static str, message: &str) -> Occurrence {
        let service = Key { namespace: "shop".to_owned(), name: name.to_owned() };
        let subject = Subject { service, uid: Some("1".to_owned()) };
        Occurrence { subject, kind, reason, message: message.to_owned() }
    }

    fn ensured(name: &str) -> Occurrence {
        event(name, EventType::Normal, "EnsuredLoadBalancer", "Ensured load balancer [lb-a]")
    }

    fn failed(message: &str) -> Occurrence {
        event("web", EventType::Warning, "SyncLoadBalancerFailed", message)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    /// The count of what is written; 0 for what is dropped.
    fn told(
        correlator: &mut Correlator,
        event: Occurrence,
        tokens: EventTokens,
        seconds: i64,
    ) -> i32 {
        correlator.correlate(event, tokens, at(seconds)).map_or(0, |written| written.count)
    }

    /// Events, and what client-go's own correlator made of them.
    const RECORDED: &str = include_str!("../../tests/data/events.jsonl");

    #[derive(Deserialize)]
    struct Recorded {
        sequence: String,
        at: i64,
        service: String,
        uid: String,
        #[serde(rename = "type")]
        kind: String,
        reason: String,
        message: String,
        written: Option<Written>,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Written {
        name: String,
        count: i32,
        first: i64,
        message: String,
    }

    #[test]
    fn events_are_written_as_the_real_client_go_writes_them() {
        let reasons = [
            "EnsuredLoadBalancer",
            "AnnotationChanged",
            "SyncLoadBalancerFailed",
            "FailedUpdateStatus",
        ];
        let mut correlators = HashMap::<String, Correlator>::new();
        let (mut all, mut dropped) = (0, 0);
        for line in RECORDED.lines() {
            let recorded: Recorded = serde_json::from_str(line).expect("a recorded event");
            let kinds = [EventType::Normal, EventType::Warning];
            let kind = kinds.into_iter().find(|kind| kind.as_str() == recorded.kind);
            let reason = reasons.into_iter().find(|reason| *reason == recorded.reason);
            let mut event = event(
                &recorded.service,
                kind.expect("a type"),
                reason.expect("a reason"),
                &recorded.message,
            );
            event.subject.uid = Some(recorded.uid);
            let now = Timestamp::from_millisecond(recorded.at).expect("a time");
            let correlator = correlators.entry(recorded.sequence).or_default();
            let written = correlator.correlate(event, TOKENS, now).map(|written| Written {
                name: written.name,
                count: written.count,
                first: written.first.as_millisecond(),
                message: written.message,
            });
            assert_eq!(written, recorded.written, "{line}");
            (all, dropped) = (all + 1, dropped + usize::from(written.is_none()));
        }
        assert!(all > 500 && dropped > 50, "{all} events, {dropped} of them dropped");
    }

    #[test]
    fn after_25_events_about_a_service_one_is_written_every_five_minutes() {
        let mut correlator = Correlator::default();
        for number in 1..=25 {
            assert_eq!(told(&mut correlator, ensured("web"), TOKENS, 0), number);
        }
        assert_eq!(told(&mut correlator, ensured("web"), TOKENS, 1), 0);
        assert_eq!(told(&mut correlator, ensured("web"), TOKENS, 299), 0);
        assert_eq!(told(&mut correlator, ensured("web"), TOKENS, 300), 28, "dropped ones count");
        assert_eq!(told(&mut correlator, ensured("web"), TOKENS, 599), 0);
        assert_eq!(told(&mut correlator, ensured("web"), TOKENS, 600), 30);
    }

    #[test]
    fn failures_and_successes_share_the_tokens_of_their_service_and_no_other() {
        let mut correlator = Correlator::default();
        let two = EventTokens::Limited(2);
        assert_eq!(told(&mut correlator, ensured("web"), two, 0), 1);
        assert_eq!(told(&mut correlator, failed("no"), two, 0), 1);
        assert_eq!(told(&mut correlator, failed("no"), two, 0), 0);
        assert_eq!(told(&mut correlator, ensured("web"), two, 0), 0);
        assert_eq!(told(&mut correlator, ensured("api"), two, 0), 1);
        let mut made_anew = ensured("web");
        made_anew.subject.uid = Some("2".to_owned());
        assert_eq!(told(&mut correlator, made_anew, two, 0), 1);
    }

    #[test]
    fn tokens_that_are_not_used_are_no_more_than_the_first_ones() {
        let mut correlator = Correlator::default();
        let two = EventTokens::Limited(2);
        let written = |correlator: &mut Correlator, seconds| {
            (0..5).filter(|_| told(correlator, ensured("web"), two, seconds) > 0).count()
        };
        assert_eq!(written(&mut correlator, 0), 2);
        assert_eq!(written(&mut correlator, 86_400), 2);
    }

    #[test]
    fn another_number_of_tokens_fills_the_buckets_anew() {
        let mut correlator = Correlator::default();
        let mut count = |tokens| told(&mut correlator, ensured("web"), tokens, 0);
        assert_eq!([count(EventTokens::Limited(1)), count(EventTokens::Limited(1))], [1, 0]);
        assert_eq!([count(EventTokens::Limited(0)), count(EventTokens::Unlimited)], [0, 4]);
        assert_eq!([count(EventTokens::Limited(1)), count(EventTokens::Limited(1))], [5, 0]);
        assert_eq!([count(TOKENS), count(TOKENS)], [7, 8]);
    }

    #[test]
    fn a_counted_event_keeps_its_name_and_its_first_time() {
        let mut correlator = Correlator::default();
        let first = correlator.correlate(ensured("web"), TOKENS, at(0)).expect("an event");
        let second = correlator.correlate(ensured("web"), TOKENS, at(4000)).expect("an event");
        assert_eq!((&second.name, second.first, second.last), (&first.name, at(0), at(4000)));
        let other = correlator.correlate(failed("no"), TOKENS, at(4000)).expect("an event");
        assert_ne!(other.name, first.name);
    }

    #[test]
    fn from_the_tenth_message_on_events_of_one_reason_are_joined() {
        let mut correlator = Correlator::default();
        for number in 0..9 {
            let written = correlator.correlate(failed(&format!("no {number}")), TOKENS, at(0));
            let written = written.expect("an event");
            assert_eq!((written.count, written.is_combined), (1, false));
        }
        let tenth = correlator.correlate(failed("no 9"), TOKENS, at(1)).expect("an event");
        let eleventh = correlator.correlate(failed("no 10"), TOKENS, at(600)).expect("an event");
        assert_eq!(tenth.message, "(combined from similar events): no 9");
        assert_eq!(eleventh.message, "(combined from similar events): no 10");
        assert_eq!((tenth.count, eleventh.count, &tenth.name), (1, 2, &eleventh.name));
        assert!(!correlator.correlate(ensured("web"), TOKENS, at(600)).expect("one").is_combined);
        let later = correlator.correlate(failed("no 11"), TOKENS, at(1201)).expect("an event");
        assert_eq!((later.message.as_str(), later.count), ("no 11", 1), "ten minutes are over");
    }
}
