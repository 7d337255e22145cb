//! What traffic goes where, by what was read.

use clbmigrate_core::{
    index::Index, object::ObjectRef, prediction::Prediction, route::Route, rules,
};

use super::StatusQuery;
use crate::{
    cli::Format,
    document::{Question, status::StatusAnswer},
    error::{Error, Exit},
    input::{self, Input},
    output::{Printer, text::count},
    selection::Selection,
    target,
};

/// Answers by what was read.
pub fn show(query: &StatusQuery, read: &Input, printer: &mut Printer) -> Result<Exit, Error> {
    let selection = Selection::new(&query.request, &read.namespaces);
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
        (&|cluster, service| selection.includes(cluster, service), !query.request.names.is_empty()),
        Question {
            is_namespace_given: selection.namespace().is_some(),
            is_live: read.session.is_some(),
        },
    );
    let is_text = matches!(query.output, Format::Table | Format::Wide);
    let names = &query.request.names;
    let missing: Vec<Error> =
        names.iter().filter_map(|name| target::missing(&index, name, &selection)).collect();
    // For people, the absence of all that is named is no answer.
    if missing.is_empty() || missing.len() < names.len() || !is_text {
        printer.answer(query.output, &answer)?;
    }
    if !missing.is_empty() {
        printer.flush()?;
        for error in &missing {
            printer.error(error);
        }
        return Ok(Exit::Error);
    }
    if is_text && names.is_empty() && answer.has_no_route() {
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
