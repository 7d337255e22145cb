//! What must hold before the first write.

use std::time::Duration;

use clbmigrate_core::{
    agreement::{abnormal_in_words, silent_in_words, unchecked_listeners, unknown_in_words},
    finding::Finding,
    index::Index,
    object::ObjectRef,
    prediction::Prediction,
    preview::Preview,
    reconciliation::Settlement,
    route::{Participant, ParticipantKind, Route},
    rules::{self, RefusedWrites},
};

use super::{
    PreparedChange, WriteOptions,
    side::{Policy, ServiceSide},
};
use crate::{
    document::route_name,
    error::Error,
    output::{Printer, json},
};

/// How much of a group may belong to orphans, 0..=1: nobody moves their part.
const ORPHANS: f64 = 0.05;

/// How long CCM is waited for that is busy with an earlier edit.
const SETTLING: Duration = Duration::from_secs(5);

/// What speaks against a change before its first write.
#[derive(Default)]
pub struct Objections {
    /// What keeps the CLB from proving it, which `--unverified` accepts.
    unverified: Vec<String>,
    /// What else speaks against it, which `--force` accepts.
    against: Vec<String>,
    /// What is not known of the health of backends that gain traffic: a yes on the terminal accepts it
    /// as well as `--force`.
    pub doubts: Vec<String>,
    /// What is to be said of it.
    notes: Vec<String>,
}

impl Objections {
    /// Looks whether the backends that gain traffic are healthy.
    pub fn of_health(prepared: &PreparedChange<'_>, preview: &Preview<'_>) -> Self {
        let mut found = Self::default();
        if prepared.session.clb().client().is_none() {
            return found;
        }
        let sides = prepared.sides.iter().zip(&prepared.parts);
        for (side, _) in sides.filter(|(_, part)| part.is_raise()) {
            let is_ours = |of: &Participant<'_>| side.is(of);
            for change in &preview.routes {
                let ours = |route: &'_ Route<'_>| -> Vec<String> {
                    let of: Vec<&Participant<'_>> =
                        route.participants.iter().filter(|of| is_ours(of)).collect();
                    abnormal_in_words(route.key.vgroup, &of).into_iter().collect()
                };
                // With the weights that they are to have.
                found.against.extend(ours(&change.after));
                let before: Vec<&Participant<'_>> =
                    change.before.participants.iter().filter(|of| is_ours(of)).collect();
                if before.is_empty() && !change.after.participants.iter().any(is_ours) {
                    continue;
                }
                found.doubts.extend(unchecked(prepared.before, &change.after));
                found.doubts.extend(unknown_in_words(&change.before, &before));
                found.notes.extend(silent_in_words(&before));
            }
        }
        found.against.dedup();
        found.doubts.dedup();
        found.notes.dedup();
        found
    }

    /// Refuses what no flag accepts. On the way back, what does not prevent the write itself is only a
    /// warning. `is_asked` is whether somebody is going to be asked about the doubts.
    ///
    /// # Errors
    /// The reasons, and the flags that accept them.
    pub fn refuse(
        mut self,
        options: &WriteOptions<'_>,
        (is_way_back, is_asked): (bool, bool),
        printer: &mut Printer,
    ) -> Result<(), Error> {
        let mut hints = Vec::new();
        let mut reasons = Vec::new();
        if !self.unverified.is_empty() && !options.is_unverified {
            reasons.append(&mut self.unverified);
            hints.push("--unverified takes CCM's word where the CLB cannot be asked".to_owned());
        }
        self.notes.iter().for_each(|note| printer.warning(note));
        if !is_asked {
            self.against.append(&mut self.doubts);
        }
        if is_way_back {
            self.against.drain(..).for_each(|reason| printer.warning(&reason));
        }
        if !self.against.is_empty() && !options.write.force {
            reasons.append(&mut self.against);
            hints.push("--force writes all the same".to_owned());
        }
        if reasons.is_empty() {
            return Ok(());
        }
        hints.push("nothing was written".to_owned());
        Err(Error::Refused { message: format!("refused: {}", reasons.join("\n")), hints })
    }
}

/// The listeners that send to a route's group and have no health check, in words.
fn unchecked(index: &Index<'_>, route: &Route<'_>) -> Option<String> {
    let vgroup = route.key.vgroup;
    let names = unchecked_listeners(index, route.key.clb, vgroup);
    (!names.is_empty()).then(|| {
        format!(
            "whether the backends of group {vgroup} are healthy is not known: {} has no health check, so nobody would notice a backend that the CLB cannot reach",
            names.join(" and ")
        )
    })
}

/// Makes sure that every side of a change of several can be written, and that the CLB API can prove
/// it. What speaks against it is added to `objections`.
///
/// # Errors
/// Where an API server refuses the dry run of a side, or cannot be asked.
pub fn check(
    prepared: &PreparedChange<'_>,
    document: &json::Preview,
    (policy, objections): (&Policy, &mut Objections),
    printer: &mut Printer,
) -> Result<(), Error> {
    let session = prepared.session;
    objections.unverified.extend(unproven(prepared, document));
    objections.against.extend(credentials(prepared, policy, printer));
    for side in prepared.services() {
        let reason = session.block_on(unfinished_round(side, printer))?;
        objections.against.extend(reason);
    }
    objections.against.extend(routes(prepared));
    Ok(())
}

