//! What a change asks of API servers and of the CLB API. A change is written against these two
//! traits, so that tests can have every call answered in every way.

use clbmigrate_clb::{BackendKey, ClbClient, Error as ApiError, SetWeightsError, Weight};
use clbmigrate_cluster::live::{
    self, ClusterState, Connection, LiveService, WRITE_PATIENCE, WriteError, WrittenService,
};
use clbmigrate_core::{
    clb_answers::{GroupAnswer, HealthAnswer, ListenerList},
    patch::ServiceEdit,
    reconciliation::ObservedService,
    version::CcmVersion,
};
use futures::future::{FutureExt, LocalBoxFuture};
use serde_json::Value;

use super::Deadline;

/// An API server, as far as one Service is concerned.
pub trait ClusterApi {
    /// Reads a Service; `None` where there is none.
    fn service<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<LiveService>, live::Error>>;

    /// Reads what CCM has left on a Service, and why its events could not be read.
    fn marks<'a>(
        &'a self,
        service: &'a LiveService,
        version: CcmVersion,
    ) -> LocalBoxFuture<'a, Result<(ObservedService, Option<live::Error>), live::Error>>;

    /// Reads what a Service's backends hang on.
    fn backends<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> LocalBoxFuture<'a, Result<ClusterState, live::Error>>;

    /// Has an edit judged, and writes nothing.
    fn dry_run<'a>(
        &'a self,
        present: &'a LiveService,
        edit: &'a ServiceEdit,
    ) -> LocalBoxFuture<'a, Result<(), live::Error>>;

    /// Writes an edit as the change of that id.
    fn write<'a>(
        &'a self,
        present: &'a LiveService,
        edit: &'a ServiceEdit,
        change: &'a str,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<WrittenService, WriteError>>;

    /// Creates a Service as the change of that id, or has that judged.
    fn create<'a>(
        &'a self,
        manifest: &'a Value,
        change: &'a str,
        is_dry: bool,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<WrittenService, WriteError>>;

    /// The user's name.
    fn whoami(&self) -> LocalBoxFuture<'_, String>;
}

/// The CLB API, each call within a deadline.
pub trait CloudApi {
    /// Reads a group.
    fn group<'a>(
        &'a self,
        id: &'a str,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<GroupAnswer, ApiError>>;

    /// Reads the listeners of a CLB.
    fn listeners<'a>(
        &'a self,
        clb: &'a str,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<ListenerList, ApiError>>;

    /// Reads what the health check of a listener says.
    fn health<'a>(
        &'a self,
        clb: &'a str,
        listener: (u16, &'a str),
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<HealthAnswer, ApiError>>;

    /// Writes weights of a group's servers.
    fn set_weights<'a>(
        &'a self,
        group: &'a str,
        weights: &'a [(BackendKey, Weight)],
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<(), SetWeightsError>>;
}

impl ClusterApi for Connection {
    fn service<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<LiveService>, live::Error>> {
        self.service(namespace, name).boxed_local()
    }

    fn marks<'a>(
        &'a self,
        service: &'a LiveService,
        version: CcmVersion,
    ) -> LocalBoxFuture<'a, Result<(ObservedService, Option<live::Error>), live::Error>> {
        self.marks(service, version).boxed_local()
    }

    fn backends<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> LocalBoxFuture<'a, Result<ClusterState, live::Error>> {
        live::read_service_backends(self, namespace, name).boxed_local()
    }

    fn dry_run<'a>(
        &'a self,
        present: &'a LiveService,
        edit: &'a ServiceEdit,
    ) -> LocalBoxFuture<'a, Result<(), live::Error>> {
        self.dry_run(present, edit).boxed_local()
    }

    fn write<'a>(
        &'a self,
        present: &'a LiveService,
        edit: &'a ServiceEdit,
        change: &'a str,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<WrittenService, WriteError>> {
        let deadline = deadline.at_most(WRITE_PATIENCE).instant();
        self.write(present, edit, change, Some(deadline)).boxed_local()
    }

    fn create<'a>(
        &'a self,
        manifest: &'a Value,
        change: &'a str,
        is_dry: bool,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<WrittenService, WriteError>> {
        let deadline = deadline.at_most(WRITE_PATIENCE).instant();
        self.create_service(manifest, change, is_dry, Some(deadline)).boxed_local()
    }

    fn whoami(&self) -> LocalBoxFuture<'_, String> {
        self.whoami().boxed_local()
    }
}

impl CloudApi for ClbClient {
    fn group<'a>(
        &'a self,
        id: &'a str,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<GroupAnswer, ApiError>> {
        let clb = self.with_deadline(deadline.instant());
        async move { ClbClient::group(&clb, id).await }.boxed_local()
    }

    fn listeners<'a>(
        &'a self,
        clb: &'a str,
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<ListenerList, ApiError>> {
        let client = self.with_deadline(deadline.instant());
        async move { client.listener_list(clb).await }.boxed_local()
    }

    fn health<'a>(
        &'a self,
        clb: &'a str,
        (port, protocol): (u16, &'a str),
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<HealthAnswer, ApiError>> {
        let client = self.with_deadline(deadline.instant());
        async move { ClbClient::health(&client, clb, port, protocol).await }.boxed_local()
    }

    fn set_weights<'a>(
        &'a self,
        group: &'a str,
        weights: &'a [(BackendKey, Weight)],
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<(), SetWeightsError>> {
        let clb = self.with_deadline(deadline.instant());
        async move { ClbClient::set_weights(&clb, group, weights).await.map(drop) }.boxed_local()
    }
}
