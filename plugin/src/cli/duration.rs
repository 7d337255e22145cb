//! Durations as kubectl's flags have them.

use std::{str::FromStr, time::Duration};

/// The largest duration in nanoseconds and one. Go: `time.Duration` is an `int64`.
const LIMIT: u64 = 1 << 63;

/// A duration as kubectl's flags have it: `90s`, `1m30s`, `1.5h`, or seconds without a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationArg(pub Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Malformed,
    NoUnit,
    TooLong,
    Negative,
}

impl FromStr for DurationArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).map(Self).map_err(|fault| {
            let why = match fault {
                Fault::Malformed => "is no time; write for example 30s, 5m or 1h30m",
                Fault::NoUnit => {
                    "is no time: a unit is missing; write for example 30s, 5m or 1h30m"
                }
                Fault::TooLong => "is too long; 0 is no limit",
                Fault::Negative => "is negative; 0 is no limit",
            };
            format!("{text:?} {why}")
        })
    }
}

/// Kubernetes: client-go, `clientcmd.ParseTimeout`.
fn parse(text: &str) -> Result<Duration, Fault> {
    if let Ok(seconds) = text.parse::<i64>()
        && let Ok(seconds) = u64::try_from(seconds)
    {
        let is_short = seconds.checked_mul(1_000_000_000).is_some_and(|nanos| nanos < LIMIT);
        return if is_short { Ok(Duration::from_secs(seconds)) } else { Err(Fault::TooLong) };
    }
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let nanos = parse_unsigned(unsigned)?;
    match (is_negative, nanos) {
        (true, 1..) => Err(Fault::Negative),
        (false, LIMIT..) => Err(Fault::TooLong),
        _ => Ok(Duration::from_nanos(nanos)),
    }
}

/// Nanoseconds. Go: `time.ParseDuration`.
fn parse_unsigned(text: &str) -> Result<u64, Fault> {
    if text == "0" {
        return Ok(0);
    }
    if text.is_empty() {
        return Err(Fault::Malformed);
    }
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(Fault::Malformed);
        }
        let is_number = |c: char| c == '.' || c.is_ascii_digit();
        let (unit, after) = after.split_at(after.find(is_number).unwrap_or(after.len()));
        let part = part(whole, fraction, unit_in_nanos(unit)?)?;
        total = total.checked_add(part).filter(|sum| *sum <= LIMIT).ok_or(Fault::TooLong)?;
        rest = after;
    }
    Ok(total)
}

/// The digits that a text begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_in_nanos(unit: &str) -> Result<u64, Fault> {
    Ok(match unit {
        "ns" => 1,
        // The micro sign, and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(Fault::NoUnit),
        _ => return Err(Fault::Malformed),
    })
}

/// A number of a unit, in nanoseconds. What is less than one is dropped.
fn part(whole: &str, fraction: &str, unit: u64) -> Result<u64, Fault> {
    let mut nanos = 0_u64;
    for digit in whole.chars().filter_map(|digit| digit.to_digit(10)) {
        let more = nanos.checked_mul(10).and_then(|nanos| nanos.checked_add(digit.into()));
        nanos = more.filter(|number| *number <= LIMIT).ok_or(Fault::TooLong)?;
    }
    let nanos = nanos.checked_mul(unit).ok_or(Fault::TooLong)?;
    let of_fraction = fraction_in_nanos(fraction, unit);
    nanos.checked_add(of_fraction).filter(|sum| *sum <= LIMIT).ok_or(Fault::TooLong)
}

