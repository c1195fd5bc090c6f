// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"

	template "github.com/s3cam/s3cam/deploy/cloudformation"
	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/deploy"
	"github.com/s3cam/s3cam/internal/hint"
)

type deployCmd struct {
	Up       deployUpCmd       `cmd:"" help:"Create the stack in AWS, or bring it up to date."`
	Status   deployStatusCmd   `cmd:"" help:"Tell how the stack is, and what failed last."`
	Down     deployDownCmd     `cmd:"" help:"Delete the stack. The video is kept unless you name its bucket."`
	Template deployTemplateCmd `cmd:"" help:"Print the CloudFormation template."`
}

// stackFlags choose a stack.
type stackFlags struct {
	Stack string `default:"s3cam" placeholder:"NAME" help:"Name of the CloudFormation stack."`
	awsFlags
	JSON bool    `help:"Print the result as JSON on standard output."`
	Poll seconds `default:"3s" help:"Pause between two looks at what CloudFormation does."`
}

// open joins the stack to AWS. What is done with it is shown on standard error.
func (f stackFlags) open(ctx context.Context, g *globals) (*deploy.Deployer, *deployProgress, error) {
	cfg, err := f.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	show := newDeployProgress(g.err)
	d, err := deployer(cfg, f, g.env, show.event)
	return d, show, err
}

// parameterFlags are the parameters of the stack that are set most often. Each field is named by its parameter.
type parameterFlags struct {
	ItemInPlaylist                    string `name:"item-in-playlist" placeholder:"N" help:"Segments in the live window (ItemInPlaylist)."`
	M3U8TargetDuration                string `name:"m3u8-target-duration" placeholder:"SECONDS" help:"Largest EXT-X-TARGETDURATION (M3U8TargetDuration)."`
	TSClipDuration                    string `name:"ts-clip-duration" placeholder:"SECONDS" help:"Length of the segments that cameras cut (TSClipDuration)."`
	NearRealtimeReplayCachePeriod     string `name:"near-realtime-replay-cache-period" placeholder:"SECONDS" help:"How long a cached live window is used (NearRealtimeReplayCachePeriod)."`
	NearRealtimeReplayPrecedingPeriod string `name:"near-realtime-replay-preceding-period" placeholder:"SECONDS" help:"How far back a first poll looks (NearRealtimeReplayPrecedingPeriod)."`
	VideoRetentionDays                string `name:"video-retention-days" placeholder:"DAYS" help:"Days after which video is deleted, 0 for never (VideoRetentionDays)."`
	S3VideoBucketName                 string `name:"video-bucket-name" placeholder:"PREFIX" help:"Beginning of the video bucket's name (S3VideoBucketName)."`
	ExistingVideoBucketName           string `name:"existing-video-bucket" placeholder:"NAME" help:"A bucket with video that a former stack has left (ExistingVideoBucketName)."`
	LambdaArchitecture                string `name:"architecture" placeholder:"NAME" help:"arm64 or x86_64 (LambdaArchitecture)."`
	ApiDomainName                     string `name:"api-domain" placeholder:"HOST" help:"Domain of the API (ApiDomainName)."`
	ApiCertificateArn                 string `name:"api-certificate" placeholder:"ARN" help:"Its ACM certificate, of the same region (ApiCertificateArn)."`
	HostedZoneId                      string `name:"hosted-zone" placeholder:"ID" help:"Route 53 zone for its DNS record (HostedZoneId)."`
	SiteDomainName                    string `name:"site-domain" placeholder:"HOST" help:"Domain of the web site (SiteDomainName)."`
	SiteCertificateId                 string `name:"site-certificate" placeholder:"ID" help:"Its certificate: ACM ARN of us-east-1; in China the id of an IAM server certificate (SiteCertificateId)."`
}

// given returns what was set.
func (f *parameterFlags) given() map[string]string {
	m := map[string]string{}
	v := reflect.ValueOf(*f)
	for i := range v.NumField() {
		if text := v.Field(i).String(); text != "" {
			m[v.Type().Field(i).Name] = text
		}
	}
	return m
}