/// What keeps the CLB from proving it.
fn unproven(prepared: &PreparedChange<'_>, document: &json::Preview) -> Vec<String> {
    if prepared.session.clb().client().is_none() {
        return vec![
            "there are no credentials for the CLB API, so nobody can see what the groups really hold"
                .to_owned(),
        ];
    }
    let routes = document.routes.iter();
    // A rule says where no listener sends to a group.
    let unknown = routes
        .flat_map(|route| route.before.unknown_weights().chain(route.after.unknown_weights()));
    let mut reasons: Vec<String> = Vec::new();
    for what in unknown {
        let reason = format!("not known: {what}");
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

/// Whether the credentials end before the change may have ended.
fn credentials(
    prepared: &PreparedChange<'_>,
    policy: &Policy,
    printer: &mut Printer,
) -> Option<String> {
    let clb = prepared.session.clb().client()?;
    let Some(time) = policy.longest(prepared.sides.len()) else {
        printer
            .note("there is no time limit, so the CLB API's credentials may end before the change");
        return None;
    };
    match clb.credentials_valid_for(time) {
        Some(false) => Some(format!(
            "the credentials ({}) end within the {} minutes that this may take",
            clb.source(),
            time.as_secs().div_ceil(60)
        )),
        Some(true) => None,
        None => {
            printer.note("nobody can say how long the CLB API's credentials will hold");
            None
        }
    }
}

/// What shows that CCM has not carried out what is there already.
async fn unfinished_round(
    side: &ServiceSide<'_>,
    printer: &mut Printer,
) -> Result<Option<String>, Error> {
    let label = side.service_ref.label();
    let how = in_groups(side);
    if let Some(how) = how {
        return Ok(Some(format!(
            "{label}: {how}; let CCM write it again first: kubectl clbmigrate set with the present weight and --wait"
        )));
    }
    let settlement = side.settlement(SETTLING, printer).await?;
    Ok(match settlement {
        Settlement::Settled => None,
        Settlement::Failing(failure) => Some(format!("{label}: CCM fails: {failure}")),
        Settlement::NoRound => Some(format!("{label}: CCM has not finished a round over it yet")),
        Settlement::Behind if side.cloud.is_none() => Some(format!(
            "{label}: CCM is busy with an earlier change, or hashes in a way that is not known, and the CLB cannot be asked"
        )),
        Settlement::Behind => {
            printer.warning(&format!(
                "{label}: CCM's label is not what CCM would write as far as it is known; its group holds what it should"
            ));
            None
        }
    })
}

/// How the groups differ from what the Service says now; `None` where they do not, or nobody knows.
fn in_groups(side: &ServiceSide<'_>) -> Option<String> {
    let index = side.before;
    let routes = index.routes_with(&side.service_ref);
    let mut routes = routes.map(|key| Route::build(index, key, &Prediction::default()));
    routes.find_map(|route| {
        let of = route.participant_of(&side.service_ref).filter(|of| of.is_measured)?;
        let (held, wanted) = (of.weight_sum?, of.expected_weight_sum?);
        (held != wanted).then(|| {
            format!(
                "group {} holds weights of {held} in sum, and CCM should have written {wanted}",
                route.key.vgroup
            )
        })
    })
}

/// What in the routes themselves speaks against moving shares by weights.
fn routes(prepared: &PreparedChange<'_>) -> Vec<String> {
    let index = prepared.before;
    let groups = prepared.groups();
    let objects = prepared.objects();
    if objects.is_empty() {
        // Nobody asked for a share.
        return Vec::new();
    }
    let report = rules::check(index, None, &|object: &ObjectRef| objects.contains(object));
    let is_about = |finding: &&Finding| {
        rules::find(finding.rule).is_some_and(|rule| rule.refuses == RefusedWrites::Transfers)
            && !finding.allowed
    };
    let relevant = report.findings.iter().filter(is_about);
    let mut reasons: Vec<String> =
        relevant.map(|finding| format!("{} {}", finding.rule, finding.message)).collect();
    reasons.dedup();
    for (key, _) in index.routes().filter(|(key, _)| groups.contains(key.vgroup)) {
        let route = Route::build(index, *key, &Prediction::default());
        let orphans = route.participants.iter().filter(|of| of.kind == ParticipantKind::Orphan);
        let share: f64 = orphans.map(|of| of.share_of_known).sum();
        if share > ORPHANS {
            reasons.push(format!(
                "CLB408 {}: {:.1} % of the traffic goes to orphans, which no weight of a Service moves",
                route_name(key),
                share * 100.0
            ));
        }
    }
    reasons
}
