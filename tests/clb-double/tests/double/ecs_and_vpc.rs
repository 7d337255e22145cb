//! What CCM asks of ECS and VPC.

use serde_json::Value;

use crate::fixture::Fixture;

const ECS: &str = "2014-05-26";
const VPC: &str = "2016-04-28";

async fn interfaces(fixture: &Fixture, params: &[(&str, &str)]) -> Vec<Value> {
    let answer = fixture.client.call(ECS, "DescribeNetworkInterfaces", params).await;
    let answer = answer.expect("an answer").done();
    answer["NetworkInterfaceSets"]["NetworkInterfaceSet"].as_array().expect("interfaces").clone()
}

#[tokio::test]
async fn an_interface_is_found_by_any_of_its_addresses() {
    let fixture = Fixture::new().await;
    let params = [
        ("VpcId", "vpc-example"),
        ("Status", "InUse"),
        ("PrivateIpAddress.1", "10.0.1.8"),
        ("PrivateIpAddress.2", "10.0.1.99"),
    ];
    let found = interfaces(&fixture, &params).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["NetworkInterfaceId"], "eni-1");
    let own = found[0]["PrivateIpSets"]["PrivateIpSet"].as_array().expect("addresses");
    let own = own.iter().map(|set| set["PrivateIpAddress"].clone()).collect::<Vec<_>>();
    assert_eq!(own, ["10.0.1.7", "10.0.1.8"]);
    assert!(interfaces(&fixture, &[("VpcId", "vpc-x")]).await.is_empty());
}

#[tokio::test]
async fn the_ranges_of_the_vpc_are_told() {
    let fixture = Fixture::new().await;
    let ask = async |id: &str| {
        let answer = fixture.client.call(VPC, "DescribeVpcAttribute", &[("VpcId", id)]).await;
        answer.expect("an answer")
    };
    let answer = ask("vpc-example").await.done();
    assert_eq!(answer["CidrBlock"], "10.0.0.0/8");
    assert_eq!(answer["SecondaryCidrBlocks"]["SecondaryCidrBlock"][0], "172.16.0.0/12");
    assert_eq!(ask("vpc-x").await.refused(), (404, "InvalidVpcID.NotFound".to_owned()));
}

#[tokio::test]
async fn there_are_no_elastic_addresses() {
    let fixture = Fixture::new().await;
    let params = [("AssociatedInstanceType", "SlbInstance"), ("AssociatedInstanceId", "lb-1")];
    let answer = fixture.client.call(VPC, "DescribeEipAddresses", &params).await;
    let answer = answer.expect("an answer").done();
    assert_eq!(answer["EipAddresses"]["EipAddress"], serde_json::json!([]));
}
