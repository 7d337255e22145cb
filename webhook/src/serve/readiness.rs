//! Whether API servers should send reviews here.

use std::fmt;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The conditions that must hold before the first review, each with a name.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
}

impl Readiness {
    /// Readiness without conditions: always ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition. The error of `check` says what is awaited, and why it may take long.
    #[must_use]
    pub fn with_check(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name, Box::new(check)));
        self
    }

    /// The conditions that do not hold, such as `certificate: none yet`; empty when ready.
    pub fn failing(&self) -> Vec<String> {
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
            .with_check("caches", || Err("services not listed yet".to_owned()))
            .with_check("certificate", || Ok(()));
        assert_eq!(ready.failing(), ["caches: services not listed yet"]);
        assert!(Readiness::new().failing().is_empty());
    }
}
