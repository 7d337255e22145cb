//! A change of several sides: whatever fails at whatever step, nobody who lost traffic is left without
//! those who gained it.
use clbmigrate_core::{
    annotation,
    history::{self, History, HistoryEntry},
    object::Service,
    snapshot::{Cluster, Object, Snapshot},
    transfer::{
        Act, Came, Course, Ending, OneService, Part, Server, Servers, Standing, Whole, half_done,
    },
};
use rstest::rstest;
use serde_json::json;

/// What is really the case with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartState {
    Before,
    /// Written, not proven.
    Written,
    After,
    /// Perhaps written.
    Unsure,
    /// Put back, not proven.
    Back,
    Others,
}

#[derive(Clone)]
struct CourseRun {
    raises: Vec<bool>,
    course: Course,
    parts: Vec<PartState>,
    steps: usize,
}

impl CourseRun {
    fn new(raises: &[bool]) -> Self {
        Self {
            raises: raises.to_vec(),
            course: Course::new(raises.to_vec()),
            parts: vec![PartState::Before; raises.len()],
            steps: 0,
        }
    }

    /// Tries everything that can come of every step, from here to all ends; gives their number.
    fn explore(mut self) -> usize {
        self.steps += 1;
        assert!(self.steps <= 4 * self.raises.len() + 1, "it never ends: {:?}", self.parts);
        let act = self.course.next();
        self.is_safe(&act);
        if let Act::End(ending) = &act {
            self.is_true(ending);
            return 1;
        }
        let mut ends = 0;
        for came in outcomes(&act) {
            let mut next = self.clone();
            next.happens(&act, &came);
            next.course.came(came);
            ends += next.explore();
        }
        if matches!(act, Act::Write(_)) {
            let mut stopped = self.clone();
            stopped.course.stop();
            assert!(matches!(stopped.course.next(), Act::End(_)), "an end was asked for");
            ends += stopped.explore();
        }
        ends
    }

    #[allow(clippy::match_same_arms, reason = "a table of what is the case after what, in order")]
    fn happens(&mut self, act: &Act, came: &Came) {
        let (Act::Write(at) | Act::Verify(at) | Act::Restore(at) | Act::Confirm(at)) = act else {
            return;
        };
        self.parts[*at] = match (act, came) {
            (_, Came::Taken(_)) => PartState::Others,
            (Act::Write(_), Came::NotWritten(_)) if *at > 0 => PartState::Back,
            (Act::Write(_), Came::NotWritten(_))
            | (_, Came::AsBeforeAtTheClb(_))
            | (Act::Confirm(_), Came::Done) => PartState::Before,
            (_, Came::PutBack(_)) => PartState::Back,
            (Act::Verify(_), Came::Stays(_)) => PartState::Written,
            (Act::Write(_), Came::Done) => PartState::Written,
            (Act::Write(_), _) => PartState::Unsure,
            (Act::Verify(_), Came::Done) => PartState::After,
            (Act::Restore(_), Came::Done) => PartState::Back,
            _ => self.parts[*at],
        };
    }

    fn is_safe(&self, act: &Act) {
        match act {
            Act::Write(at) => {
                let before = &self.parts[..*at];
                assert!(
                    before.iter().all(|is| *is == PartState::After),
                    "{act:?} after {before:?}"
                );
                assert_eq!(self.parts[*at], PartState::Before);
            }
            Act::Restore(at) if self.raises[*at] => {
                let losses = self.parts.iter().zip(&self.raises).filter(|(_, raise)| !**raise);
                let mut losses = losses.map(|(is, _)| *is);
                assert!(losses.all(|is| is == PartState::Before), "{act:?} with {:?}", self.parts);
            }
            _ => {}
        }
    }

