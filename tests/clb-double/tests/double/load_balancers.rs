//! CLBs and their tags.

use serde_json::{Value, json};

use crate::fixture::Fixture;

const LB: (&str, &str) = ("LoadBalancerId", "lb-1");

fn ids(answer: &Value) -> Vec<&str> {
    let list = answer["LoadBalancers"]["LoadBalancer"].as_array().expect("CLBs");
    list.iter().map(|lb| lb["LoadBalancerId"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_clb_is_described() {
    let fixture = Fixture::new().await;
    let answer = fixture.done("DescribeLoadBalancerAttribute", &[LB]).await;
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
    let fixture = Fixture::new().await;
    let all = fixture.done("DescribeLoadBalancers", &[]).await;
    assert_eq!(ids(&all), ["lb-1", "lb-2"]);
    assert_eq!(all["TotalCount"], 2);
    for (name, value, wanted) in [
        ("LoadBalancerId", "lb-2,lb-9", "lb-2"),
        ("LoadBalancerName", "other", "lb-2"),
        ("Address", "127.0.0.1", "lb-1"),
        ("Tags", r#"[{"TagKey":"team","TagValue":"shop"}]"#, "lb-1"),
    ] {
        assert_eq!(ids(&fixture.done("DescribeLoadBalancers", &[(name, value)]).await), [wanted]);
    }
    let none =
        fixture.done("DescribeLoadBalancers", &[("Tag.1.Key", "team"), ("Tag.1.Value", "x")]).await;
    assert!(ids(&none).is_empty());
}

#[tokio::test]
async fn clbs_are_found_by_the_version_of_their_address_and_show_their_default_servers() {
    let fixture = Fixture::new().await;
    let state = json!({"id": "lb-6", "address": "2001:db8::7", "ipVersion": "ipv6",
                       "defaultServers": [{"serverId": "i-old", "weight": 30}]});
    let state = serde_json::from_value(state).expect("a CLB");
    fixture.double.edit(|whole| whole.load_balancers.push(state));
    let only = [("AddressIPVersion", "ipv6")];
    assert_eq!(ids(&fixture.done("DescribeLoadBalancers", &only).await), ["lb-6"]);
    let refused = fixture.refused("DescribeLoadBalancers", &[("AddressIPVersion", "5")]).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));
    let lb = [("LoadBalancerId", "lb-6")];
    let answer = fixture.done("DescribeLoadBalancerAttribute", &lb).await;
    let servers = json!([{"ServerId": "i-old", "Weight": 30, "Type": "ecs", "Description": ""}]);
    assert_eq!(answer["BackendServers"]["BackendServer"], servers);
}

#[tokio::test]
async fn clbs_come_in_pages() {
    let fixture = Fixture::new().await;
    let page = async |number: &str| {
        fixture.done("DescribeLoadBalancers", &[("PageSize", "1"), ("PageNumber", number)]).await
    };
    assert_eq!(ids(&page("1").await), ["lb-1"]);
    assert_eq!(ids(&page("2").await), ["lb-2"]);
    let third = page("3").await;
    assert!(ids(&third).is_empty());
    assert_eq!(third["TotalCount"], 2);
    let refused = fixture.refused("DescribeLoadBalancers", &[("PageSize", "0")]).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn name_and_protections_are_set() {
    let fixture = Fixture::new().await;
    fixture.done("SetLoadBalancerName", &[LB, ("LoadBalancerName", "renamed")]).await;
    fixture.done("SetLoadBalancerDeleteProtection", &[LB, ("DeleteProtection", "on")]).await;
    let protect = [
        LB,
        ("ModificationProtectionStatus", "ConsoleProtection"),
        ("ModificationProtectionReason", "managed.by.ack"),
    ];
    fixture.done("SetLoadBalancerModificationProtection", &protect).await;
    let answer = fixture.done("DescribeLoadBalancerAttribute", &[LB]).await;
    assert_eq!(answer["LoadBalancerName"], "renamed");
    assert_eq!(answer["DeleteProtection"], "on");
    assert_eq!(answer["ModificationProtectionStatus"], "ConsoleProtection");
    assert_eq!(answer["ModificationProtectionReason"], "managed.by.ack");
    let refused = fixture
        .refused("SetLoadBalancerDeleteProtection", &[LB, ("DeleteProtection", "yes")])
        .await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn tags_are_set_listed_and_taken_away() {
    let fixture = Fixture::new().await;
    let lb = [("ResourceId.1", "lb-1"), ("ResourceType", "instance")];
    let with = |more: &[(&'static str, &'static str)]| [&lb[..], more].concat();
    let mine = [("Tag.1.Key", "kubernetes.reused.by.user"), ("Tag.1.Value", "true")];
    fixture.done("TagResources", &with(&mine)).await;
    let answer = fixture.done("ListTagResources", &lb).await;
    let tags = answer["TagResources"]["TagResource"].as_array().expect("tags");
    let tag = tags.iter().find(|tag| tag["TagKey"] == mine[0].1).expect("the tag");
    assert_eq!(tag["TagValue"], "true");
    assert_eq!(tag["ResourceId"], "lb-1");
    fixture.done("UntagResources", &with(&[("TagKey.1", "team")])).await;
    let left = fixture.double.state().load_balancers[0].tags.clone();
    assert_eq!(left.into_keys().collect::<Vec<_>>(), [mine[0].1]);
}

#[tokio::test]
async fn a_clb_has_no_more_than_20_tags() {
    let fixture = Fixture::new().await;
    let names = (1..=20).map(|number| format!("Tag.{number}.Key")).collect::<Vec<_>>();
    let values = (1..=20).map(|number| format!("t{number}")).collect::<Vec<_>>();
    let mut params = vec![("ResourceId.1", "lb-1"), ("ResourceType", "instance")];
    params.extend(names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_str())));
    let refused = fixture.refused("TagResources", &params).await;
    assert_eq!(refused, (400, "QuotaExceeded.TagsPerResource".to_owned()));
    params.pop();
    fixture.done("TagResources", &params).await;
}

#[tokio::test]
async fn a_clb_is_created_as_the_call_says_and_deleted() {
    let fixture = Fixture::new().await;
    let params = [
        ("LoadBalancerName", "new"),
        ("AddressType", "internet"),
        ("AddressIPVersion", "ipv4"),
        ("LoadBalancerSpec", "slb.s2.small"),
        ("InstanceChargeType", "PayByCLCU"),
        ("InternetChargeType", "paybybandwidth"),
        ("Bandwidth", "20"),
        ("MasterZoneId", "cn-example-b"),
        ("SlaveZoneId", "cn-example-c"),
        ("ResourceGroupId", "rg-1"),
        ("DeleteProtection", "on"),
        ("ModificationProtectionStatus", "ConsoleProtection"),
    ];
    let tag = [("Tag.1.Key", "team"), ("Tag.1.Value", "shop")];
    let made = fixture.done("CreateLoadBalancer", &[&params[..], &tag].concat()).await;
    let id = made["LoadBalancerId"].clone();
    let lb = [("LoadBalancerId", id.as_str().expect("an id"))];
    let answer = fixture.done("DescribeLoadBalancerAttribute", &lb).await;
    assert_eq!(answer["Bandwidth"], 20);
    for (name, value) in params.iter().filter(|(name, _)| *name != "Bandwidth") {
        assert_eq!(answer[name], *value, "{name}");
    }
    assert_eq!(answer["NetworkType"], "classic", "that of the internet");
    assert_eq!(answer["Tags"]["Tag"], json!([{"TagKey": "team", "TagValue": "shop"}]));
    assert_eq!(answer["Address"], "192.0.2.1", "the first free one of those for documentation");
    let second = fixture.done("CreateLoadBalancer", &[]).await;
    assert_eq!(second["Address"], "192.0.2.2");

    let refused = fixture.refused("DeleteLoadBalancer", &lb).await;
    assert_eq!(refused, (400, "OperationDenied.DeleteProtection".to_owned()));
    let unprotect = [lb[0], ("DeleteProtection", "off")];
    fixture.done("SetLoadBalancerDeleteProtection", &unprotect).await;
    fixture.done("DeleteLoadBalancer", &lb).await;
    let gone = fixture.refused("DescribeLoadBalancerAttribute", &lb).await;
    assert_eq!(gone, (404, "InvalidLoadBalancerId.NotFound".to_owned()));
}

#[tokio::test]
async fn a_call_with_the_token_of_an_earlier_one_creates_nothing_new() {
    let fixture = Fixture::new().await;
    let create = async |token: &'static str| {
        let made = fixture.done("CreateLoadBalancer", &[("ClientToken", token)]).await;
        made["LoadBalancerId"].as_str().expect("an id").to_owned()
    };
    let first = create("one").await;
    assert_eq!(create("one").await, first);
    assert_ne!(create("two").await, first);
    assert_eq!(fixture.double.state().load_balancers.len(), 4);
    fixture.done("DeleteLoadBalancer", &[("LoadBalancerId", &first)]).await;
    assert_ne!(create("one").await, first);
}

#[tokio::test]
async fn specification_and_bandwidth_are_modified() {
    let fixture = Fixture::new().await;
    let spec = [LB, ("LoadBalancerSpec", "slb.s3.large")];
    fixture.done("ModifyLoadBalancerInstanceSpec", &spec).await;
    let clcu = [LB, ("InstanceChargeType", "PayByCLCU")];
    fixture.done("ModifyLoadBalancerInstanceChargeType", &clcu).await;
    let internet = [LB, ("InternetChargeType", "paybybandwidth"), ("Bandwidth", "50")];
    fixture.done("ModifyLoadBalancerInternetSpec", &internet).await;
    let answer = fixture.done("DescribeLoadBalancerAttribute", &[LB]).await;
    assert_eq!(answer["LoadBalancerSpec"], "slb.s3.large");
    assert_eq!(answer["InstanceChargeType"], "PayByCLCU");
    assert_eq!(answer["InternetChargeType"], "paybybandwidth");
    assert_eq!(answer["Bandwidth"], 50);
    for wrong in [("InternetChargeType", "free"), ("Bandwidth", "-2")] {
        let refused = fixture.refused("ModifyLoadBalancerInternetSpec", &[LB, wrong]).await;
        assert_eq!(refused, (400, "InvalidParameter".to_owned()));
    }
}
