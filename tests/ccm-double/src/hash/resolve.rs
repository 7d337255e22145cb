//! Whether go-yaml takes a text without quotes for text, or for a number, a truth value, a date.

/// Words that are truth values, nothing, infinite or no number in YAML 1.1.
const WORDS: &[&str] = &[
    "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on",
    "On", "ON", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", ".nan",
    ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF",
];

/// Whether `text` needs no quotes to stay text.
pub(super) fn is_text(text: &str) -> bool {
    if WORDS.contains(&text) || is_base_60(text) {
        return false;
    }
    match text.bytes().next() {
        Some(b'.') => !(joins_digits(text) && is_float(&text.replace('_', ""))),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            let plain = text.replace('_', "");
            !(is_timestamp(text) || is_integer(&plain) || is_float(&plain))
        }
        _ => true,
    }
}

/// `22:30`, a number to the base of 60 in older readers.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = match unsigned.split_once('.') {
        Some((_, fraction)) if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') => {
            return false;
        }
        Some((whole, _)) => whole,
        None => unsigned,
    };
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut rest = parts.peekable();
    rest.peek().is_some()
        && first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && rest.all(|part| match part.as_bytes() {
            [digit] => digit.is_ascii_digit(),
            [ten, digit] => (b'0'..=b'5').contains(ten) && digit.is_ascii_digit(),
            _ => false,
        })
}

/// An integer as Go's `ParseInt` and `ParseUint` take it with base 0, and `0b` before a signed number.
fn is_integer(text: &str) -> bool {
    let negative = text.starts_with('-');
    let signed = text.starts_with(['+', '-']);
    let digits = if signed { text.get(1..).unwrap_or_default() } else { text };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (digits.get(2..), 16),
        [b'0', b'b' | b'B', ..] => (digits.get(2..), 2),
        [b'0', b'o' | b'O', ..] => (digits.get(2..), 8),
        [b'0', _, ..] => (digits.get(1..), 8),
        _ => (Some(digits), 10),
    };
    let digits = digits.unwrap_or_default();
    if text.starts_with("0b") && i64::from_str_radix(digits, 2).is_ok() {
        return true;
    }
    if digits.starts_with(['+', '-']) {
        return false;
    }
    let limit = match (signed, negative) {
        (true, true) => 1 << 63,
        (true, false) => (1 << 63) - 1,
        (false, _) => u64::MAX,
    };
    u64::from_str_radix(digits, radix).is_ok_and(|number| number <= limit)
}

/// `1`, `1.5`, `.5`, `1e3`; not what is too large for a float.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    exponent_fits && mantissa_fits && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether every underscore stands between two digits, where Go's `ParseFloat` overlooks it.
fn joins_digits(text: &str) -> bool {
    text.as_bytes().windows(3).all(|around| match around {
        [before, b'_', after] => before.is_ascii_digit() && after.is_ascii_digit(),
        _ => true,
    }) && !text.ends_with('_')
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// A date, or a date with a time: `2026-11-21`, `2026-1-2T3:4:5Z`, `2026-11-21 12:00:00.5`.
fn is_timestamp(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, time) = rest.split_at(end);
    let (true, Ok(year), Some(month), Some(day)) =
        (year.len() == 4 && all_digits(year), year.parse(), up_to_two(month), up_to_two(day))
    else {
        return false;
    };
    if jiff::civil::Date::new(year, month, day).is_err() {
        return false;
    }
    match time.chars().next() {
        None => true,
        Some('T' | 't') => time_of_day(time).is_some_and(is_zone),
        Some(' ') => time_of_day(time) == Some(""),
        Some(_) => false,
    }
}

/// Reads `T15:4:5.9` and gives what follows it.
fn time_of_day(text: &str) -> Option<&str> {
    let mut parts = text.get(1..)?.splitn(3, ':');
    let (hour, minute) = (up_to_two(parts.next()?)?, up_to_two(parts.next()?)?);
    let rest = parts.next()?;
    // Go takes two digits where there are two.
    let end = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (second, rest) = rest.split_at_checked(end)?;
    if hour > 23 || minute > 59 || up_to_two(second)? > 59 {
        return None;
    }
    let digits = rest.strip_prefix(['.', ',']).unwrap_or_default();
    let fraction = digits.bytes().take_while(u8::is_ascii_digit).count();
    if fraction == 0 { Some(rest) } else { digits.get(fraction..) }
}

/// `Z` or `+08:00`.
fn is_zone(text: &str) -> bool {
    match text.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit())
                && (*h1, *h2) <= (b'2', b'4')
                && (*m1, *m2) <= (b'6', b'0')
        }
        _ => false,
    }
}

fn up_to_two(text: &str) -> Option<i8> {
    (matches!(text.len(), 1 | 2) && all_digits(text)).then(|| text.parse().ok()).flatten()
}
