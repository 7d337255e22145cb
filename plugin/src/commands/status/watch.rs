//! `status -w`: the same answer again at every change.

use std::{
    io::{IsTerminal, stdout},
    time::{Duration, Instant},
};

use clbmigrate_cluster::Loaded;
use futures::{FutureExt, Stream, StreamExt, stream};
use tokio::time::sleep;

use super::{StatusQuery, show};
use crate::{
    clb::Scope,
    error::{Error, Exit},
    input::{self, Input},
    output::{CapturedOutput, Printer, Screen},
    session::{ClusterReadResult, ReadScope, Session},
    signals::{Signal, Signals},
};

/// Changes come in bursts; how long to collect them before the state is read anew.
const BURST: Duration = Duration::from_millis(300);
/// The same where the CLB API is asked, too: it throttles, and CCM needs it.
const BURST_OF_CLB: Duration = Duration::from_secs(3);
/// How long the CLB's own state may be old: nothing tells of what is changed there.
const AGE_OF_CLB: Duration = Duration::from_secs(15);

/// Shows what traffic goes where, until Ctrl-C.
pub fn run(query: &StatusQuery, printer: &mut Printer) -> Result<Exit, Error> {
    let overlay = input::overlay(&query.request)?;
    let session = Session::open(&query.request)?;
    let connections = session.connections().to_vec();
    let changes = connections.iter().map(|connection| Box::pin(connection.changes()));
    let mut changes = stream::select_all(changes);
    let mut signals = session.block_on(async { Signals::new() })?;
    let mut display = WatchDisplay::new(query, overlay, printer)?;
    let mut pause = BURST;
    let mut is_stale = true;
    loop {
        if is_stale {
            let begun = Instant::now();
            let Some(answers) = session.block_on(fetch(&session, query, &mut signals)) else {
                break;
            };
            display.update(&session, answers)?;
            // A large cluster that never rests is not read without a break.
            let (burst, _) = pace(&session);
            pause = burst.max(begun.elapsed());
        }
        display.show(printer)?;
        if printer.is_stdout_over() {
            break;
        }
        let (_, age) = pace(&session);
        match session.block_on(next(&mut changes, pause, age, &mut signals)) {
            None => is_stale = true,
            Some(Signal::Resize) => is_stale = false,
            Some(Signal::End) => break,
        }
    }
    display.close(printer)?;
    Ok(Exit::Done)
}

/// The clusters' state; nothing where a signal ends it all before they answer.
async fn fetch(
    session: &Session,
    query: &StatusQuery,
    signals: &mut Signals,
) -> Option<Vec<ClusterReadResult>> {
    let namespaces = session.namespaces(&query.request);
    tokio::select! {
        answers = session.read_clusters(&namespaces, ReadScope::Shown) => Some(answers),
        () = signals.end() => None,
    }
}

/// How long changes are collected, and after how long it is looked again without any.
fn pace(session: &Session) -> (Duration, Duration) {
    match session.clb().client() {
        Some(_) => (BURST_OF_CLB, AGE_OF_CLB),
        None => (BURST, Duration::MAX),
    }
}

/// A signal, or nothing for a change of the cluster or a state that has grown old.
async fn next(
    changes: &mut (impl Stream<Item = ()> + Unpin),
    pause: Duration,
    age: Duration,
    signals: &mut Signals,
) -> Option<Signal> {
    let burst = async {
        changes.next().await;
        sleep(pause).await;
        while changes.next().now_or_never().flatten().is_some() {}
    };
    tokio::select! {
        signal = signals.next() => Some(signal),
        () = burst => None,
        () = sleep(age) => None,
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
            last: (String::new(), String::new()),
        })
    }

    /// Takes the state; what was known stays where a cluster does not answer any more. One that never
    /// did is an error.
    fn update(&mut self, session: &Session, answers: Vec<ClusterReadResult>) -> Result<(), Error> {
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
                self.input = Some(input);
                self.remarks = captured.stderr();
                self.failure = None;
            }
            Err(error @ (Error::Cluster(_) | Error::Clb(_))) if self.input.is_some() => {
                self.failure = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn show(&mut self, printer: &mut Printer) -> Result<(), Error> {
        let captured = CapturedOutput::new();
        if let Some(input) = &self.input {
            show::show(self.query, input, &mut captured.printer_like(printer))?;
        }
        let now = (captured.text(), format!("{}{}", captured.stderr(), self.remarks));
        match &mut self.screen {
            Some(screen) => {
                screen.draw(&format!("{}{}", now.0, now.1), self.failure.as_deref())?;
            }
            None => {
                if let Some(failure) = self.failure.take() {
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
