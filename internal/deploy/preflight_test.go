// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/deploy"
	"github.com/s3cam/s3cam/internal/deploy/deploytest"
)

// A wrong deployment fails before anything is created, and says what to do.
func TestWrongDeploymentsFailEarly(t *testing.T) {
	oldStack := map[string]string{"S3VideoBucketName": "x", "TSClipDuration": "3"}
	ownStack := map[string]string{"S3VideoBucketName": "x", "TSClipDuration": "3", "AssetsBucket": assets}
	retained := "ipc-video-bucket-" + deploytest.Account + "-0123abcd"
	tags := map[string]string{"aws:cloudformation:stack-name": "s3cam", "aws:cloudformation:logical-id": "S3VideoBucket"}
	tests := []struct {
		name    string
		prepare func(h *house)
		params  []string
		kind    error
		says    []string
	}{
		{"a number out of range", nil, []string{"ItemInPlaylist=2"}, deploy.ErrSettings, []string{`ItemInPlaylist: "2" is not allowed: it must be from 3 to 100`, "segments in the live window"}},
		{"no number", nil, []string{"ItemInPlaylist=six"}, deploy.ErrSettings, []string{`"six" is not allowed: it must be a number`}},
		{"a value against the pattern", nil, []string{"IPCPlaylistName=a b"}, deploy.ErrSettings, []string{`"a b"`, "[A-Za-z0-9_-]{1,40}", "letters, digits, _ and -"}},
		{"a value that is not one of the list", nil, []string{"LambdaArchitecture=mips"}, deploy.ErrSettings, []string{"one of arm64, x86_64"}},
		{"a parameter that does not exist", nil, []string{"ItemsInPlaylists=6"}, deploy.ErrSettings, []string{`no parameter "ItemsInPlaylists"`, "did you mean ItemInPlaylist?"}},
		{"several at once", nil, []string{"ItemInPlaylist=2", "TSClipDuration=99"}, deploy.ErrSettings, []string{"ItemInPlaylist", "TSClipDuration"}},
		{"segments longer than the target duration", nil, []string{"TSClipDuration=10"}, deploy.ErrSettings, []string{"M3U8TargetDuration 9 is shorter than TSClipDuration 10"}},
		{"a domain without certificate", nil, []string{"ApiDomainName=a.example"}, deploy.ErrSettings, []string{"ApiDomainName needs ApiCertificateArn"}},
		{"a certificate of another region", nil, []string{"ApiDomainName=a.example", "ApiCertificateArn=arn:aws:acm:us-east-1:1:certificate/x"}, deploy.ErrSettings, []string{"no ACM certificate of region eu-central-1"}},
		{"a site certificate that CloudFront does not take", nil, []string{"SiteDomainName=a.example", "SiteCertificateId=arn:aws:acm:eu-central-1:1:certificate/x"}, deploy.ErrSettings, []string{"us-east-1"}},
		{"a stack of something else", func(h *house) { h.aws.AddStack("s3cam", "CREATE_COMPLETE", nil, nil, nil) }, nil, deploy.ErrTaken, []string{"is not one of s3cam", "--stack"}},
		{"a stack of the original SDK", func(h *house) { h.aws.AddStack("s3cam", "CREATE_COMPLETE", oldStack, nil, nil) }, nil, deploy.ErrTaken, []string{"original IPC-H264-HLS-C-SDK", "ExistingVideoBucketName"}},
		{"a stack at work", func(h *house) { h.aws.AddStack("s3cam", "UPDATE_IN_PROGRESS", ownStack, nil, nil) }, nil, deploy.ErrState, []string{"UPDATE_IN_PROGRESS", "status --wait"}},
		{"a stack whose rollback failed", func(h *house) { h.aws.AddStack("s3cam", "UPDATE_ROLLBACK_FAILED", ownStack, nil, nil) }, nil, deploy.ErrState, []string{"continue-update-rollback"}},
		{"the assets bucket of somebody else", func(h *house) { h.aws.AddBucket(assets, "999999999999", nil) }, nil, deploy.ErrTaken, []string{assets, "belongs to somebody else", "-p AssetsBucket=NAME"}},
		{"a retained video bucket", func(h *house) { h.aws.AddBucket(retained, deploytest.Account, tags) }, nil, deploy.ErrRetained, []string{retained, "-p ExistingVideoBucketName=" + retained, "--new-video-bucket"}},
		{"an existing bucket that does not exist", nil, []string{"ExistingVideoBucketName=nothing"}, deploy.ErrSettings, []string{"nothing: there is no such bucket"}},
		{"an existing bucket of somebody else", func(h *house) { h.aws.AddBucket("theirs", "999999999999", nil) }, []string{"ExistingVideoBucketName=theirs"}, deploy.ErrSettings, []string{"theirs refuses account"}},
		{"a permission that IAM says is missing", func(h *house) {
			h.aws.DenySimulated("iam:CreateRole")
			h.aws.DenySimulated("dynamodb:CreateTable")
		}, nil, deploy.ErrDenied, []string{"user/tester may not: dynamodb:CreateTable", "--skip-permissions"}},
		{"no permission to look", func(h *house) { h.aws.Deny("cloudformation:DescribeStacks") }, nil, deploy.ErrDenied, []string{"denied the action cloudformation:DescribeStacks"}},
		{"a zip for another processor", func(h *house) { h.zip = archive(h.t, "x86_64", "") }, nil, deploy.ErrSettings, []string{"EM_X86_64, not for arm64"}},
		{"no zip", func(h *house) { h.zip = "" }, nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, func(c *deploy.Config) { c.Stack = "s3cam" })
			h.cfg.Permissions = deploy.NewSimulator(h.aws.Config("eu-central-1"), "eu-central-1", h.aws.URL)
			var err error
			if h.d, err = deploy.New(h.cfg); err != nil {
				t.Fatal(err)
			}
			if tt.prepare != nil {
				tt.prepare(h)
			}
			_, err = h.up(h.options(tt.params...))
			if err == nil {
				t.Fatalf("no error; said\n%s", h.said())
			}
			if tt.kind != nil {
				want(t, err, tt.kind, tt.says...)
			}
			if wrote := h.aws.Wrote(); len(wrote) > 0 {
				t.Errorf("before the error it did %q", wrote)
			}
		})
	}
}

