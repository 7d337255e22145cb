//! `status -w`: the same answer again at every change.

use std::{
    io::{IsTerminal, stdout},
    time::{Duration, Instant},
};

use clbmigrate_cluster::Loaded;
use futures::{FutureExt, Stream, StreamExt, stream};
use tokio::time::sleep;

use super::status;
use crate::{
    cli::StatusArgs,
    error::{Error, Exit},
    input::{self, Intake},
    live::{Answer, Live},
    output::{Frame, Printer, Screen},
    signals::{Signal, Signals},
};

/// Changes come in bursts; how long to collect them before the state is read anew.
const BURST: Duration = Duration::from_millis(300);
/// The same where the CLB API is asked, too: it throttles, and CCM needs it.
const BURST_OF_CLB: Duration = Duration::from_secs(3);
/// How long the CLB's own state may be old: nothing tells of what is changed there.
const AGE_OF_CLB: Duration = Duration::from_secs(15);

/// Shows what traffic goes where, until Ctrl-C.
pub fn run(args: &StatusArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let overlay = input::overlay(&args.input)?;
    let live = Live::open(&args.input)?;
    let connections = live.connections().to_vec();
    let changes = connections.iter().map(|connection| Box::pin(connection.changes()));
    let mut changes = stream::select_all(changes);
    let mut signals = live.wait_for(async { Signals::new() })?;
    let mut view = View::new(args, overlay, printer)?;
    let mut pause = BURST;
    let mut is_stale = true;
    loop {
        if is_stale {
            let begun = Instant::now();
            let Some(answers) = live.wait_for(fetch(&live, args, &mut signals)) else { break };
            view.take(&live, answers)?;
            // A large cluster that never rests is not read without a break.
            let (burst, _) = pace(&live);
            pause = burst.max(begun.elapsed());
        }
        view.show(printer)?;
        let (_, age) = pace(&live);
        match live.wait_for(next(&mut changes, pause, age, &mut signals)) {
            None => is_stale = true,
            Some(Signal::Resize) => is_stale = false,
            Some(Signal::End) => break,
        }
    }
    view.leave(printer)?;
    Ok(Exit::Done)
}

/// The clusters' state; nothing where a signal ends it all before they answer.
async fn fetch(live: &Live, args: &StatusArgs, signals: &mut Signals) -> Option<Vec<Answer>> {
    let namespace = live.namespace(&args.input);
    tokio::select! {
        answers = live.fetch(namespace.as_deref()) => Some(answers),
        () = signals.end() => None,
    }
}

/// How long changes are collected, and after how long it is looked again without any.
fn pace(live: &Live) -> (Duration, Duration) {
    match live.clb().get() {
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
struct View<'a> {
    args: &'a StatusArgs,
    overlay: Option<Loaded>,
    screen: Option<Screen>,
    intake: Option<Intake>,
    /// What there was to say of the reading.
    remarks: String,
    failure: Option<String>,
    /// The last answer and what was said of it.
    last: (String, String),
}

impl<'a> View<'a> {
    fn new(
        args: &'a StatusArgs,
        overlay: Option<Loaded>,
        printer: &mut Printer,
    ) -> Result<Self, Error> {
        printer.flush()?;
        let screen = stdout().is_terminal().then(Screen::enter).transpose()?;
        Ok(Self {
            args,
            overlay,
            screen,
            intake: None,
            remarks: String::new(),
            failure: None,
            last: (String::new(), String::new()),
        })
    }

    /// Takes the state; what was known stays where a cluster does not answer any more. One that never
    /// did is an error.
    fn take(&mut self, live: &Live, answers: Vec<Answer>) -> Result<(), Error> {
        let frame = Frame::new();
        let mut into = frame.printer();
        let overlay = self.overlay.as_ref();
        match input::unite(live.clone(), answers, &self.args.input, overlay, &mut into) {
            Ok(intake) => {
                self.intake = Some(intake);
                self.remarks = frame.talk();
                self.failure = None;
            }
            Err(error @ (Error::Cluster(_) | Error::Clb(_))) if self.intake.is_some() => {
                self.failure = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn show(&mut self, printer: &mut Printer) -> Result<(), Error> {
        let frame = Frame::new();
        if let Some(intake) = &self.intake {
            status::show(self.args, intake, &mut frame.printer_like(printer))?;
        }
        let now = (frame.text(), format!("{}{}", frame.talk(), self.remarks));
        match &mut self.screen {
            Some(screen) => {
                screen.draw(&format!("{}{}", now.0, now.1), self.failure.as_deref())?;
            }
            None => {
                if let Some(failure) = self.failure.take() {
                    printer.warning(&format!("{failure}; trying again"));
                }
                if now.1 != self.last.1 {
                    printer.talk().write_all(now.1.as_bytes())?;
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
    fn leave(mut self, printer: &mut Printer) -> Result<(), Error> {
        if self.screen.take().is_some() {
            printer.data().write_all(self.last.0.as_bytes())?;
            printer.talk().write_all(self.last.1.as_bytes())?;
            printer.flush()?;
        }
        Ok(())
    }
}
