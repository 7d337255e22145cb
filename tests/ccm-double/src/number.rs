//! Go's `strconv.Atoi`, whose verdict on annotation values decides what a round does.

/// Reads a decimal integer with an optional sign; the error is Go's.
pub(crate) fn atoi(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let problem = if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse() {
            Ok(number) => return Ok(number),
            Err(_) => "value out of range",
        }
    };
    Err(format!("strconv.Atoi: parsing {text:?}: {problem}"))
}

/// Reads a weight, 0 to 100.
pub(crate) fn weight(text: &str) -> Option<u32> {
    atoi(text).ok().and_then(|weight| u32::try_from(weight).ok()).filter(|weight| *weight <= 100)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("50", Some(50))]
    #[case("+50", Some(50))]
    #[case("050", Some(50))]
    #[case("-0", Some(0))]
    #[case("0", Some(0))]
    #[case("100", Some(100))]
    #[case("101", None)]
    #[case("-1", None)]
    #[case(" 50", None)]
    #[case("50.0", None)]
    #[case("1_0", None)]
    #[case("", None)]
    #[case("+", None)]
    #[case("99999999999999999999", None)]
    fn a_weight_is_what_go_takes_for_0_to_100(#[case] text: &str, #[case] expected: Option<u32>) {
        assert_eq!(weight(text), expected);
    }

    #[test]
    fn errors_are_those_of_go() {
        assert_eq!(
            atoi("10s").expect_err("no number"),
            r#"strconv.Atoi: parsing "10s": invalid syntax"#
        );
        assert_eq!(
            atoi("99999999999999999999").expect_err("too large"),
            r#"strconv.Atoi: parsing "99999999999999999999": value out of range"#
        );
    }
}
