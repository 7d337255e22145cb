//! `vgroup-port`, as CCM takes it apart: no trimming, ports compared as text, the first match wins.

use super::Malformed;

/// The group of a Service port; `None` if no entry names the port.
///
/// Entries after the first match are not looked at.
pub(super) fn group_of(mapping: &str, port: i32) -> Result<Option<&str>, Malformed> {
    let port = port.to_string();
    for entry in mapping.split(',') {
        let (group, wanted) = parts(entry)?;
        if wanted == port {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

/// Checks every entry, as CCM does before it reads the groups' backends.
pub(super) fn check(mapping: &str) -> Result<(), Malformed> {
    if mapping.is_empty() {
        return Ok(());
    }
    mapping.split(',').try_for_each(|entry| parts(entry).map(drop))
}

fn parts(entry: &str) -> Result<(&str, &str), Malformed> {
    let mut parts = entry.split(':');
    match (parts.next(), parts.next()) {
        (Some(group), Some(port)) => Ok((group, port)),
        _ => Err(Malformed(format!(
            "vgroupid and protocol format must be like 'vsp-xxx:443' with colon separated. got=[[{entry}]]"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The grammar as the real CCM was seen to read it: groups of ports 80 and 443 (`Err` for a format
    /// error), and whether the whole value is well-formed.
    #[rstest]
    #[case("rsp-a:80", Ok(Some("rsp-a")), Ok(None), true)]
    #[case("rsp-a:80,rsp-b:443", Ok(Some("rsp-a")), Ok(Some("rsp-b")), true)]
    #[case("rsp-a:80, rsp-b:443", Ok(Some("rsp-a")), Ok(Some(" rsp-b")), true)]
    #[case("rsp-a:80 ,rsp-b:443", Ok(None), Ok(Some("rsp-b")), true)]
    #[case(" rsp-a:80", Ok(Some(" rsp-a")), Ok(None), true)]
    #[case("rsp-a:80,", Ok(Some("rsp-a")), Err(()), false)]
    #[case("rsp-a:080", Ok(None), Ok(None), true)]
    #[case("rsp-a:80:tcp", Ok(Some("rsp-a")), Ok(None), true)]
    #[case("rsp-a:http", Ok(None), Ok(None), true)]
    #[case("rsp-a:80,rsp-b:80", Ok(Some("rsp-a")), Ok(None), true)]
    #[case("80:rsp-a", Ok(None), Ok(None), true)]
    #[case("rsp-a", Err(()), Err(()), false)]
    #[case(",rsp-a:80", Err(()), Err(()), false)]
    #[case("rsp-b:443,rsp-a:80", Ok(Some("rsp-a")), Ok(Some("rsp-b")), true)]
    fn ports_find_their_groups(
        #[case] mapping: &str,
        #[case] port_80: Result<Option<&str>, ()>,
        #[case] port_443: Result<Option<&str>, ()>,
        #[case] well_formed: bool,
    ) {
        assert_eq!(group_of(mapping, 80).map_err(drop), port_80);
        assert_eq!(group_of(mapping, 443).map_err(drop), port_443);
        assert_eq!(check(mapping).is_ok(), well_formed);
    }

    #[test]
    fn a_malformed_entry_is_quoted_in_ccms_words() {
        let error = group_of("rsp-a", 80).expect_err("no colon");
        assert_eq!(
            error.to_string(),
            "vgroupid and protocol format must be like 'vsp-xxx:443' with colon separated. got=[[rsp-a]]"
        );
    }
}
