//! The order in which keys are written: numbers inside them count as numbers.

/// Whether `a` is written before `b`. `sorter.go` of `gopkg.in/yaml.v2` 2.4.
///
/// Not an order in the strict sense, see [`super::service_hash`]: a sort that demands one must not use it.
pub(super) fn is_before(a: &str, b: &str) -> bool {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else {
        return a.len() < b.len();
    };
    let (Some((same, a)), Some((_, b))) = (a.split_at_checked(at), b.split_at_checked(at)) else {
        return false;
    };
    let (Some(&first_a), Some(&first_b)) = (a.first(), b.first()) else {
        return false;
    };
    match (first_a.is_alphabetic(), first_b.is_alphabetic()) {
        (true, true) => return first_a < first_b,
        (false, false) => {}
        (_, b_is_letter) => return b_is_letter,
    }
    // A zero behind another digit is no leading zero: both numbers get a digit in front.
    let inside = (first_a == '0' || first_b == '0')
        && same.iter().rev().take_while(|c| c.is_ascii_digit()).any(|&c| c != '0');
    let (number_a, digits_a) = number(a, inside);
    let (number_b, digits_b) = number(b, inside);
    (number_a, digits_a, first_a) < (number_b, digits_b, first_b)
}

/// The number at the start of `text` and how many digits it has. A number that is too long wraps
/// around, as in Go.
fn number(text: &[char], inside: bool) -> (i64, usize) {
    let digits = text.iter().map_while(|c| c.to_digit(10));
    digits.fold((i64::from(inside), 0), |(number, count), digit| {
        (number.wrapping_mul(10).wrapping_add(i64::from(digit)), count + 1)
    })
}

/// `entries` in the order of their keys.
pub(super) fn sorted<T>(entries: &[(String, T)]) -> Vec<&(String, T)> {
    let mut sorted: Vec<&(String, T)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let at = sorted.partition_point(|earlier| is_before(&earlier.0, &entry.0));
        sorted.insert(at, entry);
    }
    sorted
}
