//! Names that no object of a cluster can have: whoever posts them is no API server.

use clbmigrate_webhook::{Webhook, admission::ReviewError};
use futures::executor::block_on;
use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

/// The answer to the review of an update, changed by a patch.
fn answer_to(object: &Value, patch: &Value) -> Result<(), ReviewError> {
    let review = edited(&review(USER, "UPDATE", Some(object), Some(object)), patch);
    let webhook = if review["request"]["kind"]["kind"] == "Service" {
        Webhook::ValidateServices
    } else {
        Webhook::ValidateWorkloads
    };
    let admission = test_cluster().admission();
    block_on(admission.review(webhook, review.to_string().as_bytes())).map(drop)
}

#[rstest]
#[case(json!({"namespace": "../../../api/v1/secrets"}), "namespace is")]
#[case(json!({"namespace": "shop.eu"}), "namespace is")]
#[case(json!({"namespace": "Shop"}), "namespace is")]
#[case(json!({"name": "web?dryRun=All"}), "name is")]
#[case(json!({"name": "web/status"}), "name is")]
#[case(json!({"object": {"metadata": {"namespace": ".."}}}), "namespace is")]
#[case(json!({"object": {"metadata": {"name": "web/status"}}}), "name is")]
#[case(json!({"oldObject": {"metadata": {"namespace": "shop/secrets"}}}), "namespace is")]
#[case(json!({"oldObject": {"metadata": {"name": "web\n"}}}), "name is")]
fn a_review_of_an_object_that_there_cannot_be_is_refused_with_the_reason(
    #[case] request: Value,
    #[case] reason: &str,
    #[values(web(), deployment())] object: Value,
) {
    let error = answer_to(&object, &json!({"request": request})).expect_err("no such object");
    assert!(matches!(error, ReviewError::Name(_)), "{error:?}");
    assert!(error.to_string().contains(reason), "{error}");
}

#[test]
fn a_name_with_dots_is_a_workloads_and_no_services() {
    let named = json!({"request": {"name": "web.v2", "object": {"metadata": {"name": "web.v2"}}}});
    answer_to(&deployment(), &named).expect("a workload's name");
    let error = answer_to(&web(), &named).expect_err("no Service's name");
    assert!(matches!(error, ReviewError::Name(_)), "{error:?}");
}

#[test]
fn a_name_that_is_still_to_be_made_up_is_no_mistake() {
    let unnamed = json!({"request": {"name": "", "object": {"metadata": {"name": null}}}});
    answer_to(&web(), &unnamed).expect("a review");
    answer_to(&deployment(), &unnamed).expect("a review");
}
