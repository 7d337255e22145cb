//! Services that another controller takes, though they carry keys of CCM's CLBs.

use rstest::rstest;

use crate::program::{Folder, run, service};

/// A Service with that line in `spec`, or that annotation.
fn others(place: &str, line: &str) -> String {
    let text = service("shop", "web", "", "20");
    let indent = if place == "spec:\n" { "  " } else { "    " };
    text.replacen(place, &format!("{place}{indent}{line}\n"), 1)
}

const NLB: &str = "loadBalancerClass: alibabacloud.com/nlb";

#[rstest]
#[case::nlb(others("spec:\n", NLB), "CCM makes an NLB of it")]
#[case::nlb_with_keys_of_the_old_prefix(
    others("spec:\n", NLB).replace("alibaba-cloud-loadbalancer", "alicloud-loadbalancer"),
    "CCM makes an NLB of it"
)]
#[case::nlb_with_a_wrong_weight(others("spec:\n", NLB).replace("\"20\"", "\"101\""), "CCM makes an NLB of it")]
#[case::clb_by_class(
    others("spec:\n", "loadBalancerClass: alibabacloud.com/clb"),
    "CCM does not take it"
)]
#[case::another_controller(
    others("spec:\n", "loadBalancerClass: example.com/lb"),
    "CCM does not take it"
)]
#[case::empty_class(others("spec:\n", "loadBalancerClass: \"\""), "CCM does not take it")]
#[case::class_annotation(
    others("annotations:\n", "service.beta.kubernetes.io/class: other"),
    "service.beta.kubernetes.io/class"
)]
#[case::tunnel(
    others(
        "annotations:\n",
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-tunnel-type: \"\""
    ),
    "tunnel-type"
)]
fn a_service_of_another_controller_is_told_not_to_be_judged(
    #[case] text: String,
    #[case] why: &str,
) {
    let folder = Folder::new(&[("s.yaml", &text)]);
    let files = format!("-f {}", folder.path("s.yaml"));
    let check = run(&format!("check {files}"));
    assert_eq!(check.code, 0, "{}", check.out);
    assert!(check.out.contains("not looked at: Service shop/web ("), "{}", check.out);
    assert!(check.out.ends_with("0 workloads; 1 Service not judged\n"), "{}", check.out);
    assert!(!check.out.contains("no findings"), "{}", check.out);

    let json = run(&format!("check {files} --fail-on info -o json"));
    assert_eq!(json.code, 0, "{}", json.out);
    let told = json.json()["notLooked"].as_array().expect("notLooked").clone();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["what"], "Service shop/web");
    assert!(told[0]["why"].as_str().expect("why").contains(why), "{told:?}");
    assert!(json.json()["findings"].as_array().expect("findings").is_empty(), "{}", json.out);

    let status = run(&format!("status {files} -o json"));
    assert_eq!(status.code, 0);
    let not_judged = &status.json()["notJudged"][0];
    assert_eq!(
        (&not_judged["object"]["name"], &not_judged["why"]),
        (&"web".into(), &told[0]["why"])
    );
    let table = run(&format!("status {files}")).out;
    assert!(table.starts_with("not judged: Service shop/web ("), "{table}");

    for (format, words) in [
        ("sarif", "not looked at: Service shop/web ("),
        ("junit", "<skipped message=\"not looked at: Service shop/web ("),
    ] {
        let report = run(&format!("check {files} -o {format}")).out;
        assert!(report.contains(words), "{report}");
        assert!(!report.contains("so silent: \""), "{report}");
    }
    let chinese = run(&format!("check {files} --lang zh")).out;
    assert!(chinese.ends_with("；1 个 Service 未检查\n"), "{chinese}");
}

#[test]
fn beside_services_that_are_judged_it_is_counted_apart() {
    let nlb = others("spec:\n", NLB).replace("name: web", "name: nlb");
    let folder = Folder::new(&[("a.yaml", &service("shop", "web", "", "20")), ("b.yaml", &nlb)]);
    let ran = run(&format!("check -f {}", folder.path("")));
    assert!(ran.out.contains("1 Service, 0 workloads: no findings of "), "{}", ran.out);
    assert!(ran.out.ends_with(" rules; 1 Service not judged\n"), "{}", ran.out);
    let elsewhere = run(&format!("check -n other -f {}", folder.path("")));
    assert!(!elsewhere.out.contains("not judged"), "{}", elsewhere.out);
    let status = run(&format!("status -n shop -f {}", folder.path("")));
    assert!(status.out.contains("\n\nnot judged: Service shop/nlb ("), "{}", status.out);
}

#[test]
fn a_change_of_it_is_not_judged_either() {
    let old = Folder::new(&[("s.yaml", &others("spec:\n", NLB))]);
    let new = Folder::new(&[("s.yaml", &others("spec:\n", NLB).replace("\"20\"", "\"101\""))]);
    let files = format!("-f {} --against {}", new.path("s.yaml"), old.path("s.yaml"));
    let ran = run(&format!("preview {files} -o json"));
    let json = ran.json();
    assert!(json["findings"]["introduced"].as_array().expect("findings").is_empty(), "{}", ran.out);
    assert_eq!(json["notLooked"][0]["what"], "Service shop/web", "{}", ran.out);
}

#[rstest]
#[case::without_keys(
    "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: LoadBalancer, \
     loadBalancerClass: alibabacloud.com/nlb, ports: [{port: 80}]}\n".to_owned()
)]
#[case::of_another_type(service("shop", "web", "", "20").replace("type: LoadBalancer", "type: ClusterIP"))]
#[case::taken_by_ccm(service("shop", "web", "", "20"))]
fn no_other_service_is_told_so(#[case] text: String) {
    let folder = Folder::new(&[("s.yaml", &text)]);
    for command in ["check", "status"] {
        let ran = run(&format!("{command} -f {}", folder.path("s.yaml")));
        assert!(!ran.out.contains("not judged"), "{}", ran.out);
    }
}
