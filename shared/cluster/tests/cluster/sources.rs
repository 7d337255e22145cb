use std::{fs, io, io::Write, str::FromStr};

use clbmigrate_cluster::{
    Problem,
    files::{Options, Source, load},
};
use flate2::{Compression, write::GzEncoder};
use rstest::rstest;

use crate::support::{
    Folder, cluster, read, read_stdin, read_well, service, service_yaml, services,
};

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_ref()).expect("a buffer");
    encoder.finish().expect("a buffer")
}

#[test]
fn a_folder_is_read_recursively_by_name_and_only_its_manifests() {
    let folder = Folder::with(&[
        ("b.yaml", service_yaml("b").as_bytes()),
        ("a/z.yml", service_yaml("z").as_bytes()),
        ("a/y.json", service("y").as_bytes()),
        ("c.json.gz", &gzip(service("c"))),
        ("d.yaml.gz", &gzip(service_yaml("d"))),
        ("notes.txt", b"no manifest"),
        ("script", b"#!/bin/sh"),
        (".hidden.yaml", b"kind: ["),
        (".git/x.yaml", b"kind: ["),
    ]);
    let loaded = folder.load(&[(None, "")]);
    assert_eq!(folder.problems(&loaded), Vec::<String>::new());
    assert_eq!(loaded.files, 5);
    let names = ["default/b", "default/c", "default/d", "default/y", "default/z"];
    assert_eq!(services(cluster(&loaded)), names);
}

#[test]
fn files_of_a_folder_come_in_the_order_of_their_names() {
    let folder = Folder::with(&[("b.yaml", b"b: ["), ("a/z.yaml", b"z: ["), ("c.yaml", b"c: [")]);
    let problems = folder.problems(&folder.load(&[(None, "")]));
    let files: Vec<&str> =
        problems.iter().filter_map(|problem| problem.split(':').next()).collect();
    assert_eq!(files, ["a/z.yaml", "b.yaml", "c.yaml"]);
}