type deployUpCmd struct {
	stackFlags
	Param           []string `short:"p" sep:"none" placeholder:"NAME=VALUE" help:"Any parameter of the stack, in the deployment manual's spellings too; may be repeated."`
	Assets          string   `placeholder:"DIR" help:"Directory with the functions' zips. Without it: beside this program, then build/lambda, then they are built when this is the source tree."`
	DryRun          bool     `help:"Check everything and tell what would be done, but do nothing."`
	Replace         bool     `help:"First delete what is left of a stack whose creation or deletion failed."`
	AllowReplace    bool     `help:"Let an update replace what loses data or addresses (never the video bucket)."`
	NewVideoBucket  bool     `help:"Begin with an empty video bucket although a former stack of this name has left one."`
	Keys            string   `placeholder:"DIR" help:"Directory of the keys of playback tokens (access.json); the first is made with the stack. Default: s3cam-keys/STACK."`
	SkipPermissions bool     `help:"Do not ask IAM beforehand whether the permissions suffice."`

	Parameters parameterFlags `embed:"" group:"parameters"`
}

func (deployUpCmd) Help() string {
	return `Checks first what can be checked: credentials, region, parameters, names, permissions, what is there already. Then it uploads
the functions to a private bucket (s3cam-assets-ACCOUNT-REGION) and lets CloudFormation work out what will change, and do
it. Parameters that are not named keep their value, or have their default in a new stack.

Ctrl-C leaves CloudFormation going; "s3cam deploy status --wait" comes back to it.

Examples:
  AWS_PROFILE=prod s3cam deploy up --region eu-central-1
  s3cam deploy up --stack cams -p ItemInPlaylist=8 --video-retention-days 30
  s3cam deploy up --dry-run --json
  s3cam deploy up --stack s3cam --existing-video-bucket ipc-video-bucket-123456789012-0a1b2c3d`
}

func (c *deployUpCmd) Run(ctx context.Context, g *globals) error {
	params := c.Parameters.given()
	for _, p := range c.Param {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return usage("--param %q: write NAME=VALUE", p)
		}
		if was, twice := params[name]; twice && was != value {
			return usage("parameter %s is given as %q and as %q", name, was, value)
		}
		params[name] = value
	}
	d, show, err := c.open(ctx, g)
	if err != nil {
		return err
	}
	finder := archiveFinder{dir: c.Assets, say: show.note, errs: g.err}
	r, err := d.Up(ctx, deploy.UpOptions{Parameters: params, Archive: finder.find, Replace: c.Replace, AllowReplace: c.AllowReplace,
		NewVideoBucket: c.NewVideoBucket, TokenKeys: c.tokenKeys, SkipPermissions: c.SkipPermissions, DryRun: c.DryRun})
	if err != nil {
		return deployError(err)
	}
	if c.JSON {
		return printJSON(g.out, r)
	}
	if r.Stack != nil && r.Stack.Outputs != nil && !c.DryRun {
		printOutputs(g.out, r.Stack)
		nextSteps(g.out, r.Stack, c.keysDir())
	}
	return nil
}

func (c *deployUpCmd) keysDir() string {
	if c.Keys != "" {
		return c.Keys
	}
	return filepath.Join("s3cam-keys", c.Stack)
}

// tokenKeys has the keys of playback tokens of the stack, as `s3cam token --data DIR` does.
func (c *deployUpCmd) tokenKeys(create bool) (keys, where string, err error) {
	dir := c.keysDir()
	book, err := access.OpenBook(dir, nil)
	if err != nil {
		return "", dir, err
	}
	if create {
		if _, err := book.Signer(""); err != nil {
			return "", dir, err
		}
	}
	ks, err := book.TokenKeys()
	return ks.Text(), dir, err
}

type deployStatusCmd struct {
	stackFlags
	Wait bool `help:"While CloudFormation is at work, tell what it does until it has done."`
}

