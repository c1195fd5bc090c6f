// SPDX-License-Identifier: Apache-2.0

package deploy_test

import (
	"archive/zip"
	"context"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/s3cam/s3cam/internal/deploy"
	"github.com/s3cam/s3cam/internal/deploy/deploytest"
	"github.com/s3cam/s3cam/internal/hint"
)

// template is a small one with the rules and names that the tests need.
const template = `
AWSTemplateFormatVersion: '2010-09-09'
Parameters:
  ItemInPlaylist: {Type: Number, Default: 6, MinValue: 3, MaxValue: 100, Description: segments in the live window}
  CacheDynamoDBTableName: {Type: String, Default: IPC-Cache, AllowedPattern: '[A-Za-z0-9_.-]{1,200}'}
  IPCPlaylistName: {Type: String, Default: IPC-Playlist, AllowedPattern: '[A-Za-z0-9_-]{1,40}', ConstraintDescription: 'letters, digits, _ and -'}
  S3VideoBucketName: {Type: String, Default: ipc-video-bucket}
  S3WebsiteBucketName: {Type: String, Default: ipc-website-bucket}
  TSClipDuration: {Type: Number, Default: 3, MinValue: 1, MaxValue: 60}
  M3U8TargetDuration: {Type: Number, Default: 9, MinValue: 1, MaxValue: 60}
  NearRealtimeReplayPrecedingPeriod: {Type: Number, Default: 120, MinValue: 10, MaxValue: 3600}
  LambdaArchitecture: {Type: String, Default: arm64, AllowedValues: [arm64, x86_64]}
  AssetsBucket: {Type: String}
  AssetsPrefix: {Type: String, Default: s3cam/v0.0.0/}
  ApiDomainName: {Type: String, Default: ''}
  ApiCertificateArn: {Type: String, Default: ''}
  SiteDomainName: {Type: String, Default: ''}
  SiteCertificateId: {Type: String, Default: ''}
  ExistingVideoBucketName: {Type: String, Default: ''}
Resources:
  S3VideoBucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub
        - ${S3VideoBucketName}-${AWS::AccountId}-${Id}
        - Id: !Select [0, !Split ['-', !Select [2, !Split ['/', !Ref AWS::StackId]]]]
  CacheTable:
    Type: AWS::DynamoDB::Table
    Properties: {TableName: !Sub '${CacheDynamoDBTableName}-${AWS::StackName}'}
  PlaylistFunction:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: {'Fn::Join': ['-', [!Ref IPCPlaylistName, !Ref AWS::Region, !Ref AWS::StackName]]}}
`

// house is a deployer in a small world.
type house struct {
	aws    *deploytest.Server
	d      *deploy.Deployer
	cfg    deploy.Config
	events []deploy.Event
	zip    string
	t      *testing.T
}

func newHouse(t *testing.T, change ...func(*deploy.Config)) *house {
	t.Helper()
	h := &house{aws: deploytest.New(t), t: t, zip: archive(t, "arm64", "one")}
	h.cfg = deploy.Config{Region: "eu-central-1", Template: func(bool) []byte { return []byte(template) }, Release: "v1.2.3", Poll: time.Microsecond,
		Report: func(e deploy.Event) { h.events = append(h.events, e) }}
	c := h.aws.Config(h.cfg.Region)
	h.cfg.CloudFormation, h.cfg.STS = cloudformation.NewFromConfig(c), sts.NewFromConfig(c)
	h.cfg.S3 = s3.NewFromConfig(c, func(o *s3.Options) { o.UsePathStyle = true })
	for _, f := range change {
		f(&h.cfg)
	}
	var err error
	if h.d, err = deploy.New(h.cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

// archive writes a zip with the head of a program of an architecture.
func archive(t *testing.T, architecture, content string) string {
	t.Helper()
	head := make([]byte, 64)
	copy(head, elf.ELFMAG)
	head[18] = byte(map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64, "mips": elf.EM_MIPS}[architecture])
	name := filepath.Join(t.TempDir(), deploy.ArchiveName(architecture))
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	fh := &zip.FileHeader{Name: "bootstrap"}
	fh.SetMode(0o755)
	w, err := z.CreateHeader(fh)
	if err == nil {
		_, err = w.Write(append(head, content...))
	}
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

func (h *house) options(params ...string) deploy.UpOptions {
	o := deploy.UpOptions{Parameters: map[string]string{}, Archive: func(context.Context, string) (string, error) { return h.zip, nil }}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		o.Parameters[name] = value
	}
	return o
}

func (h *house) up(o deploy.UpOptions) (*deploy.Result, error) {
	h.t.Helper()
	h.events = nil
	return h.d.Up(h.t.Context(), o)
}

// said is all that was reported, one line each.
func (h *house) said() string {
	var b strings.Builder
	for _, e := range h.events {
		b.WriteString(e.Text + "\n")
	}
	return b.String()
}

// want checks an error's kind, text and remedy.
func want(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want one that is %q", err, kind)
	}
	text := err.Error() + "\nhint: " + hint.Of(err)
	for _, s := range says {
		if !strings.Contains(text, s) {
			t.Errorf("error does not say %q:\n%s", s, text)
		}
	}
}

