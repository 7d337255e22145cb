use thiserror::Error;

/// Why CCM cannot use a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// A character that no integer has.
    #[error(
        "character {position} is {character:?}, an integer has an optional sign and digits only"
    )]
    Character {
        /// Counted in characters, from 1.
        position: usize,
        /// The character.
        character: char,
    },
    /// Nothing, or a sign alone.
    #[error("there are no digits")]
    NoDigits,
    /// More digits than CCM's 64 bits hold.
    #[error("the number is too large")]
    TooLarge,
    /// An integer that is not within 0..=100.
    #[error("{value} is not between 0 and 100")]
    OutOfRange {
        /// What was read.
        value: i64,
    },
}

/// Reads an integer as CCM does (Go's `strconv.Atoi`): a sign and leading zeros are allowed, spaces
/// are not. Never returns [`ValueError::OutOfRange`].
pub fn parse_integer(text: &str) -> Result<i64, ValueError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let sign = text.chars().count() - digits.chars().count();
    if digits.is_empty() {
        return Err(ValueError::NoDigits);
    }
    if let Some((index, character)) = digits.chars().enumerate().find(|(_, c)| !c.is_ascii_digit())
    {
        return Err(ValueError::Character { position: sign + index + 1, character });
    }
    text.parse().map_err(|_| ValueError::TooLarge)
}

/// Reads a weight: an integer within 0..=100 (CCM 2.14: `vgroups.go`; some documents say 1 to
/// 1000).
pub fn parse_weight(text: &str) -> Result<u32, ValueError> {
    let value = parse_integer(text)?;
    match u32::try_from(value) {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err(ValueError::OutOfRange { value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0", 0)]
    #[case("-0", 0)]
    #[case("+50", 50)]
    #[case("050", 50)]
    #[case("100", 100)]
    fn a_weight_that_ccm_accepts(#[case] text: &str, #[case] value: u32) {
        assert_eq!(parse_weight(text), Ok(value));
    }

    #[rstest]
    #[case("101", "101 is not between 0 and 100")]
    #[case("-1", "-1 is not between 0 and 100")]
    #[case(" 50", "character 1 is ' '")]
    #[case("20%", "character 3 is '%'")]
    #[case("5.5", "character 2 is '.'")]
    #[case("+", "there are no digits")]
    #[case("99999999999999999999", "too large")]
    #[case("٥", "character 1 is '٥'")]
    fn a_weight_that_drains_the_group_is_refused_with_the_place(
        #[case] text: &str,
        #[case] message: &str,
    ) {
        let error = parse_weight(text).expect_err("CCM refuses it").to_string();
        assert!(error.contains(message), "{error}");
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>()) {
                let _ = parse_integer(&text);
                let _ = parse_weight(&text);
            }

            #[test]
            fn every_weight_in_range_is_read_back(weight in 0_u32..=100, zeros in 0_usize..5) {
                let text = format!("{}{weight}", "0".repeat(zeros));
                prop_assert_eq!(parse_weight(&text), Ok(weight));
            }
        }
    }
}
