use clbmigrate_cluster::files::Options;
use clbmigrate_core::{
    object::WorkloadKind,
    snapshot::{CcmSource, DefaultBackendsSource},
};
use rstest::rstest;

use crate::support::{
    Folder, cluster, origin, read, read_well, read_with, service, service_yaml, services,
};

const EVERYTHING: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: node-1, namespace: odd}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-0, labels: {app: web}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: default, labels: {clbmigrate.io/inject: enabled}}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: []}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: web}}
---
{apiVersion: extensions/v1beta1, kind: DaemonSet, metadata: {name: web}}
---
{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web}}
---
{apiVersion: apps.kruise.io/v1alpha1, kind: CloneSet, metadata: {name: web}}
---
{apiVersion: apps.kruise.io/v1beta1, kind: StatefulSet, metadata: {name: web}}
---
{apiVersion: apps.kruise.io/v1alpha1, kind: DaemonSet, metadata: {name: web}}
---
{apiVersion: v1, kind: ReplicationController, metadata: {name: web}, spec: {template: {metadata: {labels: {app: old}}, spec: {containers: [{name: web}]}}}}
---
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {scaleTargetRef: {kind: Deployment, name: web}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: ack-cluster-profile, namespace: kube-system}, data: {clusterid: c0ffee, vpcid: vpc-bp1example}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: clbmigrate-mutate-workloads}}
";

#[test]
fn every_kind_that_matters_finds_its_place() {
    let loaded = read_well("x.yaml", EVERYTHING);
    assert_eq!((loaded.objects, loaded.skipped.len()), (16, 0));
    let cluster = cluster(&loaded);
    let service = cluster.service("default", "web").expect("the Service");
    assert_eq!(cluster.slices_of(service).map(<[_]>::len), Some(1));
    let kinds: Vec<WorkloadKind> = cluster.workloads().map(|workload| workload.kind).collect();
    assert_eq!(kinds, WorkloadKind::ALL);
    assert_eq!(cluster.workloads_of(service).count(), 2);
    assert!(cluster.workloads().any(|workload| cluster.autoscaler_minimum(workload) == Some(1)));
    assert!(cluster.injects_into_pods_of("default"));
    assert!(cluster.injects_pre_stop_hooks);
    assert_eq!(cluster.id.as_deref(), Some("c0ffee"));
    assert_eq!(cluster.vpc.as_deref(), Some("vpc-bp1example"));
    let node = cluster.nodes().by_name("node-1").expect("the Node");
    assert_eq!(node.metadata.namespace, None);
    assert!(!cluster.nodes_listed);
}

/// An object of that kind with a pod template, and this in its metadata.
fn with_template(api_version: &str, kind: &str, metadata: &str) -> String {
    format!(
        "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: web, {metadata}}}, \
         spec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web}}]}}}}}}}}\n"
    )
}

#[rstest]
#[case::replica_set(with_template("apps/v1", "ReplicaSet", ""), true)]
#[case::of_an_operator(with_template("example.com/v1", "Game", ""), true)]
#[case::owned(
    with_template(
        "apps/v1",
        "ReplicaSet",
        "ownerReferences: [{kind: Deployment, name: web, controller: true}]"
    ),
    false
)]
#[case::job(with_template("batch/v1", "Job", ""), false)]
#[case::of_a_known_name(with_template("serving.knative.dev/v1", "Service", ""), false)]
#[case::without_containers(
    "{apiVersion: kubevirt.io/v1, kind: VirtualMachine, metadata: {name: web}, spec: {template: {metadata: {labels: {app: web}}, spec: {domain: {}}}}}".to_owned(),
    false
)]
#[case::of_another_shape(
    "{apiVersion: example.com/v1, kind: Page, metadata: {name: web}, spec: {template: plain}}".to_owned(),
    false
)]
fn another_kind_with_a_pod_template_is_a_workload(#[case] yaml: String, #[case] is_one: bool) {
    let loaded = read_well("x.yaml", &yaml);
    let workloads: Vec<WorkloadKind> = cluster(&loaded).workloads().map(|w| w.kind).collect();
    assert_eq!(workloads, if is_one { vec![WorkloadKind::Other] } else { vec![] });
    assert_eq!(loaded.skipped.len(), usize::from(!is_one));
}

/// CCM's workload of that kind, with what stands in its container.
fn ccm(kind: &str, container: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: cloud-controller-manager, namespace: kube-system}}, \
         spec: {{template: {{spec: {{containers: [{{name: sidecar, image: 'x:v1.0'}}, {{name: cloud-controller-manager, {container}}}]}}}}}}}}\n"
    )
}

