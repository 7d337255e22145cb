//! The table of known annotations against the list in CCM's source.

use std::collections::BTreeSet;

use clbmigrate_core::annotation::KNOWN_ANNOTATIONS;

/// What the table has and `annotations.go` of CCM 2.14 has not, with the reason.
const ELSEWHERE: [(&str, &str); 3] = [
    ("loadbalancer-type", "service_utils.go, behind a feature gate"),
    ("loadbalancer-tunnel-type", "service_utils.go"),
    ("loadbalancer-graceful-shutdown", "a release after 2.14"),
];

#[test]
fn the_table_has_every_key_that_ccm_reads_and_no_other() {
    let list = include_str!("data/ccm-2.14-suffixes.txt");
    let (header, list) = list.split_once('\n').expect("a header");
    assert!(header.contains("annotations.go"), "{header}");
    let read: BTreeSet<&str> = list.lines().collect();
    let elsewhere: BTreeSet<&str> = ELSEWHERE.iter().map(|(suffix, _)| *suffix).collect();
    let table: BTreeSet<&str> = KNOWN_ANNOTATIONS.iter().map(|known| known.suffix).collect();
    assert_eq!(table.len(), KNOWN_ANNOTATIONS.len(), "a suffix has two entries");
    assert!(read.is_disjoint(&elsewhere), "an exception is none");
    let expected: BTreeSet<&str> = read.union(&elsewhere).copied().collect();
    let missing: Vec<_> = expected.difference(&table).collect();
    let invented: Vec<_> = table.difference(&expected).collect();
    assert!(missing.is_empty() && invented.is_empty(), "{missing:?} {invented:?}");
}
