//! Readers that go away, and disks that are full: neither changes what is done nor how it ends.

use std::{
    fs::File,
    io::PipeWriter,
    process::{Command, Stdio},
};

use rstest::rstest;
use serde_json::json;

use crate::{
    api_server::{ApiServer, Request, migrated_service},
    program::{Folder, Output, command, finish, service},
};

/// A pipe that nobody reads from any more.
fn closed() -> PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}

/// Runs a command with closed pipes, in each way there is, and gives its exit codes.
fn exit_codes(make: impl Fn() -> Command) -> [i32; 3] {
    let code = |command: &mut Command| {
        let status = command.stdin(Stdio::null()).status().expect("the program runs");
        status.code().expect("an exit code, no signal")
    };
    [
        code(make().stdout(closed()).stderr(Stdio::null())),
        code(make().stdout(Stdio::null()).stderr(closed())),
        code(make().stdout(closed()).stderr(closed())),
    ]
}

#[rstest]
#[case("check -f FILE", 3)]
#[case("check -f FILE -o wide", 3)]
#[case("check -f FILE -o json", 3)]
#[case("check -f FILE -o sarif", 3)]
#[case("check -f FILE -o junit", 3)]
#[case("check -f FILE -o name", 3)]
#[case("check -f FILE --fail-on never", 0)]
#[case("check -f /nonexistent", 1)]
#[case("status -f FILE", 0)]
#[case("status -f FILE -o yaml", 0)]
#[case("status -f FILE -n nowhere", 0)]
#[case("status -f /nonexistent", 1)]
#[case("preview svc/web 40 -f FILE", 0)]
#[case("preview svc/web 102 -f FILE -o json", 3)]
#[case("preview svc/nobody 40 -f FILE", 1)]
#[case("explain", 0)]
#[case("explain CLB001", 0)]
#[case("explain CLB999", 2)]
#[case("completion bash", 0)]
#[case("completion zsh", 0)]
#[case("__complete -- status -", 0)]
#[case("version", 0)]
#[case("--help", 0)]
#[case("status --nonsense", 2)]
fn a_reader_that_goes_away_does_not_change_the_exit_code(#[case] line: &str, #[case] code: i32) {
    let folder = Folder::new(&[("svc.yaml", &service("shop", "web", "", "101"))]);
    let line = line.replace("FILE", &folder.path("svc.yaml"));
    let make = || {
        let mut command = command();
        command.args(line.split_whitespace());
        command
    };
    assert_eq!(finish(&mut make()).code, code, "with open pipes");
    assert_eq!(exit_codes(make), [code; 3]);
}

/// A device that takes nothing, for want of room.
fn full() -> Option<File> {
    File::options().write(true).open("/dev/full").ok()
}

#[rstest]
#[case("check -f FILE")]
#[case("status -f FILE -o json")]
#[case("preview svc/web 40 -f FILE")]
#[case("explain CLB001")]
#[case("completion bash")]
#[case("version")]
fn an_answer_that_finds_no_room_is_an_error(#[case] line: &str) {
    let Some(disk) = full() else { return };
    let folder = Folder::new(&[("svc.yaml", &service("shop", "web", "", "101"))]);
    let line = line.replace("FILE", &folder.path("svc.yaml"));
    let output = command().args(line.split_whitespace()).stdout(disk).output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("cannot write the output"), "{said}");
}

/// A cluster with one migrated Service, and the connection to it.
struct World {
    folder: Folder,
    server: ApiServer,
}

impl World {
    fn start() -> Self {
        let service = migrated_service("default", "lb-bp1example", "rsp-bp1example");
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
            "spec": {"providerID": "cn-bed.i-bp1n1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        let server = ApiServer::start(vec![service, node]);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": server.url}}],
            "users": [{"name": "x", "user": {}}],
        });
        Self { folder: Folder::new(&[("config", &config.to_string())]), server }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = command();
        command.args(line.split_whitespace());
        command.args(["--kubeconfig", &self.folder.path("config"), "--no-clb"]);
        command
    }

    fn writes(&self) -> usize {
        let is_write = |request: &Request| request.method == "PATCH";
        self.server.requests().iter().filter(|request| is_write(request)).count()
    }
}

#[test]
fn a_write_is_made_whether_or_not_anybody_hears_of_it() {
    let world = World::start();
    let open: Output = finish(&mut world.command("set svc/web 10 --yes"));
    assert_eq!((open.code, world.writes()), (0, 1), "{}", open.err);
    for line in ["set svc/web 10 --yes", "set svc/web 0 --yes"] {
        let before = world.writes();
        assert_eq!(exit_codes(|| world.command(line)), [0; 3]);
        assert_eq!(world.writes(), before + 3);
    }
    assert_eq!(exit_codes(|| world.command("set svc/web 101 --yes")), [3; 3], "it is refused");
    // The API server keeps the old value, as if somebody put it back.
    let waits = "set svc/web 10 --yes --wait --timeout 1s";
    assert_eq!(exit_codes(|| world.command(waits)), [5; 3]);
}

#[test]
fn what_was_written_is_told_where_the_answer_finds_no_room() {
    let Some(disk) = full() else { return };
    let world = World::start();
    let told = |line: &str, disk: File| {
        let output = world.command(line).stdout(disk).output().expect("the program runs");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(said.contains("cannot write the output"), "{said}");
        assert!(said.contains("weight 20 -> 10"), "{said}");
        output.status.code()
    };
    let again = disk.try_clone().expect("a file");
    assert_eq!(told("set svc/web 10 --yes -o json", disk), Some(1));
    assert_eq!(told("set svc/web 10 --yes --wait --timeout 1s", again), Some(5));
    assert_eq!(world.writes(), 2);
}

#[test]
fn a_question_that_nobody_can_see_writes_nothing() {
    let world = World::start();
    assert_eq!(exit_codes(|| world.command("set svc/web 10")), [2; 3]);
    assert_eq!(world.writes(), 0);
}

#[test]
fn what_is_watched_ends_when_nobody_reads_it() {
    let world = World::start();
    for stderr in [Stdio::null(), closed().into()] {
        let mut watch = world.command("status -w");
        let status = watch.stdin(Stdio::null()).stdout(closed()).stderr(stderr).status();
        assert_eq!(status.expect("the program runs").code(), Some(0));
    }
}
