// Calls a CLB through Alibaba Cloud's own SDKs, unchanged, and prints what they understood: one
// JSON object, a key for each step.
//
// The classic SDK, which CCM uses, signs with HMAC-SHA1; the newer one with ACS3-HMAC-SHA256.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"log"
	"os"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
)

const region = "cn-example"

// options say where to call, and as whom.
type options struct {
	endpoint, scheme, key, secret string
}

// story collects what happened.
type story map[string]any

// tell keeps what a step was answered; a refusal that was not wanted ends the story.
func (s story) tell(step string, answer any, err error) {
	if err != nil {
		log.Fatalf("%s: %v", step, err)
	}
	s[step] = answer
}

// refused keeps the code of an error that was wanted.
func (s story) refused(step string, err error) {
	var refusal sdkerrors.Error
	if !errors.As(err, &refusal) {
		log.Fatalf("%s: wanted a refusal, got %v", step, err)
	}
	s[step] = map[string]any{
		"code": refusal.ErrorCode(), "status": refusal.HttpStatus(), "message": refusal.Message(),
	}
}

func main() {
	var with options
	flag.StringVar(&with.endpoint, "endpoint", "", "host and port")
	flag.StringVar(&with.scheme, "scheme", "HTTP", "HTTP or HTTPS")
	flag.StringVar(&with.key, "key", "", "access key id")
	flag.StringVar(&with.secret, "secret", "", "access key secret")
	flag.Parse()

	s := story{}
	classic(s, with)
	newer(s, with)
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		log.Fatal(err)
	}
}

// config is that of the classic SDK.
func (o options) config() *sdk.Config {
	return sdk.NewConfig().WithScheme(o.scheme)
}

func (o options) credential() *credentials.AccessKeyCredential {
	return credentials.NewAccessKeyCredential(o.key, o.secret)
}