func (deployStatusCmd) Help() string {
	return `Exit code 0 when the stack is complete, 1 when its last operation failed, is under way, or there is none.`
}

func (c *deployStatusCmd) Run(ctx context.Context, g *globals) error {
	d, _, err := c.open(ctx, g)
	if err != nil {
		return err
	}
	s, cause, err := d.Status(ctx, c.Wait)
	switch {
	case err != nil:
		return deployError(err)
	case s == nil:
		fmt.Fprintf(g.err, "the stack %s is deleted\n", c.Stack)
		return nil
	}
	if c.JSON {
		err = printJSON(g.out, struct {
			*deploy.Stack
			FirstCause *deploy.Failure `json:"first_cause,omitempty"`
		}{s, cause})
		if err != nil {
			return err
		}
	} else {
		fmt.Fprintf(g.out, "%s in %s, account %s: %s\n", s.Name, s.Region, s.Account, s.Status)
		if s.Release != "" {
			fmt.Fprintf(g.out, "deployed by s3cam %s\n", s.Release)
		}
		printOutputs(g.out, s)
	}
	switch {
	case cause != nil:
		return fmt.Errorf("the last operation failed. First cause: %s", cause)
	case s.Busy():
		return hint.With(fmt.Errorf("CloudFormation is at work: %s", s.Status), "add --wait to watch it")
	case !strings.HasSuffix(s.Status, "_COMPLETE") || strings.Contains(s.Status, "ROLLBACK"):
		return fmt.Errorf("the stack is not as it should be: %s %s", s.Status, s.Reason)
	}
	return nil
}

type deployDownCmd struct {
	stackFlags
	WithVideo      bool   `help:"Delete the video bucket too, after you have typed its name."`
	YesDeleteVideo string `placeholder:"BUCKET" help:"The same without a question: the exact name of the video bucket."`
	DryRun         bool   `help:"Tell what would be deleted, but do nothing."`
}

func (deployDownCmd) Help() string {
	return `Deletes what the stack consists of: functions, API, cache, web site. The bucket with the video stays, and a new stack can
use it. It is deleted only when its name is given, also later, when the stack is gone already.

Examples:
  s3cam deploy down --stack cams --region eu-central-1
  s3cam deploy down --stack cams --yes-delete-video ipc-video-bucket-123456789012-0a1b2c3d`
}

func (c *deployDownCmd) Run(ctx context.Context, g *globals) error {
	d, _, err := c.open(ctx, g)
	if err != nil {
		return err
	}
	o := deploy.DownOptions{DryRun: c.DryRun}
	switch {
	case c.YesDeleteVideo != "":
		o.DeleteVideo = func(string) (string, error) { return c.YesDeleteVideo, nil }
	case c.WithVideo:
		o.DeleteVideo = func(bucket string) (string, error) { return askForBucket(ctx, g, bucket) }
	}
	r, err := d.Down(ctx, o)
	if err != nil {
		return deployError(err)
	}
	if c.JSON {
		return printJSON(g.out, r)
	}
	return nil
}

// askForBucket lets a person type the name of the bucket. Nothing typed means that it is kept.
func askForBucket(ctx context.Context, g *globals, bucket string) (string, error) {
	fmt.Fprintf(g.err, "All video in %s will be deleted for good. Type the bucket's name to go on, or press Enter to keep it: ", bucket)
	line, err := await(ctx, func() (string, error) {
		line, err := bufio.NewReader(io.LimitReader(g.in, 1024)).ReadString('\n')
		if err == io.EOF {
			err = nil
		}
		return strings.TrimSpace(line), err
	})
	if err == nil && line == "" {
		fmt.Fprintln(g.err, "the video is kept")
	}
	return line, err
}

type deployTemplateCmd struct {
	China  bool `xor:"partition" help:"The template for cn-north-1 and cn-northwest-1."`
	Global bool `xor:"partition" help:"The template for all other regions (the default)."`
}

func (c *deployTemplateCmd) Run(g *globals) error {
	_, err := g.out.Write(template.Template(c.China))
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
