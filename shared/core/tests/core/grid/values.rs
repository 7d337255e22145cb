//! 0xx: annotation values that CCM cannot use, or uses otherwise than meant.

use clbmigrate_core::annotation::{
    BACKEND_LABEL, BACKEND_TYPE, DEFAULT_WEIGHT, FORWARD_PORT, ID, IGNORE_WEIGHT_UPDATE,
    LEGACY_PREFIX, PROTOCOL_PORT, VGROUP_PORT, WEIGHT,
};
use clbmigrate_core::version::CcmVersion;
use serde_json::json;

use super::{Rule, rule};
use crate::support::{TestSnapshot, healthy, healthy_eni};

const DOMAIN_EXTENSIONS: &str = "loadbalancer-domain-extensions";

/// The nodes carry `zone: a` too.
fn zoned() -> TestSnapshot {
    healthy().each("Node", &json!({"metadata": {"labels": {"zone": "a"}}}))
}

#[allow(clippy::too_many_lines, reason = "a table")]
pub fn rules() -> Vec<Rule> {
    let legacy = |suffix: &str| format!("{LEGACY_PREFIX}{suffix}");
    vec![
        rule("CLB001")
            .error("a weight above 100", healthy().note(WEIGHT, "101"))
            .saying("rsp-a")
            .error("a weight below 0", healthy().note(WEIGHT, "-1"))
            .error("a space, which the fix leaves out", healthy().note(WEIGHT, " 50"))
            .saying("set service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"50\"")
            .error("nothing but a space", healthy().note(WEIGHT, " "))
            .error("a per cent sign", healthy().note(WEIGHT, "20%"))
            .saying("character 3")
            .error("a fraction", healthy().note(WEIGHT, "12.5"))
            .error("a word", healthy().note(WEIGHT, "half"))
            .error("more than a number holds", healthy().note(WEIGHT, "99999999999999999999"))
            .error(
                "the key of the old prefix counts too",
                healthy().bare(WEIGHT).key(&legacy(WEIGHT), "101"),
            )
            .saying("alicloud-loadbalancer-weight")
            .warning("an empty weight counts as not set", healthy().note(WEIGHT, ""))
            .saying("100")
            .warning(
                "an empty weight wins over that of the old prefix",
                healthy().note(WEIGHT, "").key(&legacy(WEIGHT), "40"),
            )
            .silent("a weight from 0 to 100", healthy())
            .silent("0", healthy().note(WEIGHT, "0"))
            .silent("100", healthy().note(WEIGHT, "100"))
            .silent("a sign, which CCM reads", healthy().note(WEIGHT, "+50"))
            .silent("zeros in front, which CCM reads", healthy().note(WEIGHT, "050"))
            .silent("minus nothing", healthy().note(WEIGHT, "-0"))
            .silent("no weight at all", healthy().bare(WEIGHT))
            .silent("a weight that CCM does not look at", {
                healthy().note(WEIGHT, "101").bare(VGROUP_PORT)
            }),
        rule("CLB002")
            .warning("a weight without mapping", healthy().bare(VGROUP_PORT))
            .warning("a weight beside an empty mapping", healthy().note(VGROUP_PORT, ""))
            .warning("a weight alone", healthy().bare(VGROUP_PORT).bare(ID))
            .warning("also one that CCM could not read", {
                healthy().bare(VGROUP_PORT).note(WEIGHT, "half")
            })
            .silent("a weight with CLB and mapping", healthy())
            .silent("no weight", healthy().bare(VGROUP_PORT).bare(WEIGHT))
            .silent("an empty weight", healthy().bare(VGROUP_PORT).note(WEIGHT, ""))
            .silent("a mapping without CLB is the worse mistake (CLB008)", healthy().bare(ID))
            .silent("the key of the older articles is the worse mistake (CLB007)", {
                healthy().bare(VGROUP_PORT).note("loadbalancer-vgroup-ids", "80:rsp-a")
            }),
        rule("CLB011")
            .warning("on, beside a weight", healthy().note(IGNORE_WEIGHT_UPDATE, "on"))
            .warning("in any case of letters", healthy().note(IGNORE_WEIGHT_UPDATE, "ON"))
            .silent("off", healthy().note(IGNORE_WEIGHT_UPDATE, "off"))
            .silent("any other word is off", healthy().note(IGNORE_WEIGHT_UPDATE, "true"))
            .silent(
                "on, without a weight",
                healthy().note(IGNORE_WEIGHT_UPDATE, "on").bare(WEIGHT),
            ),
        rule("CLB012")
            .error("a default weight above 100", healthy().note(DEFAULT_WEIGHT, "101"))
            .error("a default weight that is no number", healthy().note(DEFAULT_WEIGHT, "full"))
            .error("on a CLB of CCM's own too", {
                healthy().note(DEFAULT_WEIGHT, "150").bare(ID).bare(VGROUP_PORT).bare(WEIGHT)
            })
            .silent("a default weight from 0 to 100", healthy().note(DEFAULT_WEIGHT, "5"))
            .silent("an empty one, which is not set", healthy().note(DEFAULT_WEIGHT, "")),
        rule("CLB013")
            .error("ENI in capitals means nodes", healthy().key(BACKEND_TYPE, "ENI"))
            .saying("\"eni\"")
            .error("a space", healthy().key(BACKEND_TYPE, "eni "))
            .error("an invention", healthy().key(BACKEND_TYPE, "pod"))
            .silent("eni", healthy_eni())
            .silent("ecs", healthy().key(BACKEND_TYPE, "ecs"))
            .silent("nothing", healthy()),
        rule("CLB014")
            .error("a threshold with a unit", {
                healthy().note("loadbalancer-healthy-threshold", "3s")
            })
            .saying("character 2 is 's'")
            .error("a time-out that is no number", {
                healthy().note("loadbalancer-connection-drain-timeout", "long")
            })
            .error("a port by its name", {
                healthy().note("loadbalancer-health-check-connect-port", "http")
            })
            .error("a bandwidth with a unit", healthy().note("loadbalancer-bandwidth", "5M"))
            .error("the key of the old prefix", {
                healthy().key(&legacy("loadbalancer-health-check-interval"), "2 ")
            })
            .error("also without a CLB id", {
                healthy().bare(ID).note("loadbalancer-persistence-timeout", "on")
            })
            .error(
                "stray quotes around the protocols",
                healthy().note(PROTOCOL_PORT, "\"http:80\""),
            )
            .saying("http:80")
            .error("a protocol in capitals", healthy().note(PROTOCOL_PORT, "HTTP:80"))
            .error("a protocol without port", healthy().note(PROTOCOL_PORT, "http"))
            .error("a protocol of another family", healthy().note(PROTOCOL_PORT, "grpc:80"))
            .error("a redirection without target", {
                healthy().note(PROTOCOL_PORT, "http:80").note(FORWARD_PORT, "81")
            })
            .saying("correct or remove")
            .error("a redirection with an empty entry", {
                healthy().note(PROTOCOL_PORT, "http:80").note(FORWARD_PORT, ",80:443")
            })
            .saying("value: String(\"80:443\")")
            .error("a redirection to a port by its name", {
                healthy().note(PROTOCOL_PORT, "http:80").note(FORWARD_PORT, "80:https")
            })
            .error("a certificate with an equals sign", {
                healthy().note(DOMAIN_EXTENSIONS, "www.example.com=1234_cn-example")
            })
            .saying("value: String(\"www.example.com:1234_cn-example\")")
            .error("a certificate with a comma too many", {
                healthy().note(DOMAIN_EXTENSIONS, "www.example.com:1234_cn-example,")
            })
            .saying("value: String(\"www.example.com:1234_cn-example\")")
            .error("a domain without certificate", {
                healthy().note(DOMAIN_EXTENSIONS, "www.example.com")
            })
            .silent("a redirection of a port that is not HTTP", healthy().note(FORWARD_PORT, "81"))
            .silent("a redirection", {
                healthy().note(PROTOCOL_PORT, "http:80").note(FORWARD_PORT, "80:443")
            })
            .silent("certificates", {
                healthy().note(DOMAIN_EXTENSIONS, "a.example.com:c-1, b.example.com:c-2")
            })
            .silent("CCM 2.12 does not read certificates of domains", {
                let bad = healthy().note(DOMAIN_EXTENSIONS, "www.example.com");
                bad.ccm(CcmVersion::V2_12)
            })
            .silent("a number", healthy().note("loadbalancer-healthy-threshold", "3"))
            .silent("an empty value", healthy().note("loadbalancer-healthy-threshold", ""))
            .silent("a text where text belongs", {
                healthy().note("loadbalancer-health-check-httpcode", "http_2xx,http_3xx")
            })
            .silent("protocols as CCM reads them", healthy().note(PROTOCOL_PORT, "http:80")),
        rule("CLB016")
            .error("a label without an equals sign", healthy().note(BACKEND_LABEL, "web"))
            .error("a colon, as an old official example has it", {
                healthy().note(BACKEND_LABEL, "pool:web")
            })
            .saying("pool=web")
            .error("a space after the comma", zoned().note(BACKEND_LABEL, "pool=web, zone=a"))
            .saying("pool=web,zone=a")
            .error("a space in front", healthy().note(BACKEND_LABEL, " pool=web"))
            .error("a comma at the end", healthy().note(BACKEND_LABEL, "pool=web,"))
            .silent("a label that nodes carry", healthy().note(BACKEND_LABEL, "pool=web"))
            .silent("an empty value", healthy().note(BACKEND_LABEL, ""))
            .silent("two labels", zoned().note(BACKEND_LABEL, "pool=web,zone=a")),
    ]
}
