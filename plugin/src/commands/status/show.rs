//! `status`.

use std::mem::ManuallyDrop;

use clbmigrate_core::{
    index::Index, object::ObjectRef, prediction::Prediction, route::Route, rules,
};

use super::{exit, watch, write_names};
use crate::{
    cli::{Format, StatusArgs},
    error::{Error, Exit},
    input::{self, Intake},
    output::{
        Printer, human,
        json::{self, ApiVersion, RouteList, RouteListKind},
        yaml,
    },
    selection::Selection,
    view::{View, count},
};

/// Shows what traffic goes where.
pub fn run(args: &StatusArgs, printer: &mut Printer) -> Result<Exit, Error> {
    if args.watch {
        return watch::run(args, printer);
    }
    // The program ends after that: to take a large snapshot apart would only take time.
    let intake = ManuallyDrop::new(input::read(&args.input, printer)?);
    show(args, &intake, printer)
}

/// Shows what traffic goes where, by what was read.
pub fn show(args: &StatusArgs, intake: &Intake, printer: &mut Printer) -> Result<Exit, Error> {
    let selection = Selection::new(&args.input, intake.namespace.as_deref());
    let intake = &intake.loaded;
    let index = Index::new(&intake.snapshot);
    let objects = selection.objects(&intake.snapshot);
    let scope = |object: &ObjectRef| objects.as_ref().is_none_or(|named| named.contains(object));
    let report = rules::check(&index, None, &scope);
    let view = View::new(&index, &report.findings);

    // One at a time: a route holds every backend, its document only their sums.
    let routes = index.routes().filter_map(|(key, _)| {
        let route = Route::build(&index, *key, &Prediction::default());
        let is_selected = selection.is_everything()
            || route.participants.iter().any(|of| selection.takes_participant(of));
        is_selected.then(|| view.route(&route))
    });
    let list = RouteList {
        api_version: ApiVersion::V1Alpha1,
        kind: RouteListKind::RouteList,
        routes: routes.collect(),
        unrouted: view.unrouted(&selection),
    };
    match args.output {
        Format::Json => json::write(&list, printer.data())?,
        Format::Yaml => yaml::write(&list, printer.data())?,
        Format::Name => write_names(&objects_of(&list), &selection, printer.data())?,
        Format::Table | Format::Wide => {
            let look = printer.look;
            let options = human::Options {
                is_wide: args.output == Format::Wide,
                has_contexts: intake.snapshot.clusters.len() > 1,
            };
            human::status(&list, look, options, printer.text())?;
            if list.routes.is_empty() {
                printer.flush()?;
                let elsewhere = index.routes().count();
                let hint = match elsewhere {
                    0 => String::new(),
                    _ => format!(
                        "; {} elsewhere, -A shows all namespaces",
                        count(elsewhere, "route")
                    ),
                };
                printer.remark(&format!(
                    "no route{}: no Service here names both a CLB and a vServer group{hint}",
                    selection.describe()
                ));
            }
        }
    }
    Ok(exit(intake, false))
}

/// The Services at hand, routed or not.
fn objects_of(list: &RouteList) -> Vec<ObjectRef> {
    let routed = list.routes.iter().flat_map(|route| &route.participants);
    let routed = routed.filter(|of| of.standing.is_at_hand).map(|of| ObjectRef {
        context: of.context.as_deref().map(Into::into),
        kind: "Service".to_owned(),
        namespace: of.namespace.clone(),
        name: of.name.clone(),
    });
    let unrouted = list.unrouted.iter().map(|of| ObjectRef {
        context: of.context.as_deref().map(Into::into),
        kind: "Service".to_owned(),
        namespace: Some(of.namespace.clone()),
        name: of.name.clone(),
    });
    routed.chain(unrouted).collect()
}
