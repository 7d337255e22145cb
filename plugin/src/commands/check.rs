//! `check`.

use clbmigrate_core::{
    backends::mapping,
    finding::Report,
    object::ObjectRef,
    rules::{self, Judge},
    survey::Survey,
};

use super::{exit, write_names};
use crate::{
    cli::{CheckArgs, ReportFormat},
    error::{Error, Exit},
    input,
    output::{
        Printer, human,
        json::{self, CheckReport},
        junit, sarif, yaml,
    },
    problems::is_on_group,
    selection::Selection,
};

/// Runs all rules and reports.
pub fn run(args: &CheckArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let intake = input::read(&args.input, printer)?;
    let selection = Selection::new(&args.input, intake.namespace.as_deref());
    let intake = &intake.loaded;
    let survey = Survey::new(&intake.world);
    let report = judge(&survey, &selection);

    for (object, id) in rules::unknown_allowances(&intake.world) {
        printer.warning(&format!(
            "{object}: clbmigrate.io/allow names {id:?}, which is no rule; \
             kubectl clbmigrate explain lists them"
        ));
    }
    match args.output {
        ReportFormat::Json => json::write(&CheckReport::new(&report), printer.data())?,
        ReportFormat::Yaml => yaml::write(&CheckReport::new(&report), printer.data())?,
        ReportFormat::Name => {
            let objects = report.findings.iter().map(|finding| &finding.object);
            write_names(objects, &selection, printer.data())?;
        }
        ReportFormat::Sarif => {
            let document = sarif::Log::new(&report, &intake.problems);
            json::write(&document, printer.data())?;
        }
        ReportFormat::Junit => {
            junit::write(&report, &intake.problems, args.fail_on, printer.data())?;
        }
        ReportFormat::Table | ReportFormat::Wide => {
            let judged = judged(&survey, &selection, intake.problems.len());
            let look = printer.look;
            let is_wide = args.output == ReportFormat::Wide;
            human::check(&report, judged, look, is_wide, printer.text())?;
        }
    }
    let fails = report.findings.iter().any(|finding| args.fail_on.covers(finding.severity));
    Ok(exit(intake, fails))
}

/// What the rules say of the selected objects and the groups they are in.
fn judge(survey: &Survey<'_>, selection: &Selection<'_>) -> Report {
    let objects = selection.objects(survey.world);
    let Some(named) = objects else { return rules::check(survey, None, &|_| true) };
    let scope = |object: &ObjectRef| named.contains(object) || selection.takes_object(object);
    let mut report = rules::check(survey, None, &scope);
    let is_selected = |vgroup: &str| {
        let bound = survey.bound_to(vgroup);
        bound.into_iter().any(|at| selection.takes(at.seat.cluster, at.seat.service))
    };
    report.findings.retain(|finding| {
        if is_on_group(&finding.object) { is_selected(&finding.object.name) } else { true }
    });
    report
}

/// What was judged, for the summary.
fn judged(survey: &Survey<'_>, selection: &Selection<'_>, unread: usize) -> human::Judged {
    let mut judged = human::Judged {
        rules: rules::catalogue().filter(|rule| !matches!(rule.judge, Judge::Change(_))).count(),
        unread,
        ..human::Judged::default()
    };
    let mut workloads = std::collections::BTreeSet::new();
    let seats = survey
        .seats()
        .filter(|seat| seat.service.is_candidate() && selection.takes(seat.cluster, seat.service));
    for seat in seats {
        judged.services += 1;
        if mapping(seat.service).is_some() {
            let of = seat.cluster.workloads_of(seat.service);
            workloads.extend(of.map(|workload| workload.object_ref(seat.cluster.context.as_ref())));
        }
    }
    judged.workloads = workloads.len();
    judged
}
