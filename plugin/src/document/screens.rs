//! What the verbs that write answer when they have ended, in every way there is, and `webhook status`:
//! at 60, 80 and 120 columns, with and without colours.

use std::path::PathBuf;

use clbmigrate_cluster::{
    files::{self, Options, Source},
    live::{
        self, Deregistrations, ErrorKind, Probe, RegistrationState, WEBHOOK_REGISTRATIONS,
        WebhookInstallation, WebhookRegistration,
    },
};
use clbmigrate_core::{
    deregistration::{ObservedPods, StoredSuccess},
    history::{Server, Servers},
    index::Index,
    object::ObjectRef,
    preview::preview_including,
    rules::Language,
    snapshot::Snapshot,
    transfer::{Ending, OneService, Part},
};
use insta::assert_snapshot;

use super::{Question, preview::PreviewAnswer, transfer::TransferAnswer, webhook::WebhookAnswer};
use crate::{
    change::Intent,
    output::{
        CapturedOutput, Detail, Printable, Terminal, human,
        json::{
            AnnotationChange, ApiVersion, ChangeKind, ChangeReport, ChangeState, Object, Outcome,
            PartState,
        },
    },
};

/// The columns of the terminals.
const WIDTHS: [usize; 3] = [60, 80, 120];
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples/two-clusters");

/// What `write` writes in every terminal, each under a ruler.
fn screens(write: &dyn Fn(Terminal) -> String) -> String {
    let mut screens = Vec::new();
    for has_colours in [false, true] {
        for width in WIDTHS {
            let terminal = Terminal {
                width: Some(width),
                unicode: true,
                language: Language::English,
                has_titles: true,
            };
            let shown = write(terminal);
            let plain = strip_ansi_escapes::strip_str(&shown);
            let title = if has_colours {
                format!("{width} columns, colours")
            } else {
                assert_fits(&plain, width);
                format!("{width} columns")
            };
            let shown = if has_colours { shown.replace('\u{1b}', "\\e") } else { plain };
            screens.push(format!("{title:-<width$}\n{shown}\n"));
        }
    }
    screens.concat()
}

/// Demands that no line is wider than the terminal, but a word that is wider itself, and a command,
/// which is copied.
fn assert_fits(shown: &str, width: usize) {
    for line in shown.lines() {
        let is_command = ["kubectl ", "helm ", "  finish: ", "  undo: "]
            .iter()
            .any(|start| line.starts_with(start));
        assert!(is_command || line.chars().count() <= width, "{width} columns: {line}");
    }
}

fn printed(answer: &impl Printable, terminal: Terminal) -> String {
    let mut out = Vec::new();
    answer.write_text(terminal, Detail::default(), &mut out).expect("memory");
    String::from_utf8(out).expect("text")
}

/// The two clusters of the examples, with what the CLB API says.
fn two_clusters() -> Snapshot {
    let source = |context: Option<&str>, path: &str| Source {
        context: context.map(str::to_owned),
        path: PathBuf::from(format!("{EXAMPLES}/{path}")),
    };
    let sources = [source(Some("a"), "a"), source(Some("b"), "b"), source(None, "clb")];
    files::load(&sources, std::io::empty(), &Options::default()).snapshot
}

/// The preview of weight 60 in `a` and 40 in `b`, for the routes of a shift.
fn shown() -> PreviewAnswer {
    let before = two_clusters();
    let key = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";
    let weigh = |snapshot: &Snapshot, cluster: usize, weight: &str| {
        snapshot.with_annotation(cluster, "shop", "web", key, Some(weight))
    };
    let after = weigh(&weigh(&before, 0, "60"), 1, "40");
    let (before, after) = (Index::new(&before), Index::new(&after));
    let targets: Vec<ObjectRef> = Vec::new();
    let preview = preview_including(&before, &after, &targets);
    let question = Question { is_namespace_given: true, is_live: true };
    PreviewAnswer::new((&before, &after), &preview, &targets, question)
}

fn part(context: &str, from: &str, to: &str) -> Part {
    Part::Service(OneService {
        context: Some(context.to_owned()),
        cluster: None,
        cluster_uid: None,
        uid: None,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
        gains: None,
    })
}

fn servers() -> Part {
    let server = |id: &str, to: u32| Server { id: id.to_owned(), port: 8080, from: 100, to };
    Part::Servers(Servers {
        clb: "lb-bp1clusters".to_owned(),
        vgroup: "rsp-bp1clusters".to_owned(),
        servers: vec![server("i-bp1old1", 38), server("i-bp1old2", 37)],
    })
}

