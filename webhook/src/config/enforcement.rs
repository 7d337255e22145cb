//! One switch for all rules at once.

/// How far the webhook goes. It limits what the modes of single rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Enforcement {
    /// Each rule does what its mode says.
    #[default]
    Enforce,
    /// Nothing is denied: what would be is a warning.
    Warn,
    /// Nothing is denied, warned of or changed: what would be is counted, and noted in the API server's
    /// audit log and in the webhook's own.
    Audit,
}

impl Enforcement {
    /// All of them, the strictest first.
    pub const ALL: [Self; 3] = [Self::Enforce, Self::Warn, Self::Audit];

    /// The word for it in the file, in the namespace's label and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }

    /// The one that a word stands for; `None` for other words.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}
