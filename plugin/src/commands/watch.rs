//! `status -w`: the same answer again at every change.

use std::{
    io::{IsTerminal, stdout},
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, stream};
use tokio::time::sleep;

use super::status;
use crate::{
    cli::StatusArgs,
    error::{Error, Exit},
    input::{self, Intake},
    live::Live,
    output::{Frame, Printer, Screen},
    signals::{Signal, Signals},
};

/// Changes come in bursts; how long to collect them before the state is read anew.
const BURST: Duration = Duration::from_millis(300);

/// Shows what traffic goes where, until Ctrl-C.
pub fn run(args: &StatusArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let live = Live::open(&args.input)?;
    let connections = live.connections().to_vec();
    let changes = connections.iter().map(|connection| Box::pin(connection.changes()));
    let mut changes = stream::select_all(changes);
    let mut signals = live.wait_for(async { Signals::new() })?;
    let mut view = View::new(printer)?;
    let mut is_stale = true;
    loop {
        if is_stale {
            view.read(&live, args)?;
        }
        view.show(args, printer)?;
        match live.wait_for(next(&mut changes, &mut signals)) {
            None => is_stale = true,
            Some(Signal::Resize) => is_stale = false,
            Some(Signal::End) => break,
        }
    }
    view.leave(printer)?;
    Ok(Exit::Done)
}

/// A signal, or nothing for a change of the cluster.
async fn next(
    changes: &mut (impl Stream<Item = ()> + Unpin),
    signals: &mut Signals,
) -> Option<Signal> {
    let burst = async {
        changes.next().await;
        sleep(BURST).await;
        while changes.next().now_or_never().flatten().is_some() {}
    };
    tokio::select! {
        signal = signals.next() => Some(signal),
        () = burst => None,
    }
}

/// What is shown, and where.
struct View {
    screen: Option<Screen>,
    intake: Option<Intake>,
    remarks: String,
    failure: Option<String>,
    last: String,
}

impl View {
    fn new(printer: &mut Printer) -> Result<Self, Error> {
        printer.flush()?;
        let screen = stdout().is_terminal().then(Screen::enter).transpose()?;
        Ok(Self {
            screen,
            intake: None,
            remarks: String::new(),
            failure: None,
            last: String::new(),
        })
    }

    /// Reads the state; what was read before stays where it cannot be read now.
    fn read(&mut self, live: &Live, args: &StatusArgs) -> Result<(), Error> {
        let frame = Frame::new();
        match input::read_live(live.clone(), &args.input, &mut frame.printer(args.watch)) {
            Ok(intake) => {
                self.intake = Some(intake);
                self.remarks = frame.text();
                self.failure = None;
            }
            Err(Error::Cluster(error)) => self.failure = Some(error.to_string()),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn show(&mut self, args: &StatusArgs, printer: &mut Printer) -> Result<(), Error> {
        let mut text = String::new();
        if let Some(intake) = &self.intake {
            let frame = Frame::new();
            let mut into = frame.printer_like(printer);
            status::show(args, intake, &mut into)?;
            into.flush()?;
            text = frame.text();
            text.push_str(&self.remarks);
        }
        match &mut self.screen {
            Some(screen) => screen.draw(&text, self.failure.as_deref())?,
            None => {
                if let Some(failure) = self.failure.take() {
                    printer.warning(&format!("{failure}; trying again"));
                }
                if text != self.last {
                    printer.data().write_all(text.as_bytes())?;
                    printer.flush()?;
                }
            }
        }
        self.last = text;
        Ok(())
    }

    /// Leaves the last answer on the terminal.
    fn leave(mut self, printer: &mut Printer) -> Result<(), Error> {
        if self.screen.take().is_some() {
            printer.data().write_all(self.last.as_bytes())?;
            printer.flush()?;
        }
        Ok(())
    }
}
