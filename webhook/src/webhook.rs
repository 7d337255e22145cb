//! The webhooks of this program.

/// One of the webhooks that API servers call, each with a configuration object of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// Validates Services.
    ValidateServices,
    /// Validates Deployments, `StatefulSets` and `DaemonSets`.
    ValidateWorkloads,
    /// Warns where Services that carry traffic are deleted with their namespace, or will be with an
    /// owner. It never denies.
    ValidateCascadingDeletion,
    /// Adds the preStop hook to Deployments, `StatefulSets` and `DaemonSets`.
    MutateWorkloads,
    /// Adds the preStop hook to Pods, in namespaces that are labelled for it.
    MutatePods,
}

impl Webhook {
    /// All webhooks.
    pub const ALL: [Self; 5] = [
        Self::ValidateServices,
        Self::ValidateWorkloads,
        Self::ValidateCascadingDeletion,
        Self::MutateWorkloads,
        Self::MutatePods,
    ];

    /// The webhook's name in metrics and logs, such as `validate-services`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidateServices => "validate-services",
            Self::ValidateWorkloads => "validate-workloads",
            Self::ValidateCascadingDeletion => "validate-cascading-deletion",
            Self::MutateWorkloads => "mutate-workloads",
            Self::MutatePods => "mutate-pods",
        }
    }

    /// The path that API servers post its reviews to, such as `/validate-services`.
    pub fn path(self) -> &'static str {
        match self {
            Self::ValidateServices => "/validate-services",
            Self::ValidateWorkloads => "/validate-workloads",
            Self::ValidateCascadingDeletion => "/validate-cascading-deletion",
            Self::MutateWorkloads => "/mutate-workloads",
            Self::MutatePods => "/mutate-pods",
        }
    }

    /// The name of its configuration object. The webhook in that object is called the same, followed by
    /// `.clbmigrate.io`.
    pub fn configuration(self) -> &'static str {
        match self {
            Self::ValidateServices => "clbmigrate-validate-services",
            Self::ValidateWorkloads => "clbmigrate-validate-workloads",
            Self::ValidateCascadingDeletion => "clbmigrate-validate-cascading-deletion",
            Self::MutateWorkloads => "clbmigrate-mutate-workloads",
            Self::MutatePods => "clbmigrate-mutate-pods",
        }
    }

    /// Whether its configuration is a `MutatingWebhookConfiguration`, and not a validating one.
    pub fn is_mutating(self) -> bool {
        matches!(self, Self::MutateWorkloads | Self::MutatePods)
    }
}