#[rstest]
#[case::deployment(ccm("Deployment", "image: 'r/ccm:v2.11.2'"), "2.11", CcmSource::Image)]
#[case::daemon_set(ccm("DaemonSet", "image: 'r/ccm:v2.9.1'"), "2.9", CcmSource::Image)]
#[case::no_release(ccm("Deployment", "image: 'r/ccm:latest'"), "2.14", CcmSource::Assumed)]
#[case::no_image(ccm("Deployment", "args: []"), "2.14", CcmSource::Assumed)]
#[case::stateful_set(ccm("StatefulSet", "image: 'r/ccm:v2.11.2'"), "2.14", CcmSource::Assumed)]
#[case::elsewhere(
    ccm("Deployment", "image: 'r/ccm:v2.11.2'").replace("kube-system", "ops"),
    "2.14",
    CcmSource::Assumed
)]
fn the_release_of_ccm_is_that_of_its_image(
    #[case] yaml: String,
    #[case] version: &str,
    #[case] source: CcmSource,
) {
    let loaded = read_well("x.yaml", &yaml);
    let cluster = cluster(&loaded);
    assert_eq!((cluster.ccm_version.as_str(), cluster.ccm_source), (version, source));
    assert_eq!(cluster.workloads().count(), 1, "CCM is a workload as well");
}

/// ConfigMap `cloud-config` with a file of that text.
fn cloud_config(text: &str) -> String {
    let file = serde_json::to_string(text).expect("JSON");
    format!(
        "{{kind: ConfigMap, metadata: {{name: cloud-config, namespace: kube-system}}, data: {{cloud-config.conf: {file}}}}}"
    )
}

const TERWAY: &str = "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: terway-eniip, namespace: kube-system}}";
const FLANNEL_NODE: &str = "{kind: Node, metadata: {name: node-1}}";

#[rstest]
#[case::nothing("{kind: Secret, metadata: {name: a}}".to_owned(), None)]
#[case::forced(
    ccm("Deployment", "env: [{name: A, valueFrom: {}}, {name: SERVICE_FORCE_BACKEND_ENI, value: 'true'}]"),
    Some((true, DefaultBackendsSource::Ccm))
)]
#[case::forced_to_nodes(
    format!("{}---\n{TERWAY}", ccm("Deployment", "env: [{name: SERVICE_FORCE_BACKEND_ENI, value: 'false'}]")),
    Some((false, DefaultBackendsSource::Ccm))
)]
#[case::configured_in_json(
    cloud_config(r#"{"Global": {"uid": "1", "serviceBackendType": "eni", "accessKeyID": "x"}}"#),
    Some((true, DefaultBackendsSource::Ccm))
)]
#[case::configured_in_yaml(
    cloud_config("Global:\n  clusterID: c1\n  serviceBackendType: ecs\n"),
    Some((false, DefaultBackendsSource::Ccm))
)]
#[case::not_configured(
    format!("{}\n---\n{TERWAY}", cloud_config("{}")),
    Some((true, DefaultBackendsSource::Terway))
)]
#[case::unreadable(cloud_config("["), None)]
#[case::terway(format!("{TERWAY}\n---\n{FLANNEL_NODE}"), Some((true, DefaultBackendsSource::Terway)))]
#[case::terway_s_configuration(
    "{kind: ConfigMap, metadata: {name: eni-config, namespace: kube-system}, data: {eni_conf: '{}'}}".to_owned(),
    Some((true, DefaultBackendsSource::Terway))
)]
#[case::another_terway(TERWAY.replace("kube-system", "shop"), None)]
#[case::nodes(FLANNEL_NODE.to_owned(), Some((false, DefaultBackendsSource::Nodes)))]
fn what_ccm_takes_as_backends_is_told_by_its_setting_or_by_terway(
    #[case] yaml: String,
    #[case] expected: Option<(bool, DefaultBackendsSource)>,
) {
    let loaded = read_well("x.yaml", &yaml);
    assert_eq!(cluster(&loaded).default_backends(), expected);
}

#[test]
fn what_names_no_namespace_gets_the_default_one() {
    let options = Options { default_namespace: "shop".to_owned(), ..Options::default() };
    let loaded = read_with("x.yaml", EVERYTHING, &options).0;
    let cluster = cluster(&loaded);
    assert_eq!(services(cluster), ["shop/web"]);
    assert!(cluster.pods().get("shop", "web-0").is_some());
    assert!(cluster.workloads().all(|workload| workload.metadata.namespace() == "shop"));
    assert!(cluster.workloads().any(|workload| cluster.autoscaler_minimum(workload) == Some(1)));
    assert_eq!(cluster.nodes().by_name("node-1").expect("the Node").metadata.namespace, None);
}

