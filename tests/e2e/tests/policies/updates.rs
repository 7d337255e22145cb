//! Updates: what is denied is what they introduce.

use clbmigrate_testkit::Kubectl;

use crate::{creations::manifest, difference};

/// An update: what it is, annotations before and after, and the rule that refuses it, in lower case,
/// or nothing.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "101->102",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "102"}"#,
        "clb001",
    ),
    (
        "101->50",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "50"}"#,
        "",
    ),
    (
        "101 kept, other",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101", "NEW-name": "x"}"#,
        "",
    ),
    (
        "101->0",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "0"}"#,
        "",
    ),
    (
        "lower with bad mapping",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp", "NEW-weight": "50"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp", "NEW-weight": "40"}"#,
        "",
    ),
    (
        "20->101",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        "clb001",
    ),
    (
        "20->40",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "40"}"#,
        "",
    ),
    (
        "removed",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80"}"#,
        "clb403",
    ),
    (
        "removed allowed",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "clbmigrate.io/allow": "CLB403"}"#,
        "",
    ),
    (
        "101 removed",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80"}"#,
        "",
    ),
    (
        "101 allowed?",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "101", "clbmigrate.io/allow": "CLB001"}"#,
        "clb001",
    ),
    (
        "moved",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp2example:80", "NEW-weight": "20"}"#,
        "clb405",
    ),
    (
        "moved release",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp2example:80,rsp-bp1example:0", "NEW-weight": "20"}"#,
        "",
    ),
    (
        "unmapped",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-weight": "20"}"#,
        "clb406",
    ),
    (
        "id changed",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp2example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        "clb406",
    ),
    (
        "release only",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:0", "NEW-weight": "20"}"#,
        "",
    ),
    (
        "release never held",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80,rsp-bp9example:0", "NEW-weight": "20"}"#,
        "clb005",
    ),
    (
        "7 fixed brings 8",
        r#"{"NEW-vgroup-ids": "80:rsp-bp1example"}"#,
        r#"{"NEW-vgroup-port": "rsp-bp1example:80"}"#,
        "",
    ),
    (
        "bad entry kept, another bad",
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80,rsp", "NEW-weight": "20"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80,rsp,rsq", "NEW-weight": "20"}"#,
        "clb003",
    ),
    (
        "prefix change",
        r#"{"OLD-id": "lb-bp1example", "OLD-vgroup-port": "rsp-bp1example:80", "OLD-weight": "10"}"#,
        r#"{"NEW-id": "lb-bp1example", "NEW-vgroup-port": "rsp-bp1example:80", "NEW-weight": "10"}"#,
        "",
    ),
];

/// Makes the Services as they are before.
pub fn prepare(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    for (at, (_, before, ..)) in CASES.iter().enumerate() {
        kubectl.run("create", &manifest(&format!("web{at}"), before, "{}")?)?.expect_code(0)?;
    }
    Ok(())
}

/// The cases that end otherwise.
pub fn wrong(kubectl: &Kubectl<'_>) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (at, (what, _, after, rule)) in CASES.iter().enumerate() {
        let manifest = manifest(&format!("web{at}"), after, "{}")?;
        let output = kubectl.run("replace --dry-run=server", &manifest)?;
        wrong.extend(difference(what, rule, &output));
    }
    Ok(wrong)
}
