//! The names of the webhook's configuration objects.

/// Resource and name of each of the webhook's configuration objects
/// (`admissionregistration.k8s.io/v1`).
pub const WEBHOOK_REGISTRATIONS: [(&str, &str); 4] = [
    ("validatingwebhookconfiguration", "clbmigrate-validate-services"),
    ("validatingwebhookconfiguration", "clbmigrate-validate-workloads"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-workloads"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-pods"),
];
