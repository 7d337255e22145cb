use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::service::CLB_LABEL;

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

/// A Service with ports 80 and 443, a healthy mapping of both, and these annotations beside; a value of
/// `null` takes an annotation away, and a key with a slash is a whole key.
fn service(annotations: &Value) -> Service {
    let mut merged = json!({"id": "lb-a", "vgroup-port": "rsp-a:80,rsp-b:443", "weight": "60"});
    json_patch::merge(&mut merged, annotations);
    let whole: BTreeMap<String, Value> = merged
        .as_object()
        .expect("annotations")
        .iter()
        .map(|(key, value)| {
            let key = if key.contains('/') { key.clone() } else { format!("{PREFIX}{key}") };
            (key, value.clone())
        })
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "shop", "uid": "0000-11-22", "annotations": whole},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "ports": [
                {"port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 30080},
                {"port": 443, "protocol": "TCP", "targetPort": "tls", "nodePort": 30443},
            ],
        },
    }))
    .expect("a Service")
}

fn node(provider_id: &str) -> Arc<Node> {
    let node = json!({
        "metadata": {"name": "n", "labels": {"zone": "a"}},
        "spec": {"providerID": provider_id},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    Arc::new(serde_json::from_value(node).expect("a Node"))
}

fn judged(service: &Service) -> Result<Done, Frozen> {
    judged_among(service, &[node("cn-bed.i-1")])
}

fn judged_among(service: &Service, nodes: &[Arc<Node>]) -> Result<Done, Frozen> {
    let behaviour = Behaviour::default();
    round(service, &World { behaviour: &behaviour, nodes, hash_changed: true })
}

fn outcome(annotations: &Value) -> (Outcome, Vec<String>) {
    let done = judged(&service(annotations)).expect("a round that succeeds");
    (done.outcome, done.reasons)
}

#[rstest]
#[case::as_it_is(json!({}))]
#[case::drained_on_purpose(json!({"weight": "0"}))]
#[case::empty_weight(json!({"weight": ""}))]
#[case::no_weight(json!({"weight": null}))]
#[case::default_weight(json!({"default-weight": "5"}))]
#[case::third_part(json!({"vgroup-port": "rsp-a:80:tcp,rsp-b:443"}))]
#[case::release_entry(json!({"vgroup-port": "rsp-a:80,rsp-b:443,rsp-old:0"}))]
#[case::two_ports_one_group(json!({"vgroup-port": "rsp-a:80,rsp-a:443"}))]
#[case::ccm_makes_the_clb(json!({"id": null, "vgroup-port": null, "weight": null}))]
#[case::weight_without_mapping_is_not_read(json!({"id": null, "weight": "abc"}))]
#[case::listeners_of_its_own(json!({"vgroup-port": "", "force-override-listeners": "true"}))]
#[case::unknown_scheduler(json!({"scheduler": "bogus"}))]
#[case::unrelated(json!({"example.io/note": "x"}))]
#[case::forwarding_is_read_for_http_only(json!({"forward-port": "80"}))]
#[case::a_label_that_a_node_has(json!({"backend-label": "zone=a"}))]
fn applied(#[case] annotations: Value) {
    assert_eq!(outcome(&annotations), (Outcome::Applied, Vec::new()));
}

#[rstest]
#[case::weight_above(json!({"weight": "101"}), "weight must be integer in range [0,100] , got [101]")]
#[case::weight_with_blank(json!({"weight": " 50"}), "weight must be integer in range [0,100] , got [ 50]")]
#[case::weight_in_words(json!({"weight": "abc"}), "weight must be integer in range [0,100] , got [abc]")]
#[case::default_weight(json!({"default-weight": "101"}), "default-weight must be integer in range [0,100] , got [101]")]
#[case::default_weight_on_its_own_clb(json!({"id": null, "vgroup-port": null, "default-weight": "-1"}), "default-weight must be integer in range [0,100] , got [-1]")]
fn drained_on_every_port(#[case] annotations: Value, #[case] why: &str) {
    let reasons = vec![format!("port 80: {why}"), format!("port 443: {why}")];
    assert_eq!(outcome(&annotations), (Outcome::Drained, reasons));
}

#[test]
fn an_unknown_group_drains_its_port_alone() {
    let (outcome, reasons) = outcome(&json!({"vgroup-port": "rsp-a:80, rsp-b:443"}));
    assert_eq!(outcome, Outcome::Drained);
    assert_eq!(reasons, ["port 443: can not find vgroupId  rsp-b in lb lb-a"]);
}

#[test]
fn where_groups_are_listed_every_other_one_is_unknown() {
    let behaviour = Behaviour {
        groups: [("lb-a".to_owned(), ["rsp-a".to_owned()].into())].into(),
        ..Behaviour::default()
    };
    let world = World { behaviour: &behaviour, nodes: &[], hash_changed: true };
    let done = round(&service(&json!({})), &world).expect("a round that succeeds");
    assert_eq!(done.reasons, ["port 443: can not find vgroupId rsp-b in lb lb-a"]);
}

#[test]
fn a_node_without_provider_id_drains_where_all_nodes_are_backends() {
    let nodes = [node("cn-bed.i-1"), node("")];
    let of =
        |service: &Service| judged_among(service, &nodes).expect("a round that succeeds").outcome;
    let mut web = service(&json!({}));
    assert_eq!(of(&web), Outcome::Drained);
    assert_eq!(
        of(&service(&json!({"service.beta.kubernetes.io/backend-type": "eni"}))),
        Outcome::Applied
    );
    web.spec.as_mut().expect("a spec").external_traffic_policy = Some("Local".to_owned());
    assert_eq!(of(&web), Outcome::Applied);
}

#[test]
fn a_label_that_no_node_has_drains_and_says_so_in_an_event_a_port() {
    let done = judged(&service(&json!({"backend-label": "zone=a, rack=1"}))).expect("success");
    assert_eq!((done.outcome, done.without_nodes), (Outcome::Drained, 2));
    assert_eq!(done.reasons[0], "port 80: no node carries zone=a, rack=1");
}

#[test]
fn a_cluster_without_nodes_is_no_fault_of_the_service() {
    let done = judged_among(&service(&json!({})), &[]).expect("success");
    assert_eq!((done.outcome, done.without_nodes), (Outcome::Applied, 2));
}

#[rstest]
#[case::no_mapping(json!({"vgroup-port": null}), &["port 80: goes to CCM's own group k8s/30080/web/shop/clusterid", "port 443: goes to CCM's own group k8s/30443/web/shop/clusterid"])]
#[case::empty_mapping(json!({"vgroup-port": "", "service.beta.kubernetes.io/backend-type": "eni"}), &["port 80: goes to CCM's own group k8s/8080/web/shop/clusterid", "port 443: goes to CCM's own group k8s/tls/web/shop/clusterid"])]
#[case::port_with_blank(json!({"vgroup-port": "rsp-a:80 ,rsp-b:443"}), &["port 80: goes to CCM's own group k8s/30080/web/shop/clusterid"])]
#[case::padded_port(json!({"vgroup-port": "rsp-a:080,rsp-b:443"}), &["port 80: goes to CCM's own group k8s/30080/web/shop/clusterid"])]
#[case::another_port(json!({"vgroup-port": "rsp-a:8080,rsp-b:443"}), &["port 80: goes to CCM's own group k8s/30080/web/shop/clusterid"])]
#[case::parts_swapped(json!({"vgroup-port": "80:rsp-a,rsp-b:443"}), &["port 80: goes to CCM's own group k8s/30080/web/shop/clusterid"])]
#[case::override_in_capitals(json!({"vgroup-port": "rsp-a:80", "force-override-listeners": "True"}), &["port 443: goes to CCM's own group k8s/30443/web/shop/clusterid"])]
fn misrouted(#[case] annotations: Value, #[case] reasons: &[&str]) {
    let (outcome, said) = outcome(&annotations);
    assert_eq!(
        (outcome, said.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
        (Outcome::Misrouted, reasons)
    );
}

#[test]
fn drained_is_worse_than_misrouted() {
    let (outcome, reasons) = outcome(&json!({"vgroup-port": "nowhere:443"}));
    assert_eq!((outcome, reasons.len()), (Outcome::Drained, 2));
}

/// The events that the real CCM wrote in the same cases, after `Error syncing load balancer `.
#[rstest]
#[case::no_colon(json!({"vgroup-port": "rsp-a"}), "[]: build lb local model error: builid lb listener error: build listener from servicePort 80 error: vgroupid and protocol format must be like 'vsp-xxx:443' with colon separated. got=[[rsp-a]]")]
#[case::leading_comma(json!({"vgroup-port": ",rsp-a:80"}), "[]: build lb local model error: builid lb listener error: build listener from servicePort 80 error: vgroupid and protocol format must be like 'vsp-xxx:443' with colon separated. got=[[]]")]
#[case::drain_timeout(json!({"connection-drain-timeout": "10s"}), "[]: build lb local model error: builid lb listener error: build listener from servicePort 80 error: Annotation ConnectionDrainTimeout must be integer, but got [10s]. message=[strconv.Atoi: parsing \"10s\": invalid syntax] ")]
#[case::protocol(json!({"protocol-port": "quic:80"}), "[]: build lb local model error: builid lb listener error: build listener from servicePort 80 error: port protocol format must be either [http|https|tcp|udp], protocol not supported wit [quic]\n")]
#[case::backend_label(json!({"backend-label": "abc"}), "[]: build lb local model error: build vserver groups error: get nodes error: filter nodes by label error: parse backend label: abc, [k1=v1,k2=v2]")]
#[case::bandwidth(json!({"bandwidth": "x"}), "[]: build lb local model error: build lb attribute error: bandwidth must be integer, got [x], error: strconv.Atoi: parsing \"x\": invalid syntax")]
#[case::trailing_comma(json!({"vgroup-port": "rsp-a:80,rsp-b:443,"}), "[lb-a]: apply model error: get lb backend from remote error: DescribeVServerGroups error: vgroupid and protocol format must be like 'vsp-xxx:443' with colon separated. got=[[]]")]
fn frozen_in_the_words_of_the_real_one(#[case] annotations: Value, #[case] event: &str) {
    let frozen = judged(&service(&annotations)).expect_err("a round that fails");
    assert_eq!(format!("[{}]: {}", frozen.clb, frozen.message), event);
}

#[rstest]
#[case::weight_too(json!({"weight": "101", "vgroup-port": "rsp-a:80,"}))]
#[case::no_integer(json!({"healthy-threshold": "3.5"}))]
#[case::health_port(json!({"health-check-connect-port": "http"}))]
#[case::idle_timeout(json!({"idle-timeout": " 5"}))]
#[case::protocol_without_port(json!({"protocol-port": "https"}))]
#[case::forwarding(json!({"protocol-port": "http:80", "forward-port": "80"}))]
#[case::forwarding_in_words(json!({"protocol-port": "http:80", "forward-port": "80:tls"}))]
#[case::domains(json!({"domain-extensions": "example.com"}))]
fn frozen_beats_drained_and_misrouted(#[case] annotations: Value) {
    assert!(judged(&service(&annotations)).is_err());
}

fn with_address(mut service: Service, ingress: &Value) -> Service {
    let status = json!({"loadBalancer": {"ingress": [ingress]}});
    service.status = Some(serde_json::from_value(status).expect("a status"));
    service
}

#[test]
fn a_service_keeps_its_address_unless_it_shows_another_kind() {
    let known = Behaviour::default().address("lb-a").to_string();
    assert!(judged(&with_address(service(&json!({})), &json!({"ip": known}))).is_ok());
    assert!(
        judged(&with_address(service(&json!({})), &json!({"hostname": "example.com"}))).is_ok()
    );
    let other = json!({"ip": "192.0.2.1"});
    assert!(judged(&with_address(service(&json!({"external-ip-type": "eip"})), &other)).is_ok());
    let frozen = judged(&with_address(service(&json!({})), &other)).expect_err("another address");
    assert_eq!(frozen.clb, "lb-a");
    assert_eq!(
        frozen.message,
        format!(
            "apply model error: update lb attribute error: alicloud: the loadbalancer lb-a can not be reused, \
             service has been associated with ip [192.0.2.1], cannot be bound to ip [{known}]"
        )
    );
}

#[test]
fn the_address_is_checked_only_when_the_hash_has_changed() {
    let service = with_address(service(&json!({})), &json!({"ip": "192.0.2.1"}));
    let world = World { behaviour: &Behaviour::default(), nodes: &[], hash_changed: false };
    assert!(round(&service, &world).is_ok());
}

#[test]
fn a_clb_of_ccms_own_is_found_again_by_its_label_and_missed_without() {
    let nothing = json!({"id": null, "vgroup-port": null, "weight": null});
    let made = judged(&service(&nothing)).expect("a CLB is made");
    assert_eq!(made.clb, "lb-00001122");
    let mut known = with_address(service(&nothing), &json!({"ip": made.address.to_string()}));
    let lost = judged(&known).expect_err("no CLB, but an address");
    assert!(
        lost.message.contains("can not find loadbalancer, but it's defined in service"),
        "{lost:?}"
    );
    assert_eq!(lost.clb, "");
    known.metadata.labels = Some([(CLB_LABEL.to_owned(), made.clb.clone())].into());
    assert_eq!(judged(&known).expect("found again").clb, made.clb);
}

#[test]
fn leaving_needs_a_readable_mapping_and_nothing_else() {
    let world = World { behaviour: &Behaviour::default(), nodes: &[], hash_changed: true };
    let over = |annotations: Value| {
        let mut service = service(&annotations);
        service.spec.as_mut().expect("a spec").type_ = Some("ClusterIP".to_owned());
        cleanup(&service, &world)
    };
    let broken = json!({"weight": "abc", "bandwidth": "x", "connection-drain-timeout": "10s"});
    assert_eq!(over(broken), Ok(Some("lb-a".to_owned())));
    let frozen = over(json!({"vgroup-port": "rsp-a:80,"})).expect_err("a malformed mapping");
    assert!(frozen.message.contains("DescribeVServerGroups error"), "{frozen:?}");
    assert_eq!(over(json!({"id": null, "vgroup-port": "rsp-a:80,"})), Ok(None));
}
