//! Running clusters: reading their state, and guarded writes to annotations of Services.

mod ccm;
mod connect;
mod custom_workloads;
mod error;
mod marks;
mod namespaces;
mod page;
mod pods;
mod read;
mod registrations;
mod request;
mod service;
mod watch;
mod webhook;

pub use connect::{Connection, ConnectionOptions, REQUEST_TIMEOUT};
pub use error::{Error, ErrorKind};
pub use read::{ClusterState, namespaces, read_cluster, services};
pub use registrations::WEBHOOK_REGISTRATIONS;
pub use service::{
    FIELD_MANAGER, FieldManager, LiveService, WriteError, WrittenService, new_change_id,
};
pub use webhook::{Probe, RegistrationState, WebhookInstallation, WebhookRegistration};
