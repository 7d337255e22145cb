//! What must hold before the first write.

use clbmigrate_core::{
    finding::Finding,
    object::ObjectRef,
    prediction::Prediction,
    reconciliation::Settlement,
    route::{ParticipantKind, Route},
    rules::{self, RefusedWrites},
};

use super::{
    WriteOptions,
    build::{PartWriter, PreparedChange},
};
use crate::{
    change::Change,
    document::route_name,
    error::Error,
    output::{Printer, json},
};

/// How much of a group may belong to orphans, 0..=1: nobody moves their part.
const ORPHANS: f64 = 0.05;

/// Makes sure that every part can be written, and that the CLB API can prove it. On the way back,
/// what does not prevent the write itself is only a warning.
///
/// # Errors
/// Where an API server refuses the dry run of a part, and where something is in the way that no
/// flag overrides.
pub fn check(
    prepared: &PreparedChange<'_>,
    document: &json::Preview,
    options: &WriteOptions<'_>,
    is_way_back: bool,
    printer: &mut Printer,
) -> Result<(), Error> {
    for writer in &prepared.writers {
        if let PartWriter::Service(of) = writer {
            of.change.dry_run(options.write, printer)?;
        }
    }
    let (unverified, mut against) = (unproven(prepared, document), Vec::new());
    against.extend(credentials(prepared, options, printer));
    for writer in &prepared.writers {
        if let PartWriter::Service(of) = writer {
            against.extend(unfinished_round(&of.change, printer)?);
        }
    }
    against.extend(routes(prepared));
    let mut hints = Vec::new();
    let mut reasons = Vec::new();
    if !unverified.is_empty() && !options.is_unverified {
        reasons.extend(unverified);
        hints.push("--unverified takes CCM's word where the CLB cannot be asked".to_owned());
    }
    if is_way_back {
        against.drain(..).for_each(|reason| printer.warning(&reason));
    }
    if !against.is_empty() && !options.write.force {
        reasons.extend(against);
        hints.push("--force writes all the same".to_owned());
    }
    if reasons.is_empty() {
        return Ok(());
    }
    hints.push("nothing was written".to_owned());
    Err(Error::Refused { message: format!("refused: {}", reasons.join("\n")), hints })
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
    options: &WriteOptions<'_>,
    printer: &mut Printer,
) -> Option<String> {
    let clb = prepared.session.clb().client()?;
    // Every part may be written, and be taken back.
    let steps = u32::try_from(prepared.writers.len()).unwrap_or(u32::MAX).saturating_mul(2);
    let time = options.write.timeout.0.saturating_mul(steps);
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
fn unfinished_round(change: &Change<'_>, printer: &mut Printer) -> Result<Option<String>, Error> {
    let marks = change.observe(printer)?;
    let label = change.service_ref.label();
    let settlement = marks.settlement();
    if let Settlement::Failing(message) = &settlement {
        return Ok(Some(format!("{label}: CCM fails: {message}")));
    }
    Ok(match (settlement, in_groups(change)) {
        (_, Some(how)) => Some(format!(
            "{label}: {how}; let CCM write it again first: kubectl clbmigrate set with the present weight and --wait"
        )),
        (Settlement::NoRound, None) => {
            Some(format!("{label}: CCM has not finished a round over it yet"))
        }
        (Settlement::Behind, None) if change.session.clb().client().is_none() => Some(format!(
            "{label}: CCM is busy with an earlier change, or hashes differently from known releases, and the CLB cannot be asked"
        )),
        _ => None,
    })
}

/// How the groups differ from what the Service says now; `None` where they do not, or nobody knows.
fn in_groups(change: &Change<'_>) -> Option<String> {
    let index = change.before;
    let routes = index.routes_with(&change.service_ref);
    let mut routes = routes.map(|key| Route::build(index, key, &Prediction::default()));
    routes.find_map(|route| {
        let of = route.participant_of(&change.service_ref).filter(|of| of.is_measured)?;
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
