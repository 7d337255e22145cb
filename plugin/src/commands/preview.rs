//! `preview`.

use clbmigrate_cluster::files::{Loaded, Source};
use clbmigrate_core::{
    annotation::{self, LEGACY_PREFIX},
    object::ObjectRef,
    prediction::Prediction,
    preview::{self, Preview, RouteChange, ServiceChange},
    route::Route,
    rules,
    snapshot::World,
    survey::{Seat, Survey},
};

use super::{exit, write_names};
use crate::{
    cli::{Format, PreviewArgs},
    error::{Error, Exit},
    input,
    output::{Printer, human, json, yaml},
    preview_document,
    selection::Selection,
    target,
    view::count,
};

/// What stands for no weight at all.
const NONE: &str = "none";

/// Shows what a change would do.
pub fn run(args: &PreviewArgs, printer: &mut Printer) -> Result<Exit, Error> {
    match (&args.target, &args.weight) {
        (Some(target), Some(weight)) => of_weight(args, target, weight, printer),
        _ if !args.against.is_empty() => of_files(args, printer),
        _ => Err(Error::Usage {
            message: "preview needs a Service and a weight, or -f NEW --against OLD".to_owned(),
            hints: vec![
                "for example: kubectl clbmigrate preview svc/web 40 -f deploy/examples/canary/"
                    .to_owned(),
            ],
        }),
    }
}

/// Another weight of one Service.
fn of_weight(
    args: &PreviewArgs,
    target: &str,
    weight: &str,
    printer: &mut Printer,
) -> Result<Exit, Error> {
    target::name_of(target)?;
    let example = "preview svc/web 40 -f deploy/examples/canary/";
    let intake = input::read(&args.input, "preview", example, printer)?;
    let before = Survey::new(&intake.world);
    let seat = target::resolve(&before, target, &Selection::new(&args.input))?;
    let changed = with_weight(&intake.world, &seat, weight);
    let after = Survey::new(&changed);
    let mut preview = preview::preview(&before, &after);
    if preview.changes.is_empty() {
        add_unchanged(&mut preview, &before, &after, &seat);
    }
    let object = seat.service.object_ref(seat.cluster.context.as_ref());
    show(args, &intake, (&before, &after), &preview, &[object], printer)
}

/// The world with that weight annotation, or none, on one Service.
fn with_weight(world: &World, seat: &Seat<'_>, weight: &str) -> World {
    let meta = &seat.service.metadata;
    let annotate = |world: &World, key: &str, value: Option<&str>| {
        world.with_annotation(seat.index, meta.namespace(), &meta.name, key, value)
    };
    if weight != NONE {
        return annotate(world, &meta.annotations.key_of(annotation::WEIGHT), Some(weight));
    }
    // Without the new key, CCM would read the old one.
    let world = annotate(world, &annotation::key(annotation::WEIGHT), None);
    annotate(&world, &format!("{LEGACY_PREFIX}{}", annotation::WEIGHT), None)
}

/// A Service that has the wanted weight already: what CCM's next round would write all the same.
fn add_unchanged<'a>(
    preview: &mut Preview<'a>,
    before: &Survey<'a>,
    after: &Survey<'a>,
    seat: &Seat<'a>,
) {
    let object = seat.service.object_ref(seat.cluster.context.as_ref());
    let same = ServiceChange {
        object: object.clone(),
        cluster: seat.index,
        old: Some(seat.service),
        new: Some(seat.service),
    };
    let prediction = Prediction::new(before, after, &[same]);
    let keys = after.routes().filter(|(_, members)| members.iter().any(|m| m.seat.is(seat)));
    let routes = keys.map(|(key, _)| RouteChange {
        key: *key,
        before: Route::build(before, *key, &Prediction::default()),
        after: Route::build(after, *key, &prediction),
    });
    preview.routes = routes.collect();
    let round = after.round(seat);
    preview.outcome = round.outcome();
    preview.reasons = round.reasons().into_iter().map(|reason| (object.clone(), reason)).collect();
    let report = rules::check(after, None, &|candidate| *candidate == object);
    preview.unchanged = report.findings;
    preview.not_looked = report.not_looked;
}

