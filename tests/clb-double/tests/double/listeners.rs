//! Listeners.

use serde_json::{Value, json};

use crate::fixture::{Fixture, state};

const LB: (&str, &str) = ("LoadBalancerId", "lb-1");

async fn described(fixture: &Fixture, port: u16) -> Value {
    let answer =
        fixture.done("DescribeLoadBalancerListeners", &[("LoadBalancerId.1", "lb-1")]).await;
    let listeners = answer["Listeners"].as_array().expect("listeners").clone();
    listeners.into_iter().find(|listener| listener["ListenerPort"] == port).unwrap_or_default()
}

#[tokio::test]
async fn a_listener_is_described() {
    let fixture = Fixture::new().await;
    let listener = described(&fixture, 80).await;
    let wanted = json!({
        "LoadBalancerId": "lb-1", "ListenerPort": 80, "ListenerProtocol": "tcp",
        "Status": "running", "Description": "shop-web", "Scheduler": "wrr", "Bandwidth": -1,
        "VServerGroupId": "rsp-a",
        "TCPListenerConfig": {
            "HealthCheck": "on", "HealthCheckType": "tcp", "HealthCheckInterval": 2,
            "HealthCheckConnectTimeout": 5, "HealthyThreshold": 3, "UnhealthyThreshold": 3,
            "PersistenceTimeout": 0, "EstablishedTimeout": 900, "ConnectionDrain": "off",
            "ConnectionDrainTimeout": 300,
        },
    });
    assert_eq!(listener, wanted);
}

#[tokio::test]
async fn a_listener_is_made_stopped_started_changed_and_deleted() {
    let fixture = Fixture::new().await;
    let port = ("ListenerPort", "443");
    let create = [
        LB,
        port,
        ("Bandwidth", "-1"),
        ("VServerGroupId", "rsp-b"),
        ("Scheduler", "rr"),
        ("ConnectionDrain", "on"),
        ("ConnectionDrainTimeout", "30"),
        ("HealthCheckConnectPort", "8080"),
        ("HealthyThreshold", "2"),
        ("Description", "tls"),
    ];
    fixture.done("CreateLoadBalancerTCPListener", &create).await;
    let made = described(&fixture, 443).await;
    assert_eq!(made["Status"], "stopped");
    assert_eq!(made["Scheduler"], "rr");
    assert_eq!(made["VServerGroupId"], "rsp-b");
    assert_eq!(made["TCPListenerConfig"]["ConnectionDrain"], "on");
    assert_eq!(made["TCPListenerConfig"]["ConnectionDrainTimeout"], 30);
    assert_eq!(made["TCPListenerConfig"]["HealthCheckConnectPort"], 8080);
    assert_eq!(made["TCPListenerConfig"]["HealthyThreshold"], 2);

    fixture.done("StartLoadBalancerListener", &[LB, port]).await;
    assert_eq!(described(&fixture, 443).await["Status"], "running");

    let change = [LB, port, ("Scheduler", "wlc"), ("PersistenceTimeout", "60")];
    fixture.done("SetLoadBalancerTCPListenerAttribute", &change).await;
    let changed = described(&fixture, 443).await;
    assert_eq!(changed["Scheduler"], "wlc");
    assert_eq!(changed["TCPListenerConfig"]["PersistenceTimeout"], 60);
    assert_eq!(changed["TCPListenerConfig"]["ConnectionDrainTimeout"], 30, "stays");
    assert_eq!(changed["Description"], "tls", "stays");

    fixture.done("StopLoadBalancerListener", &[LB, port]).await;
    assert_eq!(described(&fixture, 443).await["Status"], "stopped");
    let delete = [LB, port, ("ListenerProtocol", "tcp")];
    fixture.done("DeleteLoadBalancerListener", &delete).await;
    assert!(described(&fixture, 443).await.is_null());
    let refused = fixture.refused("DeleteLoadBalancerListener", &delete).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn a_listener_that_cannot_be_is_refused() {
    let fixture = Fixture::new().await;
    let refused = async |more: &[(&'static str, &'static str)]| {
        let params = [&[LB, ("Bandwidth", "-1")], more].concat();
        fixture.refused("CreateLoadBalancerTCPListener", &params).await.1
    };
    assert_eq!(refused(&[("ListenerPort", "80")]).await, "ListenerAlreadyExists");
    assert_eq!(refused(&[]).await, "MissingParameter");
    for wrong in [
        ("ListenerPort", "0"),
        ("Scheduler", "fastest"),
        ("VServerGroupId", "rsp-x"),
        ("ConnectionDrainTimeout", "5"),
        ("HealthyThreshold", "1"),
        ("HealthCheckSwitch", "maybe"),
    ] {
        let port = ("ListenerPort", if wrong.0 == "ListenerPort" { wrong.1 } else { "81" });
        assert_eq!(refused(&[wrong, port]).await, "InvalidParameter", "{wrong:?}");
    }
}

#[tokio::test]
async fn a_clb_has_so_many_listeners_and_they_come_in_stretches() {
    let mut state = state();
    state["quotas"] = json!({"listenersPerLoadBalancer": 3});
    let fixture = Fixture::with(&state).await;
    for port in ["81", "82"] {
        let params = [LB, ("ListenerPort", port), ("Bandwidth", "-1")];
        fixture.done("CreateLoadBalancerTCPListener", &params).await;
    }
    let params = [LB, ("ListenerPort", "83"), ("Bandwidth", "-1")];
    let refused = fixture.refused("CreateLoadBalancerTCPListener", &params).await;
    assert_eq!(refused, (400, "ListenerNumberOverLimit".to_owned()));

    let mut ports = Vec::new();
    let mut token = String::new();
    loop {
        let params =
            [("LoadBalancerId.1", "lb-1"), ("MaxResults", "2"), ("NextToken", token.as_str())];
        let answer = fixture.done("DescribeLoadBalancerListeners", &params).await;
        assert_eq!(answer["TotalCount"], 3);
        let listeners = answer["Listeners"].as_array().expect("listeners");
        assert!(listeners.len() <= 2);
        ports.extend(listeners.iter().map(|listener| listener["ListenerPort"].clone()));
        answer["NextToken"].as_str().expect("a token").clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ports, [80, 81, 82]);
}

#[tokio::test]
async fn listeners_of_other_protocols_are_stored_and_described() {
    let fixture = Fixture::new().await;
    let create = async |action: &str, more: &[(&'static str, &'static str)]| {
        fixture.client.slb(action, &[&[LB], more].concat()).await
    };
    let udp = [("ListenerPort", "80"), ("VServerGroupId", "rsp-b")];
    create("CreateLoadBalancerUDPListener", &udp).await.done();
    let https = [("ListenerPort", "443"), ("VServerGroupId", "rsp-b"), ("StickySession", "off")];
    let missing = create("CreateLoadBalancerHTTPSListener", &https).await.refused();
    assert_eq!(missing, (400, "MissingParameter".to_owned()), "no certificate");
    let certificate = [&https[..], &[("ServerCertificateId", "cert")]].concat();
    create("CreateLoadBalancerHTTPSListener", &certificate).await.done();
    let http = [("ListenerPort", "8080"), ("ListenerForward", "on"), ("ForwardPort", "443")];
    create("CreateLoadBalancerHTTPListener", &http).await.done();
    let taken = create("CreateLoadBalancerHTTPListener", &[("ListenerPort", "80")]).await;
    assert_eq!(taken.refused(), (400, "ListenerAlreadyExists".to_owned()));

    let https = described(&fixture, 443).await;
    assert_eq!(https["HTTPSListenerConfig"]["ServerCertificateId"], "cert");
    assert_eq!(https["HTTPSListenerConfig"]["StickySession"], "off");
    let http = described(&fixture, 8080).await;
    assert_eq!(http["HTTPListenerConfig"]["ListenerForward"], "on");
    assert_eq!(http["HTTPListenerConfig"]["ForwardPort"], 443);
    let set = [LB, ("ListenerPort", "443"), ("StickySession", "on"), ("HealthCheck", "off")];
    fixture.done("SetLoadBalancerHTTPSListenerAttribute", &set).await;
    let https = described(&fixture, 443).await;
    assert_eq!(https["HTTPSListenerConfig"]["StickySession"], "on");
    assert_eq!(https["HTTPSListenerConfig"]["HealthCheck"], "off");
    let both = [LB, ("ListenerPort", "80")];
    let refused = fixture.refused("StopLoadBalancerListener", &both).await;
    assert_eq!(refused, (400, "TooManyListeners".to_owned()), "TCP or UDP?");
}

#[tokio::test]
async fn a_listener_forwards_to_one_for_https_that_is_there() {
    let fixture = Fixture::new().await;
    let http = [LB, ("ListenerPort", "8080"), ("ListenerForward", "on"), ("ForwardPort", "443")];
    let refused = fixture.refused("CreateLoadBalancerHTTPListener", &http).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()), "there is none");
    let https = [LB, ("ListenerPort", "443"), ("ServerCertificateId", "cert")];
    fixture.done("CreateLoadBalancerHTTPSListener", &https).await;
    fixture.done("CreateLoadBalancerHTTPListener", &http).await;
    let delete = |port| [LB, ("ListenerPort", port)];
    let refused = fixture.refused("DeleteLoadBalancerListener", &delete("443")).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()), "it is forwarded to");
    fixture.done("DeleteLoadBalancerListener", &delete("8080")).await;
    fixture.done("DeleteLoadBalancerListener", &delete("443")).await;
    let plain = [LB, ("ListenerPort", "8080"), ("VServerGroupId", "rsp-b")];
    fixture.done("CreateLoadBalancerHTTPListener", &plain).await;
    let plain = described(&fixture, 8080).await;
    assert_eq!(plain["HTTPListenerConfig"]["ListenerForward"], "off");
}

