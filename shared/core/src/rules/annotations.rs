//! 0xx: annotations of one Service that CCM cannot use, or uses otherwise than meant.

use super::{AnyObject, Case, Evidence, Judge, Rule};
use crate::{
    annotation::{self, Found, KNOWN, LEGACY_PREFIX, PREFIX, ValueError},
    backends::{self, Mode},
    finding::{Findings, PatchOp, Severity},
    identity::{ACK_CLUSTER_ID_LENGTH, Key, MAX_DESCRIPTION},
    listener,
    object::Annotations,
    outcome::PortResult,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "CLB001",
        title: "weight is not an integer from 0 to 100",
        severity: Severity::Error,
        evidence: &[],
        ccm: "Drops the port without a word, takes every backend of the Service out of the group, writes a Normal event and stores the new hash: a silent drain that nothing retries. An empty value counts as not set: 100 for each backend.",
        bad: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"101\"",
        good: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"100\"",
        fix: "set an integer from 0 to 100, without spaces or percent sign",
        hides: &[],
        judge: Judge::Migrated(weight),
    },
    Rule {
        id: "CLB002",
        title: "weight is set but ignored",
        severity: Severity::Warning,
        evidence: &[],
        ccm: "Honours the weight only where both the CLB's id and a mapping are set; without them it does not even look at it, and each backend has weight 100.",
        bad: "…-loadbalancer-weight: \"20\" without …-loadbalancer-vgroup-port",
        good: "…-loadbalancer-id, …-loadbalancer-vgroup-port and …-loadbalancer-weight together",
        fix: "add the CLB's id and the mapping, or remove the weight",
        hides: &[],
        judge: Judge::Candidate(ignored_weight),
    },
    Rule {
        id: "CLB009",
        title: "both prefixes are set with different values",
        severity: Severity::Error,
        evidence: &[],
        ccm: "Reads the key with the new prefix as soon as it exists, even with an empty value, and ignores the old one.",
        bad: "…/alibaba-cloud-loadbalancer-weight: \"20\" and …/alicloud-loadbalancer-weight: \"80\"",
        good: "only …/alibaba-cloud-loadbalancer-weight",
        fix: "remove the key with the old prefix",
        hides: &[],
        judge: Judge::Candidate(two_prefixes),
    },
    Rule {
        id: "CLB011",
        title: "ignore-weight-update is on together with a weight",
        severity: Severity::Warning,
        evidence: &[],
        ccm: "Suppresses every update that differs in weight only: edits of the weight do nothing.",
        bad: "…-loadbalancer-ignore-weight-update: \"on\" beside …-loadbalancer-weight",
        good: "no …-loadbalancer-ignore-weight-update",
        fix: "remove the annotation before moving traffic",
        hides: &[],
        judge: Judge::Candidate(ignored_updates),
    },
    Rule {
        id: "CLB012",
        title: "default-weight is not an integer from 0 to 100",
        severity: Severity::Error,
        evidence: &[],
        ccm: "Reads it for every Service, and drops every port without a word where it cannot: a silent drain.",
        bad: "…-loadbalancer-default-weight: \"101\"",
        good: "…-loadbalancer-default-weight: \"100\"",
        fix: "set an integer from 0 to 100, or remove the annotation",
        hides: &[],
        judge: Judge::Candidate(default_weight),
    },
    Rule {
        id: "CLB013",
        title: "backend-type is neither eni nor ecs",
        severity: Severity::Error,
        evidence: &[],
        ccm: "Compares with exactly \"eni\"; any other value means nodes, \"ENI\" too.",
        bad: "service.beta.kubernetes.io/backend-type: \"ENI\"",
        good: "service.beta.kubernetes.io/backend-type: \"eni\"",
        fix: "write eni or ecs in lower case",
        hides: &[],
        judge: Judge::Candidate(backend_type),
    },
    Rule {
        id: "CLB014",
        title: "a listener or health-check value cannot be read",
        severity: Severity::Error,
        evidence: &[],
        ccm: "Fails the whole round before anything is written, even where listeners are not touched: backends and weights freeze, new pods are not registered.",
        bad: "…-loadbalancer-healthy-threshold: \"3s\" or …-loadbalancer-protocol-port: \"'https:443'\"",
        good: "…-loadbalancer-healthy-threshold: \"3\" and …-loadbalancer-protocol-port: \"https:443\"",
        fix: "write the plain number, or PROTOCOL:PORT without quotes",
        hides: &[],
        judge: Judge::Candidate(unreadable),
    },
    Rule {
        id: "CLB015",
        title: "annotation changes the shared CLB itself",
        severity: Severity::Warning,
        evidence: &[],
        ccm: "Applies name, spec, tags, protection and charge to the CLB, whoever else uses it; tags of others are removed.",
        bad: "…-loadbalancer-name: \"shop\" on a Service that reuses a CLB",
        good: "set these in the CLB console",
        fix: "remove the annotation and set the property on the CLB itself",
        hides: &[],
        judge: Judge::OnClb(shared_clb),
    },
    Rule {
        id: "CLB016",
        title: "backend-label is malformed or has spaces",
        severity: Severity::Error,
        evidence: &[],
        ccm: "An entry without '=' fails the whole round; an entry with spaces matches no node, and all nodes leave the group.",
        bad: "…-loadbalancer-backend-label: \"pool=web, zone=a\"",
        good: "…-loadbalancer-backend-label: \"pool=web,zone=a\"",
        fix: "write KEY=VALUE, several separated by commas without spaces",
        hides: &["CLB020"],
        judge: Judge::Candidate(backend_label),
    },
    Rule {
        id: "CLB017",
        title: "backends' description would pass 80 characters",
        severity: Severity::Warning,
        evidence: &[],
        ccm: "Writes k8s/<port>/<service>/<namespace>/<cluster id> unchecked. The cloud documents 80 characters; what it does beyond is not verified. Were it to cut the text, CCM would take its own backends for foreign ones.",
        bad: "a Service and namespace of more than 35 characters together",
        good: "a Service and namespace of at most 35 characters together, with an ACK cluster id",
        fix: "use a shorter Service or namespace name",
        hides: &[],
        judge: Judge::Candidate(long_description),
    },
    Rule {
        id: "CLB018",
        title: "unknown annotation, close to a known one",
        severity: Severity::Warning,
        evidence: &[],
        ccm: "Does not read it, and says nothing.",
        bad: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-wieght: \"20\"",
        good: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"20\"",
        fix: "check the key against the documentation of your CCM",
        hides: &[],
        judge: Judge::Candidate(unknown_key),
    },
    Rule {
        id: "CLB020",
        title: "backend-label matches no node",
        severity: Severity::Error,
        evidence: &[Evidence::Nodes],
        ccm: "Finds no node and takes all backends out of the group, with a Normal event.",
        bad: "…-loadbalancer-backend-label: \"pool=wbe\"",
        good: "…-loadbalancer-backend-label: \"pool=web\"",
        fix: "write labels that at least one node carries",
        hides: &[],
        judge: Judge::OnClb(no_labelled_node),
    },
    Rule {
        id: "CLB021",
        title: "CCM's Service annotation where nobody reads it",
        severity: Severity::Warning,
        evidence: &[],
        ccm: "Reads metadata.annotations of Services only.",
        bad: "…-loadbalancer-id under spec, on a Deployment, or in its pod template",
        good: "…-loadbalancer-id under metadata.annotations of the Service",
        fix: "move the annotation to metadata.annotations of the Service",
        hides: &[],
        judge: Judge::Object(misplaced),
    },
    Rule {
        id: "CLB024",
        title: "an accepted node has no usable providerID",
        severity: Severity::Error,
        evidence: &[Evidence::Nodes],
        ccm: "Cannot name the node's instance, drops the port without a word, and empties the group at the next edit of the Service.",
        bad: "a Ready node without spec.providerID",
        good: "spec.providerID: cn-example.i-bp1example",
        fix: "let the node register again with its providerID, or label it service.alibabacloud.com/exclude-node",
        hides: &[],
        judge: Judge::Migrated(no_provider_id),
    },
    Rule {
        id: "CLB025",
        title: "an endpoint has no nodeName",
        severity: Severity::Error,
        evidence: &[Evidence::Endpoints],
        ccm: "Cannot place the endpoint, drops the port without a word, and empties the group at the next edit of the Service. Only pods as backends need no node.",
        bad: "an EndpointSlice written by hand, without nodeName",
        good: "endpoints with nodeName, as Kubernetes writes them",
        fix: "give every endpoint its nodeName",
        hides: &[],
        judge: Judge::Migrated(no_node_name),
    },
    Rule {
        id: "CLB026",
        title: "no node is eligible",
        severity: Severity::Error,
        evidence: &[Evidence::Nodes],
        ccm: "Registers nodes that are Ready, not masters, not excluded by label, not about to be deleted. Without any, all backends leave the group.",
        bad: "every node labelled node.kubernetes.io/exclude-from-external-load-balancers",
        good: "at least one Ready node without an excluding label",
        fix: "make a node Ready, or remove the label or taint that keeps it out",
        hides: &[],
        judge: Judge::Migrated(no_node),
    },
    Rule {
        id: "CLB027",
        title: "annotation value is not a string",
        severity: Severity::Error,
        evidence: &[],
        ccm: "Never sees it: the API server refuses the object.",
        bad: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: 80",
        good: "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"80\"",
        fix: "put the value in quotes",
        hides: &[],
        judge: Judge::Object(not_a_string),
    },
];

