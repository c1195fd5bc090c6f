// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/s3cam/s3cam/deploy/cloudformation"
	"github.com/s3cam/s3cam/internal/deploy"
	"github.com/s3cam/s3cam/internal/deploy/deploytest"
	"github.com/s3cam/s3cam/test/aws/mototest"
)

// The twelve parameters of the deployment manual with its defaults, and our rules, are those of the real templates.
func TestTheRealTemplates(t *testing.T) {
	for _, china := range []bool{false, true} {
		tpl, err := deploy.ParseTemplate(cloudformation.Template(china))
		if err != nil {
			t.Fatal(err)
		}
		defaults := map[string]string{}
		for i := range tpl.Parameters {
			p := &tpl.Parameters[i]
			defaults[p.Name] = p.Default
			if p.Required != (p.Name == "AssetsBucket") {
				t.Errorf("parameter %s: required is %v; only AssetsBucket is filled in here", p.Name, p.Required)
			}
			if !p.Required {
				if err := p.Check(p.Default); err != nil {
					t.Errorf("its default is refused: %v", err)
				}
			}
		}
		for _, name := range []string{"CacheDynamoDBTableName", "IPCDemositeName", "IPCDemositeS3Path", "IPCPlaylistName", "IPCReplayName", "ItemInPlaylist",
			"M3U8TargetDuration", "NearRealtimeReplayCachePeriod", "NearRealtimeReplayPrecedingPeriod", "S3VideoBucketName", "S3WebsiteBucketName", "TSClipDuration"} {
			if defaults[name] == "" {
				t.Errorf("parameter %s has no default", name)
			}
		}
		if tpl.Types["S3VideoBucket"] != "AWS::S3::Bucket" || tpl.Types["DeviceIotPolicy"] != "AWS::IoT::Policy" {
			t.Errorf("resources are called otherwise: %v", tpl.Types)
		}
	}
}

func realHouse(t *testing.T, china bool) *house {
	return newHouse(t, func(c *deploy.Config) {
		c.Template = cloudformation.Template
		if china {
			c.Region = "cn-northwest-1"
		}
	})
}

// The longest names that the template's rules allow either fit, or are refused before anything is created; never by AWS in the middle.
func TestTheRealTemplateWithTheLongestNames(t *testing.T) {
	for _, china := range []bool{false, true} {
		h := realHouse(t, china)
		if china {
			h.aws.SetCaller("arn:aws-cn:iam::" + deploytest.Account + ":user/tester")
			h.zip = archive(t, "x86_64", "")
		}
		for name, length := range map[string]int{"IPCPlaylistName": 40, "IPCReplayName": 40, "IPCCamerasName": 40, "IPCDemositeName": 40, "CacheDynamoDBTableName": 200, "S3VideoBucketName": 25, "S3WebsiteBucketName": 25} {
			o := h.options(name + "=" + strings.Repeat("a", length))
			o.DryRun = true
			if _, err := h.up(o); err != nil && !errors.Is(err, deploy.ErrSettings) {
				t.Errorf("%s of %d characters: %v", name, length, err)
			} else if err != nil {
				t.Logf("%s of %d characters: %v", name, length, err)
			}
		}
		o := h.options()
		o.DryRun = true
		if _, err := h.up(o); err != nil {
			t.Errorf("defaults: %v", err)
		}
	}
}

// Every type of resource that can be denied is asked for beforehand.
func TestPermissionsOfTheRealTemplate(t *testing.T) {
	h := realHouse(t, false)
	asked := &recorder{}
	h.cfg.Permissions = asked
	var err error
	if h.d, err = deploy.New(h.cfg); err != nil {
		t.Fatal(err)
	}
	o := h.options()
	o.DryRun = true
	if _, err := h.up(o); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(asked.actions, " ")
	for _, action := range []string{"s3:CreateBucket", "s3:PutBucketPolicy", "dynamodb:CreateTable", "logs:CreateLogGroup", "iam:CreateRole", "iam:PassRole", "lambda:CreateFunction",
		"lambda:AddPermission", "apigateway:POST", "cloudfront:CreateDistribution", "cloudfront:CreateOriginAccessControl", "iot:CreatePolicy", "iot:CreateRoleAlias", "lambda:InvokeFunction",
		"cloudformation:CreateChangeSet", "s3:PutObject"} {
		if !strings.Contains(all, action) {
			t.Errorf("it does not ask for %s: %s", action, all)
		}
	}
	if strings.Contains(all, "route53") {
		t.Error("it asks for Route 53 without a zone")
	}
	// A role's session is asked for as the role; root has no policies.
	for caller, principal := range map[string]string{"arn:aws:sts::" + deploytest.Account + ":assumed-role/Admin/me": "arn:aws:iam::" + deploytest.Account + ":role/Admin",
		"arn:aws:iam::" + deploytest.Account + ":root": ""} {
		h.aws.SetCaller(caller)
		asked.principal = ""
		if _, err := h.up(o); err != nil || asked.principal != principal {
			t.Errorf("%s is asked for as %q, %v", caller, asked.principal, err)
		}
	}
	// What cannot be known is not held against anybody.
	asked.err = errors.New("no iam:SimulatePrincipalPolicy")
	h.aws.SetCaller("arn:aws:iam::" + deploytest.Account + ":user/u")
	if _, err := h.up(o); err != nil || !strings.Contains(h.said(), "cannot be told beforehand (no iam:SimulatePrincipalPolicy)") {
		t.Errorf("error %v, said\n%s", err, h.said())
	}
}

