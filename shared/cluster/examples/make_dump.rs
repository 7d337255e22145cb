//! Writes what `kubectl get svc,nodes,pods,endpointslices -A -o json` prints for a large cluster:
//!
//! `cargo run --release -p clbmigrate-cluster --example make_dump > dump.json`
//!
//! Takes the numbers of Services, nodes and pods; 10000, 500 and 20000 where left out. Every fifth
//! Service has CLB annotations, each has one EndpointSlice. The objects are those of the folder
//! `dump`, with what differs between two of them filled in.

use std::{
    env,
    error::Error,
    io::{self, BufWriter, Write},
};

const SERVICE: &str = include_str!("dump/service.json");
const SERVICE_OF_CLB: &str = include_str!("dump/service-clb.json");
const NODE: &str = include_str!("dump/node.json");
const POD: &str = include_str!("dump/pod.json");
const SLICE: &str = include_str!("dump/endpointslice.json");

/// How deep the items of a List stand in `kubectl`'s output.
const INDENT: &str = "        ";

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = env::args().skip(1).map(|number| number.parse::<usize>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (services, nodes, pods) = (number(10_000)?, number(500)?, number(20_000)?);
    let fill = |template, index| fill(template, index, services.max(1), nodes.max(1));

    let is_clb = |index: usize| index.is_multiple_of(5);
    let items = (0..services)
        .map(|index| fill(if is_clb(index) { SERVICE_OF_CLB } else { SERVICE }, index))
        .chain((0..nodes).map(|index| fill(NODE, index)))
        .chain((0..pods).map(|index| fill(POD, index)))
        .chain((0..services).map(|index| fill(SLICE, index)));

    let mut out = BufWriter::new(io::stdout().lock());
    write!(out, "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [")?;
    for (index, item) in items.enumerate() {
        writeln!(out, "{}", if index == 0 { "" } else { "," })?;
        let lines: Vec<String> = item.lines().map(|line| format!("{INDENT}{line}")).collect();
        write!(out, "{}", lines.join("\n"))?;
    }
    write!(out, "\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {{\n")?;
    write!(out, "        \"resourceVersion\": \"\"\n    }}\n}}\n")?;
    out.flush()?;
    Ok(())
}

/// A template with everything filled in that differs from object to object.
fn fill(template: &str, index: usize, services: usize, nodes: usize) -> String {
    let values = [
        ("@I@", index.to_string()),
        ("@S@", (index % services).to_string()),
        ("@N@", (index % nodes).to_string()),
        ("@NS@", format!("{:02}", index % services % 100)),
        ("@UID@", format!("{index:012x}")),
        ("@CLB@", format!("x{:04}", index / 50)),
        ("@WEIGHT@", (index % 101).to_string()),
        ("@B@", (index / 256 % 256).to_string()),
        ("@C@", (index % 256).to_string()),
    ];
    values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
}