/// What a careless value was meant to be, where that leaves no doubt.
fn tidy_percent(text: &str) -> Option<String> {
    let tidy = text.trim().trim_matches(['"', '\'']).trim_end_matches('%').trim();
    annotation::percent(tidy).is_ok().then(|| tidy.to_owned())
}

fn weight(case: &Case<'_, '_>, out: &mut Findings) {
    let Some(Found { key, text }) = case.annotations().find(annotation::WEIGHT) else { return };
    if text.is_empty() {
        let draft = case.draft(out).annotation(key, text).severity(Severity::Warning);
        draft
            .fix(format!("set a weight, for example {key}: \"0\""))
            .say("an empty weight counts as not set: CCM gives each backend 100");
    } else if let Err(error) = annotation::percent(text) {
        let groups = case.vgroups().join(", ");
        percent_finding(
            case,
            out,
            Found { key, text },
            &error,
            &format!(
                "CCM would take every backend of this Service out of group {groups} and report success"
            ),
        );
    }
}

fn percent_finding(
    case: &Case<'_, '_>,
    out: &mut Findings,
    Found { key, text }: Found<'_>,
    error: &ValueError,
    consequence: &str,
) {
    let tidy = tidy_percent(text);
    let fix = match &tidy {
        Some(tidy) => format!("set {key}: \"{tidy}\""),
        None => format!("set {key} to an integer from 0 to 100"),
    };
    case.draft(out)
        .annotation(key, text)
        .fix(fix)
        .patch(tidy.map(|tidy| PatchOp::set_annotation(key, tidy)))
        .say(format!("{text:?}: {error}; {consequence}"));
}

