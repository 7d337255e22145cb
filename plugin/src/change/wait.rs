//! Waiting until CCM has carried a change out.

use std::time::Duration;

use clbmigrate_cluster::live::{self, LiveService};
use clbmigrate_core::{
    history,
    patch::AnnotationEdit,
    reconciliation::{self, CompletionSign, ObservedService, PendingChange, Progress},
};
use tokio::time::{Instant, sleep, timeout_at};

use super::Change;
use crate::{
    error::{Error, Exit},
    output::{Printer, json::ChangeState},
};

/// How often the Service is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// How long to look on after CCM's success where a tool may put the value back.
const GUARD: Duration = Duration::from_secs(10);

/// How the wait for CCM ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitResult {
    /// CCM finished a round over the change.
    Done(CompletionSign, Verification),
    /// CCM reports success, and the CLB holds something else.
    Differs(String),
    /// CCM tried and failed.
    Failed(String),
    /// CCM did not finish in time.
    TimedOut(String),
    /// The CLB held something else, and the change was taken back.
    RolledBack(String),
    /// Somebody wrote another value.
    PutBack(String),
    /// The Service is gone.
    Gone,
}

impl WaitResult {
    /// The exit that it leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Done(..) => Exit::Done,
            Self::Failed(_) | Self::Gone => Exit::Error,
            // CCM's word is not enough where the CLB says otherwise.
            Self::TimedOut(_) | Self::Differs(_) => Exit::TimedOut,
            Self::PutBack(_) | Self::RolledBack(_) => Exit::PutBack,
        }
    }

    /// The state that documents give it.
    pub fn state(&self) -> ChangeState {
        match self {
            Self::Done(_, Verification::AtClb) => ChangeState::Done,
            Self::Done(..) => ChangeState::Unverified,
            Self::Differs(_) => ChangeState::Differs,
            Self::Failed(_) => ChangeState::Failed,
            Self::TimedOut(_) => ChangeState::TimedOut,
            Self::RolledBack(_) => ChangeState::RolledBack,
            Self::PutBack(_) => ChangeState::PutBack,
            Self::Gone => ChangeState::Gone,
        }
    }

    /// Whether the groups were seen to carry the weights.
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Done(_, Verification::AtClb))
    }

    /// What happened, in words.
    pub fn message(&self) -> String {
        match self {
            Self::Done(mark, proof) => {
                let done = match mark {
                    CompletionSign::Hash => "CCM reports success",
                    CompletionSign::LabelAndEvent => {
                        "CCM, which hashes differently from known releases, wrote a new label and reports success"
                    }
                    CompletionSign::Event => {
                        "CCM reports success in an event; its hash label tells nothing here"
                    }
                };
                match proof {
                    Verification::NotAsked => {
                        format!("{done}; not verified at the CLB, which takes its credentials")
                    }
                    Verification::Failed(why) => format!("{done}; not verified at the CLB: {why}"),
                    Verification::AtClb => {
                        format!("{done}, and the CLB's groups carry the weights")
                    }
                }
            }
            Self::Differs(how) => format!("CCM reports success, but {how}"),
            Self::Failed(words) => format!("CCM failed: {words}"),
            Self::TimedOut(words) | Self::PutBack(words) | Self::RolledBack(words) => words.clone(),
            Self::Gone => "the Service is gone".to_owned(),
        }
    }
}

/// Whether the groups were read after CCM's success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// The CLB API is not connected.
    NotAsked,
    /// The CLB API was asked and did not answer; the reason in words.
    Failed(String),
    /// The groups carry the weights, by the CLB API.
    AtClb,
}

/// A wait for one change.
pub struct Waiting<'w, 'c> {
    change: &'w Change<'c>,
    pending: PendingChange,
    is_guarded: bool,
    /// What Ctrl-C does meanwhile.
    on_end: &'static str,
}

impl<'w, 'c> Waiting<'w, 'c> {
    /// Waits for `edits`, made on a Service that showed `before`. `is_guarded` looks on for a while
    /// after the success.
    pub fn new(
        change: &'w Change<'c>,
        before: ObservedService,
        edits: Vec<AnnotationEdit>,
        is_guarded: bool,
    ) -> Self {
        let edits = edits.into_iter().filter(|edit| edit.key != history::KEY).collect();
        let on_end = "Ctrl-C leaves the change written and stops waiting";
        Self { change, pending: PendingChange::new(before, edits), is_guarded, on_end }
    }

