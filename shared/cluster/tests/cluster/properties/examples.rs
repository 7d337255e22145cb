//! Examples with some of their values replaced: nothing panics, and shares still add up.

use clbmigrate_cluster::files::{Options, Source, load};
use clbmigrate_core::{index::Index, preview::preview};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{self, select},
};

use crate::examples::{Kind, examples, judge, mistakes};

/// Every YAML file of the mistakes.
fn texts() -> Vec<String> {
    let files = mistakes().into_iter().filter(|mistake| mistake.kind == Kind::State);
    let root = examples().join("mistakes");
    files.map(|m| std::fs::read_to_string(root.join(m.path)).expect("a file")).collect()
}

/// Words to put in the place of others, so that a file stays YAML and becomes nonsense.
const WORDS: [&str; 22] = [
    "0",
    "-1",
    "101",
    "65536",
    "1e9",
    "true",
    "on",
    "null",
    "\"\"",
    "\" \"",
    "[]",
    "{}",
    "eni",
    "Local",
    "\"rsp-a:80,\"",
    "\"rsp-a: 80\"",
    "\"80:rsp-a\"",
    "\"rsp-a:0\"",
    "\"a=b, c\"",
    "k8s/1/a/b/c",
    "ÿ",
    "~",
];

/// The text with some of its values replaced; a place is a line.
fn garbled(text: &str, edits: &[(sample::Index, &str)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (at, word) in edits {
        let at = at.index(lines.len());
        if let Some((key, _)) = lines[at].clone().split_once(": ") {
            lines[at] = format!("{key}: {word}");
        }
    }
    lines.join("\n")
}

proptest! {
    #[test]
    fn a_garbled_example_is_judged_and_previewed_without_panic(
        at in any::<sample::Index>(),
        edits in vec((any::<sample::Index>(), select(WORDS.to_vec())), 1..6),
    ) {
        let texts = texts();
        let text = &texts[at.index(texts.len())];
        let source = [Source { context: None, path: "-".into() }];
        let snapshot = |text: &str| load(&source, text.as_bytes(), &Options::default()).snapshot;
        let (good, bad) = (snapshot(text), snapshot(&garbled(text, &edits)));
        judge(&bad);
        let after = good.overlaid(&bad, true);
        let said = preview(&Index::new(&good), &Index::new(&after));
        for route in &said.routes {
            let shares: f64 = route.after.participants.iter().map(|p| p.share_of_known).sum();
            prop_assert!(shares.abs() < 1e-9 || (shares - 1.0).abs() < 1e-9, "{}", shares);
        }
    }
}
