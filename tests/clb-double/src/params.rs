//! The parameters of a call.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::api_error::ApiError;

/// Name and value; an empty value is none, as CCM 2.14 sends some.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.optional(name).ok_or_else(|| ApiError::missing(name))
    }

    pub(crate) fn number<T>(
        &self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, ApiError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.optional(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| {
            let (from, to) = range.into_inner();
            ApiError::invalid(format!("The specified {name} {text:?} is not in {from} to {to}."))
        })
    }

    pub(crate) fn port(&self, name: &str) -> Result<u16, ApiError> {
        self.number(name, 1..=65535)?.ok_or_else(|| ApiError::missing(name))
    }

    /// A switch: `on` or `off`.
    pub(crate) fn switch(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.optional(name) {
            None => Ok(None),
            Some("on") => Ok(Some(true)),
            Some("off") => Ok(Some(false)),
            Some(other) => {
                Err(ApiError::invalid(format!("The specified {name} {other:?} is not on or off.")))
            }
        }
    }

    /// The values of `NAME.1`, `NAME.2` and so on, in the order of their numbers.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        let mut found: Vec<(u32, &str)> = self
            .0
            .iter()
            .filter_map(|(key, value)| {
                let number = key.strip_prefix(name)?.strip_prefix('.')?.parse().ok()?;
                Some((number, value.as_str()))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// `Tag.N.Key` with `Tag.N.Value`.
    pub(crate) fn tags(&self) -> Vec<(&str, &str)> {
        let mut found: Vec<(u32, &str, &str)> = self
            .0
            .iter()
            .filter_map(|(name, key)| {
                let number = name.strip_prefix("Tag.")?.strip_suffix(".Key")?;
                let value = self.0.get(&format!("Tag.{number}.Value"));
                Some((number.parse().ok()?, key.as_str(), value.map_or("", String::as_str)))
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, key, value)| (key, value)).collect()
    }
}

impl FromIterator<(String, String)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Params {
    type Item = (&'a String, &'a String);
    type IntoIter = std::collections::btree_map::Iter<'a, String, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_list_is_in_the_order_of_its_numbers() {
        let params = params(&[("Id.10", "ten"), ("Id.2", "two"), ("Id.1", "one"), ("Idle.1", "x")]);
        assert_eq!(params.list("Id"), ["one", "two", "ten"]);
    }

    #[test]
    fn an_empty_value_is_none() {
        let params = params(&[("A", "")]);
        assert_eq!(params.optional("A"), None);
        assert_eq!(params.required("A").expect_err("none").code, "MissingParameter");
    }

    #[test]
    fn a_number_out_of_range_is_refused() {
        let params = params(&[("Port", "70000"), ("Word", "x"), ("Good", "80")]);
        assert!(params.port("Port").is_err());
        assert!(params.number::<u32>("Word", 0..=9).is_err());
        assert_eq!(params.port("Good"), Ok(80));
    }

    #[test]
    fn a_tag_may_have_no_value() {
        let params = params(&[("Tag.2.Key", "b"), ("Tag.1.Key", "a"), ("Tag.1.Value", "1")]);
        assert_eq!(params.tags(), [("a", "1"), ("b", "")]);
    }
}