    /// The same as a step of something longer, which listens to Ctrl-C.
    pub fn into_step(self) -> Self {
        Self { on_end: "Ctrl-C ends it after this step", ..self }
    }

    /// Looks until the verdict is clear or the time is over.
    pub async fn run(
        &mut self,
        limit: Duration,
        printer: &mut Printer,
    ) -> Result<WaitResult, Error> {
        if self.pending.hashes_differently() {
            printer.info("CCM's label was not what a known CCM would write: it hashes differently, or is busy still; waiting for a new label and a newer success");
        }
        printer.note(&format!("waiting for CCM; {}", self.on_end));
        let deadline = Instant::now() + limit;
        let mut messages = LastMessage::default();
        let mut done: Option<(CompletionSign, Instant)> = None;
        loop {
            let look = timeout_at(deadline, self.look()).await;
            match look {
                Err(_) => {}
                Ok(Err(error)) if error.is_transient() => {
                    messages.report_once(&format!("{error}; trying again"), printer);
                }
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(None)) => return Ok(WaitResult::Gone),
                Ok(Ok(Some((now, verdict)))) => match verdict {
                    Progress::Done(mark) => {
                        let since = done.get_or_insert((mark, Instant::now())).1;
                        if !self.is_guarded || since.elapsed() >= GUARD {
                            return Ok(WaitResult::Done(mark, Verification::NotAsked));
                        }
                        messages.report_once("CCM reports success; looking on, for another tool may put the value back", printer);
                    }
                    Progress::Failed { rounds, message } => {
                        return Ok(WaitResult::Failed(format!("{message} ({rounds} rounds)")));
                    }
                    Progress::Overwritten { key, value } => {
                        let how = describe_overwrite(&now, &key, value.as_deref());
                        return Ok(WaitResult::PutBack(format!("put back: {how}")));
                    }
                    Progress::Unproven(why) => messages.report_once(&why, printer),
                    Progress::Waiting { failed, message, .. } => {
                        if let (1.., Some(message)) = (failed, message) {
                            messages.report_once(
                                &format!("a round of CCM failed, it will try again: {message}"),
                                printer,
                            );
                        }
                    }
                },
            }
            if Instant::now() >= deadline {
                return Ok(match (done, messages.last) {
                    (Some((mark, _)), _) => WaitResult::Done(mark, Verification::NotAsked),
                    (None, Some(words)) => {
                        WaitResult::TimedOut(format!("CCM was not done in time: {words}"))
                    }
                    (None, None) => WaitResult::TimedOut(format!(
                        "CCM was not done in time. {}",
                        reconciliation::NO_SIGN
                    )),
                });
            }
            sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
    }

    async fn look(&mut self) -> Result<Option<(LiveService, Progress)>, live::Error> {
        let Change { connection, service_ref, present, .. } = self.change;
        let meta = &service_ref.service.metadata;
        let Some(now) = connection.service(meta.namespace(), &meta.name).await? else {
            return Ok(None);
        };
        if now.uid() != present.uid() {
            return Ok(None);
        }
        let (marks, _) = connection.marks(&now, service_ref.cluster.ccm_version).await?;
        let verdict = self.pending.progress(&marks);
        Ok(Some((now, verdict)))
    }
}

/// The last message, which is not repeated.
#[derive(Default)]
struct LastMessage {
    last: Option<String>,
}

impl LastMessage {
    fn report_once(&mut self, message: &str, printer: &mut Printer) {
        if self.last.as_deref() != Some(message) {
            printer.info(message);
            self.last = Some(message.to_owned());
        }
    }
}

/// Says in words which value an annotation has now, and who wrote it.
pub fn describe_overwrite(now: &LiveService, key: &str, value: Option<&str>) -> String {
    let value = value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
    let who = now.field_managers_of(key).into_iter().next();
    let by = who.map_or_else(
        || "somebody".to_owned(),
        |manager| format!("field manager {} at {}", manager.name, manager.time),
    );
    format!("{key} is {value}, written by {by}")
}