type recorder struct {
	principal string
	actions   []string
	err       error
}

func (r *recorder) Denied(_ context.Context, principal string, actions []string) ([]string, error) {
	r.principal, r.actions = principal, actions
	return nil, r.err
}

// tagged is S3 with the tags that CloudFormation gives: nobody else can set them.
type tagged struct {
	*s3.Client
	stack string
}

func (t tagged) GetBucketTagging(_ context.Context, in *s3.GetBucketTaggingInput, _ ...func(*s3.Options)) (*s3.GetBucketTaggingOutput, error) {
	return &s3.GetBucketTaggingOutput{TagSet: []types.Tag{{Key: aws.String("aws:cloudformation:stack-name"), Value: &t.stack},
		{Key: aws.String("aws:cloudformation:logical-id"), Value: aws.String("S3VideoBucket")}}}, nil
}

// The assets and the video bucket against an S3 and an STS that we did not write; CloudFormation stays the scripted one.
func TestBucketsOnMoto(t *testing.T) {
	moto := mototest.Start(t)
	// moto compares other signatures for some requests (see mototest); what is tested here is what happens to buckets.
	resp, err := http.Post(moto.URL+"/moto-api/reset-auth", "text/plain", strings.NewReader("1000000"))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("reset-auth: %v, %v", resp, err)
	}
	resp.Body.Close()
	c := moto.Config(moto.Admin)
	c.Region = "eu-central-1"
	store := s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
	h := newHouse(t, func(cfg *deploy.Config) {
		cfg.S3, cfg.STS, cfg.Stack = tagged{store, "moto"}, sts.NewFromConfig(c), "moto"
	})
	if _, err := h.up(h.options()); err != nil {
		t.Fatal(err)
	}
	assets := deploy.AssetsBucket(mototest.AccountID, "eu-central-1")
	block, err := store.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: &assets})
	if err != nil || !*block.PublicAccessBlockConfiguration.BlockPublicPolicy || !*block.PublicAccessBlockConfiguration.RestrictPublicBuckets {
		t.Errorf("public access block %+v, %v", block, err)
	}
	if e, err := store.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: &assets}); err != nil || len(e.ServerSideEncryptionConfiguration.Rules) != 1 {
		t.Errorf("encryption %+v, %v", e, err)
	}
	if l, err := store.GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: &assets}); err != nil || l.LocationConstraint != "eu-central-1" {
		t.Errorf("location %+v, %v", l, err)
	}
	list, err := store.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &assets})
	if err != nil || len(list.Contents) != 1 || !strings.HasSuffix(*list.Contents[0].Key, "/s3cam-lambda-arm64.zip") {
		t.Fatalf("assets %+v, %v", list, err)
	}
	if r, err := h.up(h.options()); err != nil || r.Action != "nothing" || !strings.Contains(h.said(), "is in the assets bucket already") {
		t.Errorf("again: %+v, %v", r, err)
	}

	// A former stack's video, with versions, is found by its tags and goes only by its name.
	video := "ipc-video-bucket-" + mototest.AccountID + "-0badcafe"
	_, err = store.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &video, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"}})
	if err == nil {
		_, err = store.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &video, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	}
	for _, body := range []string{"one", "two"} {
		if err == nil {
			_, err = store.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &video, Key: aws.String("door/1.ts"), Body: bytes.NewReader([]byte(body))})
		}
	}
	if err == nil {
		_, err = store.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &video, Key: aws.String("door/1.ts")})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.d.Down(t.Context(), deploy.DownOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = h.up(h.options())
	want(t, err, deploy.ErrRetained, video)
	r, err := h.d.Down(t.Context(), deploy.DownOptions{DeleteVideo: confirm(video)})
	if err != nil || !r.VideoDeleted || r.Objects != 3 {
		t.Errorf("result %+v, %v", r, err)
	}
	if _, err := store.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &video}); err == nil {
		t.Error("the bucket is still there")
	}
}
