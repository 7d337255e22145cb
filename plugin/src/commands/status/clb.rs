//! Everything about CLBs that are named by id or address.

use std::{collections::BTreeSet, net::IpAddr};

use clbmigrate_cluster::Loaded;
use clbmigrate_core::{clb_answers::UnknownClb, index::Index, rules, snapshot::Snapshot};
use tokio::runtime::Builder;

use crate::{
    clb::{Scope, WholeClb, WholeClbError, clbs_at, connect_or_fail, lacking, read_whole},
    cli::ClbName,
    document::clb::ClbStatusAnswer,
    error::{Error, Exit},
    input,
    output::Printer,
    request::Request,
    session::{ReadScope, Session},
};

use super::StatusQuery;

/// Shows CLBs by the CLB API's answers. A kubeconfig is read, and a cluster asked, only where the
/// command line names one: what stands in a CLB can be seen without.
///
/// # Errors
/// Where flags do not fit, where a named cluster cannot be read, and where nothing is known of any
/// of the CLBs.
pub fn run(query: &StatusQuery, targets: &[ClbName], printer: &mut Printer) -> Result<Exit, Error> {
    let request = &query.request;
    if !request.overlay.is_empty() {
        return Err(Error::usage(
            "--overlay is for the status of Services; saved answers about a CLB are read with -f",
        ));
    }
    let mut read = if request.files.is_empty() {
        read_live(request, targets, printer)?
    } else {
        read_files(request, targets, printer)?
    };
    if read.clbs.is_empty()
        && let Some(error) = read.errors.pop()
    {
        read.errors.iter().for_each(|error| printer.error(error));
        return Err(error);
    }
    let index = Index::new(&read.loaded.snapshot);
    let report = rules::check(&index, None, &|_| true);
    let answer =
        ClbStatusAnswer::new(&index, &report.findings, &read.clbs, request.files.is_empty());
    printer.answer(query.output, &answer)?;
    printer.flush()?;
    read.errors.iter().for_each(|error| printer.error(error));
    Ok(if read.errors.is_empty() { input::exit(&read.loaded, false) } else { Exit::Error })
}

/// What was read.
#[derive(Default)]
struct ReadClbs {
    loaded: Loaded,
    clbs: Vec<WholeClb>,
    /// Why nothing is known of the others.
    errors: Vec<Error>,
}

/// Whether the command line names a cluster.
fn names_a_cluster(request: &Request) -> bool {
    request.context.is_some()
        || !request.contexts.is_empty()
        || request.connect.kubeconfig.is_some()
        || request.connect.flag_of_one_cluster().is_some()
}

fn read_live(
    request: &Request,
    targets: &[ClbName],
    printer: &mut Printer,
) -> Result<ReadClbs, Error> {
    if request.clb.no_clb {
        return Err(Error::usage(
            "--no-clb: what a CLB holds is asked of the CLB API; its saved answers are read with -f",
        ));
    }
    if names_a_cluster(request) {
        let session = Session::open(request)?;
        return session.block_on(ask(request, targets, Some(&session), printer));
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(request, targets, None, printer))
}

async fn ask(
    request: &Request,
    targets: &[ClbName],
    session: Option<&Session>,
    printer: &mut Printer,
) -> Result<ReadClbs, Error> {
    let mut read = ReadClbs::default();
    if let Some(session) = session {
        let line = printer.progress(session.reading_in_words());
        let clusters = session.read_clusters(&session.namespaces(request), ReadScope::All).await;
        drop(line);
        read.loaded = session.merge(clusters, printer)?;
    }
    let snapshot = &mut read.loaded.snapshot;
    let clb = connect_or_fail(snapshot, &request.clb, printer).await?;
    let mut seen = BTreeSet::new();
    for target in targets {
        let ids = match target {
            ClbName::Id(id) => Ok(vec![id.clone()]),
            ClbName::Address(address) => clbs_at(&clb, *address).await,
        };
        let ids = match ids {
            Ok(ids) => ids,
            Err(error) => {
                read.errors.push(in_words(error, target));
                continue;
            }
        };
        for id in ids.into_iter().filter(|id| seen.insert(id.clone())).collect::<Vec<_>>() {
            let _line = printer.progress(format!("reading CLB {id}"));
            match read_whole(&clb, &id, snapshot).await {
                Ok(whole) => read.clbs.push(whole),
                Err(error) => read.errors.push(in_words(error, target)),
            }
        }
    }
    printer.report_loaded(&read.loaded);
    input::apply_cluster_flags(&mut read.loaded.snapshot, request, &[])?;
    input::report_ccm(&read.loaded.snapshot, printer);
    Ok(read)
}

fn read_files(
    request: &Request,
    targets: &[ClbName],
    printer: &mut Printer,
) -> Result<ReadClbs, Error> {
    let loaded = input::read(request, &Scope::Selected, printer)?.loaded;
    let mut read = ReadClbs::default();
    let index = Index::new(&loaded.snapshot);
    let named: BTreeSet<&str> = loaded.snapshot.clb_answers.named_clbs().collect();
    let mut seen = BTreeSet::new();
    for target in targets {
        let ids = match target {
            ClbName::Id(id) => vec![id.clone()],
            ClbName::Address(address) => ids_at(&loaded.snapshot, *address),
        };
        let known: Vec<String> = ids.into_iter().filter(|id| named.contains(id.as_str())).collect();
        if known.is_empty() {
            read.errors.push(not_in_files(target, &named));
        }
        let new = known.into_iter().filter(|id| seen.insert(id.clone()));
        read.clbs.extend(new.map(|id| lacking(&index, &id)));
    }
    read.loaded = loaded;
    Ok(read)
}

/// The CLBs that have an address, by the answers at hand.
fn ids_at(snapshot: &Snapshot, address: IpAddr) -> Vec<String> {
    let balancers = snapshot.clb_answers.balancers.values();
    let found = balancers.filter(|of| of.address.parse() == Ok(address));
    found.map(|of| of.id.clone()).collect()
}

fn not_in_files(target: &ClbName, named: &BTreeSet<&str>) -> Error {
    let message = match target {
        ClbName::Id(id) => format!("no file tells anything of CLB {id}"),
        ClbName::Address(address) => format!("no file has a CLB with the address {address}"),
    };
    let hint = if named.is_empty() {
        "give the answers of the CLB API with -f: aliyun slb DescribeLoadBalancerAttribute and others"
            .to_owned()
    } else {
        format!("there is {}", named.iter().copied().collect::<Vec<_>>().join(", "))
    };
    Error::NotFound { message, hints: vec![hint] }
}

fn in_words(error: WholeClbError, target: &ClbName) -> Error {
    let unknown: UnknownClb = match error {
        WholeClbError::Failed(error) => return error.into(),
        WholeClbError::Unknown(unknown) => unknown,
    };
    let place = unknown.place();
    let (message, typed) = match target {
        ClbName::Id(id) => (format!("no CLB {id} is in {place}"), id.clone()),
        ClbName::Address(address) => {
            (format!("no CLB in {place} has the address {address}"), address.to_string())
        }
    };
    let mut hints = vec![format!(
        "a CLB of another region: kubectl clbmigrate status {typed} --clb-region REGION"
    )];
    if let ClbName::Address(_) = target {
        hints.push(
            "an EIP of a CLB is not its address: give the CLB's id, or its private address"
                .to_owned(),
        );
    }
    Error::NotFound { message, hints }
}