fn ignored_weight(case: &Case<'_, '_>, out: &mut Findings) {
    let Some(Found { key, text }) = case.annotations().find(annotation::WEIGHT) else { return };
    if text.is_empty() || case.mapping().is_some() {
        return;
    }
    let missing = match (case.clb(), case.annotations().text(annotation::VGROUP_PORT)) {
        ("", "") => "neither a CLB id nor a mapping is",
        ("", _) => "no CLB id is",
        _ => "no mapping is",
    };
    case.draft(out)
        .annotation(key, text)
        .say(format!("weight {text} is ignored, for {missing} set: each backend has weight 100"));
}

fn two_prefixes(case: &Case<'_, '_>, out: &mut Findings) {
    for (old_key, old) in case.annotations().iter() {
        let Some(suffix) = old_key.strip_prefix(LEGACY_PREFIX) else { continue };
        let new_key = format!("{PREFIX}{suffix}");
        let Some(new) = case.annotations().get(&new_key).filter(|new| *new != old) else {
            continue;
        };
        case.draft(out)
            .annotation(old_key, old)
            .fix(format!("remove {old_key}, or set both to the same value"))
            .patch([PatchOp::remove_annotation(old_key)])
            .say(format!("{old:?} is not read: {new_key} is set too, to {new:?}, and wins"));
    }
}