#[test]
fn kinds_that_nobody_needs_are_counted() {
    let yaml = "
{apiVersion: v1, kind: Secret, metadata: {name: a}}
---
{apiVersion: v1, kind: Secret, metadata: {generateName: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: ack-cluster-profile}, data: {clusterid: other}}
---
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: c}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: istio}}
---
{apiVersion: kustomize.config.k8s.io/v1beta1, kind: Kustomization}
";
    let loaded = read_well("x.yaml", yaml);
    assert_eq!(loaded.objects, 0);
    let skipped: Vec<(&str, usize)> =
        loaded.skipped.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(
        skipped,
        [
            ("ConfigMap", 1),
            ("Kustomization", 1),
            ("MutatingWebhookConfiguration", 1),
            ("Secret", 2),
            ("Service.serving.knative.dev", 1),
        ]
    );
}

#[rstest]
#[case::not_a_string("annotations: {x: 80}", true)]
#[case::key_of_a_service(
    "annotations: {service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-1}",
    true
)]
#[case::controlled(
    "annotations: {service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-1}, ownerReferences: [{controller: true}]",
    false
)]
#[case::plain("annotations: {x: z}", false)]
#[case::none("labels: {x: y}", false)]
fn another_kind_is_kept_where_a_rule_judges_it(#[case] metadata: &str, #[case] is_kept: bool) {
    let yaml = format!(
        "# ingress\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: a, {metadata}}}\n"
    );
    let loaded = read_well("x.yaml", yaml);
    let others = cluster(&loaded).others();
    assert_eq!((loaded.objects, loaded.skipped.len()), if is_kept { (1, 0) } else { (0, 1) });
    assert_eq!(others.len(), usize::from(is_kept));
    if let Some(other) = others.first() {
        assert_eq!((other.kind.as_str(), other.meta.name.as_str()), ("Ingress", "a"));
        assert_eq!(origin(&other.meta).line, 2);
    }
}

#[rstest]
#[case::list_of_all("{\"kind\":\"List\",\"items\":[NODE]}", true)]
#[case::kind_last("{\"items\":[NODE],\"kind\":\"List\"}", true)]
#[case::node_list("{\"kind\":\"NodeList\",\"apiVersion\":\"v1\",\"items\":[]}", true)]
#[case::one_node("NODE", false)]
#[case::array("[NODE]", false)]
#[case::list_without_nodes("{\"kind\":\"List\",\"items\":[]}", false)]
#[case::page("{\"kind\":\"NodeList\",\"metadata\":{\"continue\":\"abc\"},\"items\":[NODE]}", false)]
#[case::page_told_last(
    "{\"kind\":\"NodeList\",\"items\":[NODE],\"metadata\":{\"continue\":\"abc\"}}",
    false
)]
#[case::last_page(
    "{\"kind\":\"NodeList\",\"metadata\":{\"continue\":\"\"},\"items\":[NODE]}",
    true
)]
#[case::torn("{\"kind\":\"NodeList\",\"items\":[NODE,", false)]
#[case::with_a_broken_node(
    "{\"kind\":\"List\",\"items\":[NODE,{\"kind\":\"Node\",\"metadata\":5}]}",
    false
)]
#[case::broken_service(
    "{\"kind\":\"List\",\"items\":[NODE,{\"kind\":\"Service\",\"metadata\":5}]}",
    true
)]
fn all_nodes_are_at_hand_where_a_whole_list_has_them(#[case] json: &str, #[case] expected: bool) {
    let node = r#"{"kind":"Node","metadata":{"name":"node-1"}}"#;
    let (loaded, _) = read("x.json", json.replace("NODE", node));
    assert_eq!(cluster(&loaded).nodes_listed, expected);
}

#[test]
fn one_object_twice_with_other_content_is_a_problem_that_names_both_places() {
    let folder = Folder::with(&[
        ("a.yaml", format!("# a\n{}", service_yaml("web")).as_bytes()),
        ("b.yaml", service_yaml("web").replace("80", "81").as_bytes()),
        ("c.yaml", service_yaml("web").as_bytes()),
        ("d.json", service("web").as_bytes()),
    ]);
    let loaded = folder.load(&[(None, "")]);
    let there = folder.path("a.yaml");
    assert_eq!(
        loaded.problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>(),
        [format!(
            "Service web is here with other content than at {}:2; remove one of the two, or if these \
             are two clusters, give the files of each a name: -f a=… -f b=…",
            there.display()
        )]
    );
    assert!(folder.problems(&loaded)[0].starts_with("b.yaml:1: "));
    let service = cluster(&loaded).service("default", "web").expect("the Service");
    assert_eq!(service.spec.ports[0].port, 80);
    // In two clusters, each is its own.
    let apart = folder.load(&[(Some("a"), "a.yaml"), (Some("b"), "b.yaml")]);
    assert!(apart.problems.is_empty());
}

