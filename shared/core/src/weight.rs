//! CCM's arithmetic of weights, integer division and floors included (CCM 2.14: `vgroups.go`,
//! `podNumberAlgorithm` and `podPercentAlgorithm`). It is CCM's, not ours: never improve it.

/// The weight of a backend where no annotation says otherwise.
pub const DEFAULT: u32 = 100;

/// The annotations that decide the weights of one Service's backends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WeightSetting {
    /// `loadbalancer-weight`, where it is in effect: the Service's total weight in a group,
    /// 0..=100.
    pub total: Option<u32>,
    /// `loadbalancer-default-weight`: the weight of each backend where `total` is `None`, 0..=100.
    /// It has no effect in Local mode.
    pub default: Option<u32>,
}

impl WeightSetting {
    /// The weight of each of `backends` nodes or pods in Cluster and ENI mode, 0..=100.
    pub fn even(self, backends: usize) -> u32 {
        match self.total {
            Some(0) => 0,
            Some(total) => (total / count(backends)).max(1),
            None => self.default.unwrap_or(DEFAULT),
        }
    }

    /// The weight in Local mode of a node with `pods` of the `total_pods` counted endpoints.
    /// Without a total it is `pods`.
    pub fn local_node(self, pods: usize, total_pods: usize) -> u32 {
        match self.total {
            Some(0) => 0,
            Some(total) => (total.saturating_mul(count(pods)) / count(total_pods)).max(1),
            None => count(pods),
        }
    }

    /// The weight in Local mode of an ECI pod; 1 without a total. Other than a node it has no
    /// floor: it may become 0.
    pub fn local_eci(self, total_pods: usize) -> u32 {
        match self.total {
            Some(total) => total / count(total_pods),
            None => 1,
        }
    }
}

/// A number of backends as a divisor; no cluster has more than `u32` holds.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn total(weight: u32) -> WeightSetting {
        WeightSetting { total: Some(weight), default: None }
    }

    #[rstest]
    #[case(60, 3, 20)]
    #[case(80, 3, 26)]
    #[case(100, 3, 33)]
    #[case(50, 3, 16)]
    #[case(1, 3, 1)]
    #[case(60, 90, 1)]
    #[case(100, 8, 12)]
    #[case(100, 7, 14)]
    fn a_weight_is_divided_without_remainder(
        #[case] weight: u32,
        #[case] backends: usize,
        #[case] each: u32,
    ) {
        assert_eq!(total(weight).even(backends), each);
    }

    #[rstest]
    #[case(Some(60), &[2, 1], &[40, 20])]
    #[case(Some(100), &[2, 1], &[66, 33])]
    #[case(Some(50), &[2, 1], &[33, 16])]
    #[case(Some(80), &[5, 3], &[50, 30])]
    #[case(None, &[20, 1, 1], &[20, 1, 1])]
    fn local_mode_weighs_nodes_by_their_pods(
        #[case] weight: Option<u32>,
        #[case] pods: &[usize],
        #[case] weights: &[u32],
    ) {
        let setting = WeightSetting { total: weight, default: Some(5) };
        let all = pods.iter().sum();
        let computed: Vec<u32> = pods.iter().map(|pods| setting.local_node(*pods, all)).collect();
        assert_eq!(computed, weights);
    }

    #[test]
    fn an_eci_pod_in_local_mode_may_get_nothing() {
        assert_eq!(total(10).local_eci(23), 0);
        assert_eq!(total(100).local_eci(23), 4);
        assert_eq!(WeightSetting::default().local_eci(23), 1);
    }

    #[test]
    fn without_a_weight_each_backend_has_its_own() {
        assert_eq!(WeightSetting::default().even(3), 100);
        assert_eq!(WeightSetting { total: None, default: Some(5) }.even(3), 5);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn zero_stays_zero(backends in 0_usize..5000, pods in 0_usize..5000) {
                prop_assert_eq!(total(0).even(backends), 0);
                prop_assert_eq!(total(0).local_node(pods, backends), 0);
                prop_assert_eq!(total(0).local_eci(backends), 0);
            }

            #[test]
            fn every_backend_gets_at_least_one(weight in 1_u32..=100, backends in 1_usize..5000) {
                prop_assert!(total(weight).even(backends) >= 1);
                prop_assert!(total(weight).local_node(1, backends) >= 1);
            }

            #[test]
            fn the_sum_never_exceeds_weight_or_floor(weight in 0_u32..=100, backends in 1_usize..5000) {
                let sum = total(weight).even(backends) * count(backends);
                prop_assert!(sum <= weight.max(count(backends)));
            }
        }
    }
}