    fn is_true(&self, ending: &Ending) {
        let count = |wanted: PartState| self.parts.iter().filter(|is| **is == wanted).count();
        match ending {
            Ending::Done => assert_eq!(count(PartState::After), self.parts.len()),
            Ending::Untouched(_) => {
                // Somebody else's, if any, is the first one.
                let (first, rest) = self.parts.split_at(1);
                assert!(matches!(first[0], PartState::Before | PartState::Others));
                assert!(rest.iter().all(|is| *is == PartState::Before));
            }
            Ending::Held(done) => {
                assert!(self.parts[..*done].iter().all(|is| *is == PartState::After));
                assert!(self.parts[*done..].iter().all(|is| *is == PartState::Before));
            }
            Ending::RolledBack { unconfirmed, taken, .. } => {
                for (at, is) in self.parts.iter().enumerate() {
                    let known = match is {
                        PartState::Before => true,
                        PartState::Back => unconfirmed.contains(&at),
                        PartState::Others => taken.contains(&at),
                        _ => false,
                    };
                    assert!(known, "part {at} is {is:?}, told: {ending:?}");
                }
            }
            Ending::Standing { standing, left, taken, .. } => {
                let is_alone = self.parts.len() == 1;
                assert!(
                    self.parts[..*standing].iter().all(|is| {
                        *is == PartState::After || (is_alone && *is == PartState::Written)
                    }),
                    "{ending:?}"
                );
                let told = |at: usize| left.iter().any(|(of, _)| *of == at) || taken.contains(&at);
                for (at, is) in self.parts.iter().enumerate().skip(*standing) {
                    let is_back = matches!(is, PartState::Before | PartState::Back);
                    assert!(is_back || told(at), "part {at} is {is:?}, told: {ending:?}");
                }
            }
        }
    }
}

fn outcomes(act: &Act) -> Vec<Came> {
    let why = || "it failed".to_owned();
    match act {
        Act::Write(_) => {
            vec![Came::Done, Came::NotWritten(why()), Came::Failed(why()), Came::Taken(why())]
        }
        Act::Verify(_) => vec![
            Came::Done,
            Came::AsBeforeAtTheClb(why()),
            Came::PutBack(why()),
            Came::Failed(why()),
            Came::Stays(why()),
            Came::Taken(why()),
        ],
        Act::Restore(_) => vec![
            Came::Done,
            Came::AsBeforeAtTheClb(why()),
            Came::PutBack(why()),
            Came::Failed(why()),
            Came::Taken(why()),
        ],
        Act::Confirm(_) => {
            vec![Came::Done, Came::AsBeforeAtTheClb(why()), Came::Failed(why()), Came::Taken(why())]
        }
        Act::End(_) => Vec::new(),
    }
}

#[rstest]
#[case::one_raised(&[true])]
#[case::one_lowered(&[false])]
#[case::from_one_to_the_other(&[true, false])]
#[case::both_raised(&[true, true])]
#[case::both_lowered(&[false, false])]
#[case::two_groups_of_servers(&[true, false, false])]
#[case::servers_of_two_groups_gain(&[true, true, false])]
#[case::many(&[true, true, false, false])]
fn whatever_fails_nobody_is_left_without_what_is_to_carry_its_traffic(#[case] raises: &[bool]) {
    assert!(CourseRun::new(raises).explore() > raises.len());
}

#[test]
fn without_parts_all_is_done() {
    assert_eq!(Course::new(Vec::new()).next(), Act::End(Ending::Done));
}

#[test]
fn a_loser_that_cannot_be_put_back_leaves_the_gainer_what_it_has() {
    let mut course = Course::new(vec![true, false]);
    for came in [Came::Done, Came::Done, Came::Done, Came::Failed("stuck".to_owned())] {
        course.came(came);
    }
    assert_eq!(course.next(), Act::Restore(1));
    course.came(Came::Failed("unreachable".to_owned()));
    let ending = Ending::Standing {
        why: "stuck".to_owned(),
        standing: 1,
        left: vec![(1, "unreachable".to_owned())],
        taken: Vec::new(),
    };
    assert_eq!(course.next(), Act::End(ending));
}

