//! The four hooks.

/// One of the hooks that API servers call, each with a configuration object of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Judges Services.
    ValidateServices,
    /// Judges workloads: Deployments and their like.
    ValidateWorkloads,
    /// Gives them their preStop hook.
    MutateWorkloads,
    /// Gives Pods theirs, in namespaces that ask for it.
    MutatePods,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::ValidateServices, Self::ValidateWorkloads, Self::MutateWorkloads, Self::MutatePods];

    /// The hook's name, in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValidateServices => "validate-services",
            Self::ValidateWorkloads => "validate-workloads",
            Self::MutateWorkloads => "mutate-workloads",
            Self::MutatePods => "mutate-pods",
        }
    }

    /// The path that API servers post reviews to.
    pub fn path(self) -> &'static str {
        match self {
            Self::ValidateServices => "/validate-services",
            Self::ValidateWorkloads => "/validate-workloads",
            Self::MutateWorkloads => "/mutate-workloads",
            Self::MutatePods => "/mutate-pods",
        }
    }

    /// The name of its configuration object and of the hook in it, apart from the domain.
    pub fn configuration(self) -> &'static str {
        match self {
            Self::ValidateServices => "clbmigrate-validate-services",
            Self::ValidateWorkloads => "clbmigrate-validate-workloads",
            Self::MutateWorkloads => "clbmigrate-mutate-workloads",
            Self::MutatePods => "clbmigrate-mutate-pods",
        }
    }

    /// Whether its configuration is a `MutatingWebhookConfiguration`.
    pub fn is_mutating(self) -> bool {
        matches!(self, Self::MutateWorkloads | Self::MutatePods)
    }
}
