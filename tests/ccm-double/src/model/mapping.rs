//! `vgroup-port`, as CCM takes it apart: no trimming, ports compared as text, the first match wins.

use super::BuildError;

/// The group of a Service port; `None` if no entry names the port.
///
/// Entries after the first match are not looked at.
pub(crate) fn group_of(mapping: &str, port: i32) -> Result<Option<&str>, BuildError> {
    let port = port.to_string();
    for entry in mapping.split(',') {
        let (group, wanted) = parts(entry)?;
        if wanted == port {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

/// The groups of all entries, as CCM looks for them on the CLB; every entry has to be well-formed.
pub(crate) fn groups(mapping: &str) -> Result<Vec<&str>, BuildError> {
    if mapping.is_empty() {
        return Ok(Vec::new());
    }
    mapping.split(',').map(|entry| parts(entry).map(|(group, _)| group)).collect()
}

fn parts(entry: &str) -> Result<(&str, &str), BuildError> {
    let mut parts = entry.split(':');
    match (parts.next(), parts.next()) {
        (Some(group), Some(port)) => Ok((group, port)),
        _ => Err(BuildError(format!(
            "vgroupid and protocol format must be like 'vsp-xxx:443' with colon separated. got=[[{entry}]]"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The grammar as the real CCM was seen to read it: groups of ports 80 and 443 (`Err` for a format
    /// error), and the groups that are looked at.
    #[rstest]
    #[case("rsp-a:80", Ok(Some("rsp-a")), Ok(None), Ok(&["rsp-a"][..]))]
    #[case("rsp-a:80,rsp-b:443", Ok(Some("rsp-a")), Ok(Some("rsp-b")), Ok(&["rsp-a", "rsp-b"][..]))]
    #[case("rsp-a:80, rsp-b:443", Ok(Some("rsp-a")), Ok(Some(" rsp-b")), Ok(&["rsp-a", " rsp-b"][..]))]
    #[case("rsp-a:80 ,rsp-b:443", Ok(None), Ok(Some("rsp-b")), Ok(&["rsp-a", "rsp-b"][..]))]
    #[case(" rsp-a:80", Ok(Some(" rsp-a")), Ok(None), Ok(&[" rsp-a"][..]))]
    #[case("rsp-a:80,", Ok(Some("rsp-a")), Err(()), Err(()))]
    #[case("rsp-a:080", Ok(None), Ok(None), Ok(&["rsp-a"][..]))]
    #[case("rsp-a:80:tcp", Ok(Some("rsp-a")), Ok(None), Ok(&["rsp-a"][..]))]
    #[case("rsp-a:http", Ok(None), Ok(None), Ok(&["rsp-a"][..]))]
    #[case("rsp-a:80,rsp-b:80", Ok(Some("rsp-a")), Ok(None), Ok(&["rsp-a", "rsp-b"][..]))]
    #[case("80:rsp-a", Ok(None), Ok(None), Ok(&["80"][..]))]
    #[case("rsp-a", Err(()), Err(()), Err(()))]
    #[case(",rsp-a:80", Err(()), Err(()), Err(()))]
    #[case("rsp-b:443,rsp-a:80", Ok(Some("rsp-a")), Ok(Some("rsp-b")), Ok(&["rsp-b", "rsp-a"][..]))]
    fn ports_find_their_groups(
        #[case] mapping: &str,
        #[case] port_80: Result<Option<&str>, ()>,
        #[case] port_443: Result<Option<&str>, ()>,
        #[case] looked_at: Result<&[&str], ()>,
    ) {
        assert_eq!(group_of(mapping, 80).map_err(drop), port_80);
        assert_eq!(group_of(mapping, 443).map_err(drop), port_443);
        assert_eq!(groups(mapping).map_err(drop).as_deref(), looked_at.as_ref().map(|all| *all));
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
