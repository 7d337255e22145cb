//! CLBs and their tags.

use serde_json::Value;

use crate::scene::Scene;

const LB: (&str, &str) = ("LoadBalancerId", "lb-1");

fn ids(answer: &Value) -> Vec<&str> {
    let list = answer["LoadBalancers"]["LoadBalancer"].as_array().expect("CLBs");
    list.iter().map(|lb| lb["LoadBalancerId"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_clb_is_described() {
    let scene = Scene::new().await;
    let answer = scene.done("DescribeLoadBalancerAttribute", &[LB]).await;
    for (key, value) in [
        ("LoadBalancerId", "lb-1"),
        ("LoadBalancerName", "shop"),
        ("Address", "127.0.0.1"),
        ("AddressType", "intranet"),
        ("AddressIPVersion", "ipv4"),
        ("NetworkType", "vpc"),
        ("VpcId", "vpc-example"),
        ("DeleteProtection", "off"),
        ("ModificationProtectionStatus", "NonProtection"),
        ("RegionId", "cn-example"),
    ] {
        assert_eq!(answer[key], value, "{key}");
    }
    let listener = &answer["ListenerPortsAndProtocol"]["ListenerPortAndProtocol"][0];
    assert_eq!(listener["ListenerPort"], 80);
    assert_eq!(listener["ListenerProtocol"], "tcp");
    assert_eq!(answer["Tags"]["Tag"][0]["TagKey"], "team");
}

#[tokio::test]
async fn clbs_are_found_by_id_name_address_and_tags() {
    let scene = Scene::new().await;
    let all = scene.done("DescribeLoadBalancers", &[]).await;
    assert_eq!(ids(&all), ["lb-1", "lb-2"]);
    assert_eq!(all["TotalCount"], 2);
    for (name, value, wanted) in [
        ("LoadBalancerId", "lb-2,lb-9", "lb-2"),
        ("LoadBalancerName", "other", "lb-2"),
        ("Address", "127.0.0.1", "lb-1"),
        ("Tags", r#"[{"TagKey":"team","TagValue":"shop"}]"#, "lb-1"),
    ] {
        assert_eq!(ids(&scene.done("DescribeLoadBalancers", &[(name, value)]).await), [wanted]);
    }
    let none =
        scene.done("DescribeLoadBalancers", &[("Tag.1.Key", "team"), ("Tag.1.Value", "x")]).await;
    assert!(ids(&none).is_empty());
}

#[tokio::test]
async fn clbs_come_in_pages() {
    let scene = Scene::new().await;
    let page = async |number: &str| {
        scene.done("DescribeLoadBalancers", &[("PageSize", "1"), ("PageNumber", number)]).await
    };
    assert_eq!(ids(&page("1").await), ["lb-1"]);
    assert_eq!(ids(&page("2").await), ["lb-2"]);
    let third = page("3").await;
    assert!(ids(&third).is_empty());
    assert_eq!(third["TotalCount"], 2);
    let refused = scene.refused("DescribeLoadBalancers", &[("PageSize", "0")]).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn name_and_protections_are_set() {
    let scene = Scene::new().await;
    scene.done("SetLoadBalancerName", &[LB, ("LoadBalancerName", "renamed")]).await;
    scene.done("SetLoadBalancerDeleteProtection", &[LB, ("DeleteProtection", "on")]).await;
    let protect = [
        LB,
        ("ModificationProtectionStatus", "ConsoleProtection"),
        ("ModificationProtectionReason", "managed.by.ack"),
    ];
    scene.done("SetLoadBalancerModificationProtection", &protect).await;
    let answer = scene.done("DescribeLoadBalancerAttribute", &[LB]).await;
    assert_eq!(answer["LoadBalancerName"], "renamed");
    assert_eq!(answer["DeleteProtection"], "on");
    assert_eq!(answer["ModificationProtectionStatus"], "ConsoleProtection");
    assert_eq!(answer["ModificationProtectionReason"], "managed.by.ack");
    let refused =
        scene.refused("SetLoadBalancerDeleteProtection", &[LB, ("DeleteProtection", "yes")]).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn tags_are_set_listed_and_taken_away() {
    let scene = Scene::new().await;
    let lb = [("ResourceId.1", "lb-1"), ("ResourceType", "instance")];
    let with = |more: &[(&'static str, &'static str)]| [&lb[..], more].concat();
    let mine = [("Tag.1.Key", "kubernetes.reused.by.user"), ("Tag.1.Value", "true")];
    scene.done("TagResources", &with(&mine)).await;
    let answer = scene.done("ListTagResources", &lb).await;
    let tags = answer["TagResources"]["TagResource"].as_array().expect("tags");
    let tag = tags.iter().find(|tag| tag["TagKey"] == mine[0].1).expect("the tag");
    assert_eq!(tag["TagValue"], "true");
    assert_eq!(tag["ResourceId"], "lb-1");
    scene.done("UntagResources", &with(&[("TagKey.1", "team")])).await;
    let left = scene.double.state().load_balancers[0].tags.clone();
    assert_eq!(left.into_keys().collect::<Vec<_>>(), [mine[0].1]);
}

#[tokio::test]
async fn a_clb_has_no_more_than_20_tags() {
    let scene = Scene::new().await;
    let names = (1..=20).map(|number| format!("Tag.{number}.Key")).collect::<Vec<_>>();
    let values = (1..=20).map(|number| format!("t{number}")).collect::<Vec<_>>();
    let mut params = vec![("ResourceId.1", "lb-1"), ("ResourceType", "instance")];
    params.extend(names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_str())));
    let refused = scene.refused("TagResources", &params).await;
    assert_eq!(refused, (400, "QuotaExceeded.TagsPerResource".to_owned()));
    params.pop();
    scene.done("TagResources", &params).await;
}
