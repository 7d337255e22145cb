//! All targets over their corpus and over a bounded number of changed inputs, the same ones in every
//! run. `PROPTEST_CASES` sets how many; a failure shows the smallest input that was found for it.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::{cell::Cell, fs, panic, path::Path, sync::Once};

use clbmigrate_fuzz::{TARGETS, Target};
use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// One change of an input.
#[derive(Debug, Clone)]
enum Edit {
    /// Some bytes are left out.
    Cut(Index, usize),
    /// Some bytes come twice.
    Repeat(Index, usize),
    /// A word of the dictionary, or some bytes, are put in.
    Insert(Index, Piece),
    /// The same, in the place of what is there.
    Replace(Index, Piece),
    /// The rest of another input of the corpus takes the place of the rest of this one.
    Splice(Index, Index, Index),
}

#[derive(Debug, Clone)]
enum Piece {
    Word(Index),
    Bytes(Vec<u8>),
}

impl Edit {
    fn any() -> impl Strategy<Value = Self> {
        let piece = || {
            prop_oneof![
                3 => any::<Index>().prop_map(Piece::Word),
                1 => vec(any::<u8>(), 1..4).prop_map(Piece::Bytes),
            ]
        };
        prop_oneof![
            2 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Self::Cut(at, length)),
            1 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Self::Repeat(at, length)),
            3 => (any::<Index>(), piece()).prop_map(|(at, piece)| Self::Insert(at, piece)),
            3 => (any::<Index>(), piece()).prop_map(|(at, piece)| Self::Replace(at, piece)),
            1 => any::<[Index; 3]>().prop_map(|[at, other, from]| Self::Splice(at, other, from)),
        ]
    }

    fn apply(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[Vec<u8>]) {
        let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
        let bytes = |piece: &Piece| match piece {
            Piece::Word(word) => word.get(words).clone(),
            Piece::Bytes(bytes) => bytes.clone(),
        };
        match self {
            Self::Cut(at, length) => {
                let at = place(at, input);
                input.drain(at..input.len().min(at + length));
            }
            Self::Repeat(at, length) => {
                let at = place(at, input);
                let piece = input[at..input.len().min(at + length)].to_vec();
                input.splice(at..at, piece);
            }
            Self::Insert(at, piece) => {
                let at = place(at, input);
                input.splice(at..at, bytes(piece));
            }
            Self::Replace(at, piece) => {
                let (at, piece) = (place(at, input), bytes(piece));
                let end = input.len().min(at + piece.len());
                input.splice(at..end, piece);
            }
            Self::Splice(at, other, from) => {
                let other = other.get(corpus);
                input.truncate(place(at, input));
                input.extend_from_slice(&other[place(from, other)..]);
            }
        }
    }
}

/// The inputs of a target that are in the repository, with their names.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut inputs: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), fs::read(path).expect("a file")))
        .collect();
    inputs.sort_unstable();
    assert!(!inputs.is_empty(), "no input in {}", folder.display());
    inputs
}

/// The words of a target's dictionary: one a line, in quotes, as libFuzzer has it.
fn dictionary(name: &str) -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("dictionaries/{name}.dict"));
    let text = fs::read_to_string(file).expect("a dictionary");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let words = lines.map(|line| {
        let word = line.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
        let word = word.unwrap_or_else(|| panic!("{line} is no word in quotes"));
        word.replace("\\x0a", "\n").replace("\\\"", "\"").replace("\\\\", "\\").into_bytes()
    });
    words.collect()
}

thread_local! {
    /// Whether panics of this thread are told by a test's result alone.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Gives a target an input, and returns what it fails with.
fn check(target: &Target, input: &[u8]) -> Result<(), String> {
    static HOOK: Once = Once::new();
    // Hundreds of inputs fail while a failure is made smaller.
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                loud(panic);
            }
        }));
    });
    IS_QUIET.set(true);
    let result = panic::catch_unwind(|| (target.check)(input));
    IS_QUIET.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "it panics".to_owned())
    })
}

/// Runs a target over its corpus, and then over changes of it.
fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let (names, inputs): (Vec<_>, Vec<_>) = corpus(name).into_iter().unzip();
    for (name, input) in names.iter().zip(&inputs) {
        check(target, input).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let words = dictionary(name);
    let config = Config { failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, random);
    let changed = (any::<Index>(), vec(Edit::any(), 1..6)).prop_map({
        let inputs = inputs.clone();
        move |(seed, edits)| {
            let mut input = seed.get(&inputs).clone();
            for edit in &edits {
                edit.apply(&mut input, &inputs, &words);
            }
            String::from_utf8_lossy(&input).into_owned()
        }
    });
    let checked =
        runner.run(&changed, |input| check(target, input.as_bytes()).map_err(TestCaseError::fail));
    checked.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn annotations_are_read_as_they_are_printed_and_judged_in_one_way() {
    run("annotation");
}

#[test]
fn a_mapping_is_read_as_it_is_printed() {
    run("mapping");
}

#[test]
fn what_is_wrong_in_a_configuration_has_a_place() {
    run("configuration");
}

#[test]
fn an_object_is_stored_once_or_refused() {
    run("objects");
}

#[test]
fn a_review_has_one_answer_and_keeps_its_uid() {
    run("review");
}

#[test]
fn every_target_has_a_test_here() {
    let source = include_str!("targets.rs");
    for target in TARGETS {
        assert!(source.contains(&format!("run(\"{}\")", target.name)), "{}", target.name);
    }
}
