//! More backends than a CLB takes.

use std::fmt::Write;

use rstest::rstest;

use super::{Case, Report};

const SERVICE: &str = r#"apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-bp1example
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: rsp-bp1example:80
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: "100"
    service.beta.kubernetes.io/backend-type: ecs
spec:
  type: LoadBalancer
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: 8080, nodePort: 30080}
"#;

/// A Service in Cluster mode over so many nodes.
fn over_nodes(count: usize) -> Case {
    let mut nodes = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
    for number in 1..=count {
        writeln!(
            nodes,
            "- {{apiVersion: v1, kind: Node, metadata: {{name: n{number}}}, spec: {{providerID: cn-example.i-bp1n{number}}}, status: {{conditions: [{{type: Ready, status: \"True\"}}]}}}}"
        )
        .expect("memory");
    }
    Case {
        files: vec![("nodes.yaml".to_owned(), nodes), ("svc.yaml".to_owned(), SERVICE.to_owned())],
    }
}

fn quota(report: &Report) -> Vec<String> {
    let mut found = report.findings("/findings");
    found.retain(|finding| finding.starts_with("CLB417"));
    found
}

#[rstest]
#[case::one_more_than_the_quota(over_nodes(201), true)]
#[case::as_many_as_the_quota(over_nodes(200), false)]
#[case::keys_of_the_old_prefix(over_nodes(201).under_the_old_prefix(), true)]
#[case::two_ports_count_twice(
    over_nodes(101)
        .with("svc.yaml", "rsp-bp1example:80", "rsp-bp1example:80,rsp-bp1tls:443")
        .with(
            "svc.yaml",
            "nodePort: 30080}\n",
            "nodePort: 30080}\n  - {name: https, port: 443, targetPort: 8443, nodePort: 30443}\n"
        ),
    true
)]
fn more_backends_than_the_quota(#[case] case: Case, #[case] is_found: bool) {
    let report = case.check("");
    let expected: &[&str] = if is_found { &["CLB417 warning"] } else { &[] };
    assert_eq!(quota(&report), expected);
    let findings = report.json["findings"].as_array().expect("findings");
    let told = findings.iter().find(|finding| finding["rule"] == "CLB417");
    assert!(told.is_none_or(|told| {
        told["message"].as_str().is_some_and(|text| text.contains("the quota is 200, unless"))
    }));
}