const assets = "s3cam-assets-" + deploytest.Account + "-eu-central-1"

func TestUpCreatesTheStackAndTellsWhatHappens(t *testing.T) {
	h := newHouse(t)
	r, err := h.up(h.options("ItemInPlaylist=8"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Action != "created" || r.Stack.Status != "CREATE_COMPLETE" || r.Stack.Account != deploytest.Account || r.Stack.Release != "v1.2.3" {
		t.Errorf("result %+v, stack %+v", r, r.Stack)
	}
	if got := r.Stack.Outputs["ApiGatewayNearRealtimePlaylistRoute"]; got != "https://api.example/playlist.m3u8" {
		t.Errorf("outputs %v", r.Stack.Outputs)
	}
	said := h.said()
	for _, s := range []string{"account 123456789012, as arn:aws:iam::123456789012:user/tester, region eu-central-1", "created the assets bucket " + assets + " (private, encrypted)",
		"CREATE_COMPLETE S3VideoBucket (AWS::S3::Bucket)", "CREATE_COMPLETE s3cam (AWS::CloudFormation::Stack)"} {
		if strings.Count(said, s) != 1 {
			t.Errorf("said %d times %q:\n%s", strings.Count(said, s), s, said)
		}
	}
	if !h.aws.Private(assets) {
		t.Error("the assets bucket is not private and encrypted")
	}
	p := h.aws.Parameters("s3cam")
	if p["ItemInPlaylist"] != "8" || p["AssetsBucket"] != assets || p["TSClipDuration"] != "" {
		t.Errorf("the stack got the parameters %v", p)
	}
	keys, _ := h.aws.Objects(assets)
	if w := []string{p["AssetsPrefix"] + "s3cam-lambda-arm64.zip"}; !slices.Equal(keys, w) {
		t.Errorf("assets %q, want %q", keys, w)
	}
}

func TestUpAgainDoesNothing(t *testing.T) {
	h := newHouse(t)
	if _, err := h.up(h.options()); err != nil {
		t.Fatal(err)
	}
	before := len(h.aws.Wrote())
	r, err := h.up(h.options())
	if err != nil || r.Action != "nothing" || r.Stack.Status != "CREATE_COMPLETE" {
		t.Fatalf("result %+v, error %v", r, err)
	}
	if !strings.Contains(h.said(), "nothing to do: the stack s3cam is as it should be") || !strings.Contains(h.said(), "is in the assets bucket already") {
		t.Errorf("said\n%s", h.said())
	}
	if got, w := h.aws.Wrote()[before:], []string{"cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"}; !slices.Equal(got, w) {
		t.Errorf("wrote %q, want %q", got, w)
	}
}

func TestUpdateKeepsWhatIsNotNamed(t *testing.T) {
	h := newHouse(t)
	if _, err := h.up(h.options("ItemInPlaylist=8")); err != nil {
		t.Fatal(err)
	}
	h.zip = archive(t, "arm64", "two")
	r, err := h.up(h.options("TSClipDuration=4s"))
	if err != nil || r.Action != "updated" || r.Stack.Status != "UPDATE_COMPLETE" {
		t.Fatalf("result %+v, error %v", r, err)
	}
	if p := h.aws.Parameters("s3cam"); p["ItemInPlaylist"] != "8" || p["TSClipDuration"] != "4" {
		t.Errorf("parameters %v", p)
	}
	if keys, _ := h.aws.Objects(assets); len(keys) != 2 {
		t.Errorf("another program has the same key: %q", keys)
	}
	if !strings.Contains(h.said(), "modify PlaylistFunction (AWS::Lambda::Function)") || !strings.Contains(h.said(), "UPDATE_COMPLETE PlaylistFunction") {
		t.Errorf("said\n%s", h.said())
	}
}

func TestLargeTemplatesGoThroughTheAssetsBucket(t *testing.T) {
	h := newHouse(t, func(c *deploy.Config) {
		c.Template = func(bool) []byte { return []byte(template + strings.Repeat("# long\n", 8000)) }
	})
	if _, err := h.up(h.options()); err != nil {
		t.Fatal(err)
	}
	if keys, _ := h.aws.Objects(assets); len(keys) != 2 || !strings.HasPrefix(keys[1], "s3cam/templates/") {
		t.Errorf("assets %q", keys)
	}
}

func TestAFailedCreationNamesTheFirstCause(t *testing.T) {
	h := newHouse(t)
	stackType := "AWS::CloudFormation::Stack"
	h.aws.SetScript("create", []deploytest.Step{
		{Logical: "PlaylistRole", Type: "AWS::IAM::Role", Status: "CREATE_IN_PROGRESS"},
		{Logical: "PlaylistRole", Type: "AWS::IAM::Role", Status: "CREATE_FAILED", Reason: "User: arn:aws:iam::1:user/t is not authorized to perform: iam:CreateRole on resource: x"},
		{Logical: "CacheTable", Type: "AWS::DynamoDB::Table", Status: "CREATE_FAILED", Reason: "Resource creation cancelled"},
		{Logical: "s3cam", Type: stackType, Status: "ROLLBACK_IN_PROGRESS", Reason: "The following resource(s) failed to create: [PlaylistRole, CacheTable].", Stack: "ROLLBACK_IN_PROGRESS"},
		{Logical: "CacheTable", Type: "AWS::DynamoDB::Table", Status: "DELETE_COMPLETE"},
		{Logical: "s3cam", Type: stackType, Status: "ROLLBACK_COMPLETE", Stack: "ROLLBACK_COMPLETE"},
	})
	_, err := h.up(h.options())
	want(t, err, deploy.ErrFailed, "could not be created (ROLLBACK_COMPLETE). First cause: PlaylistRole (AWS::IAM::Role)", "policy that allows iam:CreateRole", "--replace")
	if i := slices.IndexFunc(h.events, func(e deploy.Event) bool { return e.Kind == deploy.Failed }); i < 0 || h.events[i].Logical != "PlaylistRole" {
		t.Errorf("the failure is not reported as one: %+v", h.events)
	}

	s, f, err := h.d.Status(t.Context(), false)
	if err != nil || s.Status != "ROLLBACK_COMPLETE" || f == nil || f.Logical != "PlaylistRole" {
		t.Errorf("status %+v, cause %v, error %v", s, f, err)
	}
	// It cannot be updated; --replace deletes what is left.
	_, err = h.up(h.options())
	want(t, err, deploy.ErrState, "cannot be updated: its creation failed (ROLLBACK_COMPLETE)", "--replace", "s3cam deploy down --stack s3cam --region eu-central-1")
	h.aws.SetScript("create", nil)
	o := h.options()
	o.Replace = true
	if r, err := h.up(o); err != nil || r.Action != "created" {
		t.Errorf("with Replace: %+v, %v", r, err)
	}
}

func TestALongSilenceIsBroken(t *testing.T) {
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	h := newHouse(t, func(c *deploy.Config) { c.Now = func() time.Time { now = now.Add(40 * time.Second); return now } })
	h.aws.SetScript("create", []deploytest.Step{
		{Logical: "Distribution", Type: "AWS::CloudFront::Distribution", Status: "CREATE_IN_PROGRESS"},
		{Logical: "CacheTable", Type: "AWS::DynamoDB::Table", Status: "CREATE_IN_PROGRESS"},
		{Logical: "CacheTable", Type: "AWS::DynamoDB::Table", Status: "CREATE_COMPLETE"},
		{}, {}, {},
		{Logical: "s3cam", Type: "AWS::CloudFormation::Stack", Status: "CREATE_COMPLETE", Stack: "CREATE_COMPLETE"},
	})
	if _, err := h.up(h.options()); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`still at work after [0-9ms]+: Distribution\n`).MatchString(h.said()) {
		t.Errorf("said\n%s", h.said())
	}
}

func TestALeftStackGoesOnAndCanBeWatchedAgain(t *testing.T) {
	h := newHouse(t)
	ctx, cancel := context.WithCancel(t.Context())
	cfg := h.cfg
	cfg.Report = func(e deploy.Event) {
		if strings.HasPrefix(e.Text, "CREATE_IN_PROGRESS S3VideoBucket") {
			cancel()
		}
	}
	d, err := deploy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Up(ctx, h.options())
	want(t, err, deploy.ErrLeft, "CloudFormation goes on", "s3cam deploy status --wait --stack s3cam --region eu-central-1")
	if !errors.Is(err, context.Canceled) {
		t.Error("the error is not context.Canceled")
	}
	h.events = nil
	s, f, err := h.d.Status(t.Context(), true)
	if err != nil || f != nil || s.Status != "CREATE_COMPLETE" || !strings.Contains(h.said(), "CREATE_COMPLETE PlaylistFunction") {
		t.Errorf("stack %+v, cause %v, error %v\n%s", s, f, err, h.said())
	}
}

func TestAnInterruptionBeforeCloudFormationBeginsLeavesNoStack(t *testing.T) {
	for _, at := range []string{"account ", "created the assets bucket", "uploaded ", "CloudFormation will create"} {
		t.Run(at, func(t *testing.T) {
			h := newHouse(t)
			ctx, cancel := context.WithCancel(t.Context())
			cfg := h.cfg
			cfg.Report = func(e deploy.Event) {
				if strings.HasPrefix(e.Text, at) {
					cancel()
				}
			}
			d, err := deploy.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Up(ctx, h.options())
			want(t, err, context.Canceled, "interrupted", "s3cam deploy status --stack s3cam")
			if got := h.aws.Status("s3cam"); got != "" {
				t.Errorf("a stack is left: %s", got)
			}
		})
	}
}

func TestTheVideoBucketIsNeverReplaced(t *testing.T) {
	tests := []struct {
		name   string
		change deploytest.Change
		params []string
		allow  bool
		kind   error
		says   string
	}{
		{"replacement of the video bucket is refused", deploytest.Change{Action: "Modify", Logical: "S3VideoBucket", Type: "AWS::S3::Bucket", Physical: "b", Replacement: "True"}, nil, true, deploy.ErrReplace, "would replace the video bucket b"},
		{"so is a possible one", deploytest.Change{Action: "Modify", Logical: "S3VideoBucket", Type: "AWS::S3::Bucket", Physical: "b", Replacement: "Conditional"}, nil, true, deploy.ErrReplace, "would replace the video bucket b"},
		{"so is leaving it", deploytest.Change{Action: "Remove", Logical: "S3VideoBucket", Type: "AWS::S3::Bucket", Physical: "b"}, nil, true, deploy.ErrReplace, "would give up the video bucket b"},
		{"but it may be used as an existing one", deploytest.Change{Action: "Remove", Logical: "S3VideoBucket", Type: "AWS::S3::Bucket", Physical: "b"}, []string{"ExistingVideoBucketName=b"}, false, nil, "leaves the stack"},
		{"the cache is not replaced unasked", deploytest.Change{Action: "Modify", Logical: "CacheTable", Type: "AWS::DynamoDB::Table", Replacement: "True"}, nil, false, deploy.ErrReplace, "replace of CacheTable"},
		{"the cache is replaced when that is allowed", deploytest.Change{Action: "Modify", Logical: "CacheTable", Type: "AWS::DynamoDB::Table", Replacement: "True"}, nil, true, nil, "live windows"},
		{"the API's address does not change unasked", deploytest.Change{Action: "Modify", Logical: "HttpApi", Type: "AWS::ApiGatewayV2::Api", Replacement: "True"}, nil, false, deploy.ErrReplace, "addresses of the playlists"},
		{"a change without replacement is fine", deploytest.Change{Action: "Modify", Logical: "S3VideoBucket", Type: "AWS::S3::Bucket", Replacement: "False"}, nil, false, nil, "modify S3VideoBucket"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.aws.AddBucket("b", deploytest.Account, nil)
			if _, err := h.up(h.options()); err != nil {
				t.Fatal(err)
			}
			h.aws.SetChanges(tt.change)
			o := h.options(tt.params...)
			o.AllowReplace = tt.allow
			_, err := h.up(o)
			if tt.kind != nil {
				want(t, err, tt.kind, tt.says)
				if got := h.aws.Status("s3cam"); got != "CREATE_COMPLETE" {
					t.Errorf("the stack is %s", got)
				}
				return
			}
			if err != nil || !strings.Contains(h.said(), tt.says) {
				t.Errorf("error %v, said\n%s", err, h.said())
			}
		})
	}
}
