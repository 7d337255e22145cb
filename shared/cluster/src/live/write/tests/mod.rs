mod create;
mod world;

use clbmigrate_core::{
    history,
    patch::{AnnotationEdit, TYPE_FIELD, TypeEdit},
};
use rstest::rstest;

use self::world::{Fault, Shared, World};
use super::*;

const WEIGHT: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";
const CHANGE: &str = "0123456789ab";

fn annotate(key: &str, old: Option<&str>, new: &str) -> AnnotationEdit {
    AnnotationEdit { key: key.to_owned(), old: old.map(str::to_owned), new: Some(new.to_owned()) }
}

/// A history of changes with these ids.
fn history_of(changes: &[&str]) -> String {
    let entries = changes.iter().map(|change| json!({"change": change, "when": "w", "who": "x"}));
    json!(entries.collect::<Vec<_>>()).to_string()
}

/// A change of the weight from 20 to 40, with its record.
fn recorded() -> ServiceEdit {
    let record = annotate(history::KEY, None, &history_of(&[CHANGE]));
    vec![annotate(WEIGHT, Some("20"), "40"), record].into()
}

/// The same without a record.
fn bare() -> ServiceEdit {
    vec![annotate(WEIGHT, Some("20"), "40")].into()
}

/// An edit that calls CCM.
fn resync() -> ServiceEdit {
    vec![annotate(RESYNC, None, CHANGE)].into()
}

/// A change that makes the Service one of a load balancer, and gives it a weight.
fn typed() -> ServiceEdit {
    let service_type =
        TypeEdit { old: Some("ClusterIP".to_owned()), new: "LoadBalancer".to_owned() };
    ServiceEdit { service_type: Some(service_type), ..recorded() }
}

fn start(faults: &[Fault]) -> (Connection, Shared) {
    World { faults: faults.to_vec(), ..World::with(&json!({WEIGHT: "20"})) }.serve()
}

async fn write(connection: &Connection, edit: &ServiceEdit) -> Result<WrittenService, WriteError> {
    let service = connection.service("shop", "web").await.expect("an answer").expect("a Service");
    connection.write(&service, edit, CHANGE, Some(Instant::now() + WRITE_PATIENCE)).await
}

fn writes(world: &Shared) -> usize {
    world.lock().expect("a world").writes
}

/// Sets what somebody else writes after the next request.
fn meanwhile(world: &Shared, theirs: Value) {
    world.lock().expect("a world").meanwhile = Some(theirs);
}

fn theirs(annotations: &Value) -> Value {
    json!({"metadata": {"annotations": annotations}})
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn every_edit_whose_answer_is_lost_is_found_and_written_once(
    #[values(recorded(), bare(), resync(), typed())] edit: ServiceEdit,
    #[values(Fault::LostAnswer, Fault::Garbled, Fault::NeverArrived)] fault: Fault,
) {
    let (connection, world) = start(&[fault]);
    let written = write(&connection, &edit).await.expect("it is written");
    assert_eq!(written.recovered, fault != Fault::NeverArrived);
    assert!(edit.fields().all(|field| written.service.has_new(field)));
    assert_eq!(writes(&world), 1);
}

#[rstest]
#[case::a_weight(json!({WEIGHT: "40"}), &recorded(), WEIGHT)]
#[case::another_weight(json!({WEIGHT: "7"}), &recorded(), WEIGHT)]
#[case::a_record(json!({history::KEY: history_of(&["bbb"])}), &recorded(), history::KEY)]
#[case::a_call_of_ccm(json!({RESYNC: "1700000000"}), &resync(), RESYNC)]
#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_first_is_a_conflict(
    #[case] first: Value,
    #[case] edit: &ServiceEdit,
    #[case] field: &str,
) {
    for fault in [Fault::NeverArrived, Fault::Status(422), Fault::Status(409)] {
        let (connection, world) = start(&[fault]);
        meanwhile(&world, theirs(&first));
        match write(&connection, edit).await {
            Err(WriteError::Conflict { key, is_lost, .. }) => {
                assert_eq!((key.as_str(), is_lost), (field, fault == Fault::NeverArrived));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(writes(&world), 0);
    }
}

#[rstest]
#[case::put_back(json!({WEIGHT: "20"}), WEIGHT, &recorded())]
#[case::another_weight(json!({WEIGHT: "7"}), WEIGHT, &recorded())]
#[case::with_a_record_of_their_own(
    json!({WEIGHT: "7", history::KEY: history_of(&[CHANGE, "bbb"])}), WEIGHT, &recorded()
)]
#[tokio::test(start_paused = true)]
async fn what_is_written_and_overwritten_is_told_as_that(
    #[case] then: Value,
    #[case] field: &str,
    #[case] edit: &ServiceEdit,
) {
    let (connection, world) = start(&[Fault::LostAnswer]);
    meanwhile(&world, theirs(&then));
    match write(&connection, edit).await {
        Err(WriteError::Overwritten { key, .. }) => assert_eq!(key, field),
        other => panic!("{other:?}"),
    }
    assert_eq!(writes(&world), 1, "it is not fought over");
}

