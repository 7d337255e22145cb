//! Whether API servers should send reviews here.

use std::fmt;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything that must hold before the first review, each with a name.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
}

impl Readiness {
    /// Ready without any condition.
    pub fn new() -> Self {
        Self::default()
    }

    /// One condition more. The error says what is awaited, and why it may take long.
    #[must_use]
    pub fn and(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name, Box::new(check)));
        self
    }

    /// What is missing, as `certificate: none yet`; empty when ready.
    pub fn missing(&self) -> Vec<String> {
        let checks = self.checks.iter();
        checks
            .filter_map(|(name, check)| check().err().map(|why| format!("{name}: {why}")))
            .collect()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let ready = Readiness::new()
            .and("caches", || Err("services not listed yet".to_owned()))
            .and("certificate", || Ok(()));
        assert_eq!(ready.missing(), ["caches: services not listed yet"]);
        assert!(Readiness::new().missing().is_empty());
    }
}
