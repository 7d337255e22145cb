//! Ids that no CLB can have.
//!
//! The cloud gives a CLB an id of lower-case letters, digits and hyphens, such as `lb-bp1example`. Not
//! all begin with `lb-`.

use std::net::IpAddr;

use thiserror::Error;

/// Why a text is no CLB's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClbIdProblem {
    /// It has nothing but white space, which CCM takes for an id all the same.
    #[error("it is blank, and CCM takes that for an id")]
    Blank,
    /// White space or quotes stand around what may be an id.
    #[error("it has white space or quotes around it, and CCM trims nothing")]
    Untrimmed,
    /// A manifest's author has left something to be filled in.
    #[error("it is a placeholder that nobody has filled in")]
    Placeholder,
    /// It is the id of a vServer group.
    #[error("it is the id of a vServer group, which belongs into loadbalancer-vgroup-port")]
    Group,
    /// It is the id of something else.
    #[error("it is the id of {0}")]
    OtherKind(&'static str),
    /// It is an IP address.
    #[error("it is an IP address, and CCM finds a CLB by its id alone")]
    Address,
    /// It is a host name or a URL.
    #[error("it is a host name or URL, and CCM finds a CLB by its id alone")]
    Host,
    /// It has a character that no CLB's id has.
    #[error(
        "it has the character {0:?}, and an id has lower-case letters, digits and hyphens only"
    )]
    Character(char),
}

/// What ids of other things begin with.
pub const OTHER_KINDS: [(&str, &str); 3] = [
    ("sgp-", "a server group of a network load balancer"),
    ("nlb-", "a network load balancer"),
    ("alb-", "an application load balancer"),
];

/// Characters that stand for something to be filled in.
const PLACEHOLDERS: &str = "<>${}[]()*%…";

/// Words that stand for something to be filled in. The random part of an id is longer.
pub const FILL_INS: [&str; 12] = [
    "id",
    "todo",
    "tbd",
    "fixme",
    "changeme",
    "change",
    "replace",
    "replaceme",
    "placeholder",
    "none",
    "null",
    "undefined",
];

/// Why a text is no CLB's id; `None` where it may be one. An empty text counts as none at all for
/// CCM, and is no problem here.
pub fn clb_id_problem(text: &str) -> Option<ClbIdProblem> {
    let bare = bare(text);
    if text.is_empty() {
        None
    } else if bare.is_empty() {
        let is_blank = text.chars().all(char::is_whitespace);
        Some(if is_blank { ClbIdProblem::Blank } else { ClbIdProblem::Placeholder })
    } else {
        problem_of(bare).or_else(|| (bare != text).then_some(ClbIdProblem::Untrimmed))
    }
}

/// The id that was meant where only white space or quotes around it are wrong.
pub fn tidy_clb_id(text: &str) -> Option<&str> {
    (clb_id_problem(text) == Some(ClbIdProblem::Untrimmed)).then(|| bare(text))
}

fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'`“”‘’".contains(c))
}

fn problem_of(text: &str) -> Option<ClbIdProblem> {
    let is_of_an_id = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let odd = text.chars().find(|c| !is_of_an_id(c));
    // Addresses have dots or colons.
    if odd.is_some() && (text.parse::<IpAddr>().is_ok() || is_address_with_more(text)) {
        return Some(ClbIdProblem::Address);
    }
    if is_placeholder(text) {
        return Some(ClbIdProblem::Placeholder);
    }
    if text.starts_with("rsp-") {
        return Some(ClbIdProblem::Group);
    }
    let other = OTHER_KINDS.iter().find(|(prefix, _)| text.starts_with(prefix));
    if let Some((_, kind)) = other {
        return Some(ClbIdProblem::OtherKind(kind));
    }
    if is_host(text) {
        return Some(ClbIdProblem::Host);
    }
    odd.map(ClbIdProblem::Character)
}

/// Whether a text is an IP address in brackets, or with a port or a prefix length.
fn is_address_with_more(text: &str) -> bool {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let before = |end| text.rsplit_once(end).map(|(address, _)| address);
    let inner = |text: &str| is_address(text.trim_matches(['[', ']']));
    before('/').is_some_and(is_address) || before(':').is_some_and(inner) || inner(text)
}

fn is_placeholder(text: &str) -> bool {
    let has_sign = text.contains("...")
        || text
            .contains(|c: char| PLACEHOLDERS.contains(c) || (!c.is_ascii() && c.is_alphabetic()));
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    has_sign
        || words.any(|word| word.starts_with("your") || FILL_INS.contains(&word))
        || is_crossed_out(&lower)
}

/// Whether crosses stand for characters, as in `lb-xxxxxxxx` or `lb-bp1xxxxxxxx`. A real id may have
/// a few side by side.
fn is_crossed_out(text: &str) -> bool {
    let name = text.strip_prefix("lb-").unwrap_or(text);
    let is_cross = |c: char| c == 'x';
    let longest = name.split(|c| !is_cross(c)).map(str::len).max().unwrap_or(0);
    (longest >= 2 && longest == name.len()) || longest >= 5 || (longest >= 3 && text.len() <= 12)
}

