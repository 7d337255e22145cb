//! `webhook status`.

use futures::future::join;
use tokio::runtime::Builder;

use crate::{
    cli::{WebhookArgs, WebhookCommand, WebhookStatusArgs},
    document::webhook::WebhookAnswer,
    error::{Error, Exit},
    output::Printer,
};

/// Does what the subcommand says.
pub fn run(args: &WebhookArgs, printer: &mut Printer) -> Result<Exit, Error> {
    match &args.command {
        WebhookCommand::Status(args) => status(args, printer),
    }
}

fn status(args: &WebhookStatusArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (context, webhook, deregistrations) = runtime.block_on(async {
        let mut connection =
            args.access.connect.access(args.access.context.as_deref()).connect().await?;
        if let Some(namespace) = &args.access.namespace {
            connection.namespace.clone_from(namespace);
        }
        let (webhook, deregistrations) =
            join(connection.webhook_installation(), Box::pin(connection.deregistrations())).await;
        Ok::<_, Error>((
            connection.context.as_deref().map(str::to_owned),
            webhook?,
            deregistrations,
        ))
    })?;
    printer.terminal.has_titles = !args.no_headers;
    let answer = WebhookAnswer::new(context, &webhook, &deregistrations);
    printer.answer(args.output, &answer)?;
    Ok(if answer.has_problems() { Exit::Findings } else { Exit::Done })
}