func TestNamesThatGetTooLong(t *testing.T) {
	h := newHouse(t, func(c *deploy.Config) { c.Stack = strings.Repeat("s", 30) })
	_, err := h.up(h.options("IPCPlaylistName=" + strings.Repeat("p", 40)))
	want(t, err, deploy.ErrSettings, "the name of PlaylistFunction would have 84 characters, and AWS takes 64", "--stack")
	_, err = h.up(h.options("S3VideoBucketName=" + strings.Repeat("v", 45)))
	want(t, err, deploy.ErrSettings, "the name of S3VideoBucket would have 67 characters, and AWS takes 63")
}

func TestOtherSpellingsAreTakenWithANote(t *testing.T) {
	for _, tt := range []struct{ given, canonical string }{
		{"IteminPlayList", "ItemInPlaylist"}, {"ItemInPlayList", "ItemInPlaylist"}, {"IteminPlaylist", "ItemInPlaylist"},
		{"CacheDynamoDBTable", "CacheDynamoDBTableName"}, {"item-in-playlist", "ItemInPlaylist"},
	} {
		h := newHouse(t)
		value := "7"
		o := h.options(tt.given + "=" + value)
		o.DryRun = true
		if _, err := h.up(o); err != nil {
			t.Errorf("%s: %v", tt.given, err)
		}
		if s := "parameter " + tt.given + " is called " + tt.canonical + " here"; !strings.Contains(h.said(), s) || !strings.Contains(h.said(), tt.canonical+"="+value) {
			t.Errorf("%s: said\n%s", tt.given, h.said())
		}
	}
}

func TestRegions(t *testing.T) {
	for _, tt := range []struct {
		region string
		china  bool
		says   string // "" is supported
	}{
		{"eu-central-1", false, ""}, {"us-east-1", false, ""}, {"cn-north-1", true, ""}, {"cn-northwest-1", true, ""},
		{"", false, "no region is given"},
		{"eu-central-2", false, "it has no AWS IoT role aliases"},
		{"us-gov-west-1", false, "GovCloud has no CloudFront"},
		{"eusc-de-east-1", false, "no template for the partition"},
		{"eu-centrl-1", false, "did you mean eu-central-1?"},
		{"frankfurt", false, `"frankfurt" is not known`},
	} {
		china, err := deploy.CheckRegion(tt.region)
		if tt.says == "" {
			if err != nil || china != tt.china {
				t.Errorf("%s: china %v, error %v", tt.region, china, err)
			}
			continue
		}
		want(t, err, deploy.ErrSettings, tt.says)
	}
}

