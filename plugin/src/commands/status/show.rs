//! What traffic goes where, by what was read.

use clbmigrate_core::{
    index::Index, object::ObjectRef, prediction::Prediction, route::Route, rules,
};

use crate::{
    cli::{Format, StatusArgs},
    document::status::StatusAnswer,
    error::{Error, Exit},
    input::{self, Input},
    output::{Printer, text::count},
    selection::Selection,
};

/// Answers by what was read.
pub fn show(args: &StatusArgs, read: &Input, printer: &mut Printer) -> Result<Exit, Error> {
    let selection = Selection::new(&args.input, &read.namespaces);
    let loaded = &read.loaded;
    let index = Index::new(&loaded.snapshot);
    let objects = selection.objects(&loaded.snapshot);
    let scope = |object: &ObjectRef| objects.as_ref().is_none_or(|named| named.contains(object));
    let report = rules::check(&index, None, &scope);
    let routes = index.routes().filter_map(|(key, _)| {
        let route = Route::build(&index, *key, &Prediction::default());
        let is_selected = selection.is_everything()
            || route.participants.iter().any(|of| selection.includes_participant(of));
        is_selected.then_some(route)
    });
    let answer = StatusAnswer::new(
        &index,
        &report.findings,
        routes,
        &|cluster, service| selection.includes(cluster, service),
        selection.namespace().is_some(),
    );
    printer.answer(args.output, &answer)?;
    if matches!(args.output, Format::Table | Format::Wide) && answer.has_no_route() {
        let elsewhere = index.routes().count();
        let hint = match elsewhere {
            0 => String::new(),
            _ => format!("; {} elsewhere, -A shows all namespaces", count(elsewhere, "route")),
        };
        printer.info(&format!(
            "no route{}: no Service here names both a CLB and a vServer group{hint}",
            selection.describe()
        ));
    }
    Ok(input::exit(loaded, false))
}