fn service(weight: &str, history: &History, uid: &str) -> Object {
    let key = format!("service.beta.kubernetes.io/alibaba-cloud-{}", annotation::WEIGHT);
    let service: Service = serde_json::from_value(json!({
        "metadata": {
            "name": "web", "namespace": "shop", "uid": uid,
            "annotations": {key: weight, history::KEY: history.to_text()},
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }))
    .unwrap_or_else(|error| panic!("{error}"));
    Object::Service(Box::new(service))
}

fn part(context: &str, from: &str, to: &str) -> Part {
    Part::Service(OneService {
        context: Some(context.to_owned()),
        cluster: None,
        cluster_uid: Some(format!("kube-system-{context}")),
        uid: Some(format!("web-{context}")),
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        from: Some(from.to_owned()),
        to: Some(to.to_owned()),
        gains: None,
    })
}

fn raised_and_lowered() -> Whole {
    Whole { parts: vec![part("b", "20", "40"), part("a", "80", "60")] }
}

fn record() -> History {
    let entry = json!([{
        "change": "c1", "verb": "shift", "when": "2026-11-21T01:02:03Z", "who": "ann",
        "from": "20", "to": "40", "whole": raised_and_lowered(),
    }]);
    History::parse(Some(&entry.to_string())).unwrap_or_else(|error| panic!("{error}"))
}

fn cluster(context: &str, weight: &str, history: &History) -> Cluster {
    let mut cluster = Cluster::default();
    cluster.context = Some(context.into());
    cluster.uid = Some(format!("kube-system-{context}"));
    cluster.insert(service(weight, history, &format!("web-{context}")));
    cluster
}

/// Two clusters with these weights; `b` has the record.
fn snapshot(a: &str, b: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (context, weight, history) in [("a", a, History::default()), ("b", b, record())] {
        snapshot.clusters.push(cluster(context, weight, &history));
    }
    snapshot
}

#[rstest]
#[case::all_done("60", "40", None)]
#[case::not_begun("80", "20", None)]
#[case::b_raised("80", "40", Some((vec![0], vec![1])))]
#[case::a_is_somebody_elses_by_now("70", "40", None)]
fn a_change_is_half_done_when_one_part_is_as_after_and_another_as_before(
    #[case] a: &str,
    #[case] b: &str,
    #[case] expected: Option<(Vec<usize>, Vec<usize>)>,
) {
    let found = half_done(&snapshot(a, b));
    let found: Vec<_> = found.into_iter().map(|half| (half.done, half.missing)).collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn what_is_not_at_hand_is_not_called_half_done() {
    let mut snapshot = snapshot("80", "40");
    snapshot.clusters.remove(0);
    assert!(half_done(&snapshot).is_empty());
}

#[test]
fn a_later_change_of_the_same_service_settles_it() {
    let mut snapshot = snapshot("80", "40");
    let later = HistoryEntry {
        change: "c2".to_owned(),
        verb: "set".to_owned(),
        whole: None,
        ..record().last().cloned().unwrap_or_else(|| panic!("no entry"))
    };
    snapshot.clusters[1] = cluster("b", "40", &record().with(later));
    assert!(half_done(&snapshot).is_empty());
}

#[test]
fn taking_back_begins_with_whoever_lost() {
    let back = raised_and_lowered().reversed();
    assert_eq!(back.parts, [part("a", "60", "80"), part("b", "40", "20")]);
    assert_eq!(back.reversed(), raised_and_lowered());
}

#[rstest]
#[case(Some("20"), Some("40"), true)]
#[case(Some("40"), Some("0"), false)]
#[case::no_weight_is_100_for_every_backend(Some("100"), None, true)]
#[case(None, Some("100"), false)]
fn a_part_gains_or_loses(#[case] from: Option<&str>, #[case] to: Option<&str>, #[case] is: bool) {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let Part::Service(of) = part("a", "", "") else { panic!("a Service") };
    let part = Part::Service(OneService { from: owned(from), to: owned(to), ..of });
    assert_eq!(part.is_raise(), is);
}

#[rstest]
#[case(&[("i-bp1a", 60), ("i-bp1b", 40)], Standing::Before)]
#[case(&[("i-bp1a", 30), ("i-bp1b", 20)], Standing::After)]
#[case(&[("i-bp1a", 30), ("i-bp1b", 40)], Standing::Between)]
#[case(&[("i-bp1a", 5), ("i-bp1b", 40)], Standing::Other("i-bp1a:80 has weight 5".to_owned()))]
#[case(&[("i-bp1a", 60)], Standing::Other("i-bp1b:80 is not in the group".to_owned()))]
fn servers_stand_as_their_group_says(#[case] now: &[(&str, u32)], #[case] expected: Standing) {
    let server = |id: &str, from, to| Server { id: id.to_owned(), port: 80, from, to };
    let part = Part::Servers(Servers {
        clb: "lb-bp1example".to_owned(),
        vgroup: "rsp-bp1example".to_owned(),
        servers: vec![server("i-bp1a", 60, 30), server("i-bp1b", 40, 20)],
    });
    let backend =
        |(id, weight): &(&str, u32)| json!({"ServerId": id, "Port": 80, "Weight": weight});
    let answer = json!({
        "VServerGroupId": "rsp-bp1example",
        "BackendServers": {"BackendServer": now.iter().map(backend).collect::<Vec<_>>()},
    });
    let mut snapshot = Snapshot::default();
    let group = serde_json::from_value(answer).unwrap_or_else(|error| panic!("{error}"));
    snapshot.clb_answers.insert(clbmigrate_core::clb_answers::ClbAnswer::Group(group));
    assert_eq!(part.standing(&snapshot), expected);
}