#[rstest]
#[case::empty(&[])]
#[case::other_files(&[("README.md", b"# hello".as_slice()), (".x.yaml", b"kind: [")])]
fn a_folder_without_manifests_is_a_problem(#[case] files: &[(&str, &[u8])]) {
    let folder = Folder::with(files);
    let loaded = folder.load(&[(None, "")]);
    assert_eq!(loaded.problems.len(), 1);
    let Problem { file, line, message } = &loaded.problems[0];
    assert_eq!((file.as_str(), *line), (folder.path("").to_str().expect("a name"), None));
    assert_eq!(
        message,
        "no manifests in this folder: looked for *.yaml, *.yml and *.json, also with .gz"
    );
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_a_circle_end() {
    use std::os::unix::fs::symlink;

    let folder = Folder::with(&[("a/x.yaml", service_yaml("a").as_bytes())]);
    symlink(folder.path(""), folder.path("a/up")).expect("a link");
    symlink(folder.path("a/x.yaml"), folder.path("again.yaml")).expect("a link");
    symlink(folder.path("nowhere"), folder.path("lost.yaml")).expect("a link");
    let loaded = folder.load(&[(None, "")]);
    assert_eq!(services(cluster(&loaded)), ["default/a"]);
    assert_eq!(loaded.files, 1);
    assert_eq!(
        folder.problems(&loaded),
        ["lost.yaml: cannot be opened: No such file or directory (os error 2)"]
    );
}

#[test]
fn a_named_file_may_have_any_name() {
    let folder = Folder::with(&[
        ("dump", service("json").as_bytes()),
        ("manifest.txt", service_yaml("yaml").as_bytes()),
        (".hidden", service_yaml("hidden").as_bytes()),
        ("packed", &gzip(service("packed"))),
        ("not-packed.json.gz", service("plain").as_bytes()),
    ]);
    let names = ["dump", "manifest.txt", ".hidden", "packed", "not-packed.json.gz"];
    let loaded = folder.load(&names.map(|name| (None, name)));
    assert_eq!(folder.problems(&loaded), Vec::<String>::new());
    assert_eq!(loaded.objects, 5);
}

#[test]
fn a_file_named_twice_in_one_context_is_read_once() {
    let folder = Folder::with(&[("a.yaml", b"kind: Service\nmetadata: {}\n")]);
    let twice = folder.load(&[(None, ""), (None, "a.yaml")]);
    assert_eq!((twice.files, twice.problems.len()), (1, 1));
    let apart = folder.load(&[(None, ""), (Some("b"), "a.yaml")]);
    assert_eq!((apart.files, apart.problems.len()), (2, 2));
}

#[test]
fn contexts_are_clusters_in_the_order_they_were_named() {
    let folder = Folder::with(&[
        ("1.yaml", service_yaml("one").as_bytes()),
        ("2.yaml", service_yaml("two").as_bytes()),
        ("3.yaml", service_yaml("three").as_bytes()),
        ("4.yaml", service_yaml("four").as_bytes()),
        ("5.yaml", b"kind: Secret\nmetadata: {name: x}\n"),
    ]);
    let loaded = folder.load(&[
        (Some("new"), "1.yaml"),
        (None, "2.yaml"),
        (Some("old"), "5.yaml"),
        (Some("new"), "3.yaml"),
        (None, "4.yaml"),
    ]);
    let found: Vec<(Option<&str>, Vec<String>)> = loaded
        .snapshot
        .clusters
        .iter()
        .map(|cluster| (cluster.context.as_deref(), services(cluster)))
        .collect();
    let names = |names: &[&str]| names.iter().map(|name| format!("default/{name}")).collect();
    assert_eq!(
        found,
        [
            (Some("new"), names(&["one", "three"])),
            (None, names(&["four", "two"])),
            (Some("old"), Vec::new()),
        ]
    );
}

#[test]
fn the_cloud_belongs_to_all_clusters_and_makes_none() {
    let folder = Folder::with(&[
        ("a.yaml", service_yaml("a").as_bytes()),
        ("clb/listeners.json", br#"{"Listeners": []}"#),
        ("clb/lb.json", br#"{"LoadBalancerId": "lb-1", "Address": "203.0.113.10"}"#),
    ]);
    let loaded = folder.load(&[(Some("a"), "a.yaml"), (None, "clb")]);
    assert_eq!(loaded.snapshot.clusters.len(), 1);
    assert_eq!(loaded.answers, 2);
    // Named for each cluster, an answer is still one answer.
    let loaded = folder.load(&[(Some("a"), "clb"), (Some("b"), "clb")]);
    assert_eq!((loaded.answers, loaded.snapshot.clb_answers.listeners.len()), (2, 1));
}

#[rstest]
#[case::json(service("a").into_bytes())]
#[case::yaml(service_yaml("a").into_bytes())]
#[case::gzip(gzip(service("a")))]
#[case::gzip_in_parts([gzip(service_yaml("a")), gzip("# tail")].concat())]
fn standard_input_is_told_by_its_content(#[case] content: Vec<u8>) {
    let loaded = read_stdin(content);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert_eq!(services(cluster(&loaded)), ["default/a"]);
}

/// Input that comes a byte at a time, as from a slow pipe.
struct SlowPipe<'a>(&'a [u8]);

impl io::Read for SlowPipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(1);
        io::Read::read(&mut self.0, &mut buffer[..count])
    }
}

#[test]
fn a_slow_pipe_changes_nothing() {
    let packed = gzip([service("a"), service("b")].concat());
    let source = Source::from_str("ctx=-").expect("a source");
    let loaded = load(&[source], SlowPipe(&packed), &Options::default());
    assert_eq!(services(cluster(&loaded)), ["default/a", "default/b"]);
    assert_eq!(cluster(&loaded).context.as_deref(), Some("ctx"));
}

#[test]
fn standard_input_is_there_once() {
    let source = |text: &str| text.parse::<Source>().expect("a source");
    let read = |sources: &[Source]| {
        let loaded = load(sources, service("a").as_bytes(), &Options::default());
        loaded.problems.iter().map(Problem::to_string).collect::<Vec<_>>()
    };
    assert!(read(&[source("-"), source("-")]).is_empty());
    assert_eq!(
        read(&[source("a=-"), source("b=-")]),
        ["-: standard input can be read only once, name it for one context"]
    );
}

/// Input that breaks off.
struct BrokenPipe<'a>(&'a [u8]);

impl io::Read for BrokenPipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match io::Read::read(&mut self.0, buffer)? {
            0 => Err(io::Error::other("the line went dead")),
            count => Ok(count),
        }
    }
}

