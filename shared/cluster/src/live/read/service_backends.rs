//! The backends of one Service, read anew.

use clbmigrate_core::{object::Service, snapshot::Object};
use futures::future::join3;

use super::{ClusterState, existing_service, identity::ClusterIdentity, reader::ClusterReader};
use crate::live::{
    connect::Connection,
    error::{Error, ErrorKind},
    list::{ListItems, ListMode},
    pods,
};

/// Reads anew what the backends of one Service hang on: the Service, all nodes, its EndpointSlices, the
/// pods of endpoints that are not ready and may be gated, and the cluster's identity. It is light
/// enough to be read between two looks at a group. `Snapshot::with_fresh_backends` puts it into a
/// snapshot of everything. Nothing of it comes from an API server's memory: a group is compared with
/// it, and what agrees is taken as proof.
///
/// # Errors
/// The Service is not there, or a request fails for another reason than the user's rights: what the
/// groups should hold is unknown then.
pub async fn read_service_backends(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> Result<ClusterState, Error> {
    let slices = format!(
        "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{name}"
    );
    let service = existing_service(connection, namespace, name).await?;
    let (nodes, slices, identity) = join3(
        connection.list("/api/v1/nodes", ListMode::Consistent),
        connection.list(&slices, ListMode::Consistent),
        ClusterIdentity::read_id(connection),
    )
    .await;
    let mut reader = ClusterReader::new(connection);
    reader.insert(Object::Service(Box::new(service.clone())));
    reader.nodes(allowed(nodes)?);
    reader.identity(identity);
    let slices = reader.optional(allowed(slices)?, "EndpointSlices", "what serves is unknown");
    if let Some(slices) = slices
        && reader.take("endpointslices", slices)
        && let Some(cluster) = reader.cluster()
    {
        // Only those of this Service were listed, and it is the only one here.
        cluster.endpoints_listed.insert(namespace.to_owned());
    }
    if let Some(path) = gated_pods(&mut reader, &service) {
        let pods = allowed(connection.list(&path, ListMode::Consistent).await)?;
        if let Some(pods) = reader.optional(pods, "pods", "readiness gates are not seen") {
            reader.take("pods", pods);
        }
    }
    Ok(reader.done())
}

/// The path of the pods that endpoints may wait for.
fn gated_pods(reader: &mut ClusterReader<'_>, service: &Service) -> Option<String> {
    let cluster = reader.cluster()?;
    pods::awaits_gates(cluster, service).then(|| pods::path_of(service))
}

/// The listing, or that the user may not read it.
fn allowed(listing: Result<ListItems, Error>) -> Result<Result<ListItems, Error>, Error> {
    match listing {
        Err(error) if !matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound) => {
            Err(error)
        }
        listing => Ok(listing),
    }
}
