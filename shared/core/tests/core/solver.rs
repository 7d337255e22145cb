//! Weights for a wanted share.
use clbmigrate_core::solver::{
    BackendLayout, RouteGoal, Side, Solution, TOLERANCE, Unsolvable, capacity, distribute, solve,
};
use rstest::rstest;

fn even(backends: usize) -> Side {
    Side::Service(BackendLayout::Even(backends))
}

fn local(nodes: &[usize]) -> Side {
    Side::Service(BackendLayout::Local { nodes: nodes.to_vec(), eci: 0 })
}

fn servers(weights: &[u32]) -> Side {
    Side::Servers(weights.to_vec())
}

fn goal(to: Side, from: Side) -> RouteGoal {
    RouteGoal { to, from, others: 0, total: 100 }
}

fn one(to: Side, from: Side, wish: f64) -> Solution {
    solve(&[goal(to, from)], wish).expect("weights")
}

#[rstest]
#[case::even_division(even(2), even(2), 0.2, 20, 80, 0.2)]
#[case::a_remainder_within_a_point(even(3), even(2), 0.8, 80, 20, 78.0 / 98.0)]
#[case::local_mode(local(&[5, 3]), even(4), 0.8, 80, 20, 0.8)]
#[case::all(even(3), even(2), 1.0, 100, 0, 1.0)]
#[case::none(even(3), even(2), 0.0, 0, 100, 0.0)]
fn weights_are_the_percentages_where_these_do(
    #[case] to: Side,
    #[case] from: Side,
    #[case] wish: f64,
    #[case] to_weight: u32,
    #[case] from_weight: u32,
    #[case] share: f64,
) {
    let solution = one(to, from, wish);
    assert_eq!((solution.to, solution.from), (Some(to_weight), Some(from_weight)));
    assert!((solution.routes[0].share - share).abs() < 1e-9, "{solution:?}");
}

#[test]
fn where_percentages_miss_by_a_point_other_weights_do() {
    // 60 over seven is 56, 40 over three is 39: 58.9 %.
    let solution = one(even(7), even(3), 0.6);
    assert_ne!((solution.to, solution.from), (Some(60), Some(40)));
    assert!(solution.distance() <= TOLERANCE, "{solution:?}");
}

#[test]
fn a_small_share_of_many_backends_is_reached_although_every_backend_weighs_at_least_one() {
    // 5 over ten is 10, 95 over ten is 90: 10 %. Nothing below 10 is left to give.
    let solution = one(even(10), even(10), 0.05);
    assert!((solution.routes[0].share - 10.0 / 110.0).abs() < 1e-9, "{solution:?}");
    assert!(solution.distance() > TOLERANCE, "and it is told that it is not near");
}

#[test]
fn a_share_stays_when_a_backend_comes_or_goes() {
    let solution = one(even(7), even(3), 0.6);
    let [low, high] = solution.routes[0].range;
    let share = solution.routes[0].share;
    assert!(low <= share && share <= high, "{solution:?}");
    assert!(high - low < 0.05, "{solution:?}");
}

#[test]
fn outside_machines_keep_their_proportions() {
    let solution = one(even(2), servers(&[60, 20, 0]), 0.2);
    assert_eq!(solution.to, Some(20));
    assert_eq!(solution.from, None);
    assert_eq!(solution.routes[0].from_servers, [60, 20, 0]);
    let solution = one(even(2), servers(&[60, 20, 0]), 0.6);
    assert_eq!(solution.to, Some(60));
    assert_eq!(solution.routes[0].from_servers, [30, 10, 0]);
}

#[test]
fn machines_can_gain_too() {
    let solution = one(servers(&[0, 0]), even(2), 0.5);
    assert_eq!((solution.to, solution.from), (None, Some(50)));
    assert_eq!(solution.routes[0].sums, [50, 50]);
    assert_eq!(solution.routes[0].to_servers, [25, 25]);
}

#[test]
fn between_machines_the_whole_stays() {
    let goal = RouteGoal { to: servers(&[0]), from: servers(&[40, 40]), others: 20, total: 100 };
    let solution = solve(&[goal], 0.4).expect("weights");
    assert_eq!(solution.routes[0].sums, [40, 40]);
}

#[test]
fn others_keep_their_share() {
    let goal = RouteGoal { to: even(2), from: even(2), others: 50, total: 100 };
    let solution = solve(&[goal], 0.3).expect("weights");
    assert_eq!((solution.to, solution.from), (Some(30), Some(20)));
    let goal = RouteGoal { to: even(2), from: even(2), others: 50, total: 100 };
    let refused = solve(&[goal], 0.6).expect_err("others hold half");
    assert_eq!(refused, Unsolvable::Others { others: 50.0, most: 50.0 });
}

#[test]
fn one_weight_serves_all_routes_of_a_service() {
    // Port 80 has two backends on either side; port 443, in another group, has three machines outside.
    let routes = [goal(even(2), servers(&[40, 40])), goal(even(2), servers(&[80]))];
    let solution = solve(&routes, 0.2).expect("weights");
    assert_eq!(solution.to, Some(20));
    assert_eq!(solution.routes[0].from_servers, [40, 40]);
    assert_eq!(solution.routes[1].from_servers, [80]);
}

#[rstest]
#[case(1.5, Unsolvable::Share)]
#[case(-0.1, Unsolvable::Share)]
#[case(f64::NAN, Unsolvable::Share)]
fn a_wish_that_is_no_share_is_refused(#[case] wish: f64, #[case] why: Unsolvable) {
    assert_eq!(solve(&[goal(even(1), even(1))], wish), Err(why));
}