fn ignored_updates(case: &Case<'_, '_>, out: &mut Findings) {
    let Some(Found { key, text }) = case.annotations().find(annotation::IGNORE_WEIGHT_UPDATE)
    else {
        return;
    };
    if text.eq_ignore_ascii_case("on") && !case.annotations().text(annotation::WEIGHT).is_empty() {
        case.draft(out)
            .annotation(key, text)
            .fix(format!("remove {key}"))
            .patch([PatchOp::remove_annotation(key)])
            .say("while this is on, edits of the weight do nothing: CCM suppresses updates that differ in weight only");
    }
}

fn default_weight(case: &Case<'_, '_>, out: &mut Findings) {
    let Some(found) = case.annotations().find(annotation::DEFAULT_WEIGHT) else { return };
    if let (false, Err(error)) = (found.text.is_empty(), annotation::percent(found.text)) {
        percent_finding(
            case,
            out,
            found,
            &error,
            "CCM drops every port of this Service without a word, and its backends leave the group",
        );
    }
}

fn backend_type(case: &Case<'_, '_>, out: &mut Findings) {
    let key = annotation::BACKEND_TYPE;
    let Some(text) = case.annotations().get(key) else { return };
    if matches!(text, "" | "eni" | "ecs") {
        return;
    }
    let meant = text.trim().to_lowercase();
    let known = matches!(meant.as_str(), "eni" | "ecs").then_some(meant);
    let fix = known.as_ref().map_or_else(
        || format!("set {key}: \"eni\" for pods or \"ecs\" for nodes"),
        |meant| format!("set {key}: \"{meant}\""),
    );
    case.draft(out)
        .annotation(key, text)
        .fix(fix)
        .patch(known.map(|meant| PatchOp::set_annotation(key, meant)))
        .say(format!("{text:?} means nodes to CCM: only exactly \"eni\" means pods"));
}

fn unreadable(case: &Case<'_, '_>, out: &mut Findings) {
    for listener::Unreadable { key, text, problem } in listener::unreadable(case.service()) {
        let tidy: String =
            text.chars().filter(|c| !c.is_whitespace() && !"\"'".contains(*c)).collect();
        let is_number = !key.ends_with(annotation::PROTOCOL_PORT);
        let tidy = if is_number { tidy } else { tidy.to_lowercase() };
        let is_good = if is_number {
            annotation::integer(&tidy).is_ok()
        } else {
            case.service().spec.ports.iter().all(|port| listener::protocol(&tidy, port).is_ok())
        };
        let fix = if is_good {
            format!("set {key}: \"{tidy}\"")
        } else {
            format!("correct or remove {key}")
        };
        case.draft(out)
            .annotation(key, text)
            .fix(fix)
            .patch(is_good.then(|| PatchOp::set_annotation(key, tidy)))
            .say(format!("{problem}. CCM fails the whole round: nothing is written, weights and backends freeze"));
    }
}

fn shared_clb(case: &Case<'_, '_>, out: &mut Findings) {
    for known in KNOWN.iter().filter(|known| known.reads.changes_clb()) {
        let Some(Found { key, text }) = case.annotations().find(known.suffix) else { continue };
        if !text.is_empty() {
            case.draft(out)
                .annotation(key, text)
                .fix(format!("remove {key} and set it on the CLB itself"))
                .patch([PatchOp::remove_annotation(key)])
                .say(format!(
                    "CCM applies this to CLB {} itself, whoever else uses it",
                    case.clb()
                ));
        }
    }
}

fn backend_label(case: &Case<'_, '_>, out: &mut Findings) {
    let Some(Found { key, text }) = case.annotations().find(annotation::BACKEND_LABEL) else {
        return;
    };
    let problem = match backends::label_error(case.service()) {
        Some(error) => format!("{error}. CCM fails the whole round"),
        None if text.contains(char::is_whitespace) => {
            "CCM trims nothing, so an entry with a space matches no node, and all nodes leave the group".to_owned()
        }
        None => return,
    };
    let tidy: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let tidy = if tidy.contains('=') { tidy } else { tidy.replace(':', "=") };
    let tidy = tidy.trim_matches(',').to_owned();
    let is_good =
        tidy.split(',').all(|entry| entry.split_once('=').is_some_and(|(k, _)| !k.is_empty()));
    let fix = if is_good {
        format!("set {key}: \"{tidy}\"")
    } else {
        format!("set {key}: \"KEY=VALUE\"")
    };
    case.draft(out)
        .annotation(key, text)
        .fix(fix)
        .patch(is_good.then(|| PatchOp::set_annotation(key, tidy)))
        .say(problem);
}

