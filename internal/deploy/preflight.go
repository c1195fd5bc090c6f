// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// UpOptions choose how a stack is created or updated.
type UpOptions struct {
	// Parameters by any of their spellings. What is not named keeps its value in the stack, or gets the template's default.
	Parameters map[string]string
	// Archive finds the functions' zip for a LambdaArchitecture and returns its path. It is called before anything is created.
	Archive func(ctx context.Context, architecture string) (path string, err error)
	// TokenKeys has the keys of playback tokens when Parameters does not. It is called after all other checks; nil: there are none.
	TokenKeys KeySource

	Replace         bool // delete first what is left of a creation or deletion that failed
	AllowReplace    bool // let things be replaced that hold data or addresses; never the video bucket
	NewVideoBucket  bool // go on although a former stack of this name has left its video bucket
	SkipPermissions bool // do not ask IAM beforehand
	DryRun          bool // check everything, change nothing
}

// plan is what the checks have found.
type plan struct {
	template        *Template
	account, caller string
	stack           *Stack            // nil: a new one
	gone            bool              // the stack must be deleted first
	values          map[string]string // given, under canonical names
	all             map[string]string // with defaults and what the stack has
	archive         *Archive
	bucket          string // for functions and templates
	bucketExists    bool
}

// identity asks who we are.
func (d *Deployer) identity(ctx context.Context) (account, caller string, err error) {
	out, err := d.cfg.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", Explain(err)
	}
	account, caller = aws.ToString(out.Account), aws.ToString(out.Arn)
	if partition := strings.Split(caller+":::", ":")[1]; (partition == "aws-cn") != d.china && partition != "" && strings.HasPrefix(partition, "aws") {
		return "", "", settings("choose other credentials with AWS_PROFILE, or another --region", "the credentials belong to the partition %s, the region %s does not", partition, d.cfg.Region)
	}
	return account, caller, nil
}

// check does everything that can be done without creating anything.
func (d *Deployer) check(ctx context.Context, o UpOptions) (*plan, error) {
	p := &plan{}
	var err error
	if p.template, err = ParseTemplate(d.cfg.Template(d.china)); err != nil {
		return nil, err
	}
	// First what needs no network.
	if p.values, err = d.parameters(p.template, o.Parameters); err != nil {
		return nil, err
	}
	if p.account, p.caller, err = d.identity(ctx); err != nil {
		return nil, err
	}
	d.say(Step, "account %s, as %s, region %s", p.account, p.caller, d.cfg.Region)
	if p.stack, err = d.find(ctx, d.cfg.Stack); err != nil {
		return nil, err
	}
	former := map[string]string{}
	if p.stack != nil {
		if err := d.ours(p.stack); err != nil {
			return nil, err
		}
		if p.gone, err = d.updatable(p.stack, o.Replace); err != nil {
			return nil, err
		}
		if p.stack.Status == "REVIEW_IN_PROGRESS" {
			p.stack = nil // it has no resources yet
		} else if !p.gone {
			former = p.stack.Parameters
		}
	}
	p.all = p.template.complete(p.values, former)
	p.bucket = p.values["AssetsBucket"]
	if p.bucket == "" {
		if p.bucket = former["AssetsBucket"]; p.bucket == "" {
			p.bucket = AssetsBucket(p.account, d.cfg.Region)
		}
	}
	p.all["AssetsBucket"] = p.bucket
	if err := p.template.missing(p.all, "AssetsPrefix"); err != nil {
		return nil, err
	}
	if err := d.together(p.all); err != nil {
		return nil, err
	}
	if err := d.checkNames(p.template, p.all, p.account); err != nil {
		return nil, err
	}
	architecture := p.all["LambdaArchitecture"]
	if architecture == "" {
		architecture = "arm64"
	}
	path, err := o.Archive(ctx, architecture)
	if err != nil {
		return nil, err
	}
	if p.archive, err = ReadArchive(path, architecture); err != nil {
		return nil, err
	}
	d.say(Step, "functions: %s (%d KB)", path, (len(p.archive.body)+999)/1000)
	if p.bucketExists, err = d.assetsBucket(ctx, p.bucket, p.account); err != nil {
		return nil, err
	}
	if p.stack == nil || p.gone {
		if err := d.retained(ctx, p, o); err != nil {
			return nil, err
		}
	}
	if err := d.existing(ctx, p); err != nil {
		return nil, err
	}
	if !o.SkipPermissions {
		actions := p.template.actions(p.all)
		if !p.bucketExists {
			actions = append(actions, "s3:CreateBucket")
			slices.Sort(actions)
			actions = slices.Compact(actions)
		}
		if err := d.permitted(ctx, p.caller, actions); err != nil {
			return nil, err
		}
	}
	d.warnChina(p.all)
	return p, nil
}

