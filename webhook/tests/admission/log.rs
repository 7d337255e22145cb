//! The log lines that reviews leave.

use std::{cell::RefCell, collections::BTreeSet, io, sync::Once};

use clbmigrate_webhook::admission::AuditAnnotation;
use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

thread_local! {
    /// What was logged in this thread.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes what each thread logs to [`LOGGED`].
struct ThreadLog;

impl io::Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that are logged meanwhile in this thread. One subscriber is there for all threads: whether a
/// line is written anywhere is remembered at its place in the code.
fn lines_of(reviews: impl FnOnce()) -> Vec<Value> {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| ThreadLog);
        tracing::subscriber::set_global_default(lines.finish()).expect("the first subscriber");
    });
    LOGGED.take();
    reviews();
    let text = String::from_utf8(LOGGED.take()).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn the_line_of(reviews: impl FnOnce()) -> Value {
    let lines = lines_of(reviews);
    let [line] = lines.as_slice() else { panic!("not one line: {lines:#?}") };
    line.clone()
}

fn bad() -> Value {
    with_annotations(&web(), &[("weight", json!("101"))])
}

fn assert_names_the_request(line: &Value, operation: &str) {
    let told = ["uid", "operation", "kind", "namespace", "name", "user"].map(|key| &line[key]);
    let expected = ["u-1", operation, "Service", "shop", "web", USER];
    assert_eq!(told, expected.each_ref().map(|text| json!(text)).each_ref(), "{line:#}");
    assert_eq!(line["dry_run"], false, "{line:#}");
}

#[test]
fn a_denial_names_the_request_the_user_and_the_rules() {
    let both = with_annotations(&bad(), &[("healthy-threshold", json!("3s"))]);
    let line = the_line_of(|| drop(test_cluster().create(&both)));
    assert_names_the_request(&line, "CREATE");
    assert_eq!((&line["message"], &line["rules"]), (&json!("refused"), &json!("CLB001,CLB014")));
    assert_eq!(line["level"], "INFO");
    let line = the_line_of(|| drop(test_cluster().with_service(&web()).delete(&web())));
    assert_names_the_request(&line, "DELETE");
    assert_eq!(line["rules"], "CLB404");
}

#[test]
fn a_dry_run_is_told_as_one() {
    let mut review = review(USER, "CREATE", None, Some(&bad()));
    review["request"]["dryRun"] = json!(true);
    let line = the_line_of(|| drop(validate(&test_cluster().admission(), &review)));
    assert_eq!(line["dry_run"], true, "{line:#}");
}

/// Changes that pass with an error: the configuration, the old version, the new one, and what is told.
#[rstest]
#[case::exempted(
    "",
    web(),
    edited(&with_annotations(&web(), &[(ALLOW, json!("CLB404"))]), &json!({"spec": {"type": "NodePort"}})),
    "CLB404", "allowed here"
)]
#[case::exempted_where_it_is_a_warning(
    "allow: all",
    web(),
    with_annotations(&bad(), &[(ALLOW, json!("CLB001"))]),
    "CLB001", "allowed here"
)]
#[case::so_before(
    "",
    bad(),
    with_annotations(&bad(), &[("connection-drain", json!("on"))]),
    "CLB001", "was so before"
)]
#[case::lowered(
    "",
    with_annotations(&web(), &[("healthy-threshold", json!("3s"))]),
    with_annotations(&web(), &[("healthy-threshold", json!("3s")), ("weight", json!("20"))]),
    "CLB014", "lowered"
)]
#[case::warned_by_mode("rules: {CLB001: warn}", web(), bad(), "CLB001", "mode warn")]
#[case::audited_by_mode("rules: {CLB001: audit}", web(), bad(), "CLB001", "mode audit")]
fn what_passes_with_an_error_leaves_one_line_with_the_reason(
    #[case] config: &str,
    #[case] old: Value,
    #[case] new: Value,
    #[case] rules: &str,
    #[case] remark: &str,
) {
    let cluster = test_cluster().config(config).with_service(&old);
    let line = the_line_of(|| {
        let response = cluster.update(&old, &new);
        assert!(response.allowed(), "{response:?}");
    });
    assert_names_the_request(&line, "UPDATE");
    assert_eq!(line["message"], "allowed with an error", "{line:#}");
    assert_eq!((&line["rules"], &line["remark"]), (&json!(rules), &json!(remark)), "{line:#}");
}

