use super::SkipReason;
use crate::identity::NamedKey;

/// What is known of the vServer groups in a Service's CLB.
#[derive(Debug, Clone, Default)]
pub enum KnownGroups<'a> {
    /// Nothing. Every mapped group counts as present and reusable, if its id can be one at all.
    #[default]
    Unknown,
    /// All groups of the CLB, as `(id, name)`.
    Listed(Vec<(&'a str, &'a str)>),
}

impl KnownGroups<'_> {
    /// What CCM says of reusing group `id`.
    pub(super) fn check(&self, id: &str) -> Result<(), SkipReason> {
        let Self::Listed(groups) = self else {
            return if is_possible_group_id(id) {
                Ok(())
            } else {
                Err(SkipReason::NoSuchGroup(id.to_owned()))
            };
        };
        match groups.iter().find(|(known, _)| *known == id) {
            None => Err(SkipReason::NoSuchGroup(id.to_owned())),
            Some((_, name)) if NamedKey::parse(name).is_some() => {
                Err(SkipReason::MadeByCcm(id.to_owned()))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Whether a text can be the id of a vServer group: letters of ASCII, digits and hyphens only.
pub fn is_possible_group_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
