//! `status -w`: the same answer again at every change.

use std::{
    io::{IsTerminal, stdout},
    time::{Duration, Instant},
};

use clbmigrate_cluster::{Loaded, live::ClusterWatch};
use futures::future::{join_all, select_all};
use tokio::time::{sleep, sleep_until};

use super::{StatusQuery, show};
use crate::{
    clb::Scope,
    error::{Error, Exit},
    input::{self, Input},
    output::{CapturedOutput, Printer, Screen, stdout_is_closed},
    selection::Selection,
    session::{ClusterReadResult, ReadScope, Session},
    signals::{Signal, Signals},
};

/// Changes come in bursts; how long to collect them before the state is shown anew.
const BURST: Duration = Duration::from_millis(300);
/// How old what groups hold may be: nothing tells of what is changed at the CLB.
const GROUPS: Duration = Duration::from_secs(20);
/// When groups are asked about after a shown Service has changed: CCM writes them by then.
const AFTER_CHANGE: Duration = Duration::from_secs(3);
/// How old the lists of a CLB's groups and listeners may be.
const LISTS: Duration = Duration::from_secs(300);

/// Shows what traffic goes where, until Ctrl-C.
pub fn run(query: &StatusQuery, printer: &mut Printer) -> Result<Exit, Error> {
    let overlay = input::overlay(&query.request)?;
    let session = Session::open(&query.request)?;
    let (mut watches, mut signals) = session.block_on(async {
        let namespaces = session.namespaces(&query.request);
        // An overlay may join any group.
        let scope = if overlay.is_some() { ReadScope::All } else { ReadScope::Shown };
        let connections = session.connections().iter();
        let watch = |of| ClusterWatch::new(of, session.read_options(of, &namespaces, scope));
        Signals::new().map(|signals| (connections.map(watch).collect::<Vec<_>>(), signals))
    })?;
    let mut clb = ClbPace::new(&session);
    let mut display = WatchDisplay::new(query, overlay, printer)?;
    let mut pause = BURST;
    let mut is_stale = true;
    loop {
        if is_stale {
            let begun = Instant::now();
            clb.forget_what_is_old(&session);
            let Some(answers) = session.block_on(states(&mut watches, &mut signals)) else {
                break;
            };
            if display.update(&session, answers)? {
                clb.hurry();
            }
            let stale = watches.iter().find_map(ClusterWatch::staleness);
            display.stale = stale.map(ToString::to_string);
            // What takes long to be shown is not shown all the time.
            pause = BURST.max(begun.elapsed());
        }
        display.show(printer)?;
        if printer.is_stdout_over() {
            break;
        }
        match session.block_on(next(&mut watches, pause, clb.next(&session), &mut signals)) {
            Wake::Stale => is_stale = true,
            Wake::Signal(Signal::Resize) => is_stale = false,
            Wake::Signal(Signal::End) | Wake::NobodyReads => break,
        }
    }
    display.close(printer)?;
    Ok(Exit::Done)
}

/// The clusters' state; nothing where a signal ends it all before they answer.
async fn states(
    watches: &mut [ClusterWatch],
    signals: &mut Signals,
) -> Option<Vec<ClusterReadResult>> {
    tokio::select! {
        answers = join_all(watches.iter_mut().map(ClusterWatch::state)) => Some(answers),
        () = signals.end() => None,
    }
}

/// Why the wait is over.
enum Wake {
    /// A cluster has changed, or answers of the CLB API are old.
    Stale,
    Signal(Signal),
    NobodyReads,
}

