//! Workloads as they are: behind labels that controllers add, of kinds that others bring, with the
//! defaults of what their manifests leave out.

use rstest::rstest;

use super::{Case, case};

/// What is not looked at, as `what: why`.
fn not_looked(case: &Case) -> Vec<String> {
    let report = case.check("");
    let notes = report.json["notLooked"].as_array().expect("notes").iter();
    let word = |text: &serde_json::Value| text.as_str().expect("a word").to_owned();
    notes.map(|note| format!("{}: {}", word(&note["what"]), word(&note["why"]))).collect()
}

fn broker() -> Case {
    case("service-per-pod-of-a-statefulset")
}

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name: broker-0";

/// The broker as a workload of another kind.
fn broker_as(api_version: &str, kind: &str) -> Case {
    let old = "apiVersion: apps/v1\nkind: StatefulSet";
    broker().with("app.yaml", old, &format!("apiVersion: {api_version}\nkind: {kind}"))
}

/// The same, selected by these labels.
fn selected_by(case: Case, labels: &str) -> Case {
    case.with("app.yaml", POD_NAME, labels)
}

const KRUISE: &str = "apps.kruise.io/v1alpha1";
const ARGO: &str = "argoproj.io/v1alpha1";

#[rstest]
#[case::as_it_is(broker(), "StatefulSet")]
#[case::keys_of_the_old_prefix(broker().under_the_old_prefix(), "StatefulSet")]
#[case::pods_are_the_backends(broker().with_pods_as_backends(), "StatefulSet")]
#[case::the_last_of_many(
    selected_by(broker(), "statefulset.kubernetes.io/pod-name: broker-117"),
    "StatefulSet"
)]
#[case::with_a_label_of_the_template(selected_by(broker(), &format!("app: broker, {POD_NAME}")), "StatefulSet")]
#[case::by_the_index(
    selected_by(broker(), "app: broker, apps.kubernetes.io/pod-index: \"0\""),
    "StatefulSet"
)]
#[case::by_the_revision(
    selected_by(broker(), "app: broker, controller-revision-hash: broker-7d9c"),
    "StatefulSet"
)]
#[case::of_kruise(broker_as("apps.kruise.io/v1beta1", "StatefulSet"), "StatefulSet")]
#[case::a_deployment(
    selected_by(broker_as("apps/v1", "Deployment"), "app: broker, pod-template-hash: 7d9c"),
    "Deployment"
)]
#[case::a_daemon_set(
    selected_by(broker_as("apps/v1", "DaemonSet"), "app: broker, pod-template-generation: \"3\""),
    "DaemonSet"
)]
#[case::a_rollout(
    selected_by(broker_as(ARGO, "Rollout"), "app: broker, rollouts-pod-template-hash: 7d9c"),
    "Rollout"
)]
#[case::a_clone_set(
    selected_by(
        broker_as(KRUISE, "CloneSet"),
        "app: broker, apps.kruise.io/cloneset-instance-id: abc12"
    ),
    "CloneSet"
)]
fn service_per_pod_of_a_statefulset(#[case] case: Case, #[case] kind: &str) {
    let path = "spec.template.spec";
    assert_eq!(
        case.check("").findings_at(),
        [
            format!("CLB301 error {kind} broker {path}.containers[broker]"),
            format!("CLB304 error {kind} broker {path}.terminationGracePeriodSeconds"),
        ]
    );
}

#[rstest]
#[case::of_another_set(selected_by(broker(), "statefulset.kubernetes.io/pod-name: other-0"))]
#[case::no_pod_is_called_so(selected_by(broker(), "statefulset.kubernetes.io/pod-name: broker-x"))]
#[case::a_controller_that_does_not_add_it(selected_by(
    broker(),
    "app: broker, pod-template-hash: 7d9c"
))]
#[case::another_label(selected_by(broker(), &format!("app: other, {POD_NAME}")))]
fn a_label_that_the_controller_does_not_add_is_still_missing(#[case] case: Case) {
    assert_eq!(case.check("").errors(), [""; 0]);
    let expected = "workloads of Service mq/broker-0: its selector matches no workload at hand";
    assert!(not_looked(&case).contains(&expected.to_owned()));
}

fn rollout() -> Case {
    case("rollout-and-cloneset").alone("rollout.yaml")
}

