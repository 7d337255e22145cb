//! `check`.

use clbmigrate_core::{
    backends::mapping,
    finding::{Finding, Report},
    index::Index,
    object::{ObjectRef, Service},
    rules::{self, Check, Rule},
};

use crate::{
    clb::Scope,
    cli::CheckArgs,
    document::{check::CheckAnswer, is_on_group},
    error::{Error, Exit},
    input,
    output::{Printer, human::CheckScope},
    selection::Selection,
};

/// Runs all rules and reports.
pub fn run(args: &CheckArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let request = args.input.request();
    let read = input::read(&request, &Scope::Selected, printer)?;
    let selection = Selection::new(&request, &read.namespaces);
    let loaded = &read.loaded;
    let index = Index::new(&loaded.snapshot);
    let report = run_rules(&index, &selection);

    for (object, id) in rules::unknown_allowances(&loaded.snapshot) {
        printer.warning(&format!(
            "{object}: clbmigrate.io/allow names {id:?}, which is no rule; \
             kubectl clbmigrate explain lists them"
        ));
    }
    let scope = CheckScope {
        unread: loaded.problems.len(),
        is_live: read.session.is_some(),
        ..check_scope(&index, &selection)
    };
    let fails = |finding: &Finding| args.fail_on.covers(finding.severity);
    let is_namespace_given = selection.namespace().is_some();
    let answer = CheckAnswer::new(
        &report,
        &loaded.snapshot,
        &loaded.problems,
        scope,
        &fails,
        is_namespace_given,
    );
    printer.answer(args.output, &answer)?;
    Ok(input::exit(loaded, report.findings.iter().any(fails)))
}

/// What the rules say of the selected objects and the groups they are in.
fn run_rules(index: &Index<'_>, selection: &Selection<'_>) -> Report {
    let objects = selection.objects(index.snapshot);
    let Some(named) = objects else { return rules::check(index, None, &|_| true) };
    let scope = |object: &ObjectRef| named.contains(object) || selection.includes_object(object);
    let mut report = rules::check(index, None, &scope);
    let is_selected = |vgroup: &str| {
        let bound = index.bound_to(vgroup);
        bound
            .into_iter()
            .any(|at| selection.includes(at.service_ref.cluster, at.service_ref.service))
    };
    report.findings.retain(|finding| {
        if is_on_group(&finding.object) { is_selected(&finding.object.name) } else { true }
    });
    report
}

/// Whether a rule judges nothing but changes.
fn is_of_changes(rule: &Rule) -> bool {
    matches!(rule.check, Check::Change(_) | Check::Departure(_))
}

/// What was judged, for the summary.
fn check_scope(index: &Index<'_>, selection: &Selection<'_>) -> CheckScope {
    let mut scope = CheckScope {
        rules: rules::catalogue().filter(|rule| !is_of_changes(rule)).count(),
        ..CheckScope::default()
    };
    let mut workloads = std::collections::BTreeSet::new();
    for cluster in &index.snapshot.clusters {
        let is_left_out = |service: &&Service| {
            rules::why_not_judged(service, cluster.ccm_version).is_some()
                && selection.includes(cluster, service)
        };
        scope.not_judged += cluster.services().filter(is_left_out).count();
    }
    let service_refs = index.services().filter(|service_ref| {
        service_ref.service.is_candidate()
            && selection.includes(service_ref.cluster, service_ref.service)
    });
    for service_ref in service_refs {
        scope.services += 1;
        if mapping(service_ref.service).is_some() {
            let of = service_ref.cluster.workloads_of(service_ref.service);
            workloads.extend(
                of.map(|workload| workload.object_ref(service_ref.cluster.context.as_ref())),
            );
        }
    }
    scope.workloads = workloads.len();
    scope
}
