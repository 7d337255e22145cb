use std::fmt::Write;

use clbmigrate_cluster::files::Options;
use rstest::rstest;

use crate::support::{cluster, origin, read, read_well, read_with, service, services};

#[rstest]
#[case::one_document(service("a"), &["default/a"])]
#[case::documents_in_a_row([service("a"), service("b")].concat(), &["default/a", "default/b"])]
#[case::documents_by_line([service("a"), service("b")].join("\n\n"), &["default/a", "default/b"])]
#[case::array(format!("[{}, {}]", service("a"), service("b")), &["default/a", "default/b"])]
#[case::empty_array("[]".to_owned(), &[])]
#[case::list(format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, service("a")), &["default/a"])]
#[case::list_in_list(
    format!(r#"{{"kind":"List","items":[{{"kind":"List","items":[{}]}}, {}]}}"#, service("a"), service("b")),
    &["default/a", "default/b"]
)]
#[case::lists_in_an_array(
    format!(r#"[{{"kind":"List","items":[{}]}}, {{"kind":"List","items":[{}]}}]"#, service("a"), service("b")),
    &["default/a", "default/b"]
)]
#[case::list_without_kind(format!(r#"{{"items":[{}]}}"#, service("a")), &["default/a"])]
#[case::empty_list(r#"{"apiVersion":"v1","kind":"List","items":[]}"#.to_owned(), &[])]
#[case::null_items(r#"{"apiVersion":"v1","kind":"ServiceList","items":null}"#.to_owned(), &[])]
#[case::byte_order_mark(format!("\u{feff}{}", service("a")), &["default/a"])]
#[case::escaped_kind(service("a").replace("Service", "Ser\\u0076ice"), &["default/a"])]
#[case::braces_in_strings(
    service("a").replace("\"spec\":{", r#""spec":{"note":"}]{[\"\\","#),
    &["default/a"]
)]
fn objects_are_found_in_every_shape_of_json(#[case] json: String, #[case] expected: &[&str]) {
    let loaded = read_well("x.json", json);
    let expected_objects = expected.len();
    // A List that is empty, or an array, makes no object, and no cluster but the unnamed one.
    assert_eq!(services(cluster(&loaded)), expected);
    assert_eq!(loaded.objects, expected_objects);
    assert!(loaded.skipped.is_empty(), "{:?}", loaded.skipped);
}

const BARE: &str = r#"{"metadata":{"name":"a","namespace":"shop"},"spec":{"ports":[{"port":80}]}}"#;

#[rstest]
#[case::kind_first(format!(r#"{{"kind":"ServiceList","apiVersion":"v1","metadata":{{}},"items":[{BARE}]}}"#))]
#[case::kind_last(format!(r#"{{"items":[{BARE}],"metadata":{{"resourceVersion":"1"}},"apiVersion":"v1","kind":"ServiceList"}}"#))]
fn items_without_kind_are_what_their_list_is_a_list_of(#[case] json: String) {
    let loaded = read_well("raw.json", json);
    assert_eq!(services(cluster(&loaded)), ["shop/a"]);
}

#[test]
fn items_without_kind_keep_their_lines_when_the_kind_comes_last() {
    let json = format!("{{\"items\": [\n{BARE}\n],\n\"kind\": \"ServiceList\"}}");
    let loaded = read_well("raw.json", json);
    let service = cluster(&loaded).service("shop", "a").expect("the Service");
    assert_eq!(origin(&service.metadata).line, 2);
}

#[test]
fn items_of_a_foreign_list_are_not_taken_for_ours() {
    let json = format!(
        r#"{{"apiVersion":"serving.knative.dev/v1","kind":"ServiceList","items":[{BARE},{BARE}]}}"#
    );
    let loaded = read_well("raw.json", json);
    assert_eq!(loaded.objects, 0);
    assert_eq!(loaded.skipped["Service.serving.knative.dev"], 2);
}

#[test]
fn an_item_without_kind_in_a_plain_list_is_a_problem() {
    let json = format!("{{\"kind\":\"List\",\"items\":[\n{BARE},\n{}]}}", service("b"));
    let (loaded, problems) = read("x.json", json);
    assert_eq!(
        problems,
        ["x.json:2: an object without kind in a List that does not tell its items' kind"]
    );
    assert_eq!(services(cluster(&loaded)), ["default/b"]);
}

#[test]
fn a_malformed_object_between_two_good_ones_is_named_and_read_in_part() {
    let bad = "{\n\"kind\":\"Service\",\n\"metadata\":{\"name\":\"bad\",\"namespace\":\"shop\"},\n\"spec\":{\"ports\":[{\"port\":80},\n{\"port\":\n70000}]}\n}";
    let json = format!("[{},\n{bad},\n{}]", service("a"), service("b"));
    let (loaded, problems) = read("x.json", json);
    assert_eq!(
        problems,
        [
            "x.json:7: Service shop/bad: spec.ports[1].port: invalid value: integer `70000`, expected u16"
        ]
    );
    assert_eq!(services(cluster(&loaded)), ["default/a", "default/b", "shop/bad"]);
}

