//! Running clusters: reading their state, and guarded writes to Services.

mod ccm;
mod connect;
mod custom_workloads;
mod deregistration;
mod error;
mod list;
mod marks;
mod namespaces;
mod pods;
mod read;
mod refusal;
mod registrations;
mod request;
mod service;
mod single_object;
mod watch;
mod webhook;
mod write;

#[cfg(test)]
mod fake;

pub use connect::{
    Connection, ConnectionOptions, REQUEST_TIMEOUT, RequestObserver, RequestOutcome, RequestRecord,
};
pub use deregistration::Deregistrations;
pub use error::{Error, ErrorKind};
pub use list::ListMode;
pub use read::{
    ClusterState, LENIENT_LIMIT, ReadOptions, namespaces, read_cluster, read_cluster_around,
    read_service_backends, services,
};
pub use registrations::WEBHOOK_REGISTRATIONS;
pub use service::{FIELD_MANAGER, FieldManager, LiveService, new_change_id};
pub use watch::ClusterWatch;
pub use webhook::{Probe, RegistrationState, WebhookInstallation, WebhookRegistration};
pub use write::{RESYNC, WRITE_PATIENCE, WriteError, WrittenService};
