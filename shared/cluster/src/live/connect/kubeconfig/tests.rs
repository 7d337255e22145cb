use std::fs;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// `hello` in base64, in two lines, with line breaks as Windows has them.
const DATA: &str = "aGVs\r\nbG8=";

/// A kubeconfig with one cluster of these fields.
fn with_cluster(fields: &str) -> String {
    format!("clusters: [{{name: c, cluster: {{server: 'https://a:1', {fields}}}}}]")
}

/// A kubeconfig with one user of these fields.
fn with_user(fields: &str) -> String {
    format!("users: [{{name: u, user: {{{fields}}}}}]")
}

// What kubectl 1.36 reads, and what it refuses, by `kubectl config view --raw`.
#[rstest]
#[case::nothing(String::new())]
#[case::blank_lines("\n\n".to_owned())]
#[case::a_comment("# nothing".to_owned())]
#[case::nulls("{kind: null, users: null, clusters: ~, contexts: [null], current-context: null}".to_owned())]
#[case::no_kind(with_cluster(""))]
#[case::unknown_fields(with_cluster("colour: [red]") + "\nhouse: {}\n")]
#[case::other_letters("Clusters: 1\nUSERS: 2".to_owned())]
#[case::a_null_token(with_user("token: null"))]
#[case::a_tagged_number(with_user("token: !!str 12"))]
#[case::an_unknown_tag(with_user("token: !mine abc"))]
#[case::a_date("current-context: 2020-01-01".to_owned())]
#[case::the_same_key_twice(with_cluster("proxy-url: a, proxy-url: b"))]
#[case::anchors("a: &a {server: 'https://a:1'}\nclusters: [{name: c, cluster: *a}]".to_owned())]
#[case::merge_keys("a: &a {proxy-url: p}\nclusters: [{name: c, cluster: {<<: *a, server: s}}]".to_owned())]
#[case::a_second_document(with_cluster("") + "\n---\n[1, 2]\n")]
#[case::a_marker("---\n".to_owned() + &with_cluster(""))]
#[case::a_byte_order_mark("\u{feff}".to_owned() + &with_cluster(""))]
#[case::json(json!({"kind": "Config", "apiVersion": "v1", "users": []}).to_string())]
#[case::json_with_tabs("{\n\t\"kind\": \"Config\",\n\t\"users\": []}".to_owned())]
#[case::a_list_of_no_arguments(with_user("exec: {command: a, args: null, env: null}"))]
fn what_kubectl_reads_is_read(#[case] text: String) {
    if let Err(why) = read(text.as_bytes()) {
        panic!("{text}: {why}");
    }
}

#[rstest]
#[case::a_number_for_a_token(with_user("token: 12345"), "users[0].user.token is a number")]
#[case::a_boolean_for_a_token(with_user("token: true"), "put it in quotes")]
#[case::a_number_for_a_name("users: [{name: 1}]".to_owned(), "users[0].name is a number")]
#[case::a_text_for_a_list(with_user("as-groups: admins"), "as-groups is a text")]
#[case::a_text_for_a_boolean(with_cluster("insecure-skip-tls-verify: 'true'"), "is a text")]
#[case::a_number_for_a_boolean(with_cluster("insecure-skip-tls-verify: 1"), "is a number")]
#[case::a_number_of_a_variable(
    with_user("exec: {env: [{name: a, value: 1}]}"),
    "value is a number"
)]
#[case::a_list("[1, 2]".to_owned(), "no object")]
#[case::a_word("hello".to_owned(), "no object")]
#[case::a_name_twice("users: [{name: u}, {name: u}]".to_owned(), "holds the name \"u\" twice")]
#[case::another_kind("kind: Deployment".to_owned(), "not a Config of v1")]
#[case::another_version("kind: Config\napiVersion: v2".to_owned(), "not a Config of v1")]
#[case::a_tab("users:\n\t- name: u".to_owned(), "line 2 is no YAML")]
#[case::no_base64(with_cluster("certificate-authority-data: '%'"), "authority-data is not base64")]
#[case::blanks_in_base64(with_cluster("certificate-authority-data: 'aGVs bG8='"), "is not base64")]
#[case::unpadded_base64(with_user("client-key-data: aGVsbG8"), "client-key-data is not base64")]
fn what_kubectl_refuses_is_refused_in_words(#[case] text: String, #[case] why: &str) {
    let Err(error) = read(text.as_bytes()) else { panic!("{text} is read") };
    assert!(error.contains(why), "{error}");
}

#[rstest]
#[case::with_line_breaks(format!("certificate-authority-data: {}", Value::from(DATA)))]
#[case::twice_encoded("certificate-authority-data: !!binary YUdWc2JHOD0=".to_owned())]
fn data_is_decoded(#[case] fields: String) {
    let kubeconfig = read(with_cluster(&fields).as_bytes()).expect("a kubeconfig");
    let cluster = Named::find(&kubeconfig.clusters, "c").expect("a cluster");
    assert_eq!(cluster.certificate_authority_data, b"hello");
}