fn clone_set() -> Case {
    case("rollout-and-cloneset").alone("cloneset.yaml")
}

/// The `CloneSet` as a workload of another kind.
fn clone_set_as(api_version: &str, kind: &str) -> Case {
    let old = "apiVersion: apps.kruise.io/v1alpha1\nkind: CloneSet";
    clone_set().with("cloneset.yaml", old, &format!("apiVersion: {api_version}\nkind: {kind}"))
}

#[rstest]
#[case::rollout(rollout(), "Rollout")]
#[case::clone_set(clone_set(), "CloneSet")]
#[case::keys_of_the_old_prefix(rollout().under_the_old_prefix(), "Rollout")]
#[case::stateful_set_of_kruise(
    clone_set_as("apps.kruise.io/v1beta1", "StatefulSet"),
    "StatefulSet"
)]
#[case::replica_set(clone_set_as("apps/v1", "ReplicaSet"), "ReplicaSet")]
#[case::a_kind_of_an_operator(clone_set_as("example.com/v1", "Game"), "Game")]
#[case::replicas_left_out(rollout().with("rollout.yaml", "  replicas: 1\n", ""), "Rollout")]
fn rollout_and_cloneset(#[case] case: Case, #[case] kind: &str) {
    assert_eq!(
        case.check("").findings_at(),
        [
            format!("CLB301 error {kind} web spec.template.spec.containers[web]"),
            format!("CLB304 error {kind} web spec.template.spec.terminationGracePeriodSeconds"),
            format!("CLB306 warning {kind} web spec.replicas"),
        ]
    );
}

#[rstest]
#[case::rollout_of_another_group(
    rollout().with("rollout.yaml", "argoproj.io/v1alpha1", "rollouts.kruise.io/v1beta1")
)]
#[case::job(clone_set_as("batch/v1", "Job"))]
fn kinds_that_are_no_workloads_stay_unjudged(#[case] case: Case) {
    assert_eq!(case.check("").errors(), [""; 0]);
}

#[test]
fn the_deployment_whose_template_a_rollout_takes_is_judged() {
    let template = "apiVersion: apps/v1\nkind: Deployment";
    let case = clone_set()
        .with("cloneset.yaml", "apiVersion: apps.kruise.io/v1alpha1\nkind: CloneSet", template)
        .with("cloneset.yaml", "  replicas: 1\n", "  replicas: 0\n")
        .and(
            "over.yaml",
            "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: web-ro, namespace: shop}, spec: {replicas: 1, workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}}}",
        );
    assert_eq!(
        case.check("").findings_at(),
        [
            "CLB301 error Deployment web spec.template.spec.containers[web]",
            "CLB304 error Deployment web spec.template.spec.terminationGracePeriodSeconds",
            "CLB306 warning Rollout web-ro spec.replicas",
        ]
    );
}

/// Pod `web-x` of that controller, in the place of the `CloneSet`.
fn pod_of(owner: &str) -> Case {
    let text = &clone_set().files[0].1;
    let service = text.split("---").next().expect("a Service");
    let labels = "{app: web, pod-template-hash: 5d4f8}";
    let pod = format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web-x, namespace: shop, labels: {labels}, ownerReferences: [{owner}]}}, spec: {{containers: [{{name: web, ports: [{{containerPort: 8080}}], lifecycle: {{preStop: {{sleep: {{seconds: 40}}}}}}}}]}}}}"
    );
    Case { files: vec![("all.yaml".to_owned(), format!("{service}---\n{pod}\n"))] }
}

#[rstest]
#[case::no_controller(pod_of(""))]
#[case::of_an_unknown_kind(pod_of(
    "{apiVersion: example.com/v1, kind: Game, name: web, controller: true}"
))]
#[case::of_a_known_kind_that_is_not_at_hand(pod_of(
    "{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f8, controller: true}"
))]
#[case::an_owner_that_does_not_control(pod_of("{apiVersion: v1, kind: Node, name: n1}"))]
#[case::a_node_s_own_pod(pod_of("{apiVersion: v1, kind: Node, name: n1, controller: true}"))]
fn pods_whose_controller_is_unknown_are_judged_as_pods(#[case] case: Case) {
    assert_eq!(
        case.check("").findings_at(),
        [
            "CLB301 error Pod web-x spec.containers[web]",
            "CLB304 error Pod web-x spec.terminationGracePeriodSeconds",
        ]
    );
}