#[tokio::test(start_paused = true)]
async fn a_type_that_somebody_put_back_is_told_by_its_name() {
    let (connection, world) = start(&[Fault::LostAnswer]);
    meanwhile(&world, json!({"spec": {"type": "ClusterIP"}}));
    match write(&connection, &typed()).await {
        Err(WriteError::Overwritten { key, .. }) => assert_eq!(key, TYPE_FIELD),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_somebody_has_added_to_since_is_still_there() {
    let (connection, world) = start(&[Fault::LostAnswer]);
    meanwhile(&world, theirs(&json!({history::KEY: history_of(&[CHANGE, "bbb"])})));
    assert!(write(&connection, &recorded()).await.expect("it is written").recovered);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_recorded_already_is_not_taken_for_written() {
    let known = history_of(&[CHANGE]);
    let world = World::with(&json!({WEIGHT: "20", history::KEY: known}));
    let (connection, world) = World { faults: vec![Fault::NeverArrived], ..world }.serve();
    let record = annotate(history::KEY, Some(&known), &history_of(&[CHANGE, "second"]));
    let edit = ServiceEdit::from(vec![annotate(WEIGHT, Some("20"), "40"), record]);
    assert!(!write(&connection, &edit).await.expect("it is written").recovered);
    assert_eq!(writes(&world), 1);
}

/// Nobody can tell whose values these are, and they are what was wanted.
#[tokio::test(start_paused = true)]
async fn values_without_a_record_that_somebody_else_wrote_count_as_written() {
    for fault in [Fault::NeverArrived, Fault::Status(422)] {
        let (connection, world) = start(&[fault]);
        meanwhile(&world, theirs(&json!({WEIGHT: "40"})));
        assert!(write(&connection, &bare()).await.expect("it is so").recovered);
        assert_eq!(writes(&world), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_throttled_is_sent_again_when_the_server_wants_it() {
    let (connection, world) = start(&[Fault::Throttled(Some(7)), Fault::Throttled(None)]);
    let begun = Instant::now();
    let written = write(&connection, &recorded()).await.expect("it is written");
    assert!(!written.recovered, "no answer was lost");
    assert_eq!(begun.elapsed().as_millis(), 7500);
    assert_eq!(writes(&world), 1);
}

#[rstest]
#[case::it_wants_more_time_than_there_is(&[Fault::Throttled(Some(61))], 0)]
#[case::again_and_again(&[Fault::Throttled(Some(29)); 4], 58)]
#[tokio::test(start_paused = true)]
async fn a_request_that_is_throttled_for_too_long_is_certainly_not_written(
    #[case] faults: &[Fault],
    #[case] seconds: u64,
) {
    let (connection, world) = start(faults);
    let begun = Instant::now();
    match write(&connection, &recorded()).await {
        Err(WriteError::Request(error)) => assert_eq!(error.kind, ErrorKind::Throttled),
        other => panic!("{other:?}"),
    }
    assert_eq!((begun.elapsed().as_secs(), writes(&world)), (seconds, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_a_throttled_request_is_sent_until_it_passes() {
    let (connection, _) = start(&[Fault::Throttled(Some(600)); 6]);
    let service = connection.service("shop", "web").await.expect("an answer").expect("it");
    let begun = Instant::now();
    connection.write(&service, &recorded(), CHANGE, None).await.expect("it is written");
    assert_eq!(begun.elapsed().as_secs(), 3600);
}

/// The first request may be on its way still.
#[rstest]
#[case::throttled(Fault::Throttled(Some(90)))]
#[case::forbidden(Fault::Status(403))]
#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_a_refusal_does_not_say_that_nothing_is_written(#[case] then: Fault) {
    let (connection, _) = start(&[Fault::NeverArrived, then]);
    match write(&connection, &recorded()).await {
        Err(WriteError::Unknown(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_arrives_is_unknown_at_the_deadline() {
    let (connection, world) = start(&[Fault::NeverArrived; 1000]);
    let begun = Instant::now();
    match write(&connection, &recorded()).await {
        Err(WriteError::Unknown(_)) => {}
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() <= WRITE_PATIENCE);
    assert_eq!(writes(&world), 0);
}

#[rstest]
#[case(403)]
#[case(413)]
#[tokio::test(start_paused = true)]
async fn a_refusal_is_final(#[case] code: u16) {
    let (connection, world) = start(&[Fault::Status(code)]);
    match write(&connection, &recorded()).await {
        Err(WriteError::Request(_)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(writes(&world), 0);
}

/// 422 without a cause that is to be seen, such as values that were changed and changed back.
#[rstest]
#[case(&[Fault::Status(422); 2], true)]
#[case(&[Fault::Status(409); 3], true)]
#[case(&[Fault::Status(422); 9], false)]
#[tokio::test(start_paused = true)]
async fn a_refusal_because_of_a_value_that_is_as_it_was_read_may_pass(
    #[case] faults: &[Fault],
    #[case] passes: bool,
) {
    let (connection, world) = start(faults);
    match write(&connection, &recorded()).await {
        Ok(_) => assert!(passes),
        Err(WriteError::Request(error)) => {
            assert!(!passes);
            assert_eq!(error.kind, ErrorKind::Precondition);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(writes(&world), usize::from(passes));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_made_anew_meanwhile_is_left_alone() {
    for fault in [Fault::NeverArrived, Fault::None] {
        let (connection, world) = start(&[fault]);
        let service = connection.service("shop", "web").await.expect("an answer").expect("it");
        world.lock().expect("a world").service.as_mut().expect("it")["metadata"]["uid"] =
            json!("u-9");
        match connection.write(&service, &bare(), CHANGE, None).await {
            Err(WriteError::Request(error)) => assert_eq!(error.kind, ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
        assert_eq!(writes(&world), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_that_is_throttled_is_sent_again_and_writes_nothing() {
    let (connection, world) = start(&[Fault::Throttled(Some(1))]);
    let service = connection.service("shop", "web").await.expect("an answer").expect("it");
    connection.dry_run(&service, &typed()).await.expect("it would pass");
    assert_eq!(writes(&world), 0);
}
