//! Whether counts agree with shares, as far as so many can tell: Pearson's chi-square test.

use anyhow::{Context as _, Result, ensure};

/// What the statistic exceeds once in a thousand times where the shares are right, by degrees of
/// freedom from 1 on: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4.
const LIMITS: [f64; 12] = [
    10.828, 13.816, 16.266, 18.467, 20.515, 22.458, 24.322, 26.124, 27.877, 29.588, 31.264, 32.909,
];
/// With fewer expected the statistic is not distributed as the limits say (ibid., 1.3.5.15).
const FEWEST: f64 = 5.0;
/// What shares may miss 1 by, for they are sums of fractions.
const ROUNDING: f64 = 1e-9;

/// How well counts agree with shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// The sum of squared differences, each as part of what was expected; infinite where something
    /// was counted whose share is 0.
    pub statistic: f64,
    /// What it exceeds once in a thousand times where the shares are right.
    pub limit: f64,
}

impl Agreement {
    /// Of a count and a share, 0 to 1, for each class. It is an error if the shares do not make up
    /// 1, if something with a share would be expected fewer than 5 times, or if more than 13 have one.
    pub fn of(classes: &[(u64, f64)]) -> Result<Self> {
        let sum: f64 = classes.iter().map(|(_, share)| share).sum();
        ensure!((sum - 1.0).abs() < ROUNDING, "the shares sum up to {sum}, not to 1");
        let count = |count: u64| u32::try_from(count).map(f64::from).context("too many to count");
        let total = count(classes.iter().map(|(count, _)| count).sum())?;
        let (mut statistic, mut terms) = (0.0, 0_usize);
        for &(counted, share) in classes {
            ensure!(share >= 0.0, "a share of {share}");
            if share > 0.0 {
                let expected = total * share;
                ensure!(expected >= FEWEST, "{total} are too few for a share of {share}");
                statistic += (count(counted)? - expected).powi(2) / expected;
                terms += 1;
            } else if counted > 0 {
                statistic = f64::INFINITY;
            }
        }
        // One alone has all that nobody else has.
        let degrees = terms.checked_sub(1).context("nobody has a share")?;
        let limit = match degrees.checked_sub(1) {
            None => 0.0,
            Some(index) => *LIMITS.get(index).with_context(|| format!("{terms} have a share"))?,
        };
        Ok(Self { statistic, limit })
    }

    /// Whether nothing speaks against the shares.
    pub fn holds(&self) -> bool {
        self.statistic <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Agreement;

    fn of(classes: &[(u64, f64)]) -> Agreement {
        Agreement::of(classes).expect("a test")
    }

    #[test]
    fn the_statistic_is_pearsons() {
        // Mendel's peas, as in R. A. Fisher, Has Mendel's work been rediscovered? (1936): 0.4700.
        let peas = of(&[(315, 9.0 / 16.0), (101, 3.0 / 16.0), (108, 3.0 / 16.0), (32, 1.0 / 16.0)]);
        assert!((peas.statistic - 0.470).abs() < 5e-4, "{peas:?}");
        assert!((peas.limit - 16.266).abs() < 1e-9, "{peas:?}");
        assert!(peas.holds());
    }

    #[rstest]
    #[case::what_is_right([10_000, 10_000], 0.5, true)]
    #[case::what_chance_does([10_140, 9_860], 0.5, true)]
    #[case::less_than_so_many_can_tell([15_918, 4_082], 0.8, true)]
    #[case::two_points_too_many([10_400, 9_600], 0.5, false)]
    #[case::two_points_too_few([10_000, 10_000], 0.52, false)]
    #[case::the_other_ones_share([4_000, 16_000], 0.8, false)]
    fn a_wrong_share_is_told_from_chance(
        #[case] counted: [u64; 2],
        #[case] share: f64,
        #[case] holds: bool,
    ) {
        let agreement = of(&[(counted[0], share), (counted[1], 1.0 - share)]);
        assert_eq!(agreement.holds(), holds, "{agreement:?}");
    }

    #[test]
    fn who_has_no_share_gets_nothing() {
        assert!(of(&[(20_000, 1.0), (0, 0.0)]).holds());
        assert!(!of(&[(19_999, 1.0), (1, 0.0)]).holds());
        assert!(!of(&[(10_000, 0.5), (9_999, 0.5), (1, 0.0)]).holds());
    }

    #[test]
    fn chance_passes_999_times_of_1000() {
        // Counts of shares from a plain generator (Knuth, MMIX), so that the test says the same
        // each time: the limit is neither too wide nor too narrow.
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from(state >> 32).expect("32 bits")) / f64::from(u32::MAX)
        };
        let missed = (0..10_000).filter(|_| {
            let mut counted = [0_u64; 3];
            for _ in 0..500 {
                let at = random();
                counted[usize::from(at > 0.2) + usize::from(at > 0.5)] += 1;
            }
            !of(&[(counted[0], 0.2), (counted[1], 0.3), (counted[2], 0.5)]).holds()
        });
        let missed = missed.count();
        assert!((2..=25).contains(&missed), "{missed} of 10,000");
    }

    #[rstest]
    #[case(&[(10, 0.5), (10, 0.4)], "the shares sum up to 0.9, not to 1")]
    #[case(&[(10, 1.5), (10, -0.5)], "a share of -0.5")]
    #[case(&[(100, 0.99), (1, 0.01)], "101 are too few for a share of 0.01")]
    #[case(&[(0, 0.0)], "the shares sum up to 0, not to 1")]
    fn what_is_no_test_is_an_error(#[case] classes: &[(u64, f64)], #[case] told: &str) {
        assert_eq!(Agreement::of(classes).expect_err("no test").to_string(), told);
    }

    #[test]
    fn more_classes_than_there_are_limits_for_are_an_error() {
        let classes = |count: u32| vec![(100, 1.0 / f64::from(count)); count as usize];
        assert!(of(&classes(13)).holds());
        assert!(Agreement::of(&classes(14)).is_err());
    }
}
