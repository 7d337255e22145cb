//! Lists that come in pages.

use std::collections::BTreeSet;

use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::ClbClient;
use crate::{
    Error, ErrorKind,
    rpc::{Action, parse},
};

/// What an answer says about further pages. Some actions have tokens, some numbers, some neither.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Paging {
    next_token: Option<String>,
    page_size: Option<usize>,
    total_count: Option<usize>,
}

/// How far a list has been read.
#[derive(Debug)]
struct Progress {
    page: usize,
    seen: usize,
    tokens: BTreeSet<String>,
}

impl Progress {
    fn new() -> Self {
        Self { page: 1, seen: 0, tokens: BTreeSet::new() }
    }

    /// The parameter that asks for what follows a page of `items`; none after the last.
    ///
    /// # Errors
    /// Where the answers would never end, or end before everything was told: a list with holes
    /// would let somebody's weight be overlooked.
    fn after(
        &mut self,
        paging: Paging,
        items: usize,
    ) -> Result<Option<(&'static str, String)>, Error> {
        self.seen += items;
        let wrong = |why: String| {
            let message = format!("the answer is not what the API promises: {why}");
            Err(Error::new(ErrorKind::Malformed, message))
        };
        if let Some(token) = paging.next_token.filter(|token| !token.is_empty()) {
            if !self.tokens.insert(token.clone()) {
                return wrong("its pages go round in a circle".to_owned());
            }
            return Ok(Some(("NextToken", token)));
        }
        let (Some(total), Some(_)) = (paging.total_count, paging.page_size) else {
            return Ok(None);
        };
        if self.seen >= total {
            return Ok(None);
        }
        if items == 0 {
            return wrong(format!("it has {} of {total} entries", self.seen));
        }
        self.page += 1;
        Ok(Some(("PageNumber", self.page.to_string())))
    }
}

impl ClbClient {
    /// Reads all pages of a list; `items` counts the entries of one.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        action: Action,
        parameters: &[(&str, &str)],
        deadline: Instant,
        items: impl Fn(&T) -> usize,
    ) -> Result<Vec<T>, Error> {
        let mut pages = Vec::new();
        let mut progress = Progress::new();
        let mut next: Option<(&'static str, String)> = None;
        loop {
            let mut page_parameters = parameters.to_vec();
            page_parameters.extend(next.as_ref().map(|(name, value)| (*name, value.as_str())));
            let answer = self.call(action, &page_parameters, deadline).await?;
            let parse_both =
                || -> Result<(T, Paging), Error> { Ok((parse(&answer)?, parse(&answer)?)) };
            let (page, paging) = parse_both().map_err(|error| error.with_action(action.name))?;
            let count = items(&page);
            pages.push(page);
            next = progress.after(paging, count).map_err(|error| error.with_action(action.name))?;
            if next.is_none() {
                return Ok(pages);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(total: usize) -> Paging {
        Paging { next_token: None, page_size: Some(10), total_count: Some(total) }
    }

    fn token(text: &str) -> Paging {
        Paging { next_token: Some(text.to_owned()), ..Paging::default() }
    }

    #[test]
    fn an_answer_that_says_nothing_about_pages_is_the_only_one() {
        assert_eq!(Progress::new().after(Paging::default(), 50).expect("an end"), None);
    }

    #[test]
    fn numbered_pages_are_read_until_all_is_told() {
        let mut progress = Progress::new();
        let next = progress.after(numbered(25), 10).expect("more");
        assert_eq!(next, Some(("PageNumber", "2".to_owned())));
        let next = progress.after(numbered(25), 10).expect("more");
        assert_eq!(next, Some(("PageNumber", "3".to_owned())));
        assert_eq!(progress.after(numbered(25), 5).expect("an end"), None);
    }

    #[test]
    fn tokens_are_followed_to_the_empty_one() {
        let mut progress = Progress::new();
        assert_eq!(
            progress.after(token("a"), 0).expect("more"),
            Some(("NextToken", "a".to_owned()))
        );
        assert_eq!(progress.after(token(""), 1).expect("an end"), None);
    }

    #[test]
    fn a_circle_of_tokens_and_a_list_with_holes_are_errors() {
        let mut progress = Progress::new();
        progress.after(token("a"), 1).expect("more");
        assert_eq!(progress.after(token("a"), 1).expect_err("a circle").kind, ErrorKind::Malformed);
        let error = Progress::new().after(numbered(25), 0).expect_err("nothing of 25");
        assert_eq!(error.kind, ErrorKind::Malformed);
    }
}
