//! Shares as bars.

/// What a cell filled by one to eight eighths looks like.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// A bar of exactly `width` columns of which `fraction` (0..=1) are filled. What is not nothing is
/// seen: anything above 0 fills at least the smallest step, anything below 1 leaves one open.
pub fn bar(fraction: f64, width: usize, unicode: bool) -> String {
    let steps_per_cell = if unicode { EIGHTHS.len() } else { 1 };
    let steps = filled(fraction, width * steps_per_cell);
    let mut bar = String::with_capacity(width * 3);
    for cell in 0..width {
        let here = steps.saturating_sub(cell * steps_per_cell).min(steps_per_cell);
        bar.push(match here.checked_sub(1) {
            None => ' ',
            Some(_) if !unicode => '#',
            Some(eighths) => EIGHTHS.get(eighths).copied().unwrap_or(' '),
        });
    }
    bar
}

/// How many of `steps` are filled.
fn filled(fraction: f64, steps: usize) -> usize {
    if steps == 0 || fraction.is_nan() || fraction <= 0.0 {
        return 0;
    }
    if fraction >= 1.0 {
        return steps;
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "0 < fraction < 1, and a bar has few steps"
    )]
    let filled = (fraction * steps as f64).round() as usize;
    filled.clamp(1, (steps - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use unicode_width::UnicodeWidthStr;

    #[rstest]
    #[case(0.0, "    ")]
    #[case(0.001, "▏   ")]
    #[case(0.25, "█   ")]
    #[case(0.5, "██  ")]
    #[case(0.53, "██▏ ")]
    #[case(0.999, "███▉")]
    #[case(1.0, "████")]
    fn a_share_fills_its_part_in_eighths(#[case] fraction: f64, #[case] shown: &str) {
        assert_eq!(bar(fraction, 4, true), shown);
    }

    #[rstest]
    #[case(0.0, "    ")]
    #[case(0.001, "#   ")]
    #[case(0.5, "##  ")]
    #[case(0.999, "### ")]
    #[case(1.0, "####")]
    fn a_plain_terminal_gets_hashes(#[case] fraction: f64, #[case] shown: &str) {
        assert_eq!(bar(fraction, 4, false), shown);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn a_bar_is_always_as_wide_as_asked(
                fraction in any::<f64>(),
                width in 0_usize..300,
                unicode in any::<bool>(),
            ) {
                prop_assert_eq!(bar(fraction, width, unicode).width(), width);
            }

            #[test]
            fn a_larger_share_never_has_a_shorter_bar(
                a in 0.0_f64..=1.0,
                b in 0.0_f64..=1.0,
                width in 1_usize..80,
            ) {
                let (less, more) = if a < b { (a, b) } else { (b, a) };
                let steps = width * EIGHTHS.len();
                prop_assert!(filled(less, steps) <= filled(more, steps));
            }
        }
    }
}
