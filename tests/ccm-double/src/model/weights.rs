//! The weights that CCM 2.14 gives backends (`vgroups.go:961-1048`): integer division, and no remainder.

use std::collections::HashMap;

use crate::cloud_client::backend::{Backend, ServerType};

/// What a backend weighs where nobody says.
const FULL: u32 = 100;

/// Where the weights of one port come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightSource {
    /// The Service's part, 0 to 100, divided among its backends.
    pub(super) total: Option<u32>,
    /// Without a total, of every backend alike; not with `Local`.
    pub(super) each: Option<u32>,
}

/// Weighs backends that are alike: all nodes, or all Pods.
pub(super) fn split_evenly(backends: &mut [Backend], wanted: WeightSource) {
    let weight = match wanted.total {
        Some(0) => 0,
        Some(total) => (total / count(backends.len()).max(1)).max(1),
        None => wanted.each.unwrap_or(FULL),
    };
    for backend in backends {
        backend.weight = weight;
    }
}

/// Weighs nodes by their Pods. `backends` has a node once for each of its Pods, and serverless Pods beside.
pub(super) fn split_by_pods(backends: &mut [Backend], wanted: WeightSource) {
    let all = count(backends.len()).max(1);
    let mut pods = HashMap::<String, u32>::new();
    for node in backends.iter().filter(|backend| backend.kind == ServerType::Ecs) {
        *pods.entry(node.server_id.clone()).or_default() += 1;
    }
    for backend in backends {
        let is_node = backend.kind == ServerType::Ecs;
        let pods = if is_node { pods.get(&backend.server_id).copied().unwrap_or(1) } else { 1 };
        backend.weight = match wanted.total {
            Some(0) => 0,
            // A serverless Pod may be left with nothing, a node never.
            Some(total) => (total * pods / all).max(u32::from(is_node)),
            None => pods,
        };
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn nodes(ids: &[&str]) -> Vec<Backend> {
        let node = |id: &&str| Backend { server_id: (*id).to_owned(), ..Backend::default() };
        ids.iter().map(node).collect()
    }

    #[rstest]
    #[case(Some(60), 3, 20)]
    #[case(Some(100), 3, 33)]
    #[case(Some(1), 3, 1)]
    #[case(Some(60), 90, 1)]
    #[case(Some(100), 7, 14)]
    #[case(Some(0), 3, 0)]
    #[case(None, 3, 100)]
    fn alike_ones_share_with_a_floor_of_one(
        #[case] total: Option<u32>,
        #[case] n: usize,
        #[case] each: u32,
    ) {
        let mut backends = vec![Backend::default(); n];
        split_evenly(&mut backends, WeightSource { total, each: None });
        assert!(backends.iter().all(|backend| backend.weight == each), "{backends:?}");
    }

    #[rstest]
    #[case(Some(10), [8, 1, 1, 0])]
    #[case(Some(100), [86, 4, 4, 4])]
    #[case(None, [20, 1, 1, 1])]
    #[case(Some(0), [0, 0, 0, 0])]
    fn nodes_weigh_by_their_pods_and_a_serverless_one_may_weigh_nothing(
        #[case] total: Option<u32>,
        #[case] expected: [u32; 4],
    ) {
        let mut backends = nodes(&["a"; 20]);
        backends.extend(nodes(&["b", "c"]));
        backends.push(Backend { kind: ServerType::Eni, ..Backend::default() });
        split_by_pods(&mut backends, WeightSource { total, each: Some(5) });
        let weights: Vec<_> = backends.iter().skip(19).map(|backend| backend.weight).collect();
        assert_eq!(weights, expected);
    }
}
