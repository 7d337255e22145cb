//! `status`.

mod clb;
mod show;
mod watch;

use std::mem::ManuallyDrop;

use crate::{
    clb::Scope,
    cli::{ClbName, Format, StatusArgs, StatusTarget},
    error::{Error, Exit},
    input,
    output::Printer,
    request::Request,
};

/// What `status` is asked.
struct StatusQuery {
    /// What it looks at.
    request: Request,
    /// How it answers.
    output: Format,
}

/// Shows what traffic goes where, once or at every change.
pub fn run(args: &StatusArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let targets = Targets::new(&args.targets);
    let clbs = targets.clbs(args.watch)?;
    let query = StatusQuery {
        request: Request { names: targets.services, ..args.input.request() },
        output: args.output,
    };
    printer.terminal.has_titles = !args.no_headers;
    if !clbs.is_empty() {
        return clb::run(&query, &clbs, printer);
    }
    if args.watch {
        return watch::run(&query, printer);
    }
    // The program ends after that: to take a large snapshot apart would only take time.
    let input = ManuallyDrop::new(input::read(&query.request, &Scope::Selected, printer)?);
    show::show(&query, &input, printer)
}

/// What the command line names, each once.
#[derive(Default)]
struct Targets {
    services: Vec<String>,
    clbs: Vec<ClbName>,
}

impl Targets {
    fn new(targets: &[StatusTarget]) -> Self {
        let mut all = Self::default();
        for target in targets {
            match target {
                StatusTarget::Service(name) if all.services.contains(name) => {}
                StatusTarget::Service(name) => all.services.push(name.clone()),
                StatusTarget::Clb(clb) if all.clbs.contains(clb) => {}
                StatusTarget::Clb(clb) => all.clbs.push(clb.clone()),
            }
        }
        all
    }

    /// The CLBs; none where the command line names Services, or nothing.
    ///
    /// # Errors
    /// Where it names both, and where CLBs are to be watched.
    fn clbs(&self, is_watched: bool) -> Result<Vec<ClbName>, Error> {
        let Some(clb) = self.clbs.first() else { return Ok(Vec::new()) };
        if let Some(service) = self.services.first() {
            return Err(Error::Usage {
                message: format!(
                    "{service} is a Service and {clb} a CLB; status takes one or the other"
                ),
                hints: vec![
                    format!("kubectl clbmigrate status svc/{service}"),
                    format!("kubectl clbmigrate status {clb}"),
                    format!("a Service of that name is svc/{clb}"),
                ],
            });
        }
        if is_watched {
            return Err(Error::Usage {
                message: format!("--watch is for Services; the status of CLB {clb} is shown once"),
                hints: vec![format!("watch kubectl clbmigrate status {clb}")],
            });
        }
        Ok(self.clbs.clone())
    }
}
