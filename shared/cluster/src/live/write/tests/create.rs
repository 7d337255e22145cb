//! New Services.

use clbmigrate_core::history;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    CHANGE, history_of,
    world::{Fault, World},
    writes,
};
use crate::live::{ErrorKind, WRITE_PATIENCE, WriteError, WrittenService, connect::Connection};

/// A new Service with the record of that change.
fn manifest(change: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "annotations": {
            history::KEY: history_of(&[change]),
        }},
        "spec": {"type": "LoadBalancer"},
    })
}

async fn create(connection: &Connection, is_dry: bool) -> Result<WrittenService, WriteError> {
    let deadline = Some(Instant::now() + WRITE_PATIENCE);
    connection.create_service(&manifest(CHANGE), CHANGE, is_dry, deadline).await
}

#[rstest]
#[case(&[], false)]
#[case(&[Fault::LostAnswer], true)]
#[case(&[Fault::Garbled], true)]
#[case(&[Fault::NeverArrived, Fault::Throttled(Some(3))], false)]
#[tokio::test(start_paused = true)]
async fn a_service_is_made_once_whatever_becomes_of_the_answer(
    #[case] faults: &[Fault],
    #[case] recovered: bool,
) {
    let (connection, world) = World { faults: faults.to_vec(), ..World::default() }.serve();
    let made = create(&connection, false).await.expect("it is made");
    assert_eq!((made.recovered, made.service.uid()), (recovered, "u-2"));
    assert_eq!(writes(&world), 1);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_is_left_to_who_took_it(
    #[values(Fault::None, Fault::NeverArrived)] fault: Fault,
    #[values(false, true)] is_dry: bool,
) {
    let theirs = Some(manifest("bbb"));
    let (connection, world) =
        World { service: theirs, faults: vec![fault], ..World::default() }.serve();
    match create(&connection, is_dry).await {
        Err(error @ WriteError::Exists { is_lost, .. }) => {
            assert_eq!(is_lost, fault == Fault::NeverArrived);
            assert!(error.to_string().contains("shop/web is there already"), "{error}");
        }
        Err(WriteError::Request(error)) if is_dry => {
            assert_eq!(error.kind, ErrorKind::Unreachable);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(writes(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_of_a_new_service_makes_none() {
    let (connection, world) = World::default().serve();
    create(&connection, true).await.expect("it would be made");
    assert_eq!(writes(&world), 0);
}