#[rstest]
#[case::missing_comma(
    "x.json:2: not valid JSON: expected `,` or `]`, found `{`; nothing behind it was read",
    "\n"
)]
#[case::rubbish("x.json:2: not valid JSON: expected value; nothing behind it was read", ",\n#")]
#[case::two_commas("x.json:2: not valid JSON: expected value; nothing behind it was read", ",\n,")]
#[case::bad_key(
    "x.json:2: not valid JSON: expected a key in double quotes, found `k`; nothing behind it was read",
    ",\n{kind"
)]
#[case::comma_before_brace(
    "x.json:2: not valid JSON: expected a key in double quotes, found `}`; nothing behind it was read",
    ",\n{\"a\":1,}"
)]
#[case::inside(
    "x.json:3: not valid JSON: expected `,` or `}`; nothing behind it was read",
    ",\n{\"kind\":\"Service\",\"spec\":{\"a\":1\n\"b\":2}}"
)]
fn what_precedes_a_syntax_error_stays(#[case] problem: &str, #[case] between: &str) {
    let json = format!("[{}{between}{}]", service("a"), service("b"));
    let (loaded, problems) = read("x.json", json);
    // A key without quotes is told before what follows it.
    assert_eq!(problems, [problem]);
    assert_eq!(services(cluster(&loaded)), ["default/a"]);
}

#[test]
fn an_end_in_the_middle_is_named_with_its_line() {
    let list = format!("{{\"kind\":\"List\",\"items\":[\n{},\n{}]}}", service("a"), service("b"));
    let cut = &list[..list.len() - 10];
    let (loaded, problems) = read("x.json", cut);
    assert_eq!(
        problems,
        ["x.json:3: not valid JSON: EOF while parsing a string; nothing behind it was read"]
    );
    assert_eq!(services(cluster(&loaded)), ["default/a"]);
}

#[test]
fn every_cut_of_a_list_keeps_what_was_complete() {
    let list = format!("{{\"items\":[{},{}],\"kind\":\"List\"}}", service("a"), service("b"));
    let first = list.find("},{\"api").expect("the second item") + 1;
    for end in 1..list.len() {
        let (loaded, problems) = read("x.json", &list[..end]);
        assert_eq!(problems.len(), 1, "cut at {end}: {problems:?}");
        assert_eq!(loaded.objects > 0, end >= first, "cut at {end}");
    }
}

/// A List of Services, larger than what is read at a time.
fn large(count: usize) -> String {
    let mut list = "{\n\"apiVersion\": \"v1\",\n\"items\": [\n".to_owned();
    for index in 0..count {
        let comma = if index + 1 < count { "," } else { "" };
        writeln!(list, "{}{comma}", service(&format!("web-{index:06}"))).expect("a string");
    }
    list + "],\n\"kind\": \"List\"\n}\n"
}

#[test]
fn a_file_larger_than_the_window_keeps_objects_and_lines() {
    let loaded = read_well("x.json", large(20_000));
    let cluster = cluster(&loaded);
    assert_eq!(loaded.objects, 20_000);
    for index in [0, 1, 777, 19_999] {
        let service = cluster.service("default", &format!("web-{index:06}")).expect("the Service");
        assert_eq!(origin(&service.metadata).line, 4 + index);
    }
}

#[test]
fn a_number_cut_in_two_by_the_window_is_read_whole() {
    // Every place of the window's end inside `"x": -12.5e3` occurs among these.
    for pad in 0..20 {
        let json = format!(
            "[{}, {{\"kind\":\"Secret\",\"x\": -12.5e3, \"pad\":\"{}\"}}, {}]",
            service("a"),
            "é".repeat(40),
            service("b")
        );
        let spaces = " ".repeat((128 << 10) - service("a").len() - 40 + pad);
        let loaded = read_well("x.json", format!("{spaces}{json}"));
        assert_eq!(loaded.objects, 2);
        assert_eq!(loaded.skipped["Secret"], 1);
    }
}

#[test]
fn an_object_beyond_the_limit_is_named_and_what_precedes_it_stays() {
    let options = Options { object_limit: 2048, ..Options::default() };
    let big = service("big").replace(":80", &format!(":{}80", " ".repeat(5000)));
    let json = format!("[{},\n{big},\n{}]", service("a"), service("b"));
    let (loaded, problems) = read_with("x.json", json, &options);
    assert_eq!(
        problems,
        ["x.json:2: an object larger than 2 KiB, the limit; nothing behind it was read"]
    );
    assert_eq!(services(cluster(&loaded)), ["default/a"]);
    // The limit is on one object, not on the file.
    let loaded = read_with("x.json", large(1000), &options).0;
    assert_eq!(loaded.objects, 1000);
}

#[rstest]
#[case::number("5", "5")]
#[case::text("\"Service\"", "\"Service\"")]
#[case::null("null", "null")]
#[case::deep_array(&"[".repeat(12), "[[[[")]
fn something_else_than_an_object_is_a_problem(#[case] value: &str, #[case] shown: &str) {
    let closing = "]".repeat(value.matches('[').count());
    let (loaded, problems) = read("x.json", format!("{}\n{value}{closing}", service("a")));
    assert_eq!(loaded.objects, 1);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let start = format!("x.json:2: expected an object or an answer of the CLB API, found {shown}");
    assert!(problems[0].starts_with(&start), "{problems:?}");
}

#[test]
fn nesting_without_end_is_no_danger() {
    let (_, problems) = read("x.json", "[".repeat(300_000));
    assert_eq!(problems.len(), 1, "{problems:?}");
    let nested = "{\"kind\":\"List\",\"items\":[".repeat(50_000);
    let (_, problems) = read("x.json", nested);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let deep = format!(
        "{{\"kind\":\"Pod\",\"metadata\":{{\"name\":\"a\",\"annotations\":{{\"x\":{}1{}}}}}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let (_, problems) = read("x.json", deep);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("Pod"), "{problems:?}");
}

#[test]
fn the_problems_of_one_file_are_told_up_to_a_hundred() {
    let (_, problems) = read("x.json", "1 ".repeat(1000));
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100], "x.json: 900 more problems in this file");
}
