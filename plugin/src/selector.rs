//! Label selectors, as kubectl's `-l` takes them.

use std::str::FromStr;

use clbmigrate_core::object::Labels;

use thiserror::Error;

/// Requirements on labels, all of which must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

/// Why a selector cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "selector {selector:?}, at character {position}: {problem}; write for example app=web, env!=test, tier in (a,b), tier notin (a,b), app or !app, with commas between"
)]
pub struct SelectorError {
    selector: String,
    position: usize,
    problem: &'static str,
}

impl Selector {
    /// Whether labels meet all requirements. An absent key meets `!=`, `notin` and `!key`.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.operator {
                Operator::Exists => value.is_some(),
                Operator::Absent => value.is_none(),
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            }
        })
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let mut parser = Parser { text, rest: text };
        let mut requirements = Vec::new();
        loop {
            requirements.push(parser.requirement()?);
            parser.skip_spaces();
            if parser.rest.is_empty() {
                return Ok(Self { requirements });
            }
            parser.expect(",", "expected a comma")?;
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        self.skip_spaces();
        let is_negated = self.accept("!");
        let key = self.word();
        if key.is_empty() {
            return Err(self.error("expected a label's key"));
        }
        let key = key.to_owned();
        let operator = if is_negated { Operator::Absent } else { self.operator()? };
        Ok(Requirement { key, operator })
    }

    fn operator(&mut self) -> Result<Operator, SelectorError> {
        self.skip_spaces();
        if self.accept("!=") {
            return Ok(Operator::NotIn(vec![self.word().to_owned()]));
        }
        if self.accept("==") || self.accept("=") {
            return Ok(Operator::In(vec![self.word().to_owned()]));
        }
        if self.rest.is_empty() || self.rest.starts_with(',') {
            return Ok(Operator::Exists);
        }
        match self.word() {
            "in" => Ok(Operator::In(self.values()?)),
            "notin" => Ok(Operator::NotIn(self.values()?)),
            _ => Err(self.error("expected =, !=, in, notin, a comma or the end")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        self.skip_spaces();
        self.expect("(", "expected an opening parenthesis")?;
        let mut values = Vec::new();
        loop {
            values.push(self.word().to_owned());
            self.skip_spaces();
            if self.accept(")") {
                return Ok(values);
            }
            self.expect(",", "expected a comma or a closing parenthesis")?;
        }
    }

    /// The next key or value, which may be empty.
    fn word(&mut self) -> &'t str {
        self.skip_spaces();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn accept(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str, problem: &'static str) -> Result<(), SelectorError> {
        if self.accept(token) { Ok(()) } else { Err(self.error(problem)) }
    }

    fn error(&self, problem: &'static str) -> SelectorError {
        let read = self.text.len() - self.rest.len();
        let position = self.text.get(..read).unwrap_or_default().chars().count() + 1;
        SelectorError { selector: self.text.to_owned(), position, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[rstest]
    #[case("app=web", true)]
    #[case("app==web", true)]
    #[case("app = web", true)]
    #[case("app=api", false)]
    #[case("app!=api", true)]
    #[case("app!=web", false)]
    #[case("missing!=web", true)]
    #[case("app", true)]
    #[case("missing", false)]
    #[case("!missing", true)]
    #[case("!app", false)]
    #[case("app in (api, web)", true)]
    #[case("app in (api)", false)]
    #[case("app notin (api,db)", true)]
    #[case("app notin (web)", false)]
    #[case("missing notin (web)", true)]
    #[case("missing in ()", false)]
    #[case("app=web,tier=front", true)]
    #[case("app=web,tier=back", false)]
    #[case("app in (web,api),!missing,tier", true)]
    #[case("example.com/team=a", true)]
    #[case("in in (x)", true)]
    #[case("empty=", true)]
    #[case("app=", false)]
    fn a_selector_matches_as_kubectls_does(#[case] selector: &str, #[case] matches: bool) {
        let labels = labels(&[
            ("app", "web"),
            ("tier", "front"),
            ("example.com/team", "a"),
            ("in", "x"),
            ("empty", ""),
        ]);
        let selector: Selector = selector.parse().expect("a selector");
        assert_eq!(selector.matches(&labels), matches);
    }

    #[rstest]
    #[case("", 1)]
    #[case("=web", 1)]
    #[case("app web", 8)]
    #[case("app in web", 8)]
    #[case("app in (web", 12)]
    #[case("app=web,", 9)]
    #[case("app=web;tier", 8)]
    fn a_broken_selector_is_refused_with_the_place(#[case] text: &str, #[case] position: usize) {
        let error = text.parse::<Selector>().expect_err("no selector");
        assert_eq!(error.position, position, "{error}");
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_parser_panic(text in any::<String>()) {
                let _ = text.parse::<Selector>();
            }

            #[test]
            fn nothing_that_looks_like_a_selector_makes_the_parser_panic(text in "[a-z!=,() ]{0,40}") {
                if let Ok(selector) = text.parse::<Selector>() {
                    let _ = selector.matches(&Labels::default());
                }
            }
        }
    }
}