#[test]
fn what_was_read_before_the_input_broke_off_stays() {
    let source = Source { context: None, path: "-".into() };
    let input = format!("[{}, {}", service("a"), service("b"));
    let loaded = load(&[source], BrokenPipe(input.as_bytes()), &Options::default());
    assert_eq!(services(cluster(&loaded)), ["default/a", "default/b"]);
    let problems: Vec<String> = loaded.problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, ["-: cannot be read: the line went dead"]);
}

#[test]
fn a_torn_archive_keeps_what_was_in_it() {
    let json = format!("[{},", service("a")) + &vec![service("b"); 50_000].join(",") + "]";
    let packed = gzip(json);
    let (loaded, problems) = read("dump.json.gz", &packed[..packed.len() / 2]);
    assert!(loaded.objects > 1000);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("dump.json.gz: cannot be read: "), "{problems:?}");
}

#[rstest]
#[case::empty("x.yaml", b"", "x.yaml: is empty")]
#[case::blank("x.json", b" \n\t ", "x.json: is empty")]
#[case::blank_yaml("x.yml", b"\n\n", "x.yml: is empty")]
#[case::comments("x.yaml", b"# a\n---\n# b\n", "x.yaml: holds nothing but comments")]
#[case::only_marker("x.yaml", b"---\n", "x.yaml: holds nothing but comments")]
#[case::nul(
    "x.json",
    b"{\"kind\":\0}",
    "x.json: is not text (byte 9): expected YAML or JSON in UTF-8, plain or gzip'd"
)]
#[case::nul_yaml(
    "x.yaml",
    b"kind: \0",
    "x.yaml: is not text (byte 7): expected YAML or JSON in UTF-8, plain or gzip'd"
)]
#[case::latin_1(
    "x.yaml",
    b"kind: caf\xe9\n",
    "x.yaml: is not text (byte 10): expected YAML or JSON in UTF-8, plain or gzip'd"
)]
#[case::half_a_character(
    "x.yaml",
    b"kind: caf\xc3",
    "x.yaml: is not text (byte 10): expected YAML or JSON in UTF-8, plain or gzip'd"
)]
#[case::binary(
    "x",
    b"\x7fELF\x02\x01\x01\0\0\0",
    "x: is not text (byte 8): expected YAML or JSON in UTF-8, plain or gzip'd"
)]
#[case::utf_16("x.json", b"\xff\xfe{\0}\0", "x.json: is UTF-16 text: save it as UTF-8")]
fn a_file_without_content_is_a_problem(
    #[case] name: &str,
    #[case] content: &[u8],
    #[case] problem: &str,
) {
    let (loaded, problems) = read(name, content);
    assert_eq!(problems, [problem]);
    assert_eq!((loaded.files, loaded.objects), (1, 0));
}

#[test]
fn text_that_turns_binary_far_behind_is_told_by_its_byte() {
    let mut json = format!("[{},", service("a")).into_bytes();
    json.resize(300_000, b' ');
    json.push(0);
    let (loaded, problems) = read("x.json", json);
    assert_eq!(loaded.objects, 1);
    assert!(problems[0].starts_with("x.json: is not text (byte 300001)"), "{problems:?}");
}

#[test]
fn a_file_that_is_not_there_is_a_problem_and_the_others_are_read() {
    let folder = Folder::with(&[("a.yaml", service_yaml("a").as_bytes())]);
    let loaded = folder.load(&[(None, "gone.yaml"), (None, "a.yaml")]);
    assert_eq!(
        folder.problems(&loaded),
        ["gone.yaml: cannot be opened: No such file or directory (os error 2)"]
    );
    assert_eq!((loaded.files, loaded.objects), (1, 1));
}

#[test]
fn a_file_whose_whole_name_has_the_sign_wins_over_a_context() {
    let folder = Folder::with(&[("x", b"")]);
    let name = folder.path("a=b.yaml");
    fs::write(&name, service_yaml("a")).expect("a file");
    let source: Source = name.to_str().expect("a name").parse().expect("a source");
    assert_eq!(source, Source { context: None, path: name });
}

#[test]
fn a_dump_that_is_gzipd_is_read_like_a_plain_one() {
    let list = format!(r#"{{"kind":"List","items":[{},{}]}}"#, service("a"), service("b"));
    let loaded = read_well("dump.json.gz", gzip(list));
    assert_eq!(services(cluster(&loaded)), ["default/a", "default/b"]);
}
