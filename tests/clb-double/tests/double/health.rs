//! Health checks.

use serde_json::json;

use crate::site::{Site, Visit, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_answer_is_put_aside_until_it_does() {
    let mut site = Site::new(&[50, 50], json!({})).await;
    assert_eq!(site.health().await, ["normal", "normal"]);
    site.stop(0);
    site.until_health("abnormal", [0].into_iter()).await;
    assert_eq!(site.served(40).await, [0, 40]);
    site.restart(0).await;
    site.until_health("normal", [0].into_iter()).await;
    assert_eq!(site.served(40).await, [20, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn established_connections_outlive_a_failed_check() {
    let site = Site::new(&[1], json!({})).await;
    let mut visit = Visit::new(site.address).await.expect("a server");
    site.stop(0);
    site.until_health("abnormal", [0].into_iter()).await;
    assert!(visit.lives().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_none_is_well_all_are_used() {
    let site = Site::new(&[50, 50], json!({"healthCheck": {"port": null}})).await;
    // Where nobody listens: every check fails, though every server answers.
    site.edit_listener(|listener| listener.health_check.port = Some(1));
    site.until_health("abnormal", 0..2).await;
    assert_eq!(site.served(40).await, [20, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_backend_waits_for_its_checks() {
    let site = Site::new(&[50, 50], json!({})).await;
    // So slow that the test is over with its visit before they are.
    site.edit_listener(|listener| {
        listener.health_check.interval = 50;
        listener.health_check.healthy_threshold = 10;
    });
    let mut back = None;
    site.edit_group(|group| back = Some(group.backends.remove(1)));
    // A round of checks without it forgets it; then it has everything before it again.
    until("it is forgotten", async || {
        site.edit_group(|group| group.backends.extend(back.clone()));
        let forgotten = site.health().await[1] == "unavailable";
        if !forgotten {
            site.edit_group(|group| group.backends.truncate(1));
        }
        forgotten
    })
    .await;
    assert_eq!(site.served(10).await, [10, 0]);
    site.edit_listener(|listener| listener.health_check.interval = 1);
    site.until_health("normal", 0..2).await;
    assert_eq!(site.served(40).await, [20, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_checks_nothing_is_known_and_all_are_used() {
    let site = Site::starting(&[50, 50], json!({"healthCheck": {"enabled": false}})).await;
    assert_eq!(site.health().await, ["unavailable", "unavailable"]);
    assert_eq!(site.served(40).await, [20, 20]);
    site.stop(0);
    // Whoever is sent to it is cut off: nobody has found out.
    let mut failed = 0;
    for _ in 0..10 {
        failed += usize::from(Visit::new(site.address).await.is_err());
    }
    assert_eq!(failed, 5);
    let one = &site.report().backends[0];
    assert_eq!((one.key.server_id.as_str(), one.failed), ("i-1", 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_without_an_address_is_unwell() {
    let site = Site::new(&[50, 50], json!({})).await;
    site.double.edit(|state| state.instances.remove("i-2"));
    site.until_health("abnormal", [1].into_iter()).await;
    assert_eq!(site.served(10).await, [10, 0]);
}