/// A shift of traffic into the second cluster.
fn shift(parts: &[Part]) -> TransferAnswer {
    let intent = Intent {
        title: "40 % of shop/web to b, from a".to_owned(),
        remarks: vec![
            "lb-bp1clusters/rsp-bp1clusters:80: b gets 40.0 %; with one backend less or more 25.0 % to 50.0 %"
                .to_owned(),
        ],
        ..Intent::new("shift")
    };
    TransferAnswer::new(&intent, parts, &shown().document().routes)
}

fn two_parts() -> Vec<Part> {
    vec![part("b", "20", "40"), part("a", "80", "60")]
}

/// The answer of a shift that ended that way, with what is said of how to go on.
fn ended(ending: &Ending, states: &[PartState], is_proven: bool) -> String {
    let answer =
        || shift(&two_parts()).ended("1f2e3d4c5b6a", ending, states, is_proven, &["a", "b"]);
    screens(&|terminal| {
        let captured = CapturedOutput::new();
        answer().print_next_steps(&mut captured.printer());
        format!("{}{}", printed(&answer(), terminal), captured.stderr())
    })
}

#[test]
fn a_shift_says_before_it_asks_what_happens_to_the_traffic() {
    let announced = |parts: Vec<Part>| {
        screens(&|terminal| {
            let captured = CapturedOutput::new();
            let mut printer = captured.printer();
            printer.terminal = terminal;
            shift(&parts).announce(&mut printer).expect("memory");
            captured.stderr()
        })
    };
    assert_snapshot!("shift-announced", announced(two_parts()));
    assert_snapshot!("shift-announced-servers", announced(vec![part("b", "13", "25"), servers()]));
}

#[test]
fn a_shift_that_is_done() {
    assert_snapshot!("shift-done", ended(&Ending::Done, &[PartState::Done; 2], true));
    assert_snapshot!("shift-unverified", ended(&Ending::Done, &[PartState::Unverified; 2], false));
}

#[test]
fn a_shift_that_wrote_nothing() {
    assert_snapshot!(
        "shift-dry-run",
        screens(&|terminal| { printed(&shift(&two_parts()).dry_run("server"), terminal) })
    );
    assert_snapshot!(
        "shift-unchanged",
        screens(&|terminal| { printed(&shift(&[]).unchanged(), terminal) })
    );
    let why = Some("shop/web (b): CCM reports failure: the CLB is locked".to_owned());
    assert_snapshot!(
        "shift-untouched",
        ended(&Ending::Untouched(why), &[PartState::Untouched; 2], false)
    );
}

#[test]
fn a_shift_that_ended_half_way() {
    let states = [PartState::Done, PartState::Untouched];
    assert_snapshot!("shift-held", ended(&Ending::Held(1), &states, false));
    let standing = Ending::Standing {
        why: "shop/web (a): CCM was not done within 5m".to_owned(),
        standing: 1,
        left: vec![(1, "the API server does not answer".to_owned())],
        taken: Vec::new(),
    };
    let states = [PartState::Done, PartState::Left];
    assert_snapshot!("shift-half-done", ended(&standing, &states, false));
}

#[test]
fn a_shift_that_is_taken_back() {
    let back = Ending::RolledBack {
        why: "shop/web (b): 1 of 2 backends is not healthy at tcp/80".to_owned(),
        unconfirmed: vec![0],
        taken: vec![1],
    };
    let states = [PartState::Unconfirmed, PartState::Taken];
    assert_snapshot!("shift-rolled-back", ended(&back, &states, false));
}

fn report(state: ChangeState, message: &str) -> ChangeReport {
    let is_written = !matches!(state, ChangeState::DryRun | ChangeState::Unchanged);
    ChangeReport {
        api_version: ApiVersion::V1Alpha1,
        kind: ChangeKind::Change,
        verb: "set".to_owned(),
        object: Object {
            kind: "Service".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
            context: Some("prod".to_owned()),
        },
        annotations: vec![AnnotationChange {
            key: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight".to_owned(),
            old: Some("20".to_owned()),
            new: Some("40".to_owned()),
        }],
        service_type: None,
        commands: Vec::new(),
        change: is_written.then(|| "1f2e3d4c5b6a".to_owned()),
        undoes: None,
        outcome: Outcome::Applied,
        routes: Vec::new(),
        state,
        verified: state == ChangeState::Done,
        message: message.to_owned(),
    }
}

