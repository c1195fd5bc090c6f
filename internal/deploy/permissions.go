// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// actionsOf lists what a caller must be allowed to do so that CloudFormation can make a resource of the type in his name.
// They are the ones without which nothing works, not all that an update may need.
func actionsOf(resourceType string) []string {
	switch resourceType {
	case "AWS::S3::Bucket":
		return []string{"s3:CreateBucket", "s3:PutBucketPublicAccessBlock", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutBucketCORS"}
	case "AWS::S3::BucketPolicy":
		return []string{"s3:PutBucketPolicy"}
	case "AWS::DynamoDB::Table":
		return []string{"dynamodb:CreateTable", "dynamodb:DescribeTable", "dynamodb:UpdateTimeToLive"}
	case "AWS::Logs::LogGroup":
		return []string{"logs:CreateLogGroup", "logs:PutRetentionPolicy"}
	case "AWS::IAM::Role":
		return []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:GetRole"}
	case "AWS::Lambda::Function":
		return []string{"lambda:CreateFunction", "lambda:GetFunction", "iam:PassRole", "s3:GetObject"}
	case "AWS::Lambda::Permission":
		return []string{"lambda:AddPermission"}
	case "AWS::ApiGatewayV2::Api":
		return []string{"apigateway:POST", "apigateway:GET"}
	case "AWS::CloudFront::Distribution":
		return []string{"cloudfront:CreateDistribution", "cloudfront:GetDistribution"}
	case "AWS::CloudFront::OriginAccessControl":
		return []string{"cloudfront:CreateOriginAccessControl"}
	case "AWS::CloudFront::CloudFrontOriginAccessIdentity":
		return []string{"cloudfront:CreateCloudFrontOriginAccessIdentity"}
	case "AWS::IoT::Policy":
		return []string{"iot:CreatePolicy"}
	case "AWS::IoT::RoleAlias":
		return []string{"iot:CreateRoleAlias", "iam:PassRole"}
	case "AWS::Route53::RecordSet":
		return []string{"route53:ChangeResourceRecordSets"}
	}
	if strings.HasPrefix(resourceType, "Custom::") {
		return []string{"lambda:InvokeFunction"}
	}
	return nil
}

// actions lists what deploying the template needs, sorted. optional types are asked for only when they are used.
func (t *Template) actions(all map[string]string) []string {
	list := []string{"cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet", "cloudformation:DescribeChangeSet", "cloudformation:DescribeStackEvents", "s3:PutObject"}
	for _, kind := range t.Types {
		if kind == "AWS::Route53::RecordSet" && all["HostedZoneId"] == "" {
			continue
		}
		list = append(list, actionsOf(kind)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// permitted refuses a deployment that the caller's policies do not allow. What cannot be known is only a note.
func (d *Deployer) permitted(ctx context.Context, caller string, actions []string) error {
	principal, ok := principalOf(caller)
	if d.cfg.Permissions == nil || !ok {
		return nil
	}
	denied, err := d.cfg.Permissions.Denied(ctx, principal, actions)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.say(Note, "whether the permissions suffice cannot be told beforehand (%v)", err)
		return nil
	}
	if len(denied) > 0 {
		return fail(ErrDenied, "ask the account's administrator for a policy with these actions, or choose other credentials with AWS_PROFILE; --skip-permissions tries without this check, which takes policies that name resources or conditions for too narrow",
			"%s may not: %s", principal, strings.Join(denied, ", "))
	}
	d.say(Step, "the permissions suffice, as far as IAM tells beforehand (%s)", count(len(actions), "action"))
	return nil
}

// principalOf makes the ARN of a role out of that of its session. ok is false for the root user, who may do everything, and
// for what has no policies to ask for.
func principalOf(caller string) (principal string, ok bool) {
	f := strings.SplitN(caller, ":", 6)
	if len(f) != 6 {
		return "", false
	}
	switch kind, rest, _ := strings.Cut(f[5], "/"); kind {
	case "user", "role":
		return caller, true
	case "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		return fmt.Sprintf("arn:%s:iam::%s:role/%s", f[1], f[4], role), role != ""
	}
	return "", false
}

// Simulator asks IAM's policy simulator. It is safe for concurrent use.
type Simulator struct {
	cfg      aws.Config
	endpoint string
	region   string
	now      func() time.Time
}

// NewSimulator makes a Permissions of the credentials and the HTTP client of cfg. endpoint replaces IAM's own when it is
// not empty.
func NewSimulator(cfg aws.Config, region, endpoint string) *Simulator {
	s := &Simulator{cfg: cfg, endpoint: endpoint, region: "us-east-1", now: time.Now}
	if China(region) {
		s.region = "cn-north-1"
	}
	if s.endpoint == "" {
		if s.endpoint = "https://iam.amazonaws.com"; China(region) {
			s.endpoint = "https://iam.cn-north-1.amazonaws.com.cn"
		}
	}
	return s
}

// maxAnswer bounds IAM's answer.
const maxAnswer = 4 << 20

// Denied implements [Permissions]. Roles with a path are not found by their session's name: an error.
func (s *Simulator) Denied(ctx context.Context, principal string, actions []string) ([]string, error) {
	form := url.Values{"Action": {"SimulatePrincipalPolicy"}, "Version": {"2010-05-08"}, "PolicySourceArn": {principal}, "MaxItems": {"1000"}}
	for i, a := range actions {
		form.Set(fmt.Sprintf("ActionNames.member.%d", i+1), a)
	}
	body := form.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c, err := s.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, c, req, hex.EncodeToString(sum[:]), "iam", s.region, s.now()); err != nil {
		return nil, err
	}
	client := s.cfg.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Results []struct {
			Action   string `xml:"EvalActionName"`
			Decision string `xml:"EvalDecision"`
		} `xml:"SimulatePrincipalPolicyResult>EvaluationResults>member"`
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	err = xml.Unmarshal(text, &answer)
	switch {
	case resp.StatusCode != 200 && answer.Code != "":
		return nil, fmt.Errorf("IAM: %s: %s", answer.Code, answer.Message)
	case resp.StatusCode != 200:
		return nil, fmt.Errorf("IAM answers %s", resp.Status)
	case err != nil:
		return nil, fmt.Errorf("IAM: %w", err)
	case len(answer.Results) == 0:
		return nil, fmt.Errorf("IAM tells nothing about %s", principal)
	}
	var denied []string
	for _, r := range answer.Results {
		if r.Decision != "allowed" {
			denied = append(denied, r.Action)
		}
	}
	return denied, nil
}
