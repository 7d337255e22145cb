//! Who gets how many connections.

use serde_json::json;

use crate::site::{Site, Visit, until};

/// The chi-square statistic of counts against weights.
fn chi_square(counts: &[u64], weights: &[u8]) -> f64 {
    let as_float = |number: u64| f64::from(u32::try_from(number).expect("small"));
    let total = as_float(counts.iter().sum());
    let sum = weights.iter().copied().map(f64::from).sum::<f64>();
    counts
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight > 0)
        .map(|(count, weight)| {
            let expected = total * f64::from(*weight) / sum;
            (as_float(*count) - expected).powi(2) / expected
        })
        .sum()
}

/// What the statistic of four degrees of freedom exceeds once in a thousand times.
const LIMIT_4: f64 = 18.47;

#[tokio::test(flavor = "multi_thread")]
async fn wrr_shares_twenty_thousand_connections_by_weight() {
    let weights = [26, 26, 26, 10, 10];
    let site = Site::new(&weights, json!({"scheduler": "wrr"})).await;
    let served = site.served(19600).await;
    assert_eq!(served.iter().sum::<u64>(), 19600);
    assert!(chi_square(&served, &weights) < LIMIT_4, "{served:?}");
    assert!(chi_square(&served, &[1; 5]) > LIMIT_4, "{served:?} would pass for equal shares");
}

#[tokio::test(flavor = "multi_thread")]
async fn rr_shares_alike_whatever_the_weights() {
    let site = Site::new(&[90, 5, 5, 1, 50], json!({"scheduler": "rr"})).await;
    let served = site.served(2000).await;
    assert!(chi_square(&served, &[1; 5]) < LIMIT_4, "{served:?}");
    assert!(chi_square(&served, &[90, 5, 5, 1, 50]) > LIMIT_4, "{served:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wlc_fills_up_by_connections_for_each_unit_of_weight() {
    let site = Site::new(&[20, 10], json!({"scheduler": "wlc"})).await;
    let mut visits = Vec::new();
    for _ in 0..60 {
        visits.push(Visit::new(site.address).await.expect("a server"));
    }
    assert_eq!(site.totals(), [40, 20]);
    // Whoever loses connections gets the next ones.
    visits.retain(|visit| visit.server != "i-2");
    until("the connections have ended", async || site.report().backends[1].open == 0).await;
    for _ in 0..20 {
        let visit = Visit::new(site.address).await.expect("a server");
        assert_eq!(visit.server, "i-2");
        visits.push(visit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_weights_counts_from_the_next_connection() {
    let site = Site::new(&[50, 50, 0], json!({})).await;
    assert_eq!(site.served(100).await, [50, 50, 0]);
    site.set_weight(2, 100).await;
    assert_eq!(site.served(200).await, [50, 50, 100]);
    site.set_weight(0, 0).await;
    site.set_weight(1, 0).await;
    assert_eq!(site.served(50).await, [0, 0, 50]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rr_gives_nothing_to_weight_0() {
    let site = Site::new(&[1, 0, 9], json!({"scheduler": "rr"})).await;
    assert_eq!(site.served(100).await, [50, 0, 50]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_weight_refuses() {
    let site = Site::new(&[0, 0], json!({})).await;
    assert!(Visit::new(site.address).await.is_err());
    assert_eq!(site.report().refused, 1);
    site.edit_group(|group| group.backends.clear());
    assert!(Visit::new(site.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stays_with_its_backend_where_the_listener_says_so() {
    let site = Site::new(&[50, 50], json!({"persistenceTimeout": 3600})).await;
    let first = Visit::new(site.address).await.expect("a server").server;
    let mut served = site.served(20).await;
    assert_eq!(served.remove(usize::from(first == "i-2")), 20);
    assert_eq!(served, [0]);
    // Not longer than it may take connections.
    site.set_weight(usize::from(first == "i-2"), 0).await;
    assert_ne!(Visit::new(site.address).await.expect("a server").server, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_forwards_while_it_runs() {
    let site = Site::new(&[1], json!({})).await;
    let mut visit = Visit::new(site.address).await.expect("a server");
    assert!(visit.lives().await);
    let params = [("LoadBalancerId", "lb-1"), ("ListenerPort", "18080")];
    site.client.slb("StopLoadBalancerListener", &params).await.done();
    visit.cut().await;
    until("nobody listens", async || Visit::new(site.address).await.is_err()).await;
    assert!(!site.report().forwards);
    site.client.slb("StartLoadBalancerListener", &params).await.done();
    until("it forwards again", async || Visit::new(site.address).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_connections_are_open_at_once() {
    const MANY: u64 = 2000;
    let site = Site::new(&[70, 30], json!({})).await;
    let mut visits = Vec::new();
    for _ in 0..MANY {
        visits.push(Visit::new(site.address).await.expect("a server"));
    }
    let open = site.report().backends.iter().map(|one| one.open).collect::<Vec<_>>();
    assert_eq!(open, [1400, 600]);
    for visit in &mut visits {
        assert!(visit.lives().await);
    }
    drop(visits);
    until("all are closed", async || site.report().backends.iter().all(|one| one.open == 0)).await;
}
