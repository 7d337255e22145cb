//! Waiting until CCM has carried an edit out.

use std::time::Duration;

use clbmigrate_cluster::live::{self, LiveService};
use clbmigrate_core::{
    history,
    reconciliation::{CompletionSign, NO_SIGN, PendingChange, Progress},
};
use tokio::time::{Instant, timeout_at};

use super::{ServiceSide, send::Written, words::describe_overwrite};
use crate::{
    change::{Deadline, stop::Stop},
    output::Printer,
};

/// How often the Service is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// How long to look on after CCM's success where a tool may put the value back.
const GUARD: Duration = Duration::from_secs(10);

/// How long CCM is left alone after a failed round that may pass. It tries again by itself after 5
/// seconds, but after several failures only in minutes (CCM 2.14: the queue's back-off, which an edit
/// does not end).
const RETRY: Duration = Duration::from_secs(7);

/// What the wait for CCM came to.
pub(super) enum Waited {
    /// CCM finished a round over the edit.
    Success(CompletionSign),
    /// Signs say so and do not suffice: the groups must tell.
    Unproven,
    /// A round failed at something that may pass; it is time to call CCM once more.
    CallAgain(String),
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
}

/// A wait for CCM. It can be gone on with after a look at the groups.
pub(super) struct Wait<'w, 't> {
    side: &'w ServiceSide<'t>,
    pending: PendingChange,
    deadline: Deadline,
    /// Whether an end may be asked for meanwhile.
    stop: Option<&'w Stop>,
    is_guarded: bool,
    /// Since when CCM's success is seen.
    done: Option<Instant>,
    /// Since when a failed round is seen, and whether CCM was called once more for it.
    failed: Option<Instant>,
    was_called: bool,
    /// The last message, which is not repeated.
    last: Option<String>,
}

impl<'w, 't> Wait<'w, 't> {
    pub(super) fn new(
        side: &'w ServiceSide<'t>,
        written: Written,
        deadline: Deadline,
        stop: Option<&'w Stop>,
    ) -> Self {
        Self {
            side,
            pending: pending(written),
            deadline,
            stop,
            is_guarded: false,
            done: None,
            failed: None,
            was_called: false,
            last: None,
        }
    }

    /// The same, looking on for a while after CCM's success.
    pub(super) fn guarded(self, is_guarded: bool) -> Self {
        Self { is_guarded, ..self }
    }

    /// Says what is waited for.
    pub(super) fn announce(&self, printer: &mut Printer) {
        if self.pending.hashes_differently() {
            printer.info("CCM's label was not what CCM would write as far as it is known: it hashes differently, or is busy still; waiting for a new label and a newer success");
        }
        let on_end = if self.stop.is_some() {
            "Ctrl-C leaves the change written and stops waiting"
        } else {
            "Ctrl-C ends it after this step"
        };
        printer.note(&format!("waiting for CCM; {on_end}"));
    }

    /// Goes on with another write, by which CCM was called once more.
    pub(super) fn restart(&mut self, written: Written) {
        self.pending = pending(written);
        self.was_called = true;
        self.failed = None;
        self.done = None;
        self.is_guarded = false;
    }

    /// Does without the question whether somebody asked for an end.
    pub(super) fn go_on_to_the_end(&mut self) {
        self.stop = None;
    }

    /// Looks until the verdict is clear or the time is over.
    ///
    /// # Errors
    /// Where the API server refuses to be asked.
    pub(super) async fn run(&mut self, printer: &mut Printer) -> Result<Waited, live::Error> {
        let progress = printer.progress("");
        loop {
            progress.set(self.describe_progress());
            match timeout_at(self.deadline.instant(), self.look()).await {
                Err(_) => {}
                Ok(Err(error)) if error.is_transient() => {
                    self.report(&format!("{error}; trying again"), printer);
                }
                Ok(Err(error)) => return Err(error),
                Ok(Ok(None)) => return Ok(Waited::Gone),
                Ok(Ok(Some((now, progress)))) => {
                    if let Some(waited) = self.judge(&now, progress, printer) {
                        return Ok(waited);
                    }
                }
            }
            if self.stop.is_some_and(Stop::is_asked) {
                return Ok(Waited::Stopped);
            }
            if self.deadline.is_over() {
                return Ok(Waited::TimedOut(self.describe_timeout()));
            }
            self.deadline.pause(PAUSE).await;
        }
    }

    fn judge(
        &mut self,
        now: &LiveService,
        progress: Progress,
        printer: &mut Printer,
    ) -> Option<Waited> {
        match progress {
            Progress::Done(sign) => {
                let since = *self.done.get_or_insert_with(Instant::now);
                if !self.is_guarded || since.elapsed() >= GUARD || self.deadline.is_over() {
                    return Some(Waited::Success(sign));
                }
                self.report(
                    "CCM reports success; looking on, for another tool may put the value back",
                    printer,
                );
                None
            }
            Progress::Unproven(why) => {
                self.report(&why, printer);
                self.side.has_cloud().then_some(Waited::Unproven)
            }
            Progress::Failed { rounds, message } => {
                let more = if rounds > 2 { "; CCM goes on trying" } else { "" };
                Some(Waited::Failed(format!("{message} ({rounds} rounds{more})")))
            }
            Progress::Overwritten { key, .. } => {
                Some(Waited::PutBack(format!("put back: {}", describe_overwrite(now, &key))))
            }
            Progress::Waiting { failed: 1.., message: Some(message), may_pass } => {
                self.report(
                    &format!("a round of CCM failed, it will try again: {message}"),
                    printer,
                );
                let since = *self.failed.get_or_insert_with(Instant::now);
                let is_time = may_pass && !self.was_called && since.elapsed() >= RETRY;
                is_time.then_some(Waited::CallAgain(message))
            }
            Progress::Waiting { .. } => None,
        }
    }

    /// Who waits for what, and what is missing.
    fn describe_progress(&self) -> String {
        let label = self.side.service_ref.label();
        let groups = self.side.groups_in_words();
        let left = self.deadline.left_in_words();
        match (&self.last, self.done) {
            (Some(words), _) => format!("{label}, {groups}: {words}{left}"),
            (None, Some(_)) => format!("{label}, {groups}: CCM reports success, looking on{left}"),
            (None, None) => format!("{label}: CCM has not written {groups} yet{left}"),
        }
    }

    fn describe_timeout(&self) -> String {
        match &self.last {
            Some(words) => format!("CCM was not done in time: {words}"),
            None => format!("CCM was not done in time. {NO_SIGN}"),
        }
    }

    async fn look(&mut self) -> Result<Option<(LiveService, Progress)>, live::Error> {
        let meta = &self.side.service_ref.service.metadata;
        let cluster = &self.side.cluster;
        let Some(now) = cluster.service(meta.namespace(), &meta.name).await? else {
            return Ok(None);
        };
        if !self.side.is_same(&now) {
            return Ok(None);
        }
        let version = self.side.service_ref.cluster.ccm_version;
        let (marks, _) = cluster.marks(&now, version).await?;
        let progress = self.pending.progress(&marks);
        Ok(Some((now, progress)))
    }

    fn report(&mut self, message: &str, printer: &mut Printer) {
        if self.last.as_deref() != Some(message) {
            printer.info(message);
            self.last = Some(message.to_owned());
        }
    }
}

fn pending(written: Written) -> PendingChange {
    let edits = written.edits.into_iter().filter(|edit| edit.key != history::KEY);
    PendingChange::new(written.before, edits.collect())
}