#[test]
fn two_cluster_ids_in_one_cluster_are_a_problem() {
    let profile = |id: &str| {
        format!(
            "kind: ConfigMap\nmetadata: {{name: ack-cluster-profile, namespace: kube-system}}\ndata: {{clusterid: {id}}}\n"
        )
    };
    let folder = Folder::with(&[
        ("a.yaml", profile("c1").as_bytes()),
        ("b.yaml", profile("c2").as_bytes()),
        ("c.yaml", profile("c1").as_bytes()),
    ]);
    let loaded = folder.load(&[(None, "")]);
    assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
    assert!(folder.problems(&loaded)[0].starts_with("b.yaml:1: "));
    assert_eq!(cluster(&loaded).id.as_deref(), Some("c1"));
}

#[rstest]
#[case::generated("{kind: Service, metadata: {generateName: web-}}", "Service web-…")]
#[case::none("{kind: Node}", "Node")]
#[case::empty("{kind: Pod, metadata: {name: \"\"}}", "Pod")]
#[case::namespace("{kind: Namespace, metadata: null}", "Namespace")]
fn an_object_without_a_name_is_a_problem(#[case] yaml: &str, #[case] object: &str) {
    let (loaded, problems) = read("x.yaml", format!("\n{yaml}\n"));
    assert_eq!(
        problems,
        [format!(
            "x.yaml:2: {object} without metadata.name: give it the name it has in the cluster"
        )]
    );
    assert_eq!(loaded.objects, 0);
}

#[test]
fn a_list_of_objects_that_are_many_carries_no_lines_of_keys() {
    let json = r#"[{"kind":"Node","metadata":{"name":"a","annotations":{"x":"y"}}},
        {"kind":"Service","metadata":{"name":"a","annotations":{
            "x": "y",
            "z": "\n"}}}]"#;
    let loaded = read_well("x.json", json);
    let node = cluster(&loaded).nodes().by_name("a").expect("the Node");
    assert!(origin(&node.metadata).keys.is_empty());
    let service = cluster(&loaded).service("default", "a").expect("the Service");
    let lines =
        [("metadata.annotations[x]".to_owned(), 3), ("metadata.annotations[z]".to_owned(), 4)];
    assert_eq!(origin(&service.metadata).keys, lines);
}

#[test]
fn a_missing_field_is_named_with_its_object() {
    let (_, problems) = read("x.yaml", "kind: HorizontalPodAutoscaler\nmetadata: {name: web}\n");
    assert_eq!(problems, ["x.yaml:2: HorizontalPodAutoscaler web: missing field `spec`"]);
}

#[rstest]
#[case::a_new_policy("externalTrafficPolicy: Elsewhere", "spec.externalTrafficPolicy")]
#[case::a_target_port_of_parts(
    "ports: [{port: 80, targetPort: {name: x}}]",
    "spec.ports[0].targetPort"
)]
#[case::ports_of_parts("ports: {http: 80}", "spec.ports")]
fn what_cannot_be_read_of_a_service_is_told_and_the_service_is_there(
    #[case] field: &str,
    #[case] path: &str,
) {
    let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
    let text = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, annotations: {{{prefix}id: lb-bp1example, {prefix}vgroup-port: 'rsp-bp1example:80'}}}}, spec: {{type: LoadBalancer, {field}}}}}"
    );
    let (loaded, _) = read("x.yaml", &text);
    let [problem] = loaded.problems.as_slice() else { panic!("{:?}", loaded.problems) };
    assert!(problem.message.starts_with(&format!("Service web: {path}: ")), "{problem}");
    let service = cluster(&loaded).service("default", "web").expect("the Service");
    assert!(service.is_load_balancer());
    assert_eq!(service.metadata.annotations.keys().count(), 2);
    let ports: Vec<u16> = service.spec.ports.iter().map(|port| port.port).collect();
    let expected: &[u16] = if field.starts_with("ports") { &[80] } else { &[] };
    assert_eq!(ports, expected, "{path}");
}

#[test]
fn a_service_whose_annotations_cannot_be_read_is_told_alone() {
    let (loaded, _) = read(
        "x.yaml",
        "{apiVersion: v1, kind: Service, metadata: {name: web, annotations: [a]}, spec: {type: LoadBalancer}}",
    );
    assert_eq!((loaded.problems.len(), loaded.objects), (1, 0), "{:?}", loaded.problems);
}
