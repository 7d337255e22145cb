//! The verbs that read.

use insta::assert_snapshot;
use rstest::rstest;

use super::{program, screens};
use crate::program::{Folder, TWO_CLUSTERS, service};

const CANARY: &str = "-f deploy/examples/canary";
const MISTAKES: &str = "deploy/examples/mistakes";

/// A Service and nothing else: all that is around it is unknown.
fn alone(arguments: &str) -> String {
    let folder = Folder::new(&[("s.yaml", &service("shop", "web", "", "20"))]);
    let shown = screens(|| program(&format!("{arguments} -f {}", folder.path("s.yaml"))));
    shown.replace(&folder.path(""), "")
}

#[rstest]
#[case::canary("complete", CANARY.to_owned())]
#[case::two_clusters("two-clusters", TWO_CLUSTERS.to_owned())]
#[case::wide("wide", format!("{TWO_CLUSTERS} -o wide"))]
#[case::emptied("emptied", format!("-f {MISTAKES}/CLB409-group-emptied.yaml"))]
#[case::orphan("orphan", format!("-f {MISTAKES}/CLB408-orphan.yaml"))]
#[case::unhealthy("unhealthy", format!("-f {MISTAKES}/CLB416-health-check-fails.yaml"))]
#[case::unreached("unreached", format!("-f {MISTAKES}/CLB415-listener-sends-elsewhere.yaml"))]
fn status(#[case] name: &str, #[case] arguments: String) {
    assert_snapshot!(format!("status-{name}"), screens(|| program(&format!("status {arguments}"))));
}

#[test]
fn status_where_everything_is_unknown() {
    assert_snapshot!("status-unknown", alone("status"));
    assert_snapshot!("status-unknown-wide", alone("status -o wide"));
}

#[rstest]
#[case::another_weight("weight", format!("svc/web 40 {CANARY}"))]
#[case::a_weight_that_drains("drained", format!("svc/web 101 {CANARY}"))]
#[case::no_weight("none", format!("svc/web none {CANARY}"))]
#[case::the_same_weight("same", format!("svc/web 80 --context a {TWO_CLUSTERS}"))]
#[case::an_edit("edit", format!(
    "-f {MISTAKES}/CLB404-type-changed/after.yaml --against {MISTAKES}/CLB404-type-changed/before.yaml"
))]
#[case::an_edit_of_two_groups("several", format!(
    "-f {MISTAKES}/CLB405-group-swapped/after.yaml --against {MISTAKES}/CLB405-group-swapped/before.yaml"
))]
fn preview(#[case] name: &str, #[case] arguments: String) {
    let shown = screens(|| program(&format!("preview {arguments}")));
    assert_snapshot!(format!("preview-{name}"), shown);
}

#[test]
fn preview_where_everything_is_unknown() {
    assert_snapshot!("preview-unknown", alone("preview svc/web 40"));
}

#[rstest]
#[case::nothing_found("complete", CANARY.to_owned())]
#[case::a_mistake("mistake", format!("-f {MISTAKES}/CLB001-weight-101.yaml"))]
#[case::a_mistake_wide("wide", format!("-o wide -f {MISTAKES}/CLB001-weight-101.yaml"))]
#[case::a_mistake_in_chinese("chinese", format!("--lang zh -f {MISTAKES}/CLB001-weight-101.yaml"))]
fn check(#[case] name: &str, #[case] arguments: String) {
    assert_snapshot!(format!("check-{name}"), screens(|| program(&format!("check {arguments}"))));
}

#[test]
fn check_where_everything_is_unknown() {
    assert_snapshot!("check-unknown", alone("check"));
    assert_snapshot!("check-unknown-verbose", alone("check -v"));
}

#[test]
fn explain() {
    assert_snapshot!("explain-rule", screens(|| program("explain CLB405")));
    assert_snapshot!("explain-all", screens(|| program("explain")));
}
