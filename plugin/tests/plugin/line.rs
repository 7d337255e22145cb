//! The command line as people type it for kubectl.

use rstest::rstest;

use crate::{
    api_server::{ApiServer, migrated_service},
    program::{Folder, Output, command, finish, run, service},
};

/// What the server's cluster is asked, with a kubeconfig that is named before the verb.
fn ask(server: &ApiServer, arguments: &str) -> Output {
    let folder = server.kubeconfig("default");
    let path = folder.path("kubeconfig");
    finish(command().args(["--kubeconfig", &path]).args(arguments.split_whitespace()))
}

#[rstest]
#[case::nothing("", 0)]
#[case::a_lower_level("-v=5", 0)]
#[case::level_6("-v=6", 1)]
#[case::apart("-v 6", 1)]
#[case::a_higher_level("-v=9", 1)]
fn from_level_6_on_every_request_is_told_on_stderr(#[case] level: &str, #[case] times: usize) {
    let server = ApiServer::start(Vec::new());
    let ran = ask(&server, &format!("{level} status -A --no-clb"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let asked = server.requests();
    assert!(!asked.is_empty());
    for request in asked {
        let line = format!("{} {}{} ", request.method, server.url, request.path);
        let told: Vec<&str> = ran.err.lines().filter(|told| told.starts_with(&line)).collect();
        assert_eq!(told.len(), times, "{line}\n{}", ran.err);
        assert!(told.iter().all(|told| told.ends_with(" milliseconds")), "{}", ran.err);
    }
    assert!(!ran.out.contains("milliseconds"), "{}", ran.out);
}

#[test]
fn what_was_read_is_told_from_level_1_on() {
    let folder = Folder::new(&[("s.yaml", &service("shop", "web", "", "20"))]);
    let path = folder.path("s.yaml");
    for (level, is_told) in
        [("", false), ("-v=0", false), ("-v", true), ("--verbose", true), ("-v=2", true)]
    {
        let ran = run(&format!("{level} status -f {path}"));
        assert_eq!(ran.code, 0);
        assert_eq!(ran.err.contains("read 1 objects"), is_told, "{level}: {}", ran.err);
    }
}

#[test]
fn flags_before_the_verb_are_those_behind_it() {
    let folder = Folder::new(&[("s.yaml", &service("shop", "web", "", "20"))]);
    let path = folder.path("s.yaml");
    let expected = run(&format!("status -f {path} -n shop -o json")).out;
    for line in [
        format!("-n shop status -f {path} -o json"),
        format!("-f {path} -n=shop -o json status"),
        format!("-ojson --namespace shop -A=false --filename={path} status --watch=false"),
    ] {
        let ran = run(&line);
        assert_eq!(
            (ran.code, ran.err.as_str(), ran.out.as_str()),
            (0, "", expected.as_str()),
            "{line}"
        );
    }
}

#[rstest]
#[case("status -w=maybe", "invalid value 'maybe' for '-w'")]
#[case("-n shop stauts", "a similar subcommand exists: 'status'")]
#[case("-n shop status --all-namespace", "a similar argument exists: '--all-namespaces'")]
#[case("--nonsense status", "unexpected argument '--nonsense'")]
#[case("-n shop", "Usage: kubectl clbmigrate")]
#[case("set web 3 --dry-run=maybe", "invalid value 'maybe' for '--dry-run")]
#[case("status -v=much", "write a level")]
#[case("set web 3 --timeout=-5s", "\"-5s\" is negative")]
#[case("set web 3 --timeout 3000000h", "too long")]
fn a_wrong_command_line_is_told_with_what_would_be_right(
    #[case] line: &str,
    #[case] message: &str,
) {
    let ran = run(line);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(ran.err.contains(message), "{}", ran.err);
}

#[test]
fn a_dry_run_alone_is_one_of_the_client_and_is_told_as_such() {
    let server = ApiServer::start(vec![web()]);
    let said = "--dry-run means --dry-run=client";
    let ran = ask(&server, "set svc/web 40 -n shop --no-clb --dry-run --force -o name");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.err.lines().filter(|line| *line == said).count(), 1, "{}", ran.err);
    assert!(server.requests().iter().all(|request| request.method == "GET"));
    let ran = ask(&server, "set svc/web 40 -n shop --no-clb --dry-run=client --force -o name");
    assert_eq!((ran.code, ran.err.contains(said)), (0, false), "{}", ran.err);
}

#[test]
fn no_dry_run_is_a_write() {
    let server = ApiServer::start(vec![web()]);
    ask(&server, "set svc/web 40 -n shop --no-clb --dry-run=none --yes --force");
    let writes = server.requests().into_iter().filter(|request| request.method == "PATCH");
    assert!(writes.count() > 0);
}

/// A migrated Service.
fn web() -> serde_json::Value {
    migrated_service("shop", "lb-bp1example", "rsp-bp1example")
}

#[rstest]
#[case::services("-n shop status svc/", "svc/web\tweight 20\n:4\n")]
#[case::services_with_a_level("-v=2 -n shop set ", "web\tweight 20\n:4\n")]
#[case::another_of_several("-n shop status svc/web svc/", ":4\n")]
#[case::contexts("status --contexts ", "prod\n:4\n")]
#[case::more_contexts("status --contexts x,", "x,prod\n:4\n")]
#[case::a_context_before_the_verb("--context=", "prod\n:4\n")]
#[case::a_dry_run(
    "set web 3 --dry-run=s",
    "server\tThe API server judges the change, and stores nothing\n:4\n"
)]
fn completion_reads_the_line_as_the_program_does(#[case] typed: &str, #[case] offered: &str) {
    let server = ApiServer::start(vec![web()]);
    let kubeconfig = server.kubeconfig("default");
    let words = typed.split(' ');
    let mut program = command();
    program.args(["__complete", "--", "--kubeconfig", &kubeconfig.path("kubeconfig")]).args(words);
    let ran = finish(&mut program);
    assert_eq!((ran.code, ran.out.as_str()), (0, offered), "{}", ran.err);
}
