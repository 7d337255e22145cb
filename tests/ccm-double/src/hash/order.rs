//! The order in which go-yaml writes a map's keys: digits by their number, letters after everything else.

/// Whether `a` is written before `b` (go-yaml 2.4, `sorter.go`).
pub(super) fn less(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len() < b.len();
    };
    let (Some(&x), Some(&y)) = (a.get(at), b.get(at)) else {
        return a.len() < b.len();
    };
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x < y,
        (false, false) => {}
        (_, second) => return second,
    }
    // A zero inside a number that has begun before is a digit like any other: 10 comes after 9.
    let inside_number = (x == '0' || y == '0')
        && a.iter().take(at).rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let (number_a, digits_a) = number(&a, at, inside_number);
    let (number_b, digits_b) = number(&b, at, inside_number);
    (number_a, digits_a, x) < (number_b, digits_b, y)
}

/// The number written from `at` on, and how many digits it has.
fn number(text: &[char], at: usize, begun: bool) -> (i64, usize) {
    text.iter().skip(at).map_while(|c| c.to_digit(10)).fold((i64::from(begun), 0), |(sum, n), d| {
        (sum.wrapping_mul(10).wrapping_add(i64::from(d)), n + 1)
    })
}