/// The digits behind a point, of a unit, in nanoseconds. It is computed with the floating point numbers of
/// Go, and drops digits where Go does, so that it rounds alike.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as in Go: a number from 0 to less than the unit"
)]
fn fraction_in_nanos(fraction: &str, unit: u64) -> u64 {
    let (mut number, mut scale) = (0_u64, 1_f64);
    for digit in fraction.chars().filter_map(|digit| digit.to_digit(10)) {
        let more = number.checked_mul(10).and_then(|number| number.checked_add(digit.into()));
        let Some(more) = more.filter(|more| *more <= LIMIT) else { break };
        number = more;
        scale *= 10.0;
    }
    (number as f64 * (unit as f64 / scale)) as u64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    // Go 1.26: src/time/time_test.go, parseDurationTests, and what kubectl's --request-timeout adds.
    #[rstest]
    #[case("0", 0)]
    #[case("5s", 5 * SECOND)]
    #[case("30s", 30 * SECOND)]
    #[case("1478s", 1478 * SECOND)]
    #[case("-0", 0)]
    #[case("+0", 0)]
    #[case("-0s", 0)]
    #[case("+5s", 5 * SECOND)]
    #[case("5.0s", 5 * SECOND)]
    #[case("5.6s", 5_600_000_000)]
    #[case("5.s", 5 * SECOND)]
    #[case(".5s", SECOND / 2)]
    #[case("1.0s", SECOND)]
    #[case("1.00s", SECOND)]
    #[case("1.004s", 1_004_000_000)]
    #[case("1.0040s", 1_004_000_000)]
    #[case("100.00100s", 100_001_000_000)]
    #[case("10ns", 10)]
    #[case("11us", 11_000)]
    #[case("12\u{b5}s", 12_000)]
    #[case("12\u{3bc}s", 12_000)]
    #[case("13ms", 13_000_000)]
    #[case("14s", 14 * SECOND)]
    #[case("15m", 900 * SECOND)]
    #[case("16h", 57_600 * SECOND)]
    #[case("3h30m", 12_600 * SECOND)]
    #[case("10.5s4m", 250_500_000_000)]
    #[case("1h2m3s4ms5us6ns", 3_723_004_005_006)]
    #[case("39h9m14.425s", 140_954_425_000_000)]
    #[case("52763797000ns", 52_763_797_000)]
    #[case("0.3333333333333333333h", 1_200 * SECOND)]
    #[case("9007199254740993ns", 9_007_199_254_740_993)]
    #[case("9223372036854775807ns", 9_223_372_036_854_775_807)]
    #[case("9223372036854775.807us", 9_223_372_036_854_775_807)]
    #[case("9223372036s854ms775us807ns", 9_223_372_036_854_775_807)]
    #[case("0.100000000000000000000h", 360 * SECOND)]
    #[case("0.9223372036854775807h", 3_320_413_933_267)]
    #[case("0.830103483285477580700h", 2_988_372_539_827)]
    #[case("1.5m", 90 * SECOND)]
    #[case("45", 45 * SECOND)]
    #[case("+45", 45 * SECOND)]
    fn a_time_is_written_as_for_kubectl(#[case] text: &str, #[case] nanos: u64) {
        assert_eq!(text.parse(), Ok(DurationArg(Duration::from_nanos(nanos))));
    }

    #[rstest]
    #[case::nothing("", Fault::Malformed)]
    #[case("3.5", Fault::NoUnit)]
    #[case("-", Fault::Malformed)]
    #[case("s", Fault::Malformed)]
    #[case(".", Fault::Malformed)]
    #[case("-.", Fault::Malformed)]
    #[case(".s", Fault::Malformed)]
    #[case("+.s", Fault::Malformed)]
    #[case("1d", Fault::Malformed)]
    #[case("\u{85}\u{85}", Fault::Malformed)]
    #[case("hello \u{ffff} world", Fault::Malformed)]
    #[case("++5s", Fault::Malformed)]
    #[case("5s-3s", Fault::Malformed)]
    #[case("1 s", Fault::Malformed)]
    #[case(" 1s", Fault::Malformed)]
    #[case("1S", Fault::Malformed)]
    #[case("1e3s", Fault::Malformed)]
    #[case("1,5s", Fault::Malformed)]
    #[case("1h30", Fault::NoUnit)]
    #[case("9223372036854775810ns", Fault::TooLong)]
    #[case("9223372036854775808ns", Fault::TooLong)]
    #[case("9223372036854ms775us808ns", Fault::TooLong)]
    #[case("3000000h", Fault::TooLong)]
    #[case("9223372037", Fault::TooLong)]
    #[case("-1s", Fault::Negative)]
    #[case("-5", Fault::NoUnit)]
    #[case("-2m3.4s", Fault::Negative)]
    fn what_go_refuses_is_no_time(#[case] text: &str, #[case] fault: Fault) {
        assert_eq!(parse(text), Err(fault));
    }

    #[rstest]
    #[case("1d", "\"1d\" is no time; write for example 30s, 5m or 1h30m")]
    #[case("-1s", "\"-1s\" is negative; 0 is no limit")]
    #[case("3000000h", "\"3000000h\" is too long; 0 is no limit")]
    fn what_is_wrong_is_told(#[case] text: &str, #[case] message: &str) {
        assert_eq!(text.parse::<DurationArg>(), Err(message.to_owned()));
    }

    mod properties {
        use proptest::{collection::vec, prelude::*, sample::select};

        use super::*;

        /// Parts of a duration, each with what it is in nanoseconds.
        fn parts() -> impl Strategy<Value = Vec<(String, u64)>> {
            const UNITS: &[(&str, u64)] = &[
                ("ns", 1),
                ("us", 1_000),
                ("\u{b5}s", 1_000),
                ("\u{3bc}s", 1_000),
                ("ms", 1_000_000),
                ("s", SECOND),
                ("m", 60 * SECOND),
                ("h", 3_600 * SECOND),
            ];
            let part = (0_u64..1_000, select(UNITS), prop::option::of(0_u64..1_000), any::<bool>());
            let part = part.prop_map(|(whole, (unit, nanos), thousandths, is_bare)| {
                let of_fraction = thousandths.map_or(0, |of| of * nanos / 1_000);
                let text = match thousandths {
                    None => format!("{whole}{unit}"),
                    Some(of) if is_bare => return (format!(".{of:03}{unit}"), of_fraction),
                    Some(of) => format!("{whole}.{of:03}{unit}"),
                };
                (text, whole * nanos + of_fraction)
            });
            vec(part, 1..6)
        }

        proptest! {
            #[test]
            fn every_duration_of_go_is_read(parts in parts(), sign in select(&["", "+"][..])) {
                let text: String = parts.iter().map(|(text, _)| text.as_str()).collect();
                let nanos: u64 = parts.iter().map(|(_, nanos)| nanos).sum();
                let expected = Ok(Duration::from_nanos(nanos));
                prop_assert_eq!(parse(&format!("{sign}{text}")), expected);
                let negative = parse(&format!("-{text}"));
                let is_zero = nanos == 0;
                prop_assert_eq!(negative, if is_zero { expected } else { Err(Fault::Negative) });
            }

            #[test]
            fn what_is_read_has_the_form_of_go(text in "[-+]?[0-9.nmuhsd\u{b5} ]{0,12}") {
                if parse(&text).is_ok() {
                    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(&text);
                    let is_plain = unsigned.bytes().all(|byte| byte.is_ascii_digit());
                    let ends_with_unit = unsigned.ends_with(['s', 'm', 'h']);
                    prop_assert!(is_plain || ends_with_unit, "{text}");
                    prop_assert!(!text.contains([' ', 'd']), "{text}");
                }
            }

            #[test]
            fn no_text_makes_the_reader_panic(text in any::<String>()) {
                let _ = text.parse::<DurationArg>();
            }
        }
    }
}
