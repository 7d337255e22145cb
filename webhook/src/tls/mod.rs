//! Certificates: from files, or made here and trusted because `caBundle` is written.

mod authority;
mod authority_secret;
mod ca_bundle;
mod ca_bundle_publisher;
mod cert_dir;
mod cert_rotator;
mod cert_watcher;
mod client_authority;
mod publication;
mod publish_step;
mod resolver;
mod self_check;
mod serving_certificate;
mod signer;

pub use authority::{
    CertificateAuthority, CertificateAuthorityError, Lifetimes, RotationStep, SignerPem,
};
pub use authority_secret::{AuthoritySecret, SECRET_NAME, SecretError};
pub use ca_bundle::CaBundle;
pub use ca_bundle_publisher::CaBundlePublisher;
pub use cert_dir::{CertDir, CertDirContents};
pub use cert_rotator::{CertRotator, CertRotatorSetup};
pub use cert_watcher::CertDirWatcher;
pub use client_authority::{ClientAuthority, ClientRefusal};
pub use publication::{Publication, PublishedEntry};
pub use publish_step::{GENERATION_ANNOTATION, WebhookService};
pub use resolver::CertResolver;
pub use self_check::{SelfCheck, TrustAnchor};
pub use serving_certificate::{ServingCertificate, ServingCertificateError};

/// How long before it is made a certificate begins to be valid: clocks of API servers may be behind.
const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(2 * 3600);

/// Who writes, for the API server's managedFields.
const FIELD_MANAGER: &str = "clbmigrate-webhook";