// existing checks a bucket with footage that is to be taken over.
func (d *Deployer) existing(ctx context.Context, p *plan) error {
	name := p.all["ExistingVideoBucketName"]
	if name == "" {
		return nil
	}
	_, err := d.cfg.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: &p.account})
	switch status := statusOf(err); {
	case err == nil:
		d.say(Step, "the bucket %s is there and will be used for video", name)
		return nil
	case status == 404:
		return settings("leave the parameter out for a new bucket", "ExistingVideoBucketName %s: there is no such bucket", name)
	case status == 403:
		return settings("it must belong to this account, and s3:ListBucket be allowed on it", "ExistingVideoBucketName %s refuses account %s", name, p.account)
	case status == 301 || status == 400:
		return settings("deploy in the bucket's region, see aws s3api get-bucket-location", "ExistingVideoBucketName %s is not in %s", name, d.cfg.Region)
	}
	return Explain(err)
}

// retained looks for video buckets that a former stack of the same name has left, which a new stack would not show.
func (d *Deployer) retained(ctx context.Context, p *plan, o UpOptions) error {
	if p.all["ExistingVideoBucketName"] != "" || o.NewVideoBucket {
		return nil
	}
	names, unsure, err := d.videoBuckets(ctx, p.all["S3VideoBucketName"], p.account)
	if err != nil {
		if Denied(err) != "" {
			d.say(Note, "whether a former stack has left its video cannot be told: %v", Explain(err))
			return nil
		}
		return Explain(err)
	}
	if len(names) == 0 {
		if len(unsure) > 0 {
			d.say(Note, "perhaps a former stack has left its video in %s (the tags cannot be read)", strings.Join(unsure, ", "))
		}
		return nil
	}
	return fail(ErrRetained, "use it with -p ExistingVideoBucketName="+names[len(names)-1]+", or begin with an empty one with --new-video-bucket",
		"a former stack %s has left its video in %s; a new stack would not show it", d.cfg.Stack, strings.Join(names, ", "))
}

// videoBuckets lists the buckets of this region that a stack of this name made for video, by the tags that CloudFormation
// gives and that stay on what it leaves. unsure are those of the usual name whose tags cannot be read.
func (d *Deployer) videoBuckets(ctx context.Context, prefix, account string) (names, unsure []string, err error) {
	form := regexp.MustCompile("^(.+)-" + account + "-[0-9a-f]{8}$")
	in := &s3.ListBucketsInput{BucketRegion: &d.cfg.Region, MaxBuckets: aws.Int32(1000)}
	for {
		out, err := d.cfg.S3.ListBuckets(ctx, in)
		if err != nil {
			return nil, nil, err
		}
		for _, b := range out.Buckets {
			name := aws.ToString(b.Name)
			match := form.FindStringSubmatch(name)
			if match == nil || b.BucketRegion != nil && *b.BucketRegion != d.cfg.Region {
				continue
			}
			tags, err := d.cfg.S3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &name})
			if err != nil && codeOf(err) != "NoSuchTagSet" && match[1] == prefix {
				unsure = append(unsure, name)
			}
			if err != nil {
				d.log.Debug("tags of a bucket", "bucket", name, "error", err)
				continue
			}
			of := map[string]string{}
			for _, t := range tags.TagSet {
				of[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			if of["aws:cloudformation:stack-name"] == d.cfg.Stack && of["aws:cloudformation:logical-id"] == videoBucket {
				names = append(names, name)
			}
		}
		if aws.ToString(out.ContinuationToken) == "" {
			break
		}
		in.ContinuationToken = out.ContinuationToken
	}
	slices.Sort(names)
	return names, unsure, nil
}

// shown lists the given parameters for the dry run and the log.
func (t *Template) shown(values map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		if p := t.parameter(name); p != nil && p.secret {
			value = "****"
		}
		list = append(list, name+"="+value)
	}
	if len(list) == 0 {
		return "(all parameters at their defaults)"
	}
	return strings.Join(list, " ")
}
