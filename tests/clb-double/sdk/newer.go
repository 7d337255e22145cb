package main

import (
	"errors"
	"log"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
)

// newer calls through the SDK from which today's are generated.
func newer(s story, with options) {
	client, err := openapi.NewClient(&openapi.Config{
		AccessKeyId:     tea.String(with.key),
		AccessKeySecret: tea.String(with.secret),
		Endpoint:        tea.String(with.endpoint),
		Protocol:        tea.String(with.scheme),
		RegionId:        tea.String(region),
	})
	if err != nil {
		log.Fatal(err)
	}
	call := func(action string, parameters map[string]string) (map[string]any, error) {
		query := map[string]*string{}
		for name, value := range parameters {
			query[name] = tea.String(value)
		}
		return client.CallApi(
			&openapi.Params{
				Action:      tea.String(action),
				Version:     tea.String("2014-05-15"),
				Protocol:    tea.String(with.scheme),
				Pathname:    tea.String("/"),
				Method:      tea.String("POST"),
				AuthType:    tea.String("AK"),
				Style:       tea.String("RPC"),
				ReqBodyType: tea.String("formData"),
				BodyType:    tea.String("json"),
			},
			&openapi.OpenApiRequest{Query: query},
			&dara.RuntimeOptions{},
		)
	}
	weights := `[{"ServerId":"i-3","Port":"30080","Weight":"42","Description":"a b+c/é"}]`
	set, err := call("SetVServerGroupAttribute", map[string]string{
		"VServerGroupId": "rsp-b", "BackendServers": weights,
	})
	s.tell("newerSet", set, err)
	group, err := call("DescribeVServerGroupAttribute", map[string]string{"VServerGroupId": "rsp-b"})
	s.tell("newerGroup", group, err)

	_, err = call("DescribeVServerGroupAttribute", map[string]string{"VServerGroupId": "rsp-x"})
	var refusal *tea.SDKError
	if !errors.As(err, &refusal) {
		log.Fatalf("newerUnknown: wanted a refusal, got %v", err)
	}
	s["newerUnknown"] = map[string]any{"code": tea.StringValue(refusal.Code)}
}