fn long_description(case: &Case<'_, '_>, out: &mut Findings) {
    let meta = &case.service().metadata;
    let unknown_id = "c".repeat(ACK_CLUSTER_ID_LENGTH);
    let cluster_id = case.seat.cluster.id.as_deref().unwrap_or(&unknown_id);
    let ports = &case.service().spec.ports;
    let longest = ports.iter().map(|port| match (case.mode(), port.node_port) {
        (Mode::Cluster | Mode::Local, 0) => "30000".to_owned(),
        (Mode::Cluster | Mode::Local, node_port) => node_port.to_string(),
        (Mode::Eni, _) => port.target().to_string(),
    });
    let Some(port) = longest.max_by_key(String::len) else { return };
    let key = Key { port: &port, service: &meta.name, namespace: meta.namespace(), cluster_id };
    let length = key.to_string().chars().count();
    if length > MAX_DESCRIPTION {
        let spare = length - MAX_DESCRIPTION;
        case.draft(out)
            .at("metadata.name")
            .value(&meta.name)
            .fix(format!("make the names of Service and namespace {spare} characters shorter in all"))
            .say(format!(
                "its backends' description would have {length} characters, the cloud documents {MAX_DESCRIPTION}"
            ));
    }
}

fn unknown_key(case: &Case<'_, '_>, out: &mut Findings) {
    let annotations = case.annotations();
    for (key, value) in annotations.iter() {
        if let Some(meant) = annotation::nearest(key) {
            let is_there = annotation::suffix_of(&meant).map_or_else(
                || annotations.get(&meant).is_some(),
                |suffix| annotations.find(suffix).is_some(),
            );
            let add = (!is_there).then(|| PatchOp::add_annotation(&meant, value));
            case.draft(out)
                .annotation(key, value)
                .fix(if is_there {
                    format!("remove {key}; {meant} is set already")
                } else {
                    format!("write {meant}: {value:?}")
                })
                .patch([PatchOp::remove_annotation(key)].into_iter().chain(add))
                .say(format!("CCM does not read this key; {meant} was probably meant"));
        } else if is_unknown(key) {
            case.draft(out)
                .annotation(key, value)
                .severity(Severity::Info)
                .say("CCM 2.14 does not know this key; a newer CCM may");
        }
    }
}

fn is_unknown(key: &str) -> bool {
    annotation::suffix_of(key).is_some_and(|suffix| {
        suffix != annotation::VGROUP_IDS && !KNOWN.iter().any(|known| known.suffix == suffix)
    })
}

fn no_labelled_node(case: &Case<'_, '_>, out: &mut Findings) {
    let Some(Found { key, text }) = case.annotations().find(annotation::BACKEND_LABEL) else {
        return;
    };
    if text.is_empty() || case.mode() == Mode::Eni {
        return;
    }
    let Some(nodes) = case.nodes(out) else { return };
    if backends::labelled(case.service(), nodes).is_ok_and(|labelled| labelled == 0) {
        let severity = if case.carries_weight() { Severity::Error } else { Severity::Warning };
        case.draft(out).annotation(key, text).severity(severity).say(format!(
            "none of {} nodes carries {text}: CCM takes all backends out of the group and reports success",
            nodes.len()
        ));
    }
}

/// Kinds whose annotations people take for a Service's.
const WORKLOADS: [&str; 8] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Pod",
    "Job",
    "CronJob",
    "ReplicaSet",
    "ReplicationController",
];

fn misplaced(any: &AnyObject<'_>, out: &mut Findings) {
    let of_workload = WORKLOADS.contains(&any.object.kind.as_str());
    let own = of_workload.then_some(("metadata.annotations", &any.meta.annotations));
    for (path, annotations) in own.into_iter().chain(any.misplaced.iter().copied()) {
        for key in annotations.keys().filter(|key| is_ccms(key)) {
            let value = annotations.get(key).unwrap_or_default();
            out.on(any.meta, any.object.clone())
                .at(format!("{path}[{key}]"))
                .value(value)
                .fix(format!("move {key} to metadata.annotations of the Service"))
                .say(format!("nobody reads this key under {path} of a {}", any.object.kind));
        }
    }
}

