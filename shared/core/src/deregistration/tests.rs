use proptest::prelude::*;
use rstest::rstest;

use super::*;

const SERVICE: &str = "shop/web";

fn pods(ends: &[i64], changes: &[i64], successes: &[(i64, i64)]) -> ObservedPods {
    let mut pods = ObservedPods {
        changes: changes.to_vec(),
        successes: successes
            .iter()
            .map(|(created, updated)| StoredSuccess { created: *created, updated: *updated })
            .collect(),
        ..ObservedPods::default()
    };
    for (index, end) in ends.iter().enumerate() {
        pods.stopping(&format!("uid-{index}"), *end);
    }
    pods
}

fn seconds(pods: &ObservedPods) -> Vec<u32> {
    pods.times(SERVICE).measured.into_iter().map(|(seconds, _)| seconds).collect()
}

#[test]
fn the_time_runs_from_the_first_stopped_container_to_the_next_success() {
    let mut pods = pods(&[1000], &[], &[(1003, 1003)]);
    pods.stopping("uid-0", 1031);
    pods.stopping("uid-0", 1000);
    assert_eq!(seconds(&pods), [3]);
}

#[test]
fn a_success_in_the_same_second_took_no_whole_second() {
    assert_eq!(seconds(&pods(&[1000], &[], &[(1000, 1000)])), [0]);
}

#[test]
fn of_pods_that_end_in_one_second_one_is_measured() {
    let times = pods(&[1000, 1000, 1000], &[], &[(1004, 1060)]).times(SERVICE);
    assert_eq!((times.median(), times.count(), times.overlapping), (Some(4), 1, 2));
}

#[rstest]
#[case::counted_up_since(&[1000], &[], &[(500, 1003)], (0, 1, 0))]
#[case::counted_up_by_another_recorder(&[1000], &[], &[(500, 1003), (1900, 1900)], (0, 1, 0))]
#[case::no_success_since(&[1000], &[], &[(500, 900)], (0, 0, 1))]
#[case::no_success_ever(&[1000], &[], &[], (0, 0, 1))]
#[case::a_new_pod_in_the_same_second(&[1000], &[1000], &[(1003, 1003)], (1, 0, 0))]
#[case::a_new_pod_just_before(&[1000], &[940], &[(1003, 1003)], (1, 0, 0))]
#[case::the_later_of_two(&[1000, 990], &[], &[(980, 1003)], (1, 1, 0))]
fn what_cannot_be_told_is_counted_and_has_no_time(
    #[case] ends: &[i64],
    #[case] changes: &[i64],
    #[case] successes: &[(i64, i64)],
    #[case] expected: (usize, usize, usize),
) {
    let times = pods(ends, changes, successes).times(SERVICE);
    assert_eq!((times.overlapping, times.overwritten, times.unanswered), expected);
    assert_eq!(times.count(), 0);
    assert_eq!((times.median(), times.slowest(), times.needed_seconds()), (None, None, None));
}

#[rstest]
#[case::new_pods_after_the_end(&[1005], &[(1003, 1012)])]
#[case::a_pod_that_is_ready_for_long(&[939], &[(1003, 1003)])]
#[case::an_event_of_a_recorder_that_has_ended(&[], &[(500, 900), (1003, 1003)])]
fn other_things_do_not_matter(#[case] changes: &[i64], #[case] successes: &[(i64, i64)]) {
    assert_eq!(seconds(&pods(&[1000], changes, successes)), [3]);
}

#[rstest]
#[case(&[2], 2, 2, 7)]
#[case(&[9, 1], 9, 9, 14)]
#[case(&[1, 5, 21], 5, 21, 32)]
#[case(&[3599], 3599, 3599, 3600)]
fn a_hook_is_to_last_half_as_long_again_and_five_seconds_at_the_least(
    #[case] measured: &[u32],
    #[case] median: u32,
    #[case] slowest: u32,
    #[case] needed: u32,
) {
    let mut times = DeregistrationTimes::default();
    for of in measured {
        times += pods(&[1000], &[], &[(1000 + i64::from(*of), 9999)]).times(SERVICE);
    }
    assert_eq!(times.count(), measured.len());
    assert_eq!(times.median(), Some(median));
    assert_eq!(times.slowest(), Some((slowest, SERVICE)));
    assert_eq!(times.needed_seconds(), Some(needed));
}

#[rstest]
#[case("Stopping container web", true)]
#[case("Container web failed liveness probe, will be restarted", false)]
#[case("Container web definition changed, will be restarted", false)]
fn a_container_that_is_restarted_is_no_end_of_a_pod(#[case] message: &str, #[case] is: bool) {
    assert_eq!(is_final_stop(message), is);
}

/// How long the API server keeps an Event after its last change, in milliseconds.
const TIME_TO_LIVE: i64 = 3_600_000;

/// Something that makes CCM work: pods that come or go, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Happening {
    at: i64,
    is_end: bool,
}

