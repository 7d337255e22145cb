//! What the wait for CCM and the look at the CLB led to.

use clbmigrate_core::reconciliation::CompletionSign;

use crate::{error::Exit, output::json::ChangeState};

/// How far a side is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// CCM finished a round over the change. Without a sign of that, the groups alone tell it.
    Done(Option<CompletionSign>, Verification),
    /// CCM has finished, and the CLB holds something else.
    Differs(String),
    /// The CLB carries the weights, and calls backends abnormal.
    Unhealthy(String),
    /// CCM tried and failed.
    Failed(String),
    /// CCM did not finish in time.
    TimedOut(String),
    /// Somebody wrote another value.
    PutBack(String),
    /// The Service is gone.
    Gone,
    /// Somebody asked for an end.
    Stopped,
    /// The API server could not be asked any more; the reason in words.
    Unseen(String),
}

/// Whether the groups were read after CCM's success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// The CLB API is not connected.
    NotAsked,
    /// The CLB API was asked, and its answer proves nothing; the reason in words.
    Failed(String),
    /// The groups carry the weights, by the CLB API. Holds what is not known of the backends' health.
    AtClb(Option<String>),
}

impl Proof {
    /// The exit that it leads to where the change stays as it is written.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Done(..) => Exit::Done,
            Self::Failed(_) | Self::Gone | Self::Unseen(_) => Exit::Error,
            // CCM's word is not enough where the CLB says otherwise.
            Self::TimedOut(_) | Self::Differs(_) | Self::Unhealthy(_) => Exit::TimedOut,
            Self::PutBack(_) | Self::Stopped => Exit::PutBack,
        }
    }

    /// The state that documents give it.
    pub fn state(&self) -> ChangeState {
        match self {
            Self::Done(_, Verification::AtClb(_)) => ChangeState::Done,
            Self::Done(..) => ChangeState::Unverified,
            Self::Differs(_) | Self::Unhealthy(_) => ChangeState::Differs,
            Self::Failed(_) => ChangeState::Failed,
            Self::TimedOut(_) => ChangeState::TimedOut,
            Self::PutBack(_) => ChangeState::PutBack,
            Self::Gone => ChangeState::Gone,
            Self::Stopped | Self::Unseen(_) => ChangeState::Written,
        }
    }

    /// Whether the groups were seen to carry the weights.
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Done(_, Verification::AtClb(_)))
    }

    /// What happened, in words.
    pub fn message(&self) -> String {
        match self {
            Self::Done(sign, verification) => {
                let done = match sign {
                    None => "CCM has carried it out",
                    Some(CompletionSign::Hash) => "CCM reports success",
                    Some(CompletionSign::Event) => {
                        "CCM, whose hash of the Service does not change, reports success"
                    }
                    Some(CompletionSign::LabelAndEvent) => {
                        "CCM, which hashes differently from 2.14, wrote a new label and reports success"
                    }
                };
                match verification {
                    Verification::NotAsked => {
                        format!("{done}; not verified at the CLB, which takes its credentials")
                    }
                    Verification::Failed(why) => format!("{done}; not verified at the CLB: {why}"),
                    Verification::AtClb(None) => {
                        format!("{done}, and the CLB's groups carry the weights")
                    }
                    Verification::AtClb(Some(health)) => {
                        format!("{done}, and the CLB's groups carry the weights; {health}")
                    }
                }
            }
            Self::Differs(how) => format!("CCM reports success, but {how}"),
            Self::Unhealthy(how) => format!("the CLB's groups carry the weights, but {how}"),
            Self::Failed(words) => format!("CCM failed: {words}"),
            Self::TimedOut(words) | Self::PutBack(words) | Self::Unseen(words) => words.clone(),
            Self::Gone => "the Service is gone".to_owned(),
            Self::Stopped => "asked to end: it is written, and CCM was not waited for".to_owned(),
        }
    }
}
