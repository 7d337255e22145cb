//! The forms of names in Kubernetes.

/// The most characters of a label (Kubernetes: `DNS1123LabelMaxLength`).
const MAX_LABEL: usize = 63;

/// The most characters of a subdomain (Kubernetes: `DNS1123SubdomainMaxLength`).
const MAX_SUBDOMAIN: usize = 253;

/// Whether a text is a DNS label (RFC 1123): lower-case letters, digits and dashes, no dash at either
/// end. Namespaces are called so, and Services (Kubernetes: `ValidateNamespaceName`,
/// `ValidateServiceName`; a Service's name may begin with a digit from 1.34 on).
pub fn is_dns_label(text: &str) -> bool {
    text.len() <= MAX_LABEL && is_part(text)
}

/// Whether a text is a DNS subdomain (RFC 1123): labels of any length with dots between them.
/// Workloads and most other objects are called so (Kubernetes: `NameIsDNSSubdomain`).
pub fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= MAX_SUBDOMAIN && text.split('.').all(is_part)
}

/// Whether a text is a DNS label but for its length.
fn is_part(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_plain) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("shop")]
    #[case("a")]
    #[case("7-web")]
    #[case("a--b")]
    fn a_label_is_a_subdomain_as_well(#[case] text: &str) {
        assert!(is_dns_label(text) && is_dns_subdomain(text), "{text:?}");
    }

    #[rstest]
    #[case("web.shop")]
    #[case("a.b-c.7")]
    fn a_subdomain_of_several_parts_is_no_label(#[case] text: &str) {
        assert!(!is_dns_label(text) && is_dns_subdomain(text), "{text:?}");
    }

    #[rstest]
    #[case("")]
    #[case("-web")]
    #[case("web-")]
    #[case("Web")]
    #[case("web_1")]
    #[case("web/scale")]
    #[case("..")]
    #[case(".web")]
    #[case("web.")]
    #[case("a..b")]
    #[case("a.-b")]
    #[case("web?limit=1")]
    #[case("web%2f")]
    #[case("web\n")]
    #[case("wéb")]
    #[case(" web")]
    fn what_is_no_name_is_neither(#[case] text: &str) {
        assert!(!is_dns_label(text) && !is_dns_subdomain(text), "{text:?}");
    }

    #[test]
    fn names_have_a_greatest_length() {
        assert!(is_dns_label(&"a".repeat(63)) && !is_dns_label(&"a".repeat(64)));
        assert!(is_dns_subdomain(&"a".repeat(253)) && !is_dns_subdomain(&"a".repeat(254)));
    }
}
