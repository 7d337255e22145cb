//! Reading a cluster's state into a [`Cluster`].

mod identity;
mod needed_namespaces;
mod reader;
mod service_backends;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod asked_tests;

use std::time::Duration;

use clbmigrate_core::{object::Service, snapshot::Object};
use tokio::time::Instant;

use self::reader::Sources;
use super::{
    connect::Connection,
    error::{Error, ErrorKind},
    list::ListMode,
    service::LiveService,
};
use crate::{Loaded, Problem, loaded::ParsedObject};

pub use self::service_backends::read_service_backends;

pub(super) use self::{
    identity::{ClusterIdentity, VersionError, check_version},
    needed_namespaces::NeededNamespaces,
    reader::ClusterReader,
};

/// How long everything beside the Service itself may take where only the Service is needed.
pub const LENIENT_LIMIT: Duration = Duration::from_secs(10);

/// How long of that the list of Services may take. What the namespaces of other Services hold is read
/// after it.
const LENIENT_LIST: Duration = Duration::from_secs(5);

/// A cluster's state, as far as it could be read.
pub struct ClusterState {
    /// A snapshot of this one cluster, and the objects that could not be parsed.
    pub loaded: Loaded,
    /// What could not be read, each with the consequence.
    pub limits: Vec<Problem>,
}

/// What of a cluster is read, and how current it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOptions<'n> {
    /// The namespace whose Services are listed where those of all may not be.
    pub namespace: &'n str,
    /// Whether what stands behind Services is read only of that namespace, and of those whose Services
    /// share a group with one of its.
    pub is_only_namespace: bool,
    /// How current it has to be.
    pub mode: ListMode,
}

/// Reads what routes and rules need: Services, nodes, EndpointSlices, the workloads behind migrated
/// Services, of Argo Rollouts and `OpenKruise` as well, the cluster's id, and what tells of its CCM.
///
/// Whatever fails beside the Services becomes a limit, an object that cannot be parsed a problem.
/// Nodes and EndpointSlices that fail for another reason than the user's rights are a problem and
/// one of [`Loaded::failures`] as well: without them nobody knows what serves. Where Services may not
/// be listed in all namespaces, those of the one namespace are.
///
/// # Errors
/// Services cannot be listed in the one namespace either, or the API server is older than 1.21.
pub async fn read_cluster(
    connection: &Connection,
    options: ReadOptions<'_>,
) -> Result<ClusterState, Error> {
    ClusterReader::new(connection).read(options).await
}

/// Reads the same around one Service, and needs nothing but that Service itself: for a change that
/// must not wait for anything else. Whatever else fails, or takes longer than [`LENIENT_LIMIT`], is a
/// limit. Where Services cannot be listed, the snapshot holds the Service alone. All of it is as
/// current as can be, for a write follows.
///
/// # Errors
/// The Service cannot be read, or is not there.
pub async fn read_cluster_around(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<ClusterState, Error> {
    let service = existing_service(connection, namespace, name).await?;
    let start = Instant::now();
    let services = connection.until(start + LENIENT_LIST);
    let others = connection.until(start + LENIENT_LIMIT);
    let sources = Sources { services: &services, others: &others };
    let options = ReadOptions { namespace, is_only_namespace: false, mode: ListMode::Consistent };
    ClusterReader::around(connection, sources, service).read(options).await
}

/// Reads a Service, in the type of the core.
async fn existing_service(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<Service, Error> {
    let found = connection.service(namespace, name).await?;
    let service = found.as_ref().map(LiveService::service).ok_or_else(|| {
        let message = format!("there is no Service {namespace}/{name}");
        connection.in_context(Error::new(ErrorKind::NotFound, message))
    })?;
    service.map_err(|error| {
        let message = format!("Service {namespace}/{name} cannot be read: {error}");
        connection.in_context(Error::new(ErrorKind::Malformed, message))
    })
}

/// Reads the Services of one namespace, and nothing else, for completion.
pub async fn services(connection: &Connection, namespace: &str) -> Result<Loaded, Error> {
    let path = format!("/api/v1/namespaces/{namespace}/services");
    let services = connection.list(&path, ListMode::FromCache).await?;
    let mut reader = ClusterReader::new(connection);
    reader.take("services", services);
    Ok(reader.loaded)
}

/// The names of all namespaces of the cluster, for completion.
pub async fn namespaces(connection: &Connection) -> Result<Vec<String>, Error> {
    let namespaces = connection.list("/api/v1/namespaces", ListMode::FromCache).await?;
    let names = namespaces.objects.into_iter().filter_map(|namespace| match namespace {
        Ok(ParsedObject::Object(Object::Namespace(meta))) => Some(meta.name),
        _ => None,
    });
    Ok(names.collect())
}
