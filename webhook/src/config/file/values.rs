//! Values of the file that can be written in more than one way.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::Mode;

/// A mode as it is written in the file.
pub(super) struct ModeText(pub String);

impl<'de> Deserialize<'de> for ModeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ModeVisitor;
        impl Visitor<'_> for ModeVisitor {
            type Value = ModeText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mode: deny, warn, audit or off")
            }

            // Helm's YAML takes `off` for a boolean and writes `false` into the ConfigMap.
            fn visit_bool<E: Error>(self, value: bool) -> Result<ModeText, E> {
                Ok(ModeText(if value { "on" } else { Mode::Off.as_str() }.to_owned()))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<ModeText, E> {
                Ok(ModeText(value.to_owned()))
            }
        }
        deserializer.deserialize_any(ModeVisitor)
    }
}

/// `all`, `none` or a list.
pub(super) enum AllowText {
    Keyword(String),
    List(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for AllowText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllowVisitor;
        impl<'de> Visitor<'de> for AllowVisitor {
            type Value = AllowText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("all, none or a list of rule ids")
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<AllowText, E> {
                Ok(AllowText::Keyword(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AllowText, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(AllowText::List(list))
            }
        }
        deserializer.deserialize_any(AllowVisitor)
    }
}

/// The entries of a map, each with its place in the file.
pub(super) struct SpannedMap<V>(pub Vec<(Spanned<String>, Spanned<V>)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for SpannedMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for MapVisitor<V> {
            type Value = SpannedMap<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SpannedMap<V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(SpannedMap(pairs))
            }
        }
        deserializer.deserialize_map(MapVisitor(PhantomData))
    }
}