fn is_host(text: &str) -> bool {
    let host = text.split(['/', ':']).next().unwrap_or_default();
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    text.contains("://") || (host.contains('.') && host.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::ClbIdProblem::*;
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("")]
    #[case("lb-bp1example")]
    #[case("lb-a")]
    #[case("lb-x")]
    #[case("lb-bp1hfycf39bbeb019pg7m")]
    #[case("lb-2zexxx8b3yhv0gq2xxx0t")]
    #[case("14ba0b5e4c8-cn-hangzhou-dg-a01")]
    #[case("153f2b1a4d8-cn-qingdao-cm5-a01")]
    #[case("lb-rsp-a")]
    #[case("lb-bp1ids0todo")]
    fn what_may_be_an_id_is_none_of_them(#[case] id: &str) {
        assert_eq!(clb_id_problem(id), None);
    }

    #[rstest]
    #[case(" ", Blank)]
    #[case("\t\n", Blank)]
    #[case("\u{3000}", Blank)]
    #[case(" lb-bp1example", Untrimmed)]
    #[case("lb-bp1example\n", Untrimmed)]
    #[case("\"lb-bp1example\"", Untrimmed)]
    #[case("'lb-bp1example'", Untrimmed)]
    #[case("“lb-bp1example”", Untrimmed)]
    #[case("lb-bp1 example", Character(' '))]
    #[case("lb-bp1example,lb-bp1other", Character(','))]
    #[case("lb-bp1example:80", Character(':'))]
    #[case("LB-BP1EXAMPLE", Character('L'))]
    #[case("lb_bp1example", Character('_'))]
    #[case("203.0.113.7", Address)]
    #[case(" 203.0.113.7", Address)]
    #[case("203.0.113.7:80", Address)]
    #[case("203.0.113.0/24", Address)]
    #[case("2001:db8::1", Address)]
    #[case("[2001:db8::1]:80", Address)]
    #[case("shop.example.com", Host)]
    #[case("https://slb.example.com/lb", Host)]
    #[case("shop.example.com:80", Host)]
    #[case("rsp-bp1example", Group)]
    #[case("rsp-bp1example:80", Group)]
    #[case("sgp-example", OtherKind("a server group of a network load balancer"))]
    #[case("nlb-example", OtherKind("a network load balancer"))]
    #[case("${YOUR_LOADBALANCER_ID}", Placeholder)]
    #[case("<lb-id>", Placeholder)]
    #[case("{{ .Values.clb }}", Placeholder)]
    #[case("[lb]", Placeholder)]
    #[case("$CLB", Placeholder)]
    #[case("lb-…", Placeholder)]
    #[case("lb-...", Placeholder)]
    #[case("lb-bp1****", Placeholder)]
    #[case("你的负载均衡实例ID", Placeholder)]
    #[case("lb-你的", Placeholder)]
    #[case("lb-xxxxxxxx", Placeholder)]
    #[case("lb-XXXX", Placeholder)]
    #[case("lb-bp1xxxxxxxxxxxxxxxxx", Placeholder)]
    #[case("lb-xx", Placeholder)]
    #[case("your-lb-id", Placeholder)]
    #[case("your_lb", Placeholder)]
    #[case("YourLoadBalancerId", Placeholder)]
    #[case("LB_ID", Placeholder)]
    #[case("lb-id", Placeholder)]
    #[case("\"\"", Placeholder)]
    #[case("rsp-<id>", Placeholder)]
    fn what_no_clb_has_is_named(#[case] id: &str, #[case] problem: ClbIdProblem) {
        assert_eq!(clb_id_problem(id), Some(problem));
    }

    #[test]
    fn an_id_in_quotes_or_white_space_is_told() {
        assert_eq!(tidy_clb_id(" \"lb-bp1example\" "), Some("lb-bp1example"));
        assert_eq!(tidy_clb_id("lb-bp1example"), None);
        assert_eq!(tidy_clb_id(" 203.0.113.7"), None);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_text_makes_the_search_panic(text in any::<String>()) {
                let _ = (clb_id_problem(&text), tidy_clb_id(&text));
            }

            #[test]
            fn ids_as_the_cloud_makes_them_are_none_of_them(
                region in proptest::sample::select(vec!["bp1", "2ze", "uf6", "wz9", "t4n", "gw8"]),
                random in "[a-wyz0-9]{18}",
            ) {
                let id = format!("lb-{region}{random}");
                prop_assert_eq!(clb_id_problem(&id), None, "{}", id);
            }

            #[test]
            fn white_space_around_an_id_is_always_seen(
                id in "lb-bp1[a-wyz0-9]{18}",
                space in "[ \t\n]{1,3}",
            ) {
                for text in [format!("{space}{id}"), format!("{id}{space}")] {
                    prop_assert_eq!(clb_id_problem(&text), Some(Untrimmed));
                    prop_assert_eq!(tidy_clb_id(&text), Some(id.as_str()));
                }
            }
        }
    }
}
