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
use tokio::time::Instant;

use super::Deadline;

/// The answer of an API server, once it is there.
pub type Answer<'a, T> = LocalBoxFuture<'a, Result<T, live::Error>>;
/// The answer to a write.
pub type WriteAnswer<'a> = LocalBoxFuture<'a, Result<WrittenService, WriteError>>;
/// The answer of the CLB API.
pub type CloudAnswer<'a, T> = LocalBoxFuture<'a, Result<T, ApiError>>;

/// An API server, as far as one Service is concerned.
pub trait ClusterApi {
    /// Reads a Service; `None` where there is none.
    fn service<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<LiveService>>;

    /// Reads what CCM has left on a Service, and why its events could not be read.
    fn marks<'a>(
        &'a self,
        service: &'a LiveService,
        version: CcmVersion,
    ) -> Answer<'a, (ObservedService, Option<live::Error>)>;

    /// Reads what a Service's backends hang on.
    fn backends<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, ClusterState>;

    /// Has an edit judged, and writes nothing.
    fn dry_run<'a>(&'a self, present: &'a LiveService, edit: &'a ServiceEdit) -> Answer<'a, ()>;

    /// Writes an edit as the change of that id.
    fn write<'a>(
        &'a self,
        present: &'a LiveService,
        edit: &'a ServiceEdit,
        change: &'a str,
        deadline: Deadline,
    ) -> WriteAnswer<'a>;

    /// Creates a Service as the change of that id, or has that judged.
    fn create<'a>(
        &'a self,
        manifest: &'a Value,
        change: &'a str,
        is_dry: bool,
        deadline: Deadline,
    ) -> WriteAnswer<'a>;

    /// The user's name.
    fn whoami(&self) -> LocalBoxFuture<'_, String>;
}

/// The CLB API, each call within a deadline.
pub trait CloudApi {
    /// When the last call ended; `None` before the first.
    fn last_call(&self) -> Option<Instant>;

    /// Reads a group.
    fn group<'a>(&'a self, id: &'a str, deadline: Deadline) -> CloudAnswer<'a, GroupAnswer>;

    /// Reads the listeners of a CLB.
    fn listeners<'a>(&'a self, clb: &'a str, deadline: Deadline) -> CloudAnswer<'a, ListenerList>;

    /// Reads what the health check of a listener says.
    fn health<'a>(
        &'a self,
        clb: &'a str,
        listener: (u16, &'a str),
        deadline: Deadline,
    ) -> CloudAnswer<'a, HealthAnswer>;

    /// Writes weights of a group's servers.
    fn set_weights<'a>(
        &'a self,
        group: &'a str,
        weights: &'a [(BackendKey, Weight)],
        deadline: Deadline,
    ) -> LocalBoxFuture<'a, Result<(), SetWeightsError>>;
}

impl ClusterApi for Connection {
    fn service<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, Option<LiveService>> {
        self.service(namespace, name).boxed_local()
    }

    fn marks<'a>(
        &'a self,
        service: &'a LiveService,
        version: CcmVersion,
    ) -> Answer<'a, (ObservedService, Option<live::Error>)> {
        self.marks(service, version).boxed_local()
    }

    fn backends<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, ClusterState> {
        live::read_service_backends(self, namespace, name).boxed_local()
    }

    fn dry_run<'a>(&'a self, present: &'a LiveService, edit: &'a ServiceEdit) -> Answer<'a, ()> {
        self.dry_run(present, edit).boxed_local()
    }

    fn write<'a>(
        &'a self,
        present: &'a LiveService,
        edit: &'a ServiceEdit,
        change: &'a str,
        deadline: Deadline,
    ) -> WriteAnswer<'a> {
        let deadline = deadline.at_most(WRITE_PATIENCE).instant();
        self.write(present, edit, change, Some(deadline)).boxed_local()
    }

    fn create<'a>(
        &'a self,
        manifest: &'a Value,
        change: &'a str,
        is_dry: bool,
        deadline: Deadline,
    ) -> WriteAnswer<'a> {
        let deadline = deadline.at_most(WRITE_PATIENCE).instant();
        self.create_service(manifest, change, is_dry, Some(deadline)).boxed_local()
    }

    fn whoami(&self) -> LocalBoxFuture<'_, String> {
        self.whoami().boxed_local()
    }
}

impl CloudApi for ClbClient {
    fn last_call(&self) -> Option<Instant> {
        ClbClient::last_call(self)
    }

    fn group<'a>(&'a self, id: &'a str, deadline: Deadline) -> CloudAnswer<'a, GroupAnswer> {
        let clb = self.with_deadline(deadline.instant());
        async move { ClbClient::group(&clb, id).await }.boxed_local()
    }

    fn listeners<'a>(&'a self, clb: &'a str, deadline: Deadline) -> CloudAnswer<'a, ListenerList> {
        let client = self.with_deadline(deadline.instant());
        async move { client.listener_list(clb).await }.boxed_local()
    }

    fn health<'a>(
        &'a self,
        clb: &'a str,
        (port, protocol): (u16, &'a str),
        deadline: Deadline,
    ) -> CloudAnswer<'a, HealthAnswer> {
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
