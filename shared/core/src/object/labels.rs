use std::{iter::Map, slice, vec};

/// Labels, or a selector: pairs of key and value, each key once, in the order of the keys. There are
/// few of them and many objects, for which a `BTreeMap` takes half a KiB each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<(String, String)>);

impl Labels {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&String> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a value, and returns the one that was there.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) -> Option<String> {
        let (key, value) = (key.into(), value.into());
        match self.0.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => self.0.get_mut(at).map(|(_, known)| std::mem::replace(known, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    /// Removes all pairs.
    pub fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All pairs.
    pub fn iter(&self) -> Map<slice::Iter<'_, (String, String)>, PairRef> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter().map(|(key, _)| key)
    }
}

/// Turns a pair into references to its parts.
pub type PairRef = fn(&(String, String)) -> (&String, &String);

impl<'l> IntoIterator for &'l Labels {
    type Item = (&'l String, &'l String);
    type IntoIter = Map<slice::Iter<'l, (String, String)>, PairRef>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Labels {
    type Item = (String, String);
    type IntoIter = vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Of pairs with the same key, the last one counts.
impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut labels = Self::default();
        labels.extend(pairs);
        labels.0.shrink_to_fit();
        labels
    }
}

impl Extend<(String, String)> for Labels {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    use super::Labels;

    proptest! {
        #[test]
        fn properties_of_labels_are_those_of_a_map(pairs: Vec<(String, String)>, key: String) {
            let labels: Labels = pairs.iter().cloned().collect();
            let map: BTreeMap<String, String> = pairs.into_iter().collect();
            prop_assert!(labels.iter().eq(&map) && labels.keys().eq(map.keys()));
            prop_assert_eq!((labels.len(), labels.is_empty()), (map.len(), map.is_empty()));
            for known in map.keys().chain([&key]) {
                prop_assert_eq!(labels.get(known), map.get(known));
                prop_assert_eq!(labels.contains_key(known), map.contains_key(known));
            }
        }
    }
}