async fn next(
    watches: &mut [ClusterWatch],
    pause: Duration,
    clb: Option<Instant>,
    signals: &mut Signals,
) -> Wake {
    let burst = async {
        select_all(watches.iter_mut().map(|watch| Box::pin(watch.changed()))).await;
        sleep(pause).await;
    };
    let clb_is_old = async {
        match clb {
            Some(time) => sleep_until(time.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        signal = signals.next() => Wake::Signal(signal),
        () = burst => Wake::Stale,
        () = clb_is_old => Wake::Stale,
        () = stdout_is_closed() => Wake::NobodyReads,
    }
}

/// When the CLB API is asked: it throttles, and CCM needs it.
struct ClbPace {
    groups: Instant,
    lists: Instant,
}

impl ClbPace {
    /// From now on the API is asked what is not known, and again when this says so.
    fn new(session: &Session) -> Self {
        session.clb().keep_answers();
        let now = Instant::now();
        Self { groups: now + GROUPS, lists: now + LISTS }
    }

    /// When groups are asked about again; `None` where nothing is asked.
    fn next(&self, session: &Session) -> Option<Instant> {
        session.clb().client().map(|_| self.groups)
    }

    fn forget_what_is_old(&mut self, session: &Session) {
        let now = Instant::now();
        if now >= self.lists {
            session.clb().forget_answers();
            self.lists = now + LISTS;
        }
        if now >= self.groups {
            session.clb().forget_groups();
            self.groups = now + GROUPS;
        }
    }

    /// A shown Service has changed, so its groups will.
    fn hurry(&mut self) {
        self.groups = self.groups.min(Instant::now() + AFTER_CHANGE);
    }
}

/// What is shown, and where.
struct WatchDisplay<'a> {
    query: &'a StatusQuery,
    overlay: Option<Loaded>,
    screen: Option<Screen>,
    input: Option<Input>,
    /// What there was to say of the reading.
    remarks: String,
    failure: Option<String>,
    /// Why what is shown may be out of date.
    stale: Option<String>,
    /// Whether a failure was told that is not over.
    is_told: bool,
    /// The last answer and what was said of it.
    last: (String, String),
}

impl<'a> WatchDisplay<'a> {
    fn new(
        query: &'a StatusQuery,
        overlay: Option<Loaded>,
        printer: &mut Printer,
    ) -> Result<Self, Error> {
        printer.flush()?;
        let screen = stdout().is_terminal().then(Screen::enter).transpose()?;
        Ok(Self {
            query,
            overlay,
            screen,
            input: None,
            remarks: String::new(),
            failure: None,
            stale: None,
            is_told: false,
            last: (String::new(), String::new()),
        })
    }

    /// Takes the state; what was known stays where a cluster does not answer any more. One that never
    /// did is an error. Returns whether a Service that is shown is another than before.
    fn update(
        &mut self,
        session: &Session,
        answers: Vec<ClusterReadResult>,
    ) -> Result<bool, Error> {
        let captured = CapturedOutput::new();
        let mut into = captured.printer();
        let overlay = self.overlay.as_ref();
        match input::merge(
            session.clone(),
            answers,
            &self.query.request,
            (overlay, &Scope::Selected),
            &mut into,
        ) {
            Ok(input) => {
                let old = self.input.replace(input);
                self.remarks = captured.stderr();
                self.failure = None;
                let Some((old, new)) = old.zip(self.input.as_ref()) else { return Ok(false) };
                return Ok(has_changed(
                    &Selection::new(&self.query.request, &new.namespaces),
                    &old,
                    new,
                ));
            }
            Err(error @ (Error::Cluster(_) | Error::Clb(_))) if self.input.is_some() => {
                self.failure = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    fn show(&mut self, printer: &mut Printer) -> Result<(), Error> {
        let captured = CapturedOutput::new();
        if let Some(input) = &self.input {
            show::show(self.query, input, &mut captured.printer_like(printer))?;
        }
        let now = (captured.text(), format!("{}{}", captured.stderr(), self.remarks));
        let failure = self.failure.as_deref().or(self.stale.as_deref());
        match &mut self.screen {
            Some(screen) => {
                screen.draw(&format!("{}{}", now.0, now.1), failure)?;
            }
            None => {
                let was_told = std::mem::replace(&mut self.is_told, failure.is_some());
                if let Some(failure) = failure.filter(|_| !was_told) {
                    printer.warning(&format!("{failure}; trying again"));
                }
                if now.1 != self.last.1 {
                    printer.stderr().write_all(now.1.as_bytes())?;
                }
                if now.0 != self.last.0 {
                    printer.data().write_all(now.0.as_bytes())?;
                    printer.flush()?;
                }
            }
        }
        self.last = now;
        Ok(())
    }

    /// Leaves the last answer on the terminal.
    fn close(mut self, printer: &mut Printer) -> Result<(), Error> {
        if self.screen.take().is_some() {
            printer.data().write_all(self.last.0.as_bytes())?;
            printer.stderr().write_all(self.last.1.as_bytes())?;
            printer.flush()?;
        }
        Ok(())
    }
}

/// Whether a Service that is looked at is another than before.
fn has_changed(selection: &Selection<'_>, old: &Input, new: &Input) -> bool {
    let (old, new) = (&old.loaded.snapshot.clusters, &new.loaded.snapshot.clusters);
    let mut services =
        new.iter().flat_map(|cluster| cluster.services().map(move |service| (cluster, service)));
    services.any(|(cluster, service)| {
        let meta = &service.metadata;
        let known = old.iter().find(|of| of.context == cluster.context);
        service.is_candidate()
            && selection.includes(cluster, service)
            && known.and_then(|of| of.service(meta.namespace(), &meta.name)) != Some(service)
    })
}
