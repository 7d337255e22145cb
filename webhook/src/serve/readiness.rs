//! Whether API servers should send reviews here.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The conditions that must hold before the first review, each with a name.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    preconditions: Vec<Precondition>,
}

/// A condition without which nothing can be judged, until it has held once.
struct Precondition {
    name: &'static str,
    check: Check,
    has_held: AtomicBool,
}

impl Precondition {
    fn check(&self) -> Result<(), String> {
        (self.check)().inspect(|()| self.has_held.store(true, Relaxed))
    }
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

    /// Adds a condition that must have held once before anything is judged. After that it is a condition
    /// as [`Self::with_check`] adds.
    #[must_use]
    pub fn with_precondition(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let has_held = AtomicBool::new(false);
        self.preconditions.push(Precondition { name, check: Box::new(check), has_held });
        self
    }

    /// Whether all that reviews are judged by is known, or was once. API servers may send reviews before
    /// a server is ready: they know for a second or two only that one of that address was.
    pub fn can_judge(&self) -> bool {
        self.preconditions.iter().all(|it| it.has_held.load(Relaxed) || it.check().is_ok())
    }

    /// The conditions that do not hold, such as `certificate: none yet`; empty when ready.
    pub fn failing(&self) -> Vec<String> {
        let preconditions = self.preconditions.iter().map(|it| (it.name, it.check()));
        let checks = self.checks.iter().map(|(name, check)| (*name, check()));
        preconditions
            .chain(checks)
            .filter_map(|(name, result)| result.err().map(|why| format!("{name}: {why}")))
            .collect()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.preconditions.iter().map(|it| &it.name);
        f.debug_list().entries(names.chain(self.checks.iter().map(|(name, _)| name))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let ready = Readiness::new()
            .with_check("caches", || Err("services not listed yet".to_owned()))
            .with_check("certificate", || Ok(()));
        assert_eq!(ready.failing(), ["caches: services not listed yet"]);
        assert!(Readiness::new().failing().is_empty());
    }

    #[test]
    fn what_is_judged_by_must_have_been_known_once() {
        let known = Arc::new(AtomicBool::new(false));
        let check = {
            let known = Arc::clone(&known);
            move || if known.load(Relaxed) { Ok(()) } else { Err("not listed".to_owned()) }
        };
        let ready = Readiness::new()
            .with_precondition("caches", check)
            .with_check("certificate", || Err("none yet".to_owned()));
        assert!(!ready.can_judge());
        known.store(true, Relaxed);
        assert!(ready.can_judge(), "the other condition is not for judging");
        known.store(false, Relaxed);
        assert!(ready.can_judge(), "it was known once");
        assert_eq!(ready.failing(), ["caches: not listed", "certificate: none yet"]);
    }
}
