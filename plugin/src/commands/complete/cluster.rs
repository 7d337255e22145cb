//! Names that a cluster or the kubeconfig knows, of the cluster that the command line means.

use std::{collections::BTreeSet, time::Duration};

use clap::{
    ArgMatches, Args, Command, FromArgMatches,
    error::{Error, ErrorKind},
};
use clbmigrate_cluster::live;
use clbmigrate_core::{annotation, object::Service, snapshot::Cluster};
use futures::future::join_all;

use super::Candidates;
use crate::{
    cli::{AccessArgs, DurationArg, Line, ShiftSide},
    request::Request,
    session::Session,
};

/// Nobody waits longer for a completion.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(3);

/// The flags besides those that all commands have that say which cluster is meant, by their ids.
const OF_CLUSTERS: [&str; 4] = ["all_namespaces", "contexts", "from", "to"];

/// What the flags of the command line say of the cluster, as clap reads them.
fn location(command: &Command, line: &Line) -> Result<ArgMatches, Error> {
    let access = AccessArgs::augment_args(Command::new("access"));
    let knows = |command: &Command, id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    // Before the verb, what all commands have.
    let command = if command.has_subcommands() { &access } else { command };
    let is_wanted = |id: &str| OF_CLUSTERS.contains(&id) || knows(&access, id);
    let words = line.flags(|id| is_wanted(id) && knows(command, id));
    let command = command.clone().no_binary_name(true);
    match command.clone().try_get_matches_from(&words) {
        // The line is not at its end.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            command.ignore_errors(true).try_get_matches_from(&words)
        }
        read => read,
    }
}

/// The value of a flag that only some commands have.
fn one<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> Option<T> {
    matches.try_get_one::<T>(id).ok().flatten().cloned()
}

/// What the command line looks at; nothing where it would be refused.
fn request(command: &Command, line: &Line) -> Option<Request> {
    let matches = location(command, line).ok()?;
    let mut request = AccessArgs::from_arg_matches(&matches).ok()?.request();
    request.connect.request_timeout = DurationArg(COMPLETION_TIMEOUT);
    request.all_namespaces = one(&matches, "all_namespaces").unwrap_or_default();
    let contexts = matches.try_get_many::<String>("contexts").ok().flatten();
    request.contexts = contexts.into_iter().flatten().cloned().collect();
    let side = |id: &str| one::<ShiftSide>(&matches, id)?.context().map(str::to_owned);
    let sides: BTreeSet<String> = ["from", "to"].into_iter().filter_map(side).collect();
    // Such a line is refused, and its token is nothing for either cluster.
    if sides.len() > 1 && request.connect.flag_of_one_cluster().is_some() {
        return None;
    }
    // The Service of a shift is that of the side that gains.
    if let Some(gains) = side("to") {
        request.context = Some(gains);
        request.contexts = Vec::new();
    }
    Some(request)
}

/// The contexts of the kubeconfig.
pub(super) fn contexts(command: &Command, line: &Line) -> Vec<String> {
    let access = request(command, line).map(|request| request.connect.access(None));
    access.unwrap_or_default().contexts().unwrap_or_default()
}

/// The namespaces of the cluster.
pub(super) fn namespaces(command: &Command, line: &Line) -> Vec<String> {
    let listed = request(command, line).and_then(|request| {
        let session = Session::open(&request).ok()?;
        let connection = session.single_connection().ok()?;
        session.block_on(live::namespaces(connection)).ok()
    });
    listed.unwrap_or_default()
}

/// The Services that CCM takes, in the form that was begun; for `attach` all.
pub(super) fn services(command: &Command, line: &Line, last: &str) -> Candidates {
    let listed = request(command, line).and_then(|request| {
        let session = Session::open(&request).ok()?;
        let namespaces = session.namespaces(&request);
        let lists = session
            .connections()
            .iter()
            .map(|connection| live::services(connection, namespaces.over(connection)));
        let lists = session.block_on(join_all(lists)).into_iter().flatten();
        Some(lists.flat_map(|listed| listed.snapshot.clusters).collect::<Vec<_>>())
    });
    let kind = last.split_once('/').map(|(kind, _)| format!("{kind}/")).unwrap_or_default();
    let listed = listed.unwrap_or_default();
    let services = listed.iter().flat_map(Cluster::services);
    let mut known = BTreeSet::new();
    let is_any = command.get_name() == "attach";
    let candidates = services.filter(|service| {
        (is_any || service.is_taken_by_ccm()) && known.insert(&service.metadata.name)
    });
    let about = |service: &Service| {
        let weight = service.metadata.annotations.text(annotation::WEIGHT);
        if weight.is_empty() { String::new() } else { format!("weight {weight}") }
    };
    candidates.map(|service| (format!("{kind}{}", service.metadata.name), about(service))).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rstest::rstest;

    use super::*;
    use crate::cli::Cli;

    /// What the line looks at: context, contexts, namespace, user, and token.
    fn looked_at(text: &str) -> Option<String> {
        let root = Cli::command();
        let words = ["kubectl-clbmigrate"].into_iter().chain(text.split_whitespace());
        let line = Line::read(&root, words.map(Into::into)).expect("a line");
        let verb = line.verbs().next().and_then(|verb| root.find_subcommand(verb));
        let request = request(verb.unwrap_or(&root), &line)?;
        let text = |name: &str, value: Option<String>| value.map(|value| format!("{name}={value}"));
        let parts = [
            text("context", request.context),
            text("contexts", (!request.contexts.is_empty()).then(|| request.contexts.join(","))),
            text("n", request.namespace),
            text("as", request.connect.impersonate),
            text("token", request.connect.token),
            request.all_namespaces.then(|| "all".to_owned()),
        ];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }

    #[rstest]
    #[case::joined("set -nshop", "n=shop")]
    #[case::with_equals("set --token=x", "token=x")]
    #[case::apart("set -n shop", "n=shop")]
    #[case::before_the_verb("-n shop set", "n=shop")]
    #[case::in_a_word_of_several("status -Aw", "all")]
    #[case::the_gaining_side("shift --from a --to b", "context=b")]
    #[case::the_gaining_side_with_equals("shift --from=a --to=b=shop/web", "context=b")]
    #[case::the_gaining_side_of_several("shift --contexts=a,b --to b", "context=b")]
    #[case::several_contexts("undo --contexts a,b", "contexts=a,b")]
    #[case::a_user("set --as ann", "as=ann")]
    #[case::the_new_service_is_no_user("attach --as shared -n shop", "n=shop")]
    #[case::the_new_service_with_equals("attach --as=shared --as-user=ann", "as=ann")]
    #[case::a_user_of_attach("attach --as-user ann --as shared", "as=ann")]
    #[case::no_verb_yet("-n shop --context old", "context=old n=shop")]
    #[case::a_value_that_is_not_there_yet("set -n shop --context", "n=shop")]
    #[case::a_value_like_a_verb("-n attach set --as ann", "n=attach as=ann")]
    fn the_cluster_is_that_of_the_command_line(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(looked_at(line).as_deref(), Some(expected));
    }

    #[rstest]
    #[case::a_token_for_two_clusters("shift --from a --to b --token x")]
    #[case::flags_that_contradict_each_other("undo --context a --contexts a,b")]
    #[case::a_wrong_value("status --request-timeout soon")]
    fn of_a_line_that_is_refused_no_cluster_is_asked(#[case] line: &str) {
        assert_eq!(looked_at(line), None);
    }
}