#[tokio::test]
async fn values_out_of_their_range_are_taken_on_demand() {
    let wrong = [
        LB,
        ("ListenerPort", "80"),
        ("ConnectionDrain", "true"),
        ("PersistenceTimeout", "4000"),
        ("Scheduler", "best"),
    ];
    let fixture = Fixture::new().await;
    let refused = fixture.refused("SetLoadBalancerTCPListenerAttribute", &wrong).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));

    let mut state = state();
    state["takesAnyListenerValue"] = json!(true);
    let fixture = Fixture::with(&state).await;
    fixture.done("SetLoadBalancerTCPListenerAttribute", &wrong).await;
    let listener = described(&fixture, 80).await;
    assert_eq!(listener["Scheduler"], "best");
    assert_eq!(listener["TCPListenerConfig"]["ConnectionDrain"], "true");
    assert_eq!(listener["TCPListenerConfig"]["PersistenceTimeout"], "4000");
    let right = [LB, ("ListenerPort", "80"), ("ConnectionDrain", "on"), ("Scheduler", "rr")];
    fixture.done("SetLoadBalancerTCPListenerAttribute", &right).await;
    let listener = described(&fixture, 80).await;
    assert_eq!(listener["Scheduler"], "rr");
    assert_eq!(listener["TCPListenerConfig"]["ConnectionDrain"], "on");
    let group = [LB, ("ListenerPort", "80"), ("VServerGroupId", "rsp-none")];
    let refused = fixture.refused("SetLoadBalancerTCPListenerAttribute", &group).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()), "a group has to be there");
}
