package main

import (
	"encoding/json"
	"log"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/ecs"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/slb"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/vpc"
)

// backend is an element of BackendServers as CCM sends it, with what Go adds to it.
type backend struct {
	IsUserManaged bool
	NodeName      *string
	Description   string `json:"description"`
	ServerId      string `json:"serverId"`
	ServerIp      string `json:"serverIp"`
	Weight        int    `json:"weight"`
	Port          int    `json:"port"`
	Type          string `json:"type"`
}

func backends(list ...backend) string {
	text, err := json.Marshal(list)
	if err != nil {
		log.Fatal(err)
	}
	return string(text)
}

// classic calls what CCM calls.
func classic(s story, with options) {
	client := newSlb(with, with.credential())
	groups(s, client)
	listeners(s, client)
	tags(s, client)
	neighbours(s, with)
	refusals(s, with, client)
	assumed(s, with)
}

func newSlb(with options, credential auth.Credential) *slb.Client {
	client, err := slb.NewClientWithOptions(region, with.config(), credential)
	if err != nil {
		log.Fatal(err)
	}
	client.Domain = with.endpoint
	return client
}

func groups(s story, client *slb.Client) {
	lb := slb.CreateDescribeLoadBalancerAttributeRequest()
	lb.LoadBalancerId = "lb-1"
	described, err := client.DescribeLoadBalancerAttribute(lb)
	s.tell("loadBalancer", described, err)

	list := slb.CreateDescribeVServerGroupsRequest()
	list.LoadBalancerId = "lb-1"
	listed, err := client.DescribeVServerGroups(list)
	s.tell("groups", listed, err)

	web := backend{
		Description: "k8s/30080/web/shop/c1", ServerId: "i-3", Weight: 30, Port: 30080, Type: "ecs",
	}
	add := slb.CreateAddVServerGroupBackendServersRequest()
	add.VServerGroupId = "rsp-b"
	add.BackendServers = backends(web, backend{ServerId: "i-4", Weight: 1, Port: 80, Type: "ecs"})
	added, err := client.AddVServerGroupBackendServers(add)
	s.tell("added", added, err)

	web.Weight = 7
	set := slb.CreateSetVServerGroupAttributeRequest()
	set.VServerGroupId = "rsp-b"
	set.BackendServers = backends(web)
	changed, err := client.SetVServerGroupAttribute(set)
	s.tell("set", changed, err)

	remove := slb.CreateRemoveVServerGroupBackendServersRequest()
	remove.VServerGroupId = "rsp-b"
	remove.BackendServers = backends(backend{ServerId: "i-4", Port: 80, Type: "ecs"})
	removed, err := client.RemoveVServerGroupBackendServers(remove)
	s.tell("removed", removed, err)

	read := slb.CreateDescribeVServerGroupAttributeRequest()
	read.VServerGroupId = "rsp-b"
	group, err := client.DescribeVServerGroupAttribute(read)
	s.tell("group", group, err)
}

func listeners(s story, client *slb.Client) {
	create := slb.CreateCreateLoadBalancerTCPListenerRequest()
	create.LoadBalancerId = "lb-1"
	create.ListenerPort = requests.NewInteger(443)
	create.Bandwidth = requests.NewInteger(-1)
	create.VServerGroupId = "rsp-b"
	create.ConnectionDrain = "on"
	create.ConnectionDrainTimeout = requests.NewInteger(60)
	created, err := client.CreateLoadBalancerTCPListener(create)
	s.tell("created", created, err)

	start := slb.CreateStartLoadBalancerListenerRequest()
	start.LoadBalancerId = "lb-1"
	start.ListenerPort = requests.NewInteger(443)
	started, err := client.StartLoadBalancerListener(start)
	s.tell("started", started, err)

	list := slb.CreateDescribeLoadBalancerListenersRequest()
	list.LoadBalancerId = &[]string{"lb-1"}
	list.MaxResults = requests.NewInteger(50)
	listed, err := client.DescribeLoadBalancerListeners(list)
	s.tell("listeners", listed, err)

	health := slb.CreateDescribeHealthStatusRequest()
	health.LoadBalancerId = "lb-1"
	health.ListenerPort = requests.NewInteger(443)
	status, err := client.DescribeHealthStatus(health)
	s.tell("health", status, err)
}

func tags(s story, client *slb.Client) {
	tag := slb.CreateTagResourcesRequest()
	tag.ResourceType = "instance"
	tag.ResourceId = &[]string{"lb-1"}
	tag.Tag = &[]slb.TagResourcesTag{{Key: "kubernetes.reused.by.user", Value: "true"}}
	tagged, err := client.TagResources(tag)
	s.tell("tagged", tagged, err)

	list := slb.CreateListTagResourcesRequest()
	list.ResourceType = "instance"
	list.ResourceId = &[]string{"lb-1"}
	listed, err := client.ListTagResources(list)
	s.tell("tags", listed, err)
}

func neighbours(s story, with options) {
	compute, err := ecs.NewClientWithOptions(region, with.config(), with.credential())
	if err != nil {
		log.Fatal(err)
	}
	compute.Domain = with.endpoint
	interfaces := ecs.CreateDescribeNetworkInterfacesRequest()
	interfaces.VpcId = "vpc-example"
	interfaces.Status = "InUse"
	interfaces.PrivateIpAddress = &[]string{"10.0.1.8", "10.0.1.9"}
	interfaces.MaxResults = requests.NewInteger(100)
	found, err := compute.DescribeNetworkInterfaces(interfaces)
	s.tell("interfaces", found, err)

	network, err := vpc.NewClientWithOptions(region, with.config(), with.credential())
	if err != nil {
		log.Fatal(err)
	}
	network.Domain = with.endpoint
	attribute := vpc.CreateDescribeVpcAttributeRequest()
	attribute.VpcId = "vpc-example"
	described, err := network.DescribeVpcAttribute(attribute)
	s.tell("vpc", described, err)
}

func refusals(s story, with options, client *slb.Client) {
	nowhere := slb.CreateDescribeLoadBalancerAttributeRequest()
	nowhere.LoadBalancerId = "lb-x"
	_, err := client.DescribeLoadBalancerAttribute(nowhere)
	s.refused("unknown", err)

	thief := newSlb(with, credentials.NewAccessKeyCredential(with.key, "guessed"))
	_, err = thief.DescribeLoadBalancerAttribute(nowhere)
	s.refused("thief", err)
}

// assumed takes a role and calls with its token.
func assumed(s story, with options) {
	client, err := sts.NewClientWithOptions(region, with.config(), with.credential())
	if err != nil {
		log.Fatal(err)
	}
	client.Domain = with.endpoint
	assume := sts.CreateAssumeRoleRequest()
	// Its default is HTTPS whatever the client says.
	assume.Scheme = with.scheme
	assume.RoleArn = "acs:ram::1000000000000001:role/clb"
	assume.RoleSessionName = "sdk"
	answer, err := client.AssumeRole(assume)
	if err != nil {
		log.Fatalf("assumed: %v", err)
	}
	token := credentials.NewStsTokenCredential(
		answer.Credentials.AccessKeyId,
		answer.Credentials.AccessKeySecret,
		answer.Credentials.SecurityToken,
	)
	list := slb.CreateDescribeVServerGroupsRequest()
	list.LoadBalancerId = "lb-1"
	groups, err := newSlb(with, token).DescribeVServerGroups(list)
	s.tell("assumed", groups, err)
}
