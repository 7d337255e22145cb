//! Whether a change may be written.

use clbmigrate_core::{
    finding::{Finding, Severity},
    index::{Index, ServiceRef},
    outcome::{Outcome, PortResult},
    prediction::Prediction,
    preview::Preview,
    rules::{self, RefusedWrites},
};

use super::Leniency;
use crate::error::Error;

/// What speaks against a change.
pub struct Judgement {
    reasons: Vec<String>,
    fixes: Vec<String>,
    unknown: Vec<String>,
    leniency: Leniency,
    /// Whether CCM does not read what is written.
    is_in_vain: bool,
}

impl Judgement {
    /// Judges a change of these Services, as they were before.
    pub fn new(
        preview: &Preview<'_>,
        after: &Index<'_>,
        service_refs: &[ServiceRef<'_>],
        leniency: Leniency,
    ) -> Self {
        let mut reasons: Vec<String> = Vec::new();
        if preview.outcome != Outcome::Applied {
            let causes = preview.reasons.iter().map(|(_, reason)| reason.to_string());
            let causes = causes.collect::<Vec<_>>().join("; ");
            reasons.push(format!("the outcome would be {}: {causes}", preview.outcome.as_str()));
        }
        let against: Vec<&Finding> = match leniency {
            Leniency::Undo => Vec::new(),
            _ => {
                let introduced = preview.introduced.iter();
                let introduced =
                    introduced.filter(|of| of.severity == Severity::Error && !of.allowed);
                let unchanged = preview.unchanged.iter();
                let unchanged = unchanged.filter(|of| refuses_standing(of));
                introduced.chain(unchanged).collect()
            }
        };
        reasons
            .extend(against.iter().map(|of| format!("{} {}: {}", of.rule, of.object, of.message)));
        let mut fixes: Vec<String> = against.iter().map(|of| of.fix.clone()).collect();
        fixes.retain(|fix| !fix.is_empty());
        Self {
            reasons,
            fixes,
            unknown: match leniency {
                Leniency::Join => Vec::new(),
                _ => service_refs.iter().flat_map(|of| unknown(after, of)).collect(),
            },
            leniency,
            is_in_vain: preview.outcome == Outcome::NoEffect,
        }
    }

    /// The same judgement with more reasons against the change.
    #[must_use]
    pub fn with(mut self, reasons: &[String]) -> Self {
        self.reasons.extend_from_slice(reasons);
        self
    }

    /// The problems of a change that no problem stops; empty for others.
    pub fn warnings(&self) -> Vec<String> {
        match self.leniency {
            Leniency::Zero => self.reasons.iter().chain(&self.unknown).cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Refuses the change where a problem stops it and it is not forced.
    pub fn refuse(&self, is_forced: bool) -> Result<(), Error> {
        let against: Vec<&String> = self.reasons.iter().chain(&self.unknown).collect();
        // A weight of 0 that CCM does not read takes no traffic away.
        let passes = self.leniency == Leniency::Zero && !self.is_in_vain;
        if is_forced || passes || against.is_empty() {
            return Ok(());
        }
        let lines: Vec<&str> = against.iter().map(|reason| reason.as_str()).collect();
        let mut hints = self.fixes.clone();
        hints.push("nothing was written; --force writes all the same".to_owned());
        Err(Error::Refused { message: format!("refused: {}", lines.join("\n")), hints })
    }
}

/// Whether a finding that was there before stops a change, for no weight works under it.
fn refuses_standing(finding: &Finding) -> bool {
    rules::find(finding.rule).is_some_and(|rule| rule.refuses == RefusedWrites::Standing)
}

/// What nobody can compute for want of evidence.
fn unknown(after: &Index<'_>, service_ref: &ServiceRef<'_>) -> Vec<String> {
    let Some(service_ref) = after.services().find(|of| of.is_same(service_ref)) else {
        return Vec::new();
    };
    let round = after.outcome_of(&service_ref, &Prediction::default());
    let unknown = round.ports.iter().filter_map(|port| match &port.result {
        PortResult::Unknown(what) => Some(format!(
            "port {}: what CCM would write cannot be computed, for its {what} are not at hand",
            port.port.port
        )),
        _ => None,
    });
    unknown.collect()
}