#[test]
fn a_set_that_has_ended() {
    let traffic = "shop/web (prod): 20.0 % -> 33.3 % of the traffic of rsp-bp1example";
    for (name, state, message) in [
        ("done", ChangeState::Done, "CCM reports success, and the CLB's groups carry the weights"),
        (
            "unverified",
            ChangeState::Unverified,
            "CCM reports success; not verified at the CLB, which takes its credentials",
        ),
        ("failed", ChangeState::Failed, "CCM failed: SyncLoadBalancerFailed: the CLB is locked"),
        (
            "timed-out",
            ChangeState::TimedOut,
            "CCM was not done within 5m: its hash label is that of before",
        ),
        (
            "rolled-back",
            ChangeState::RolledBack,
            "taken back, because group rsp-bp1example has no backend of shop/web. Now: weight 20 again, and CCM reports success",
        ),
        (
            "put-back",
            ChangeState::PutBack,
            "loadbalancer-weight is \"20\", written by field manager argocd at 2026-11-21T01:02:03Z",
        ),
    ] {
        let shown = screens(&|terminal| {
            let mut out = Vec::new();
            let report = report(state, message);
            human::change_report(&report, "service/web", Some(traffic), terminal, &mut out)
                .expect("memory");
            String::from_utf8(out).expect("text")
        });
        assert_snapshot!(format!("set-{name}"), shown);
    }
}

fn webhook(
    state: &RegistrationState,
    probe: Probe,
    config: Option<&str>,
    deregistrations: &Result<Deregistrations, live::Error>,
) -> WebhookAnswer {
    let registrations = WEBHOOK_REGISTRATIONS.map(|(resource, name)| WebhookRegistration {
        resource,
        name,
        state: state.clone(),
    });
    WebhookAnswer::new(
        Some("prod".to_owned()),
        &WebhookInstallation {
            registrations: registrations.to_vec(),
            namespace: "clbmigrate-system".to_owned(),
            ready: (*state != RegistrationState::Unknown).then_some(2),
            config: config.map(str::to_owned),
            probe,
        },
        deregistrations,
    )
}

/// What the Events of these Pods tell: each with its end, and when CCM's Event was made and counted up.
fn pods_ended(pods: &[(i64, i64, i64)]) -> Deregistrations {
    let mut found = Deregistrations {
        services: vec![("shop".to_owned(), "web".to_owned())],
        old_nodes: Some(Vec::new()),
        ..Deregistrations::default()
    };
    for (end, created, updated) in pods {
        let mut observed = ObservedPods::default();
        observed.stopping("u", *end);
        observed.successes.push(StoredSuccess { created: *created, updated: *updated });
        found.times += observed.times("shop/web");
    }
    found
}

#[test]
fn webhook_status() {
    let present = RegistrationState::Present {
        failure_policy: "Ignore".to_owned(),
        trusted_until: Some("2027-11-21T01:02:03Z".to_owned()),
    };
    let config =
        "cluster: {id: c0a00000000000000000000000000aaa1}\nrules: {CLB301: warn, CLB303: off}\n";
    let unknown = Probe::NotAsked("Services may not be created".to_owned());
    let unreachable = Probe::Unreachable("failed calling webhook: connection refused".to_owned());
    let measured = pods_ended(&[(100, 103, 103), (100, 108, 900), (100, 50, 104), (100, 50, 50)]);
    let slow = pods_ended(&[(100, 128, 128), (100, 104, 104)]);
    let none = pods_ended(&[]);
    let in_cluster_mode = Deregistrations {
        in_cluster_mode: 3,
        of_unknown_mode: 1,
        old_nodes: Some(vec!["virtual-kubelet-cn-example-b".to_owned(), "old".to_owned()]),
        ..Deregistrations::default()
    };
    let refused = live::Error::new(ErrorKind::Forbidden, "services is forbidden");
    let unread = Deregistrations {
        unread: vec!["namespace shop: events is forbidden".to_owned()],
        ..none.clone()
    };
    for (name, answer) in [
        ("complete", webhook(&present, Probe::Refused, Some(config), &Ok(measured.clone()))),
        ("too-short", webhook(&present, Probe::Refused, Some(config), &Ok(slow))),
        ("not-measured", webhook(&present, Probe::Refused, Some(config), &Ok(none.clone()))),
        ("unread", webhook(&present, Probe::Refused, Some(config), &Ok(unread))),
        ("cluster-mode", webhook(&present, Probe::Refused, Some(config), &Ok(in_cluster_mode))),
        ("unreachable", webhook(&present, unreachable, Some(config), &Ok(none))),
        ("absent", webhook(&RegistrationState::Absent, Probe::Passed, None, &Ok(measured))),
        ("unknown", webhook(&RegistrationState::Unknown, unknown, None, &Err(refused))),
    ] {
        let shown = screens(&|terminal| printed(&answer, terminal));
        assert_snapshot!(format!("webhook-{name}"), shown);
    }
}
