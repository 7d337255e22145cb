//! Which backend gets the next connection.

use std::collections::HashMap;

use crate::state::{BackendKey, Scheduler};

/// A backend that may take a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) key: &'a BackendKey,
    /// 1 to 100.
    pub(super) weight: u8,
    /// Connections it has now.
    pub(super) open: u64,
}

/// The state of round robin: each backend's current weight, which is its claim to the next connection.
#[derive(Debug, Default)]
pub(super) struct SchedulerState(HashMap<BackendKey, i64>);

impl SchedulerState {
    /// The index of the backend whose turn it is; none without candidates.
    pub(super) fn next(
        &mut self,
        scheduler: Scheduler,
        candidates: &[Candidate<'_>],
    ) -> Option<usize> {
        match scheduler {
            Scheduler::Wrr => self.by_weight(candidates, |candidate| i64::from(candidate.weight)),
            // The weight says whether a backend serves, not how much.
            Scheduler::Rr => self.by_weight(candidates, |_| 1),
            Scheduler::Wlc => least(candidates),
        }
    }

    /// Smooth weighted round robin: everybody's claim grows by the weight, the largest one is
    /// served and pays for all. In any run of as many turns as the weights sum up to, each backend
    /// is served exactly as often as its weight says.
    fn by_weight(
        &mut self,
        candidates: &[Candidate<'_>],
        weight: impl Fn(&Candidate<'_>) -> i64,
    ) -> Option<usize> {
        self.0.retain(|key, _| candidates.iter().any(|candidate| candidate.key == key));
        let mut best: Option<(usize, i64)> = None;
        let mut sum = 0;
        for (index, candidate) in candidates.iter().enumerate() {
            let weight = weight(candidate);
            sum += weight;
            let claim = self.0.entry(candidate.key.clone()).or_default();
            *claim += weight;
            if best.is_none_or(|(_, most)| *claim > most) {
                best = Some((index, *claim));
            }
        }
        let (index, _) = best?;
        let claim = self.0.get_mut(candidates.get(index)?.key)?;
        *claim -= sum;
        Some(index)
    }
}

/// Fewest connections for each unit of weight; among equals the heaviest, then the first.
fn least(candidates: &[Candidate<'_>]) -> Option<usize> {
    let mut best: Option<(usize, &Candidate<'_>)> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        let better = best.is_none_or(|(_, best)| {
            let mine = candidate.open * u64::from(best.weight);
            let others = best.open * u64::from(candidate.weight);
            mine < others || (mine == others && candidate.weight > best.weight)
        });
        if better {
            best = Some((index, candidate));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: u16) -> Vec<BackendKey> {
        (1..=count)
            .map(|port| BackendKey { server_id: "i-1".to_owned(), server_ip: String::new(), port })
            .collect()
    }

    fn candidates<'a>(keys: &'a [BackendKey], weights: &[u8]) -> Vec<Candidate<'a>> {
        keys.iter()
            .zip(weights)
            .map(|(key, weight)| Candidate { key, weight: *weight, open: 0 })
            .collect()
    }

    fn served(scheduler: Scheduler, weights: &[u8], turns: usize) -> Vec<usize> {
        let keys = keys(u16::try_from(weights.len()).expect("few"));
        let candidates = candidates(&keys, weights);
        let mut state = SchedulerState::default();
        let mut served = vec![0; weights.len()];
        for _ in 0..turns {
            served[state.next(scheduler, &candidates).expect("a turn")] += 1;
        }
        served
    }

    #[test]
    fn wrr_serves_exactly_by_weight_in_each_round() {
        assert_eq!(served(Scheduler::Wrr, &[26, 26, 26, 10, 10], 98), [26, 26, 26, 10, 10]);
        assert_eq!(served(Scheduler::Wrr, &[100, 1], 303), [300, 3]);
    }

    #[test]
    fn wrr_spreads_the_turns_of_the_heaviest() {
        let keys = keys(3);
        let candidates = candidates(&keys, &[5, 1, 1]);
        let mut turns = SchedulerState::default();
        let order = (0..7).map(|_| turns.next(Scheduler::Wrr, &candidates).expect("a turn"));
        assert_eq!(order.collect::<Vec<_>>(), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn rr_does_not_count_weights() {
        assert_eq!(served(Scheduler::Rr, &[100, 1, 50], 30), [10, 10, 10]);
    }

    #[test]
    fn wlc_takes_the_one_with_fewest_connections_for_its_weight() {
        let keys = keys(2);
        let mut open = [0_u64, 0];
        let mut turns = SchedulerState::default();
        for _ in 0..90 {
            let candidates = [
                Candidate { key: &keys[0], weight: 20, open: open[0] },
                Candidate { key: &keys[1], weight: 10, open: open[1] },
            ];
            open[turns.next(Scheduler::Wlc, &candidates).expect("a turn")] += 1;
        }
        assert_eq!(open, [60, 30]);
    }

    #[test]
    fn nobody_is_nobodys_turn() {
        for scheduler in [Scheduler::Wrr, Scheduler::Rr, Scheduler::Wlc] {
            assert_eq!(SchedulerState::default().next(scheduler, &[]), None);
        }
    }

    #[test]
    fn who_leaves_and_comes_back_has_no_old_claim() {
        let keys = keys(2);
        let both = candidates(&keys, &[1, 1]);
        let one = candidates(&keys[..1], &[1]);
        let mut turns = SchedulerState::default();
        for _ in 0..10 {
            turns.next(Scheduler::Wrr, &one);
        }
        let order = (0..4).map(|_| turns.next(Scheduler::Wrr, &both).expect("a turn"));
        assert_eq!(order.filter(|index| *index == 1).count(), 2);
    }
}
