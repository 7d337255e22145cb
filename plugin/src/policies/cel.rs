//! Pieces of CEL. A template speaks of one version of the Service: `$object` is the object itself,
//! `$Name` a variable of that version.

use clbmigrate_core::annotation::{LEGACY_PREFIX, PREFIX};

/// A version of the Service under review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The object as it shall be.
    New,
    /// The object as it is; null at CREATE.
    Old,
}

impl Side {
    /// Both versions.
    pub const ALL: [Self; 2] = [Self::New, Self::Old];

    /// What the name of a variable of this version begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
        }
    }

    /// A template as an expression about this version.
    pub fn of(self, template: &str) -> String {
        let object = match self {
            Self::New => "object",
            Self::Old => "oldObject",
        };
        let mut expression = String::new();
        for (at, part) in template.split('$').enumerate() {
            // The end of a regular expression is a `$`, too.
            let mark = match (at, part.chars().next()) {
                (0, _) => String::new(),
                (_, Some('A'..='Z')) => format!("variables.{}", self.prefix()),
                (_, Some('o')) if part.starts_with("object") => {
                    expression.push_str(object);
                    expression.push_str(part.trim_start_matches("object"));
                    continue;
                }
                _ => "$".to_owned(),
            };
            expression.push_str(&mark);
            expression.push_str(part);
        }
        expression
    }
}

/// A text as a literal. What JSON escapes, CEL reads alike.
pub fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Texts as a list of literals.
pub fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| literal(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// The value that CCM reads for a suffix: that under today's prefix as soon as the key exists, else
/// that under the older one, else nothing.
pub fn text(suffix: &str) -> String {
    let (today, legacy) = keys(suffix);
    format!(
        "({today} in $Annotations ? $Annotations[{today}] : {legacy} in $Annotations ? $Annotations[{legacy}] : '')"
    )
}

/// The full key that CCM reads for a suffix.
pub fn key(suffix: &str) -> String {
    let (today, legacy) = keys(suffix);
    format!("(!({today} in $Annotations) && {legacy} in $Annotations ? {legacy} : {today})")
}

/// The keys of a suffix under both prefixes, as literals.
pub fn keys(suffix: &str) -> (String, String) {
    (literal(&format!("{PREFIX}{suffix}")), literal(&format!("{LEGACY_PREFIX}{suffix}")))
}

/// White space as `char::is_whitespace` has it, for use within brackets of a regular expression.
pub const WHITE_SPACE: &str = r"\t-\r \x{85}\p{Z}";

/// Whether an expression, a text, matches a regular expression.
pub fn matches(expression: &str, pattern: &str) -> String {
    format!("{expression}.matches({})", literal(pattern))
}

/// The annotation of a suffix as the one finding, where a condition about its value holds.
pub fn where_value(suffix: &str, condition: &str) -> String {
    let (key, text) = (key(suffix), text(suffix));
    format!("[{text}].filter(value, value != '' && {condition}).map(value, {key} + ': ' + value)")
}
