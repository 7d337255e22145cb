//! `check`.

use clbmigrate_core::{
    backends::mapping,
    finding::Report,
    index::Index,
    object::ObjectRef,
    rules::{self, Check},
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
    let index = Index::new(&intake.snapshot);
    let report = judge(&index, &selection);

    for (object, id) in rules::unknown_allowances(&intake.snapshot) {
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
            let judged = judged(&index, &selection, intake.problems.len());
            let look = printer.look;
            let is_wide = args.output == ReportFormat::Wide;
            human::check(&report, judged, look, is_wide, printer.text())?;
        }
    }
    let fails = report.findings.iter().any(|finding| args.fail_on.covers(finding.severity));
    Ok(exit(intake, fails))
}

/// What the rules say of the selected objects and the groups they are in.
fn judge(index: &Index<'_>, selection: &Selection<'_>) -> Report {
    let objects = selection.objects(index.snapshot);
    let Some(named) = objects else { return rules::check(index, None, &|_| true) };
    let scope = |object: &ObjectRef| named.contains(object) || selection.takes_object(object);
    let mut report = rules::check(index, None, &scope);
    let is_selected = |vgroup: &str| {
        let bound = index.bound_to(vgroup);
        bound.into_iter().any(|at| selection.takes(at.service_ref.cluster, at.service_ref.service))
    };
    report.findings.retain(|finding| {
        if is_on_group(&finding.object) { is_selected(&finding.object.name) } else { true }
    });
    report
}

/// What was judged, for the summary.
fn judged(index: &Index<'_>, selection: &Selection<'_>, unread: usize) -> human::Judged {
    let mut judged = human::Judged {
        rules: rules::catalogue().filter(|rule| !matches!(rule.check, Check::Change(_))).count(),
        unread,
        ..human::Judged::default()
    };
    let mut workloads = std::collections::BTreeSet::new();
    let service_refs = index.services().filter(|service_ref| {
        service_ref.service.is_candidate()
            && selection.takes(service_ref.cluster, service_ref.service)
    });
    for service_ref in service_refs {
        judged.services += 1;
        if mapping(service_ref.service).is_some() {
            let of = service_ref.cluster.workloads_of(service_ref.service);
            workloads.extend(
                of.map(|workload| workload.object_ref(service_ref.cluster.context.as_ref())),
            );
        }
    }
    judged.workloads = workloads.len();
    judged
}
