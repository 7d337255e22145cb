//! What became of a change whose answer is not there, by what the Service shows.

use clbmigrate_core::{
    history,
    patch::{FieldEdit, ServiceEdit},
};

use crate::live::LiveService;

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Every field shows its new value.
    Written,
    /// It was written, and this field was changed since.
    Overwritten(String),
    /// This field has a value that is not the one that was read.
    Taken(String),
    /// All fields are as they were read.
    Absent,
}

/// What became of `edit`, part of `change`, made on a Service that was as `before`.
pub(super) fn of(
    edit: &ServiceEdit,
    change: &str,
    before: &LiveService,
    now: &LiveService,
) -> Fate {
    let shows =
        |edit: &FieldEdit<'_>| now.has_new(*edit) || shows_record(edit, change, before, now);
    let is_ours = |edit: &FieldEdit<'_>| {
        let is_unique = edit.field == history::KEY || edit.new == Some(change);
        is_unique && shows(edit)
    };
    let key = |edit: FieldEdit<'_>| edit.field.to_owned();
    match edit.fields().find(|edit| !shows(edit)) {
        None => Fate::Written,
        Some(missing) if edit.fields().any(|edit| is_ours(&edit)) => {
            Fate::Overwritten(key(missing))
        }
        Some(_) => match edit.fields().find(|edit| !now.has_old(*edit)) {
            Some(taken) => Fate::Taken(key(taken)),
            None => Fate::Absent,
        },
    }
}

/// Whether the history, to which somebody may have added since, holds the change, and did not before.
fn shows_record(
    edit: &FieldEdit<'_>,
    change: &str,
    before: &LiveService,
    now: &LiveService,
) -> bool {
    let holds = |service: &LiveService| service.history().is_ok_and(|all| all.contains(change));
    edit.field == history::KEY && holds(now) && !holds(before)
}
