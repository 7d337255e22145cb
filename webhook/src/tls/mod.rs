//! Certificates: from files, or made here and trusted because `caBundle` is written.

mod authority;
mod authority_secret;
mod ca_bundle;
mod ca_bundle_publisher;
mod cert_dir;
mod cert_rotator;
mod cert_watcher;
mod client_authority;
mod publish_step;
mod resolver;
mod self_check;
mod serving_certificate;

pub use authority::{CertificateAuthority, CertificateAuthorityError};
pub use authority_secret::{AuthoritySecret, SECRET_NAME, SecretError};
pub use ca_bundle::CaBundle;
pub use ca_bundle_publisher::CaBundlePublisher;
pub use cert_dir::{CertDir, CertDirContents};
pub use cert_rotator::CertRotator;
pub use cert_watcher::CertDirWatcher;
pub use client_authority::{ClientAuthority, ClientRefusal};
pub use publish_step::{GENERATION_ANNOTATION, WebhookService};
pub use resolver::CertResolver;
pub use self_check::{SelfCheck, TrustAnchor};
pub use serving_certificate::{ServingCertificate, ServingCertificateError};

/// Who writes, for the API server's managedFields.
const FIELD_MANAGER: &str = "clbmigrate-webhook";