/// What a CCM does that carries out one round after the other, each with everything that happened before
/// its start: when its rounds began and succeeded.
fn rounds(happenings: &[Happening], lengths: &[i64]) -> Vec<(i64, i64)> {
    let mut lengths = lengths.iter().cycle();
    let mut rounds: Vec<(i64, i64)> = Vec::new();
    for Happening { at, .. } in happenings {
        let (last_begin, last_end) = rounds.last().copied().unwrap_or((i64::MIN, i64::MIN));
        if *at <= last_begin {
            continue;
        }
        let begin = last_end.max(*at);
        rounds.push((begin, begin + lengths.next().expect("endless")));
    }
    rounds
}

/// What the API server has of successes at that time.
fn stored(rounds: &[(i64, i64)], now: i64) -> Vec<StoredSuccess> {
    let mut stored: Option<(i64, i64)> = None;
    for (_, success) in rounds.iter().filter(|(_, success)| *success <= now) {
        stored = match stored {
            Some((created, updated)) if success - updated < TIME_TO_LIVE => {
                Some((created, *success))
            }
            _ => Some((*success, *success)),
        };
    }
    let stored = stored.filter(|(_, updated)| now - updated < TIME_TO_LIVE);
    let whole =
        |(created, updated)| StoredSuccess { created: created / 1000, updated: updated / 1000 };
    stored.map(whole).into_iter().collect()
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    // Seconds or hours apart from one another.
    let gap = prop_oneof![0i64..2_000, 0i64..90_000, 0i64..30_000, 3_000_000i64..5_000_000];
    let all = proptest::collection::vec((gap, any::<bool>()), 1..12);
    all.prop_map(|gaps| {
        let mut at = 10_000_000;
        let happening = |(gap, is_end)| {
            at += gap;
            Happening { at, is_end }
        };
        gaps.into_iter().map(happening).collect()
    })
}

mod properties {
    use super::*;

    proptest! {
        /// Against a whole history of CCM's rounds, of which the Events keep little.
        #[test]
        fn what_is_measured_is_true_to_the_second(
            happenings in happenings(),
            // Two of them are less than what counts as settled.
            lengths in proptest::collection::vec(prop_oneof![1_000i64..5_000, 20_000i64..29_000], 1..5),
            wait in prop_oneof![0i64..4_000_000, 0i64..60_000],
        ) {
            let rounds = rounds(&happenings, &lengths);
            let now = happenings.last().expect("one").at + wait;
            // What is as old as this has lost its Events, or those just before it.
            let is_seen = |of: &&Happening| of.at > now - TIME_TO_LIVE + SETTLED_AFTER * 1000;
            for end in happenings.iter().filter(|of| of.is_end).filter(is_seen) {
                let mut seen =
                    ObservedPods { successes: stored(&rounds, now), ..ObservedPods::default() };
                let mut uid = String::new();
                for (index, of) in happenings.iter().enumerate() {
                    if of.is_end {
                        let name = format!("{index:02}");
                        seen.stopping(&name, of.at / 1000);
                        if of.at == end.at && uid.is_empty() {
                            uid = name;
                        }
                    } else {
                        seen.changes.push(of.at / 1000);
                    }
                }
                let truth = rounds.iter().find(|(begin, _)| *begin >= end.at).expect("a round").1;
                match seen.time_after(&uid, end.at / 1000) {
                    Ok(seconds) => {
                        let off = (truth - end.at) - i64::from(seconds) * 1000;
                        prop_assert!(off.abs() < 1000, "{seconds} s, {} ms", truth - end.at);
                    }
                    Err(Unmeasured::Unanswered) => prop_assert!(truth > now, "{truth} {now}"),
                    Err(Unmeasured::Overlapping | Unmeasured::Overwritten) => {}
                }
            }
        }

        #[test]
        fn neither_order_nor_repetition_matters(
            ends in proptest::collection::vec((0usize..4, 900i64..1200), 0..8),
            changes in proptest::collection::vec(800i64..1200, 0..3),
            successes in proptest::collection::vec((800i64..1300, 0i64..200), 0..4),
        ) {
            let observed = |is_reversed: bool| {
                let mut pods = ObservedPods::default();
                for round in 0..2 {
                    let mut ends = ends.clone();
                    if is_reversed {
                        ends.reverse();
                    }
                    for (pod, at) in ends {
                        pods.stopping(&pod.to_string(), at);
                    }
                    if is_reversed || round == 0 {
                        pods.changes.extend(changes.iter().rev());
                        let stored = successes.iter().rev().map(|(created, more)| StoredSuccess {
                            created: *created, updated: created + more,
                        });
                        pods.successes.extend(stored);
                    }
                }
                pods.times(SERVICE)
            };
            prop_assert_eq!(observed(false), observed(true));
        }

        #[test]
        fn every_pod_is_counted_once(
            ends in proptest::collection::vec(900i64..1200, 0..8),
            changes in proptest::collection::vec(800i64..1200, 0..3),
            successes in proptest::collection::vec((800i64..1300, 0i64..200), 0..4),
        ) {
            let successes: Vec<_> = successes.iter().map(|(at, more)| (*at, at + more)).collect();
            let times = pods(&ends, &changes, &successes).times(SERVICE);
            let all = times.count() + times.overlapping + times.overwritten + times.unanswered;
            prop_assert_eq!(all, ends.len());
        }
    }
}
