//! The names of the webhook's configuration objects.

/// Resource and name of each of the webhook's configuration objects
/// (`admissionregistration.k8s.io/v1`).
pub const WEBHOOK_REGISTRATIONS: [(&str, &str); 5] = [
    ("validatingwebhookconfiguration", "clbmigrate-validate-services"),
    ("validatingwebhookconfiguration", "clbmigrate-validate-workloads"),
    ("validatingwebhookconfiguration", "clbmigrate-validate-cascading-deletion"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-workloads"),
    ("mutatingwebhookconfiguration", "clbmigrate-mutate-pods"),
];