fn is_ccms(key: &str) -> bool {
    annotation::suffix_of(key).is_some() || key == annotation::BACKEND_TYPE
}

fn no_provider_id(case: &Case<'_, '_>, out: &mut Findings) {
    if case.mode() != Mode::Cluster {
        return;
    }
    let Some(nodes) = case.nodes(out) else { return };
    let Ok(accepted) = backends::accepted(case.service(), nodes) else { return };
    let bad: Vec<String> = accepted
        .iter()
        .filter(|node| !node.is_excluded)
        .filter_map(|node| node.instance().err().map(|error| error.to_string()))
        .collect();
    if let Some(first) = bad.first() {
        let more = match bad.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        case.draft(out).value(bad.join("; ")).say(format!(
            "{first}{more}: at the next edit of this Service CCM would take all its backends out of the group and report success"
        ));
    }
}

fn no_node_name(case: &Case<'_, '_>, out: &mut Findings) {
    if case.mode() == Mode::Eni {
        return;
    }
    let Some(slices) = case.slices(out) else { return };
    let endpoints = slices
        .iter()
        .filter(|slice| slice.address_type == "IPv4")
        .flat_map(|slice| &slice.endpoints);
    let bad: Vec<&str> = endpoints
        .filter(|endpoint| endpoint.is_ready() && endpoint.node_name.is_none())
        .flat_map(|endpoint| &endpoint.addresses)
        .map(String::as_str)
        .collect();
    if !bad.is_empty() {
        case.draft(out).value(bad.join(",")).say(format!(
            "endpoint {} has no nodeName: at the next edit of this Service CCM would take all its backends out of the group and report success",
            bad.join(", ")
        ));
    }
}

fn no_node(case: &Case<'_, '_>, out: &mut Findings) {
    if case.mode() == Mode::Eni {
        return;
    }
    let Some(nodes) = case.nodes(out) else { return };
    let is_drained = case.round().ports.iter().any(|p| matches!(p.result, PortResult::NoNode(_)));
    let matched = backends::labelled(case.service(), nodes).unwrap_or_default();
    // Nodes that carry the label but are all rejected; where none carries it, CLB020 speaks.
    if is_drained && (matched > 0 || case.annotations().text(annotation::BACKEND_LABEL).is_empty())
    {
        let severity = if case.carries_weight() { Severity::Error } else { Severity::Warning };
        case.draft(out).severity(severity).say(format!(
            "none of {} nodes is eligible: CCM takes all backends out of the group and reports success",
            nodes.len()
        ));
    }
}

fn not_a_string(any: &AnyObject<'_>, out: &mut Findings) {
    let own = ("metadata.annotations", &any.meta.annotations);
    let all: Vec<(&str, &Annotations)> =
        [own].into_iter().chain(any.misplaced.iter().copied()).collect();
    for (path, annotations) in all {
        for (key, value) in annotations.not_strings() {
            let quoted = match value {
                serde_json::Value::Number(number) if !number.is_f64() => Some(number.to_string()),
                serde_json::Value::Bool(switch) => Some(switch_word(key, *switch).to_owned()),
                _ => None,
            };
            let fix = match &quoted {
                Some(text) => format!("write {key}: \"{text}\""),
                None => format!("put the value of {key} in quotes"),
            };
            let pointer = format!(
                "/{}/{}",
                path.replace('.', "/"),
                key.replace('~', "~0").replace('/', "~1")
            );
            let patch = quoted.map(|text| PatchOp::Replace { path: pointer, value: text.into() });
            out.on(any.meta, any.object.clone())
                .at(format!("{path}[{key}]"))
                .value(value.to_string())
                .fix(fix)
                .patch(patch)
                .say(format!("{value} is not a string, and the API server refuses the object"));
        }
    }
}

/// The word an unquoted `on` or `true` stood for: YAML takes them for the same.
fn switch_word(key: &str, switch: bool) -> &'static str {
    let is_boolean =
        key.ends_with(annotation::FORCE_OVERRIDE) || annotation::suffix_of(key).is_none();
    match (is_boolean, switch) {
        (true, true) => "true",
        (true, false) => "false",
        (false, true) => "on",
        (false, false) => "off",
    }
}
