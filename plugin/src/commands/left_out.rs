//! A change whose servers are too many for its record.

use clbmigrate_core::{
    history::{self, History, HistoryEntry, Part},
    snapshot::Snapshot,
};

use crate::{error::Error, namespaces::Namespaces};

/// Refuses to go on with a change by a record that does not name its servers: nobody can tell what
/// they had.
///
/// # Errors
/// Where servers are left out of the record.
pub fn refuse(entry: &HistoryEntry) -> Result<(), Error> {
    let count = entry.servers_left_out;
    if count == 0 {
        return Ok(());
    }
    let mut parts = entry.whole.iter().flat_map(|whole| &whole.parts);
    let place = parts.find_map(|part| match part {
        Part::Service(of) => Some(format!("svc/{} -n {}", of.name, of.namespace)),
        Part::Servers(_) => None,
    });
    let place = place.unwrap_or_else(|| "svc/NAME".to_owned());
    Err(Error::Refused {
        message: format!(
            "refused: change {} has {count} servers outside of clusters, too many for the record on the Service, which does not say what they had",
            entry.change
        ),
        hints: vec![
            format!(
                "move the traffic anew: kubectl clbmigrate shift {place} --from SIDE --to SIDE SHARE"
            ),
            format!(
                "or give weights: kubectl clbmigrate set {place} WEIGHT, and set {place} --external ID=WEIGHT,ID=WEIGHT"
            ),
            "nothing was written".to_owned(),
        ],
    })
}

/// Refuses to finish the last change of a Service of that name, where its record does not name its
/// servers.
///
/// # Errors
/// Where there is such a change.
pub fn refuse_last_of(
    snapshot: &Snapshot,
    name: &str,
    namespaces: &Namespaces,
) -> Result<(), Error> {
    for cluster in &snapshot.clusters {
        let context = cluster.context.as_deref();
        let named = cluster.services().map(|service| &service.metadata).filter(|meta| {
            meta.name == name && namespaces.includes(context, Some(meta.namespace()))
        });
        for meta in named {
            let history = History::parse(meta.annotations.get(history::KEY)).unwrap_or_default();
            history.last().map_or(Ok(()), refuse)?;
        }
    }
    Ok(())
}
