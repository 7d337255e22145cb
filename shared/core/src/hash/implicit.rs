//! Texts that would be taken for something else if they were not quoted: numbers, booleans, nothing
//! at all, dates.
//!
//! `resolve.go` and `encode.go` of `gopkg.in/yaml.v2` 2.4. What counts is what Go's `strconv` and
//! `time` accept there.

/// Whether `text` must be quoted for the sake of its type.
pub(super) fn is_other_type(text: &str) -> bool {
    is_word(text)
        || match text.bytes().next() {
            // Here the library asks Go at once, which minds where underscores stand.
            Some(b'.') => underscores_part_digits(text) && is_float(&text.replace('_', "")),
            Some(b'+' | b'-' | b'0'..=b'9') => {
                let plain = text.replace('_', "");
                is_timestamp(text)
                    || is_integer(&plain)
                    || is_float(&plain)
                    || is_odd_binary(&plain)
                    || is_base_60(text)
            }
            _ => false,
        }
}

fn is_word(text: &str) -> bool {
    const WORDS: [&str; 11] =
        ["y", "yes", "true", "on", "n", "no", "false", "off", "null", ".nan", "~"];
    let is_spelt = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        text == word
            || text == word.to_ascii_uppercase()
            || text.strip_prefix(&first.to_ascii_uppercase()) == Some(rest)
    };
    text.is_empty()
        || text == ".NaN"
        || [".inf", ".Inf", ".INF"].contains(&sign(text).1)
        || WORDS.into_iter().any(is_spelt)
}

/// What Go's `ParseInt` or `ParseUint` takes with base 0.
fn is_integer(text: &str) -> bool {
    let (sign, digits) = sign(text);
    let prefixed = |prefix: [&str; 2]| {
        prefix.iter().find_map(|p| digits.strip_prefix(p)).filter(|rest| !rest.is_empty())
    };
    let (digits, base) = if let Some(rest) = prefixed(["0x", "0X"]) {
        (rest, 16)
    } else if let Some(rest) = prefixed(["0o", "0O"]) {
        (rest, 8)
    } else if let Some(rest) = prefixed(["0b", "0B"]) {
        (rest, 2)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (digits, 8)
    } else {
        (digits, 10)
    };
    fits(sign, digits, base)
}

/// Binary digits with a sign behind the prefix, which the library takes as well.
fn is_odd_binary(text: &str) -> bool {
    text.strip_prefix("0b").is_some_and(|rest| {
        let (sign, digits) = sign(rest);
        fits(sign, digits, 2)
    })
}

/// Whether the number fits into 64 bits, signed or, without a sign, unsigned.
fn fits(sign: Option<char>, digits: &str, base: u32) -> bool {
    // Rust's parsers take a sign of their own.
    if !digits.starts_with(|c: char| c.is_digit(base)) {
        return false;
    }
    match sign {
        None => u64::from_str_radix(digits, base).is_ok(),
        Some('-') => i64::from_str_radix(&format!("-{digits}"), base).is_ok(),
        Some(_) => i64::from_str_radix(digits, base).is_ok(),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, and not larger than a float can be.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(sign(exponent).1)),
        None => (text, None),
    };
    let (whole, fraction) = match sign(mantissa).1.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (sign(mantissa).1, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let some_digits = |text: &str| !text.is_empty() && digits(text);
    (some_digits(whole) && fraction.is_none_or(digits)
        || whole.is_empty() && fraction.is_some_and(some_digits))
        && exponent.is_none_or(some_digits)
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn underscores_part_digits(text: &str) -> bool {
    text.match_indices('_').all(|(at, underscore)| {
        let (before, after) = text.split_at_checked(at).unwrap_or_default();
        let after = after.strip_prefix(underscore).unwrap_or_default();
        let is_digit = |c: char| c.is_ascii_digit();
        before.ends_with(is_digit) && after.starts_with(is_digit)
    })
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: YAML 1.1 counts such things in sixties.
fn is_base_60(text: &str) -> bool {
    let mut parts = sign(text).1.split(':');
    let whole = parts.next().unwrap_or_default();
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let sixties: Vec<&str> = parts.collect();
    let Some((last, others)) = sixties.split_last() else {
        return false;
    };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    whole.starts_with(|c: char| c.is_ascii_digit())
        && digits(whole)
        && digits(fraction)
        && others
            .iter()
            .chain([&last])
            .all(|part| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
}

fn sign(text: &str) -> (Option<char>, &str) {
    match text.chars().next() {
        Some(sign @ ('+' | '-')) => (Some(sign), text.get(1..).unwrap_or_default()),
        _ => (None, text),
    }
}

/// `2006-1-2`, alone, with a time of day behind spaces, or with `T`, a time of day and a zone.
fn is_timestamp(text: &str) -> bool {
    date(text).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(' ').is_some_and(|rest| {
                time_of_day(rest.trim_start_matches(' ')).is_some_and(str::is_empty)
            })
            || rest.strip_prefix(['T', 't']).and_then(time_of_day).is_some_and(is_zone)
    })
}

/// What follows a date that exists.
fn date(text: &str) -> Option<&str> {
    let (year, rest) = text.split_at_checked(4)?;
    if !year.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year: u32 = year.parse().ok()?;
    let (month, rest) = one_or_two_digits(rest.strip_prefix('-')?)?;
    let (day, rest) = one_or_two_digits(rest.strip_prefix('-')?)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day).then_some(rest)
}

/// What follows a time of day, its fraction of a second included.
fn time_of_day(text: &str) -> Option<&str> {
    let (hour, rest) = one_or_two_digits(text)?;
    let (minute, rest) = one_or_two_digits(rest.strip_prefix(':')?)?;
    let (second, rest) = one_or_two_digits(rest.strip_prefix(':')?)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let after = |c: char| c.is_ascii_digit();
    Some(match rest.strip_prefix(['.', ',']) {
        Some(fraction) if fraction.starts_with(after) => fraction.trim_start_matches(after),
        _ => rest,
    })
}

/// `Z` or `+07:00`; Go tolerates 24 hours and 60 minutes here.
fn is_zone(text: &str) -> bool {
    let two = |tens: u8, ones: u8, most: u8| {
        tens.is_ascii_digit() && ones.is_ascii_digit() && (tens - b'0') * 10 + ones - b'0' <= most
    };
    match *text.as_bytes() {
        [b'Z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => two(h1, h2, 24) && two(m1, m2, 60),
        _ => false,
    }
}

fn one_or_two_digits(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}
