//! Files of any content: nothing panics, and every problem names its file.

use std::io::Write;

use clbmigrate_cluster::{
    Loaded,
    files::{Options, Source, load},
};
use flate2::{Compression, write::GzEncoder};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::support::Folder;

const MANIFEST: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-bp1example
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: \"rsp-bp1example:80\"
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"80\"
spec:
  type: LoadBalancer
  selector: {app: &app web, tier: *app}
  ports:
  - {name: http, port: 80, targetPort: http, nodePort: 30080}
---
# the pods
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  template:
    metadata:
      labels: {app: web}
    spec:
      terminationGracePeriodSeconds: 60
      containers:
      - name: web
        command: [\"/bin/sh\", '-c']
        args:
        - |
          echo
        ports:
        - containerPort: 8080
        lifecycle:
          preStop: {exec: {command: [sleep, \"30\"]}}
...
";

const DUMP: &str = r#"{
    "apiVersion": "v1",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "node-1", "labels": {"a": "b"}},
            "spec": {"providerID": "cn-hangzhou.i-bp1", "taints": [{"key": "x", "effect": "NoSchedule"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.31.4"}}
        },
        {
            "metadata": {"name": "web-x", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "nodeName": "node-1"}],
            "ports": [{"name": "http", "port": 8080}]
        },
        {"kind": "Pod", "metadata": {"name": "p\u00e9\n", "ownerReferences": null}, "spec": {"readinessGates": [{"conditionType": "x"}]}}
    ],
    "kind": "List",
    "metadata": {"resourceVersion": ""}
}"#;

const ANSWER: &str = r#"{
  "VServerGroupId": "rsp-bp1example",
  "VServerGroupName": "shop",
  "BackendServers": {"BackendServer": [
    {"ServerId": "i-bp1", "Port": 30080, "Weight": 26, "Type": "ecs", "Description": "k8s/80/web/shop/c0ffee"},
    {"ServerId": "eni-1", "ServerIp": "10.0.0.1", "Port": 8080, "Weight": 100, "Type": "eni"}
  ]}
}
{"Listeners": [{"LoadBalancerId": "lb-bp1example", "ListenerPort": 80, "TCPListenerConfig": {"PersistenceTimeout": 0}}]}"#;

const EXAMPLES: [&str; 3] = [MANIFEST, DUMP, ANSWER];

/// One step away from a good file.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Cut(Index),
    Repeat(Index, Index),
    Remove(Index, Index),
    Splice(Index, usize, Index, Index),
    Insert(Index, &'static str),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let tokens = [
        "\0",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "---\n",
        "...\n",
        "\n",
        "&a ",
        "*a",
        "<<: *a\n",
        "!!binary ",
        "\t",
        "-",
        "1e999",
        "99999999999999999999",
        "\\ud800",
        "null",
        "# ",
        "é",
        "|\n",
        "\u{feff}",
        "\"kind\":\"List\",\"items\":[",
        "kind: List\nitems:\n- ",
        "? ",
        "%TAG ! x\n",
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        any::<Index>().prop_map(Mutation::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::Repeat(a, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Mutation::Remove(a, b)),
        (any::<Index>(), 0..EXAMPLES.len(), any::<Index>(), any::<Index>())
            .prop_map(|(at, other, a, b)| Mutation::Splice(at, other, a, b)),
        (any::<Index>(), proptest::sample::select(tokens.to_vec()))
            .prop_map(|(at, token)| Mutation::Insert(at, token)),
    ]
}

/// A range inside `length`, from two points in any order.
fn range(a: Index, b: Index, length: usize) -> std::ops::Range<usize> {
    let (a, b) = (a.index(length + 1), b.index(length + 1));
    a.min(b)..a.max(b)
}

fn mutate(content: &mut Vec<u8>, mutation: &Mutation) {
    let length = content.len();
    match mutation {
        Mutation::Flip(at, bits) => {
            if length > 0 {
                content[at.index(length)] ^= bits;
            }
        }
        Mutation::Cut(at) => content.truncate(at.index(length + 1)),
        Mutation::Repeat(a, b) => {
            let part = range(*a, *b, length);
            let (end, copy) = (part.end, content[part].to_vec());
            content.splice(end..end, copy);
        }
        Mutation::Remove(a, b) => drop(content.drain(range(*a, *b, length))),
        Mutation::Splice(at, other, a, b) => {
            let other = EXAMPLES[*other].as_bytes();
            let at = at.index(length + 1);
            content.splice(at..at, other[range(*a, *b, other.len())].iter().copied());
        }
        Mutation::Insert(at, token) => {
            let at = at.index(length + 1);
            content.splice(at..at, token.bytes());
        }
    }
}

fn assert_sound(loaded: &Loaded, file: &str) {
    for problem in &loaded.problems {
        assert_eq!(problem.file, file, "{problem}");
        assert!(!problem.message.is_empty());
        assert_ne!(problem.line, Some(0), "{problem}");
    }
}

fn read_as(name: &str, content: &[u8]) {
    let folder = Folder::with(&[(name, content)]);
    let loaded = folder.load(&[(None, name)]);
    assert_sound(&loaded, folder.path(name).to_str().expect("a name"));
    assert_eq!(loaded.files, 1);
}

fn read_all_ways(content: &[u8]) {
    let source = Source { context: None, path: "-".into() };
    assert_sound(&load(std::slice::from_ref(&source), content, &Options::default()), "-");
    let narrow = Options { object_limit: 100, yaml_limit: 1000, ..Options::default() };
    assert_sound(&load(&[source], content, &narrow), "-");
    read_as("x.yaml", content);
    read_as("x.json", content);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_example_is_read_or_reported(
        example in 0..EXAMPLES.len(),
        mutations in vec(mutation(), 1..8),
        is_packed in proptest::bool::weighted(0.1),
    ) {
        let mut content = EXAMPLES[example].as_bytes().to_vec();
        if is_packed {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&content).expect("a buffer");
            content = encoder.finish().expect("a buffer");
        }
        for mutation in &mutations {
            mutate(&mut content, mutation);
        }
        read_all_ways(&content);
    }

    #[test]
    fn any_bytes_are_read_or_reported(content in vec(any::<u8>(), 0..300)) {
        read_all_ways(&content);
    }

    #[test]
    fn any_text_of_the_formats_own_signs_is_read_or_reported(
        content in "[{}\\[\\]\",:\\- \n#&*!|>'?%a0.~]{0,120}",
    ) {
        read_all_ways(content.as_bytes());
    }
}

#[test]
fn the_examples_themselves_are_sound() {
    for (name, content) in ["x.yaml", "x.json", "x.json"].into_iter().zip(EXAMPLES) {
        let loaded = crate::support::read_well(name, content);
        assert!(loaded.objects + loaded.answers > 1);
    }
}
