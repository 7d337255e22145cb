//! Proves an edit of a Service: CCM has finished a round over it, and the CLB's groups carry what it
//! says.
//!
//! CCM's word is not enough. One throttled call while CCM works on an edit makes it take all backends
//! out of a group and report success (CCM 2.14: `BuildLocalModel` drops the error), and nothing but
//! another edit makes it look again. So CCM is called once more where the groups differ.

use std::time::Duration;

use clbmigrate_core::{
    agreement::{Expectation, HealthVerdict},
    reconciliation::CompletionSign,
};

use super::{
    NeededHealth, NeededProof, Policy, Proof, ServiceSide, Verification,
    groups::GroupCheck,
    send::Written,
    wait::{Wait, Waited},
};
use crate::{
    change::{Deadline, stop::Stop},
    output::Printer,
};

/// Between two looks at groups by whose contents alone CCM's end is known.
const PAUSE: Duration = Duration::from_secs(2);

/// Between two calls of CCM where the groups differ still: the API may be throttling.
const CALL_AGAIN: Duration = Duration::from_secs(5);

/// How a proof is led.
pub(super) struct ProofOptions<'p> {
    pub deadline: Deadline,
    /// Whether an end may be asked for meanwhile.
    pub stop: Option<&'p Stop>,
    /// Whether another tool may put the value back.
    pub is_guarded: bool,
    /// Whether the backends must be healthy.
    pub needs_health: bool,
    /// Whether CCM is called again and again while the groups differ, up to the deadline: there is
    /// nothing to take back.
    pub is_last_resort: bool,
}

impl ProofOptions<'_> {
    fn may_call_again(&self) -> bool {
        self.is_last_resort && !self.deadline.is_over()
    }
}

impl ServiceSide<'_> {
    /// Waits for CCM, and compares the groups with what the Service says in `expected`. Where they
    /// differ, CCM is called once more.
    pub(super) async fn prove(
        &self,
        written: Written,
        expected: &mut Expectation,
        options: ProofOptions<'_>,
        printer: &mut Printer,
    ) -> Proof {
        let edits = written.edits.clone();
        let deadline = options.deadline;
        let mut wait = Wait::new(self, written, deadline, options.stop).guarded(options.is_guarded);
        wait.announce(printer);
        // How the groups differed when CCM was called once more for that.
        let mut differed: Option<String> = None;
        loop {
            let waited = match wait.run(printer).await {
                Ok(waited) => waited,
                Err(error) => return ended(differed, Proof::Unseen(error.to_string())),
            };
            let why = match waited {
                Waited::Success(sign) => match self.check_groups(expected, deadline, printer).await
                {
                    None => return Proof::Done(Some(sign), Verification::NotAsked),
                    Some(GroupCheck::Agrees) => {
                        let health = self.prove_health(expected, &options, printer).await;
                        return proven(Some(sign), health);
                    }
                    Some(GroupCheck::Unknown(why)) => {
                        let unknown = Proof::Done(Some(sign), Verification::Failed(why));
                        return ended(differed, unknown);
                    }
                    Some(GroupCheck::Differs { how, may_help: true })
                        if differed.is_none() || options.may_call_again() =>
                    {
                        if differed.is_some() {
                            deadline.pause(CALL_AGAIN).await;
                        }
                        differed = Some(how.clone());
                        wait.go_on_to_the_end();
                        format!("CCM reports success, but {how}")
                    }
                    Some(GroupCheck::Differs { how, .. }) => return Proof::Differs(how),
                },
                Waited::Unproven => {
                    if self.agrees_now(expected, deadline).await {
                        let health = self.prove_health(expected, &options, printer).await;
                        return proven(None, health);
                    }
                    deadline.pause(PAUSE).await;
                    continue;
                }
                Waited::CallAgain(message) => format!("a round of CCM failed: {message}"),
                Waited::Failed(words) => return ended(differed, Proof::Failed(words)),
                Waited::TimedOut(words) => return ended(differed, Proof::TimedOut(words)),
                Waited::PutBack(words) => return Proof::PutBack(words),
                Waited::Gone => return Proof::Gone,
                Waited::Stopped => return Proof::Stopped,
            };
            printer.warning(&format!("{why}; CCM is called once more"));
            match self.call_ccm(&edits, deadline, printer).await {
                Ok(written) => wait.restart(written),
                Err(error) => return ended(differed, Proof::Unseen(error)),
            }
        }
    }

    /// The proof of health that a side needs which gains traffic: what is not known of it, in words,
    /// or the end of the proof.
    async fn prove_health(
        &self,
        expected: &mut Expectation,
        options: &ProofOptions<'_>,
        printer: &mut Printer,
    ) -> Result<Option<String>, Proof> {
        if !options.needs_health {
            return Ok(None);
        }
        match self.check_health(expected, options.deadline, printer).await {
            HealthVerdict::Healthy => Ok(None),
            HealthVerdict::Abnormal(how) => Err(Proof::Unhealthy(how)),
            HealthVerdict::Unknown(why) => Ok(Some(why)),
        }
    }
}

/// The end of a proof whose groups agree, with what is known of the health of their backends.
fn proven(sign: Option<CompletionSign>, health: Result<Option<String>, Proof>) -> Proof {
    match health {
        Ok(unknown) => Proof::Done(sign, Verification::AtClb(unknown)),
        Err(how) => how,
    }
}

/// The end of a proof in whose course CCM was called once more, for the groups differed.
fn ended(differed: Option<String>, end: Proof) -> Proof {
    match differed {
        Some(how) => Proof::Differs(format!("{how}; and then: {}", end.message())),
        None => end,
    }
}

impl Policy {
    /// Whether a proof is enough to go on.
    pub(super) fn accepts(&self, proof: &Proof) -> bool {
        match proof {
            Proof::Done(_, Verification::AtClb(None)) => true,
            Proof::Done(_, Verification::AtClb(Some(_))) => {
                self.may_stay() || self.health < NeededHealth::Healthy
            }
            Proof::Done(..) => self.proof <= NeededProof::Ccm,
            _ => false,
        }
    }
}