#[test]
fn what_is_wrong_with_the_pod_of_a_controller_is_put_right_in_its_template() {
    let fix = |case: Case| {
        let finding = case.check("").json["findings"][1].clone();
        (finding["fix"].as_str().expect("a fix").to_owned(), finding["patch"].clone())
    };
    let (text, patch) =
        fix(pod_of("{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f8, controller: true}"));
    assert_eq!(text, "set terminationGracePeriodSeconds: 70 in the pod template of Deployment web");
    assert!(patch.as_array().is_none_or(Vec::is_empty), "{patch}");
    let (text, patch) = fix(pod_of(""));
    assert_eq!(text, "set terminationGracePeriodSeconds: 70");
    assert_eq!(patch[0]["path"], "/spec/terminationGracePeriodSeconds");
}

#[test]
fn a_pod_of_a_job_is_not_judged() {
    let case = pod_of("{apiVersion: batch/v1, kind: Job, name: web, controller: true}");
    assert_eq!(case.check("").errors(), [""; 0]);
}

fn quitting(file: &str) -> Case {
    case("prestop-sleep-then-quit").alone(file)
}

/// `nginx.yaml` with another command, as YAML writes a list.
fn command(command: &str) -> Case {
    let old = "[/bin/sh, -c, \"sleep 30; nginx -s quit\"]";
    quitting("nginx.yaml").with("nginx.yaml", old, command)
}

#[rstest]
#[case::thirty_seconds(quitting("nginx.yaml"), "CLB304 error")]
#[case::a_minute(quitting("minute.yaml"), "CLB304 error")]
#[case::with_a_unit(command("[sh, -c, 'sleep 1m; nginx -s quit']"), "CLB304 error")]
#[case::added_up(command("[sh, -c, 'sleep 20; nginx -s quit; sleep 10']"), "CLB304 error")]
#[case::exec(command("[bash, -ec, 'exec sleep 30']"), "CLB304 error")]
#[case::by_its_path(command("[/bin/sleep, '30']"), "CLB304 error")]
#[case::on_two_lines(command("[sh, -c, \"sleep 30\\nnginx -s quit\\n\"]"), "CLB304 error")]
#[case::after_something(command("[sh, -c, 'echo bye > /dev/stdout; sleep 30']"), "CLB304 error")]
#[case::nothing_can_be_read(command("[/drain.sh]"), "CLB304 info")]
#[case::it_may_not_come_to_that(command("[sh, -c, 'nginx -s quit && sleep 30']"), "CLB304 info")]
#[case::nobody_waits_for_it(command("[sh, -c, 'sleep 30 & nginx -s quit']"), "CLB304 info")]
fn prestop_sleep_then_quit(#[case] case: Case, #[case] expected: &str) {
    assert_eq!(case.check("").findings("/findings"), [expected]);
}

#[rstest]
#[case::as_it_is(quitting("fine.yaml"))]
#[case::just_below(command("[sh, -c, 'sleep 29.9; nginx -s quit']"))]
#[case::half_a_second(command("[sleep, '0.5']"))]
fn a_hook_that_ends_in_time_is_fine(#[case] case: Case) {
    assert_eq!(case.check("").findings("/findings"), [""; 0]);
}

fn replicas(file: &str) -> Case {
    case("replicas-left-out").alone(file)
}

/// An autoscaler of the Deployment, with these fields of `spec`.
fn scaler(spec: &str) -> String {
    format!(
        "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: web, namespace: shop}}, spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}, maxReplicas: 5{spec}}}}}"
    )
}

/// `one.yaml` with these fields of `spec`.
fn with_spec(fields: &str) -> Case {
    let old = "spec:\n  selector: {matchLabels";
    replicas("one.yaml").with(
        "one.yaml",
        old,
        &format!("spec:\n  {fields}\n  selector: {{matchLabels"),
    )
}