func TestChinaSaysWhatWillNotWork(t *testing.T) {
	var china bool
	h := newHouse(t, func(c *deploy.Config) {
		c.Region = "cn-north-1"
		c.Template = func(cn bool) []byte { china = cn; return []byte(template) }
	})
	h.aws.SetCaller("arn:aws-cn:iam::" + deploytest.Account + ":user/tester")
	o := h.options()
	o.DryRun = true
	if _, err := h.up(o); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"only in accounts with an ICP licence", "the web site is not installed", "arm64"} {
		if !strings.Contains(h.said(), s) {
			t.Errorf("it does not say %q:\n%s", s, h.said())
		}
	}
	if !china {
		t.Error("it took the global template")
	}
	h.aws.SetCaller("arn:aws:iam::" + deploytest.Account + ":user/tester")
	_, err := h.up(o)
	want(t, err, deploy.ErrSettings, "belong to the partition aws, the region cn-north-1 does not")
}

func TestADryRunChangesNothing(t *testing.T) {
	h := newHouse(t)
	o := h.options()
	o.DryRun = true
	r, err := h.up(o)
	if err != nil || r.Action != "checked" || r.Stack != nil {
		t.Fatalf("result %+v, error %v", r, err)
	}
	if wrote := h.aws.Wrote(); len(wrote) > 0 {
		t.Errorf("it did %q", wrote)
	}
	if s := "would create the stack s3cam with at most 3 resources: DynamoDB 1, Lambda 1, S3 1"; !strings.Contains(h.said(), s) {
		t.Errorf("it does not say %q:\n%s", s, h.said())
	}
	if _, err := h.up(h.options()); err != nil {
		t.Fatal(err)
	}
	o = h.options("ItemInPlaylist=9")
	o.DryRun = true
	if _, err := h.up(o); err != nil || !strings.Contains(h.said(), "modify PlaylistFunction") {
		t.Errorf("error %v, said\n%s", err, h.said())
	}
	if got := h.aws.Parameters("s3cam")["ItemInPlaylist"]; got != "" {
		t.Errorf("it set ItemInPlaylist to %q", got)
	}
}

// Denials in the middle of the work name the action too, and leave no half change set behind.
func TestDenialsNameTheAction(t *testing.T) {
	for _, action := range []string{"s3:CreateBucket", "s3:PutObject", "cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"} {
		t.Run(action, func(t *testing.T) {
			h := newHouse(t)
			h.aws.Deny(action)
			_, err := h.up(h.options())
			want(t, err, deploy.ErrDenied, "AWS denied the action "+action, "policy that allows "+action)
			if got := h.aws.Status("s3cam"); got != "" {
				t.Errorf("a stack is left: %s", got)
			}
		})
	}
}

func TestARefusedChangeSetIsTakenBack(t *testing.T) {
	h := newHouse(t)
	h.aws.SetRefusal("Template format error: Unrecognized resource types: [AWS::X]")
	_, err := h.up(h.options())
	want(t, err, deploy.ErrFailed, "Unrecognized resource types: [AWS::X]")
	if got := h.aws.Status("s3cam"); got != "" {
		t.Errorf("a stack is left: %s", got)
	}
}

func TestTheOldBucketCanBeUsedOrLeft(t *testing.T) {
	retained := "ipc-video-bucket-" + deploytest.Account + "-0123abcd"
	tags := map[string]string{"aws:cloudformation:stack-name": "s3cam", "aws:cloudformation:logical-id": "S3VideoBucket"}
	h := newHouse(t)
	h.aws.AddBucket(retained, deploytest.Account, tags)
	if _, err := h.up(h.options("ExistingVideoBucketName=" + retained)); err != nil || h.aws.Parameters("s3cam")["ExistingVideoBucketName"] != retained {
		t.Errorf("error %v, parameters %v", err, h.aws.Parameters("s3cam"))
	}
	h = newHouse(t)
	h.aws.AddBucket(retained, deploytest.Account, tags)
	o := h.options()
	o.NewVideoBucket = true
	if _, err := h.up(o); err != nil {
		t.Error(err)
	}
	// That of another stack does not matter.
	h = newHouse(t, func(c *deploy.Config) { c.Stack = "second" })
	h.aws.AddBucket(retained, deploytest.Account, tags)
	if _, err := h.up(h.options()); err != nil {
		t.Error(err)
	}
}

func TestExplainKnowsWhatIsNotAboutAWS(t *testing.T) {
	plain := errors.New("plain")
	if got := deploy.Explain(plain); got != plain {
		t.Errorf("got %v", got)
	}
	if got := deploy.Explain(context.Canceled); got != context.Canceled {
		t.Errorf("got %v", got)
	}
}
