//! The state by what watches have brought, put together as a single reading of the cluster is.

use std::sync::Arc;

use super::{
    ClusterWatch,
    object::{Held, HeldObject, Name},
    scope::Subject,
    store::Store,
};
use crate::{
    live::{
        ccm::CcmObjects,
        error::Error,
        list::ListItems,
        namespaces::{Listing, NAMESPACES, NamespaceObjects, Resource},
        pods,
        read::{ClusterIdentity, ClusterReader, ClusterState},
    },
    loaded::ParsedObject,
    parse::LoadError,
};

/// The state without pods and without what tells of the cluster as a whole, and the paths of the pods
/// that are needed.
pub(super) fn reader(watch: &ClusterWatch) -> Result<(ClusterReader<'_>, Vec<String>), Error> {
    let mut reader = ClusterReader::new(&watch.connection);
    if let Some(version) = &watch.cluster_wide.version {
        reader.version(version.clone())?;
    }
    if let Some(custom) = &watch.cluster_wide.custom {
        reader.custom_kinds(custom.clone());
    }
    services(watch, &mut reader)?;
    let nodes = watch.watches.get(&Subject::Of(Subject::nodes(), None));
    reader.nodes(nodes.map_or_else(|| Ok(ListItems::default()), |of| items(&of.value, |_| true)));
    reader.namespace_objects(namespace_objects(watch));
    let needed = reader.cluster().map(|cluster| pods::paths(cluster)).unwrap_or_default();
    Ok((reader, needed))
}

/// The whole state, with as many of the pods as were read.
pub(super) fn finished(watch: &ClusterWatch, mut reader: ClusterReader<'_>) -> ClusterState {
    let pods = watch.readings.iter().filter(|(subject, _)| matches!(subject, Subject::Pods(_)));
    for pods in pods.filter_map(|(_, of)| of.value.last()) {
        if !reader.take_pods(pods) {
            break;
        }
    }
    if let Some(ClusterIdentity { configuration, uid }) = &watch.cluster_wide.identity {
        let configuration = configuration.iter().map(|(of, object)| {
            let object = object.as_ref().map(|object| object.as_ref().map(copy_of));
            (*of, object.map_err(Clone::clone))
        });
        let configuration = configuration.collect();
        reader.identity(ClusterIdentity { configuration, uid: uid.clone() });
    }
    if let Some(ccm) = &watch.cluster_wide.ccm {
        let items = copy_of(&ccm.items);
        reader.ccm(CcmObjects { items, ..*ccm });
    }
    reader.done()
}

fn services(watch: &ClusterWatch, reader: &mut ClusterReader<'_>) -> Result<(), Error> {
    let refusal = watch.refused.get(&Subject::services().label);
    let limit = refusal.map(|error| reader.one_namespace(&watch.namespace, error));
    let (mut shared, mut others) = (Vec::new(), ListItems::default());
    for (_, of) in watch.watches.iter().filter(|(subject, _)| subject.is_services()) {
        for held in of.value.listing()?.values() {
            match held {
                Ok(HeldObject::Service(service)) => shared.push(Arc::clone(service)),
                other => others.objects.push(parsed(other)),
            }
        }
    }
    reader.take_services(Ok((others, limit)), &watch.namespace);
    for service in shared {
        reader.share_service(service);
    }
    Ok(())
}

fn namespace_objects(watch: &ClusterWatch) -> NamespaceObjects {
    let (slices, namespaces) = listing(watch, &Resource::slices());
    let kinds = watch.workload_kinds().into_iter();
    let workloads = kinds.map(|kind| (kind.label.clone(), listing(watch, &kind).0));
    NamespaceObjects {
        namespaces: namespaces.into_iter().collect(),
        slices,
        workloads: workloads.collect(),
        metadata: metadata(watch),
    }
}

/// The objects of a resource in the namespaces that are looked at, and which of these are whole.
fn listing(watch: &ClusterWatch, resource: &Resource) -> (Listing, Vec<String>) {
    if let Some(of) = watch.watches.get(&Subject::Of(resource.clone(), None)) {
        let is_few = watch.namespaces.len() <= NAMESPACES;
        let all =
            items(&of.value, |(namespace, _)| !is_few || watch.namespaces.contains(namespace));
        let whole = if all.is_ok() { watch.namespaces.iter().cloned().collect() } else { vec![] };
        return (all.into(), whole);
    }
    let (mut all, mut whole) = (Listing::default(), Vec::new());
    for namespace in &watch.namespaces {
        let subject = Subject::Of(resource.clone(), Some(namespace.clone()));
        let Some(of) = watch.watches.get(&subject) else { continue };
        let one = items(&of.value, |_| true);
        if one.is_ok() {
            whole.push(namespace.clone());
        }
        all = all.and(one.into());
    }
    (all, whole)
}

/// The namespaces themselves.
fn metadata(watch: &ClusterWatch) -> Listing {
    if let Some(of) = watch.watches.get(&Subject::Of(Subject::namespaces(), None)) {
        let is_few = watch.namespaces.len() <= NAMESPACES;
        let named = |(_, name): &Name| !is_few || watch.namespaces.contains(name);
        return items(&of.value, named).into();
    }
    let readings =
        watch.readings.iter().filter(|(subject, _)| matches!(subject, Subject::Namespace(_)));
    let read = readings.filter_map(|(_, of)| of.value.last());
    read.fold(Listing::default(), |all, one| all.and(one.into()))
}

/// A copy of the objects of a store whose names are wanted.
fn items(store: &Store, is_wanted: impl Fn(&Name) -> bool) -> Result<ListItems, Error> {
    let wanted = store.listing()?.iter().filter(|(name, _)| is_wanted(name));
    let objects = wanted.map(|(_, held)| parsed(held)).collect();
    Ok(ListItems { objects, errors: Vec::new() })
}

fn parsed(held: &Held) -> Result<ParsedObject, LoadError> {
    held.as_ref().map(HeldObject::parsed).map_err(in_words)
}

/// A copy of a listing.
pub(super) fn copy_of(items: &ListItems) -> ListItems {
    let objects = items.objects.iter().map(|object| object.as_ref().cloned().map_err(in_words));
    ListItems { objects: objects.collect(), errors: items.errors.iter().map(in_words).collect() }
}

fn in_words(error: &LoadError) -> LoadError {
    LoadError::InWords(error.to_string())
}
