//! What holds for all labels and events.

use proptest::{collection, prelude::*, sample::select};

use super::*;

fn events() -> impl Strategy<Value = BTreeMap<String, Event>> {
    let reasons = [FAILED.as_slice(), &[ENSURED, SKIPPED, "AnnotationChanged"]].concat();
    let event = (
        any::<bool>(),
        select(reasons),
        select(vec![THROTTLED, REFUSED, ""]),
        0_u64..4,
        select(vec!["", "t1", "t2", "t3"]),
    );
    let event = event.prop_map(|(is_warning, reason, message, count, last)| {
        super::event(is_warning, reason, message, count, last)
    });
    collection::btree_map(select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned), event, 0..4)
}

/// A Service of the weight with any label, hashes and events.
fn observed(weight: &'static str) -> impl Strategy<Value = ObservedService> {
    let hashes = || vec!["h20", "h40", "x1", NOTHING];
    let label = proptest::option::of(select(hashes()));
    let computed = collection::vec(select(hashes()), 1..3);
    (label, computed, events()).prop_map(move |(label, computed, events)| ObservedService {
        label: label.map(str::to_owned),
        computed: KnownHashes::new(computed.into_iter().map(str::to_owned)),
        annotations: BTreeMap::from([(KEY.to_owned(), weight.to_owned())]),
        events,
    })
}

proptest! {
    #[test]
    fn a_label_of_no_present_hash_that_did_not_change_is_never_done(
        before in observed("20"),
        looks in collection::vec(observed("40"), 1..4),
    ) {
        let mut pending = to_40(before.clone());
        for mut now in looks {
            now.label.clone_from(&before.label);
            let is_present = now.label.as_ref().is_some_and(|label| now.computed.contains(label));
            let progress = pending.progress(&now);
            prop_assert!(is_present || !matches!(progress, Progress::Done(_)), "{progress:?}");
        }
    }

    #[test]
    fn a_label_that_did_not_change_is_done_only_with_a_newer_success(
        before in observed("20"),
        now in observed("40"),
    ) {
        let now = ObservedService { label: before.label.clone(), ..now };
        let old = |uid: &String| before.events.get(uid).map_or(0, |event| event.count);
        let newer = now.events.iter().any(|(uid, event)| event.is_success() && event.count > old(uid));
        let progress = to_40(before.clone()).progress(&now);
        prop_assert!(newer || !matches!(progress, Progress::Done(_)), "{progress:?}");
    }

    #[test]
    fn without_an_event_done_means_a_hash_that_the_write_made(
        before in observed("20"),
        now in observed("40"),
    ) {
        let now = ObservedService { events: BTreeMap::new(), ..now };
        if let Progress::Done(sign) = to_40(before.clone()).progress(&now) {
            let label = now.label.expect("a label");
            prop_assert_eq!(sign, CompletionSign::Hash);
            prop_assert!(now.computed.contains(&label) && label != NOTHING);
            prop_assert!(!before.computed.contains(&label));
        }
    }

    #[test]
    fn skipped_backends_after_the_last_success_are_never_done_nor_settled(
        before in observed("20"),
        mut now in observed("40"),
    ) {
        now.events.insert("skip".to_owned(), skip(1, "t3"));
        let progress = to_40(before).progress(&now);
        prop_assert!(!matches!(progress, Progress::Done(_)), "{progress:?}");
        prop_assert!(matches!(now.settlement(), Settlement::Failing(_)));
    }

    #[test]
    fn one_failed_round_is_never_a_failed_change(before in observed("20"), label in "[hx]1") {
        let count = before.events.get("a").map_or(0, |event| event.count);
        let mut now = ObservedService { label: Some(label), ..before.clone() };
        now.annotations.insert(KEY.to_owned(), "40".to_owned());
        now.events.insert("a".to_owned(), failure(REFUSED, count + 1, "t4"));
        let progress = to_40(before).progress(&now);
        prop_assert!(!matches!(progress, Progress::Failed { .. }), "{progress:?}");
    }
}
