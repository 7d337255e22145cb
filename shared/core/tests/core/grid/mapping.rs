//! 0xx: the mapping of vServer groups to Service ports.

use clbmigrate_core::annotation::{ID, LEGACY_PREFIX, VGROUP_PORT, WEIGHT};
use serde_json::json;

use super::{Rule, rule};
use crate::support::{TestSnapshot, groups, healthy, healthy_eni};

const OLD_KEY: &str = "loadbalancer-vgroup-ids";

fn mapping(text: &str) -> TestSnapshot {
    healthy().note(VGROUP_PORT, text)
}

fn two_ports(text: &str) -> TestSnapshot {
    mapping(text).two_ports()
}

/// A Service with two protocols of one port.
fn dns(text: &str) -> TestSnapshot {
    mapping(text).two_protocols(&json!({"nodePort": 30053}), &json!({"nodePort": 30054}))
}

#[allow(clippy::too_many_lines, reason = "a table")]
pub fn rules() -> Vec<Rule> {
    vec![
        rule("CLB003")
            .error("a group without port", mapping("rsp-a"))
            .saying("rsp-a:80")
            .error("a comma at the end", mapping("rsp-a:80,"))
            .error("a comma in front", mapping(",rsp-a:80"))
            .error("two commas", two_ports("rsp-a:80,,rsp-b:443"))
            .error("nothing but a comma", mapping(","))
            .error("the second entry without port", two_ports("rsp-a:80,rsp-b"))
            .warning("a third part, which CCM drops", mapping("rsp-a:80:tcp"))
            .saying("rsp-a:80")
            .silent("GROUP:PORT", healthy())
            .silent("several of them", two_ports("rsp-a:80,rsp-b:443"))
            .silent("an empty value is no mapping", mapping("")),
        rule("CLB004")
            .error("a space after the comma, as today's official example has it", {
                two_ports("rsp-a:80, rsp-b:443")
            })
            .saying("rsp-a:80,rsp-b:443")
            .error("a space in front", mapping(" rsp-a:80"))
            .error("a space at the end", mapping("rsp-a:80 "))
            .error("a space around the colon", mapping("rsp-a : 80"))
            .error("a line break", mapping("rsp-a:80\n"))
            .error("a space after a port of two protocols", dns("rsp-a:53 "))
            .error("a space that keeps two ports apart", two_ports("rsp-a:80, rsp-a:443"))
            .silent("no space", two_ports("rsp-a:80,rsp-b:443")),
        rule("CLB005")
            .error("the target port", mapping("rsp-a:8080"))
            .saying("rsp-a:80\"")
            .error("the node port", mapping("rsp-a:30080"))
            .saying("rsp-a:80\"")
            .error("the port's name", mapping("rsp-a:http"))
            .saying("rsp-a:80\"")
            .error("a zero in front", mapping("rsp-a:080"))
            .saying("rsp-a:80\"")
            .error("port and group the other way round", mapping("80:rsp-a"))
            .saying("rsp-a:80\"")
            .error("one of two entries", mapping("rsp-a:80,rsp-b:443"))
            .error("the node port of one of two protocols", dns("rsp-a:30053"))
            .error("a port that makes two share a group", two_ports("rsp-a:80,rsp-a:30443"))
            .error("each entry by itself", mapping("rsp-a:8080,rsp-b:9090"))
            .times(2)
            .silent("a port of the Service", healthy())
            .silent("a release entry", mapping("rsp-a:80,rsp-old:0"))
            .silent("the space is the mistake (CLB004)", mapping("rsp-a:80 ")),
        rule("CLB006")
            .error("two groups for one port", mapping("rsp-a:80,rsp-b:80"))
            .saying("rsp-a is used")
            .error("the same group twice", mapping("rsp-a:80,rsp-a:80"))
            .error("an entry for each protocol", dns("rsp-a:53,rsp-b:53"))
            .saying("one with port 53/TCP and the mapping rsp-a:53, one with port 53/UDP and the mapping rsp-b:53")
            .error("more entries than protocols", dns("rsp-a:53,rsp-b:53,rsp-c:53"))
            .saying("one with port 53/UDP, each with a group of its own")
            .error("an entry for each protocol, which lead to the same pods", {
                healthy_eni().note(VGROUP_PORT, "rsp-a:53,rsp-b:53").two_protocols(&json!({"targetPort": 8080}), &json!({"targetPort": 8080}))
            })
            .saying("set service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: \"rsp-a:53\"")
            .silent("one entry a port", two_ports("rsp-a:80,rsp-b:443"))
            .silent("two release entries", mapping("rsp-a:80,rsp-b:0,rsp-old:0")),
        rule("CLB007")
            .error("the key of the older articles, with the line that works", {
                healthy().bare(VGROUP_PORT).note(OLD_KEY, "80:rsp-a")
            })
            .saying(
                "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: \"rsp-a:80\"",
            )
            .error("under the old prefix", {
                healthy().bare(VGROUP_PORT).key(&format!("{LEGACY_PREFIX}{OLD_KEY}"), "80:rsp-a")
            })
            .error("of two ports", {
                healthy().two_ports().bare(VGROUP_PORT).note(OLD_KEY, "80:rsp-a,443:rsp-b")
            })
            .saying("rsp-a:80,rsp-b:443")
            .error("of two protocols of one port", {
                dns("").bare(VGROUP_PORT).note(OLD_KEY, "53:rsp-a")
            })
            .error("beside a mapping that works", healthy().note(OLD_KEY, "80:rsp-a"))
            .error("without a CLB id", {
                healthy().bare(VGROUP_PORT).bare(ID).bare(WEIGHT).note(OLD_KEY, "80:rsp-a")
            })
            .silent("the key that CCM reads", healthy()),
        rule("CLB008")
            .error("a mapping without CLB id", healthy().bare(ID))
            .error("a mapping with an empty CLB id", healthy().note(ID, ""))
            .error("an empty CLB id wins over that of the old prefix", {
                healthy().note(ID, "").key(&format!("{LEGACY_PREFIX}{ID}"), "lb-a")
            })
            .silent("both", healthy())
            .silent("a CLB id of the old prefix", {
                healthy().bare(ID).key(&format!("{LEGACY_PREFIX}{ID}"), "lb-a")
            })
            .silent("an empty mapping", healthy().bare(ID).note(VGROUP_PORT, "")),
        rule("CLB019")
            .warning("a second port without entry", two_ports("rsp-a:80"))
            .saying("443")
            .warning("two protocols of one port", dns("rsp-a:0"))
            .times(2)
            .saying("make two Services of it")
            .warning("nothing but a release entry", mapping("rsp-a:0"))
            .warning("each port by itself", two_ports("rsp-a:0"))
            .times(2)
            .silent("an entry for each port", two_ports("rsp-a:80,rsp-b:443"))
            .silent("one entry for two protocols of a port", {
                mapping("rsp-a:53").two_protocols(&json!({"nodePort": 30053}), &json!({"nodePort": 30054}))
            })
            .silent("without a mapping at all CCM is meant to make its own", {
                healthy().bare(VGROUP_PORT).bare(WEIGHT)
            })
            .silent("a mapping that is malformed (CLB003)", two_ports("rsp-a:443:tcp"))
            .silent("a mapping with spaces (CLB004)", mapping("rsp-a:80 "))
            .silent("a mapping of no port (CLB005)", mapping("rsp-a:8080"))
            .silent("a mapping that names a port twice (CLB006)", two_ports("rsp-a:80,rsp-b:80"))
            .silent("the key of the older articles (CLB007)", {
                two_ports("rsp-a:80").note(OLD_KEY, "443:rsp-b")
            }),
        rule("CLB022")
            .error("a group that the CLB does not have", mapping("rsp-x:80"))
            .saying("rsp-a")
            .error("one of two", two_ports("rsp-a:80,rsp-x:443"))
            .silent("a group of the CLB", healthy())
            .silent("a release entry: the group may be gone", mapping("rsp-a:80,rsp-x:0"))
            .blind("the list of groups is not at hand", healthy().unanswered("VServerGroups"))
            .blind("the list at hand is another CLB's", {
                let mut list = groups(&[("rsp-x", "")]);
                list["LoadBalancerId"] = "lb-b".into();
                healthy().answer(list)
            }),
        rule("CLB023")
            .error("a group that CCM made", {
                healthy().answer(groups(&[("rsp-a", "k8s/30080/web/shop/c1")]))
            })
            .silent("a group of the user's", healthy())
            .silent("a name of four parts is the user's", {
                healthy().answer(groups(&[("rsp-a", "k8s/web/shop/c1")]))
            })
            .blind("the list of groups is not at hand", healthy().unanswered("VServerGroups")),
    ]
}