#[rstest]
#[case::one(replicas("one.yaml"), "spec.replicas")]
#[case::null(with_spec("replicas: null"), "spec.replicas")]
#[case::recreate(replicas("recreate.yaml"), "spec.strategy.type")]
#[case::recreate_of_five(
    with_spec("replicas: 5\n  strategy: {type: Recreate}"),
    "spec.strategy.type"
)]
#[case::daemon_set(replicas("daemonset.yaml"), "spec.updateStrategy.rollingUpdate.maxUnavailable")]
#[case::all_of_five(
    with_spec("replicas: 5\n  strategy: {rollingUpdate: {maxUnavailable: 5}}"),
    "spec.strategy.rollingUpdate.maxUnavailable"
)]
#[case::a_minimum_of_one(with_spec("replicas: 5").and("hpa.yaml", &scaler(", minReplicas: 1")), "spec.replicas")]
#[case::a_minimum_left_out(with_spec("replicas: 5").and("hpa.yaml", &scaler("")), "spec.replicas")]
#[case::recreate_and_an_autoscaler(replicas("recreate.yaml").and("hpa.yaml", &scaler(", minReplicas: 2")), "spec.strategy.type")]
fn replicas_left_out(#[case] case: Case, #[case] path: &str) {
    let report = case.check("");
    assert_eq!(report.findings("/findings"), ["CLB306 warning"]);
    assert_eq!(report.json["findings"][0]["path"], path);
}

#[rstest]
#[case::two(with_spec("replicas: 2"))]
#[case::a_minimum_of_two(replicas("one.yaml").and("hpa.yaml", &scaler(", minReplicas: 2")))]
#[case::nobody_updates_it(replicas("daemonset.yaml").with("daemonset.yaml", "{rollingUpdate: {maxUnavailable: 100%}}", "{type: OnDelete}"))]
#[case::one_node_after_the_other(replicas("daemonset.yaml").with("daemonset.yaml", "100%", "10%"))]
fn replicas_that_leave_no_gap(#[case] case: Case) {
    assert_eq!(case.check("").findings("/findings"), [""; 0]);
}

#[test]
fn serving_native_sidecar() {
    let report = case("serving-native-sidecar").check("");
    assert_eq!(
        report.findings_at(),
        [
            "CLB301 error Deployment web spec.template.spec.initContainers[edge]",
            "CLB303 warning Deployment web spec.template.spec.initContainers[edge]",
        ]
    );
    let source = report.json["findings"][0]["source"].as_str().expect("a place");
    assert!(source.ends_with("app.yaml:26"), "{source}");
}

/// What `kubectl get all` shows of the Deployment in the place of the `CloneSet`: its two
/// `ReplicaSets` and their Pods.
fn everything_of_the_deployment() -> Case {
    let owned_by = |kind: &str, name: &str| {
        format!(
            "ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, controller: true}}]"
        )
    };
    let spec = "{containers: [{name: web, ports: [{containerPort: 8080}]}]}";
    let mut all = Vec::new();
    for (hash, replicas) in [("5d4f8", 2), ("7c6b9", 0)] {
        let labels = format!("labels: {{app: web, pod-template-hash: {hash}}}");
        let owner = owned_by("Deployment", "web");
        all.push(format!(
            "{{apiVersion: apps/v1, kind: ReplicaSet, metadata: {{name: web-{hash}, namespace: shop, {labels}, {owner}}}, spec: {{replicas: {replicas}, template: {{metadata: {{{labels}}}, spec: {spec}}}}}}}"
        ));
        for number in 0..replicas {
            let owner = owned_by("ReplicaSet", &format!("web-{hash}"));
            all.push(format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: web-{hash}-{number}, namespace: shop, {labels}, {owner}}}, spec: {spec}}}"
            ));
        }
    }
    clone_set_as("apps/v1", "Deployment").and("all.yaml", &all.join("\n---\n"))
}

#[test]
fn a_deployment_is_judged_once_whatever_of_it_is_there() {
    let report = everything_of_the_deployment().check("");
    assert_eq!(
        report.findings_at(),
        [
            "CLB301 error Deployment web spec.template.spec.containers[web]",
            "CLB304 error Deployment web spec.template.spec.terminationGracePeriodSeconds",
            "CLB306 warning Deployment web spec.replicas",
        ]
    );
    // Its Pods are alike: without the Deployment, one stands for all.
    let service = clone_set().files[0].1.split("---").next().expect("a Service").to_owned();
    let mut case = everything_of_the_deployment();
    case.files[0].1 = service;
    assert_eq!(
        case.check("").findings_at(),
        [
            "CLB301 error Pod web-5d4f8-0 spec.containers[web]",
            "CLB303 warning Pod web-5d4f8-0 spec.containers[web]",
        ]
    );
}