#[test]
fn a_side_without_backends_carries_nothing() {
    assert_eq!(solve(&[goal(even(0), even(2))], 0.2), Err(Unsolvable::NoBackends));
    assert_eq!(solve(&[goal(even(2), servers(&[]))], 0.2), Err(Unsolvable::NoBackends));
    assert_eq!(solve(&[], 0.2), Err(Unsolvable::NoRoute));
    let solution = one(even(2), even(0), 1.0);
    assert_eq!((solution.to, solution.from), (Some(100), Some(0)));
}

mod properties {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn spread() -> impl Strategy<Value = BackendLayout> {
        prop_oneof![
            (1_usize..30).prop_map(BackendLayout::Even),
            (prop::collection::vec(1_usize..20, 1..8), 0_usize..4)
                .prop_map(|(nodes, eci)| BackendLayout::Local { nodes, eci }),
        ]
    }

    /// The nearest that any two weights come to the wish, tried one by one.
    fn nearest(to: &BackendLayout, from: &BackendLayout, wish: f64) -> f64 {
        let mut nearest = f64::INFINITY;
        for a in 0..=100 {
            for b in 0..=100 {
                let (a, b) = (to.sum(a), from.sum(b));
                let is_meant = (a > 0) == (wish > 0.0) && (b > 0) == (wish < 1.0);
                if is_meant {
                    nearest = nearest.min((f64::from(a) / f64::from(a + b) - wish).abs());
                }
            }
        }
        nearest
    }

    /// The weights of both sides whose share is within a point of the wish, each with how far the
    /// share moves at most when one side has a backend less or more.
    fn near(to: &BackendLayout, from: &BackendLayout, wish: f64) -> BTreeMap<(u32, u32), f64> {
        let share = |to: u32, from: u32| f64::from(to) / f64::from((to + from).max(1));
        let sums = |layout: &BackendLayout| -> Vec<(u32, Vec<u32>)> {
            let others: Vec<_> = layout.one_less().into_iter().chain([layout.one_more()]).collect();
            let of_weight = |weight| {
                (layout.sum(weight), others.iter().map(|other| other.sum(weight)).collect())
            };
            (0..=100).map(of_weight).collect()
        };
        let (to, from) = (sums(to), sums(from));
        let mut near = BTreeMap::new();
        for (a, (to, to_moved)) in (0..).zip(&to) {
            for (b, (from, from_moved)) in (0..).zip(&from) {
                let present = share(*to, *from);
                if *to > 0 && *from > 0 && (present - wish).abs() <= TOLERANCE + 1e-9 {
                    let moved = to_moved.iter().map(|to| share(*to, *from));
                    let moved = moved.chain(from_moved.iter().map(|from| share(*to, *from)));
                    let most = moved.map(|moved| (moved - present).abs()).fold(0.0, f64::max);
                    near.insert((a, b), most);
                }
            }
        }
        near
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn what_is_possible_within_a_point_is_found(
            to in spread(), from in spread(), percent in 0_u32..=100,
        ) {
            let wish = f64::from(percent) / 100.0;
            let best = nearest(&to, &from, wish);
            let solution = solve(&[goal(Side::Service(to), Side::Service(from))], wish).unwrap();
            if best <= TOLERANCE {
                prop_assert!(solution.distance() <= TOLERANCE + 1e-9, "{:?}", solution);
            } else {
                prop_assert!((solution.distance() - best).abs() < 1e-9, "{best}: {:?}", solution);
            }
        }

        #[test]
        fn machines_beside_a_service_are_found_as_by_trying_all(
            to in spread(), weights in prop::collection::vec(0_u32..=100, 1..4), percent in 1_u32..100,
        ) {
            let wish = f64::from(percent) / 100.0;
            let most = capacity(&weights);
            let mut best = f64::INFINITY;
            for a in (1..=100).map(|weight| to.sum(weight)) {
                for b in 1..=most {
                    best = best.min((f64::from(a) / f64::from(a + b) - wish).abs());
                }
            }
            let solution = solve(&[goal(Side::Service(to), Side::Servers(weights))], wish).unwrap();
            prop_assert!(solution.distance() <= best.max(TOLERANCE) + 1e-9, "{best}: {:?}", solution);
        }

        #[test]
        fn sums_are_shared_out_to_the_last(
            weights in prop::collection::vec(0_u32..=100, 1..12), sum in 0_u32..2000,
        ) {
            let given = distribute(sum, &weights);
            prop_assert_eq!(given.iter().sum::<u32>(), sum.min(capacity(&weights)));
            prop_assert!(given.iter().all(|weight| *weight <= 100));
            let stays_out = |(given, weight): (&u32, &u32)| *weight > 0 || *given == 0;
            if weights.iter().any(|weight| *weight > 0) {
                prop_assert!(given.iter().zip(&weights).all(stays_out), "{:?}", given);
            }
        }

        #[test]
        fn within_a_point_percentages_come_first_and_then_what_one_backend_moves_least(
            to in spread(), from in spread(), percent in 1_u32..100,
        ) {
            let wish = f64::from(percent) / 100.0;
            let near = near(&to, &from, wish);
            let solution = solve(&[goal(Side::Service(to), Side::Service(from))], wish).unwrap();
            let weights = (solution.to.unwrap(), solution.from.unwrap());
            let percentages = (percent, 100 - percent);
            if near.contains_key(&percentages) {
                prop_assert_eq!(weights, percentages);
            } else if let Some(steadiest) = near.values().copied().reduce(f64::min) {
                prop_assert!(near[&weights] <= steadiest + 1e-8, "{steadiest}: {:?}", solution);
            }
        }
    }
}