#[test]
fn data_in_a_block_of_lines_is_decoded() {
    for tag in ["", "!!binary "] {
        let text = format!(
            "users:\n- name: u\n  user:\n    client-certificate-data: {tag}|\n      \
             LS0tLS1CRUdJTiBDRVJUSUZJ\n      Q0FURS0tLS0tCg==\n"
        );
        let kubeconfig = read(text.as_bytes()).expect("a kubeconfig");
        let user = Named::find(&kubeconfig.users, "u").expect("a user");
        assert_eq!(user.client_certificate_data, b"-----BEGIN CERTIFICATE-----\n");
    }
}

#[test]
fn a_file_in_utf_16_is_read() {
    for (mark, bytes) in [
        ([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]),
        ([0xfe, 0xff], u16::to_be_bytes as fn(u16) -> [u8; 2]),
    ] {
        let text = "current-context: ö".encode_utf16().flat_map(bytes);
        let file: Vec<u8> = mark.into_iter().chain(text).collect();
        assert_eq!(read(&file).map(|read| read.current_context).as_deref(), Ok("ö"));
    }
}

/// Two files in a folder of their own, and both read.
fn merged(first: &str, second: &str) -> (tempfile::TempDir, Kubeconfig) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("second")).expect("a folder");
    let paths = [folder.path().join("first"), folder.path().join("second").join("config")];
    for (path, text) in paths.iter().zip([first, second]) {
        fs::write(path, text).expect("a file");
    }
    let missing = folder.path().join("missing");
    let files = Files::Variable([missing].into_iter().chain(paths).collect());
    let kubeconfig = files.load().expect("files").expect("a kubeconfig");
    (folder, kubeconfig)
}

#[test]
fn the_first_file_that_sets_something_wins() {
    let (_folder, merged) = merged(
        "current-context: ''\nusers: [{name: red, user: {username: first}}]",
        "current-context: x\nusers: [{name: red, user: {username: second, password: p}}, {name: blue}]",
    );
    assert_eq!(merged.current_context, "x");
    let red = Named::find(&merged.users, "red").expect("a user");
    assert_eq!((red.username.as_str(), red.password.as_str()), ("first", ""));
    assert!(Named::find(&merged.users, "blue").is_some());
}

#[test]
fn paths_are_relative_to_the_file_that_holds_them() {
    let (folder, merged) = merged(
        "users: [{name: a, user: {tokenFile: token, exec: {command: login}}}]",
        "users: [{name: b, user: {tokenFile: /token, client-key: '', exec: {command: ./login}}}]\n\
         clusters: [{name: c, cluster: {certificate-authority: ../ca.crt}}]",
    );
    let user = |name| Named::find(&merged.users, name).expect("a user");
    let command = |name| user(name).exec.as_ref().expect("a program").command.clone();
    let below = |path: &str| {
        let path = folder.path().join(path);
        std::path::absolute(path).expect("a path").display().to_string()
    };
    assert_eq!(user("a").token_file, below("token"));
    assert_eq!(command("a"), "login");
    assert_eq!(user("b").token_file, "/token");
    assert_eq!(user("b").client_key, "");
    assert_eq!(command("b"), below("second/login"));
    let cluster = Named::find(&merged.clusters, "c").expect("a cluster");
    assert_eq!(cluster.certificate_authority, below("second/../ca.crt"));
}

#[test]
fn a_file_of_the_flag_has_to_be_there() {
    let error = Files::Flag("/no/such/config".into()).load().err().expect("an error");
    assert!(error.message.contains("/no/such/config"), "{error}");
    assert!(Files::Variable(vec!["/no/such/config".into()]).load().expect("files").is_none());
}

/// Any value that YAML can hold.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        "[a-zA-Z0-9+/=\r\n]*".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn properties_no_value_of_a_field_breaks_the_reader(
        field in prop::sample::select(vec![
            "server", "certificate-authority-data", "proxy-url", "tls-server-name", "extensions",
            "token", "tokenFile", "client-key-data", "as-groups", "as-user-extra", "exec", "auth-provider",
        ]),
        value in value(),
    ) {
        let fields = json!({ field: value });
        let config = json!({
            "clusters": [{"name": "c", "cluster": fields}],
            "users": [{"name": "u", "user": fields}],
            "contexts": [{"name": "x", "context": fields}],
            "current-context": value,
        });
        let _ = read(config.to_string().as_bytes());
    }

    #[test]
    fn properties_no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".*") {
        let _ = read(&bytes);
        let _ = read(text.as_bytes());
    }
}