#[test]
fn each_rule_has_its_own_reason() {
    let old = with_annotations(&bad(), &[("healthy-threshold", json!("3s"))]);
    let new = with_annotations(&old, &[(ALLOW, json!("CLB014"))]);
    let cluster = test_cluster().config("allow: [CLB014]").with_service(&old);
    let line = the_line_of(|| drop(cluster.update(&old, &new)));
    assert_eq!(line["rules"], "CLB001,CLB014", "{line:#}");
    assert_eq!(line["remark"], "was so before,allowed here", "{line:#}");
}

#[test]
fn a_workload_that_passes_with_an_error_leaves_a_line_too() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let labelled = json!({"spec": {"template": {"metadata": {"labels": {"tier": "front"}}}}});
    let restarted = edited(&unfit, &labelled);
    let cluster = test_cluster().with_service(&web());
    let line = the_line_of(|| drop(cluster.update(&unfit, &restarted)));
    assert_eq!((&line["kind"], &line["name"]), (&json!("Deployment"), &json!("web")), "{line:#}");
    assert_eq!((&line["rules"], &line["remark"]), (&json!("CLB301"), &json!("was so before")));

    let reader = FakeApiReader {
        past_templates: Some(vec![unfit["spec"]["template"].clone()]),
        ..FakeApiReader::default()
    };
    let cluster = test_cluster().with_service(&web()).api_reader(reader);
    let line = the_line_of(|| drop(cluster.update(&deployment(), &unfit)));
    assert_eq!(line["remark"], "in an earlier template", "{line:#}");
}

#[rstest]
#[case::nothing_wrong(web())]
#[case::a_warning(with_annotations(&web(), &[("spec", json!("slb.s1.small"))]))]
fn what_passes_without_an_error_leaves_no_line(#[case] service: Value) {
    let cluster = test_cluster().nodes(&[node(1)]);
    assert_eq!(lines_of(|| drop(cluster.create(&service))), Vec::<Value>::new());
}

#[test]
fn an_error_of_a_workload_behind_a_service_is_no_line_about_the_service() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let cluster = test_cluster().nodes(&[node(1)]).with_workload(&unfit);
    assert_eq!(lines_of(|| drop(cluster.create(&web()))), Vec::<Value>::new());
}

#[test]
fn one_user_s_lines_do_not_silence_another_s() {
    let admission = test_cluster().admission();
    let create =
        |user: &str| drop(validate(&admission, &review(user, "CREATE", None, Some(&bad()))));
    let lines = lines_of(|| {
        (0..200).for_each(|_| create("system:serviceaccount:ops:robot"));
        create(USER);
    });
    let of_robot = lines.iter().filter(|line| line["user"] != USER).count();
    assert!(of_robot < 200, "all {of_robot} lines were written");
    assert_eq!(lines.iter().filter(|line| line["user"] == USER).count(), 1);
}

#[test]
fn a_forged_name_is_cut_in_the_log() {
    let admission = test_cluster().admission();
    let long = "修".repeat(100_000);
    let line = the_line_of(|| {
        drop(validate(&admission, &review(&long, "CREATE", None, Some(&bad()))));
    });
    let user = line["user"].as_str().expect("a user");
    assert!(user.len() <= 253 && long.starts_with(user), "{} bytes", user.len());
}

/// The first column of the table below a heading of docs/webhook.md.
fn documented(heading: &str) -> BTreeSet<String> {
    let page = include_str!("../../../docs/webhook.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let names = cells.flat_map(|cell| cell.split(", "));
    names.map(|name| name.trim_matches('`').to_owned()).collect()
}

#[test]
fn each_field_of_the_lines_is_documented_and_no_other() {
    let unread = edited(&bad(), &json!({"spec": {"externalTrafficPolicy": {"mode": "Local"}}}));
    let allowed = with_annotations(&bad(), &[("connection-drain", json!("on"))]);
    let lines = lines_of(|| {
        drop(test_cluster().create(&unread));
        drop(test_cluster().with_service(&bad()).update(&bad(), &allowed));
    });
    let fields = lines.iter().flat_map(|line| line.as_object().expect("an object").keys().cloned());
    assert_eq!(fields.collect::<BTreeSet<_>>(), documented("Log"), "{lines:#?}");
}

#[test]
fn each_audit_annotation_is_documented_and_no_other() {
    let keys = AuditAnnotation::ALL.map(|annotation| annotation.key().to_owned());
    assert_eq!(BTreeSet::from(keys), documented("Audit annotations"));
}