/// Files as they shall be, laid over files as they are.
fn of_files(args: &PreviewArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let example = "preview -f NEW.yaml --against OLD.yaml";
    input::need_files(&args.input.files, "preview --against", example)?;
    input::sole_stdin(args.input.files.iter().chain(&args.against))?;
    let sources: Vec<&Source> = args.input.files.iter().chain(&args.against).collect();

    let mut intake = input::load(&args.against, &args.input);
    let newer = input::load(&named(&args.input.files, args.input.context.as_deref()), &args.input);
    let fits = fits(&intake.world, &newer.world);
    let overlaid = intake.world.overlaid(&newer.world, args.prune);
    let left_out = intake.world.left_out_by(&newer.world).count();
    intake.absorb(newer);
    printer.intake(&intake);
    fits?;
    if left_out > 0 && !args.prune {
        printer.remark(&format!(
            "note: {} of --against not in -f, taken as unchanged; --prune takes what is missing as deleted",
            count(left_out, "Service")
        ));
    }

    let mut changed = overlaid;
    input::settle(&mut intake.world, &args.input, &sources)?;
    input::settle(&mut changed, &args.input, &sources)?;
    let before = Survey::new(&intake.world);
    let after = Survey::new(&changed);
    let preview = preview::preview(&before, &after);
    show(args, &intake, (&before, &after), &preview, &[], printer)
}

/// Files without a name belong to the cluster of `--context`.
fn named(sources: &[Source], context: Option<&str>) -> Vec<Source> {
    let name = |source: &Source| Source {
        context: source.context.clone().or_else(|| context.map(str::to_owned)),
        path: source.path.clone(),
    };
    sources.iter().map(name).collect()
}

/// Refuses new files of which nobody can say which cluster they are for.
fn fits(old: &World, new: &World) -> Result<(), Error> {
    let is_named = |world: &World| world.clusters.iter().all(|c| c.context.is_some());
    if old.clusters.len() > 1 && is_named(old) && !is_named(new) {
        return Err(Error::usage(format!(
            "-f: for which cluster? --against has {}; write -f NAME=PATH or --context NAME",
            input::contexts(old)
        )));
    }
    if !old.clusters.is_empty()
        && !is_named(old)
        && new.clusters.iter().any(|c| c.context.is_some())
    {
        return Err(Error::usage(format!(
            "-f names {}, but the cluster of --against has no name; write --against NAME=PATH",
            input::contexts(new)
        )));
    }
    Ok(())
}

fn show(
    args: &PreviewArgs,
    intake: &Loaded,
    surveys: (&Survey<'_>, &Survey<'_>),
    preview: &Preview<'_>,
    targets: &[ObjectRef],
    printer: &mut Printer,
) -> Result<Exit, Error> {
    match args.output {
        Format::Name => {
            let objects = preview.changes.iter().map(|change| &change.object);
            write_names(objects, &Selection::new(&args.input), printer.data())?;
        }
        Format::Json => {
            json::write(&preview_document::new(surveys, preview), printer.data())?;
        }
        Format::Yaml => {
            yaml::write(&preview_document::new(surveys, preview), printer.data())?;
        }
        Format::Table | Format::Wide => {
            let document = preview_document::new(surveys, preview);
            let options = human::Options {
                is_wide: args.output == Format::Wide,
                has_contexts: surveys.1.world.clusters.len() > 1,
            };
            let look = printer.look;
            human::preview(&document, targets, look, options, printer.text())?;
        }
    }
    let fails = preview.introduced.iter().any(|finding| args.fail_on.covers(finding.severity));
    Ok(exit(intake, fails))
}
