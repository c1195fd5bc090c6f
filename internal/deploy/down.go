// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3cam/s3cam/internal/hint"
)

// DownOptions choose what is deleted.
type DownOptions struct {
	// DeleteVideo deletes the bucket with the video too, with all that is in it. It is asked, before anything is deleted, with
	// the bucket's name, and must return the same name; "" keeps the bucket. nil keeps it too.
	DeleteVideo func(bucket string) (confirmed string, err error)
	DryRun      bool
}

// DownResult is what became of Down.
type DownResult struct {
	Stack        string `json:"stack"`
	VideoBucket  string `json:"video_bucket,omitempty"`
	VideoDeleted bool   `json:"video_deleted"`
	Objects      int    `json:"objects_deleted"`
	Assets       string `json:"assets_bucket,omitempty"` // stays: other stacks may use it
}

// Down deletes the stack. The bucket with the video stays unless DeleteVideo says otherwise. When there is no stack any
// more, DeleteVideo is asked about the bucket that it has left.
func (d *Deployer) Down(ctx context.Context, o DownOptions) (*DownResult, error) {
	r, err := d.down(ctx, o)
	return r, d.ended(ctx, err)
}

func (d *Deployer) down(ctx context.Context, o DownOptions) (*DownResult, error) {
	account, caller, err := d.identity(ctx)
	if err != nil {
		return nil, err
	}
	d.say(Step, "account %s, as %s, region %s", account, caller, d.cfg.Region)
	s, err := d.find(ctx, d.cfg.Stack)
	if err != nil {
		return nil, err
	}
	r := &DownResult{Stack: d.cfg.Stack}
	if s == nil {
		return r, d.downVideo(ctx, o, r, account)
	}
	if err := d.ours(s); err != nil {
		return nil, err
	}
	if s.Busy() && s.Status != "DELETE_IN_PROGRESS" {
		_, err := d.updatable(s, false)
		return nil, err
	}
	r.Assets = s.Parameters["AssetsBucket"]
	if r.VideoBucket = s.Outputs["VideoBucketName"]; r.VideoBucket == "" {
		if r.VideoBucket, err = d.resource(ctx, s.ID, videoBucket); err != nil {
			return nil, err
		}
	}
	if err := d.noCameras(ctx, s); err != nil {
		return nil, err
	}
	really := false
	if o.DeleteVideo != nil && r.VideoBucket != "" {
		if really, err = confirmed(o, r.VideoBucket); err != nil {
			return nil, err
		}
	}
	if o.DryRun {
		what := "would be kept"
		if really {
			what = "would be emptied and deleted"
		}
		d.say(Step, "dry run: the stack %s would be deleted; the video bucket %s %s", s.Name, r.VideoBucket, what)
		return r, nil
	}
	if err := d.remove(ctx, s); err != nil {
		return r, err
	}
	d.say(Step, "the stack %s is deleted", s.Name)
	if really {
		return r, d.deleteVideo(ctx, r, account)
	}
	if r.VideoBucket != "" {
		d.say(Note, "the video is kept in %s. A new stack uses it with -p ExistingVideoBucketName=%s; to delete it: s3cam deploy down --stack %s --region %s --yes-delete-video %s",
			r.VideoBucket, r.VideoBucket, d.cfg.Stack, d.cfg.Region, r.VideoBucket)
	}
	if r.Assets != "" {
		d.say(Note, "the assets bucket %s is kept, since other stacks of this region may use it; to delete it: aws s3 rb --force s3://%s", r.Assets, r.Assets)
	}
	return r, nil
}

// downVideo is what is left to do when there is no stack.
func (d *Deployer) downVideo(ctx context.Context, o DownOptions, r *DownResult, account string) error {
	missing := fail(ErrNoStack, "--stack and --region choose another", "there is no stack %s in %s", d.cfg.Stack, d.cfg.Region)
	if o.DeleteVideo == nil {
		return missing
	}
	t, err := ParseTemplate(d.cfg.Template(d.china))
	if err != nil {
		return err
	}
	names, _, err := d.videoBuckets(ctx, t.complete(nil, nil)["S3VideoBucketName"], account)
	if err != nil {
		return Explain(err)
	}
	for _, name := range names {
		ok, err := confirmed(o, name)
		switch {
		case err != nil && len(names) == 1:
			return err
		case err != nil || !ok:
			continue
		}
		if r.VideoBucket = name; o.DryRun {
			d.say(Step, "dry run: the video bucket %s would be emptied and deleted", name)
			return nil
		}
		return d.deleteVideo(ctx, r, account)
	}
	if len(names) > 0 {
		return fail(ErrSettings, "give the name of one of them exactly", "no video bucket is deleted; there are %s", strings.Join(names, ", "))
	}
	return missing
}

// confirmed asks whether the bucket is to be deleted.
func confirmed(o DownOptions, bucket string) (bool, error) {
	name, err := o.DeleteVideo(bucket)
	switch {
	case err != nil:
		return false, err
	case name == "":
		return false, nil
	case name != bucket:
		return false, fail(ErrSettings, "give its name exactly; nothing was deleted", "%q is not the name of the video bucket, %s", name, bucket)
	}
	return true, nil
}

// noCameras refuses to delete a stack whose IoT policy is still held by certificates: IoT would refuse it in the middle.
func (d *Deployer) noCameras(ctx context.Context, s *Stack) error {
	if d.cfg.Cameras == nil {
		return nil
	}
	policy, err := d.resource(ctx, s.ID, "DeviceIotPolicy")
	if err != nil || policy == "" {
		return err
	}
	names, err := d.cfg.Cameras(ctx, policy)
	switch {
	case err != nil && Denied(err) != "":
		d.say(Note, "whether cameras still hold certificates of the stack cannot be told: %v", Explain(err))
		return nil
	case err != nil:
		return Explain(err)
	case len(names) == 0:
		return nil
	}
	list := names
	if len(list) > 10 {
		list = append(list[:10:10], "...")
	}
	return fail(ErrState, fmt.Sprintf("take each away first: s3cam camera remove NAME --stack %s --region %s (the footage stays)", s.Name, d.cfg.Region),
		"the stack %s still has %s: %s", s.Name, count(len(names), "camera"), strings.Join(list, ", "))
}

// remove deletes the stack and waits until it is gone.
func (d *Deployer) remove(ctx context.Context, s *Stack) error {
	mark, err := d.mark(ctx, s.ID)
	if err != nil {
		return err
	}
	if s.Status != "DELETE_IN_PROGRESS" {
		if _, err := d.cfg.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &s.ID}); err != nil {
			return Explain(err)
		}
		d.say(Step, "CloudFormation is deleting the stack; Ctrl-C leaves it going")
	}
	done, first, err := d.watch(ctx, s.ID, mark)
	switch {
	case err != nil:
		return err
	case done == nil:
		return nil
	case first == nil:
		return fail(ErrFailed, "see "+d.statusCommand(), "the stack %s could not be deleted (%s): %s", s.Name, done.Status, done.Reason)
	}
	return fail(ErrFailed, first.hint(), "the stack %s could not be deleted (%s). First cause: %s", s.Name, done.Status, first)
}

// deleteVideo empties the bucket, old versions too, and deletes it.
func (d *Deployer) deleteVideo(ctx context.Context, r *DownResult, account string) error {
	bucket := r.VideoBucket
	in := &s3.ListObjectVersionsInput{Bucket: &bucket, ExpectedBucketOwner: &account}
	for {
		page, err := d.cfg.S3.ListObjectVersions(ctx, in)
		if err != nil {
			return d.half(r, err)
		}
		var objects []types.ObjectIdentifier
		for _, v := range page.Versions {
			objects = append(objects, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			objects = append(objects, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if len(objects) > 0 {
			out, err := d.cfg.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, ExpectedBucketOwner: &account,
				Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)}})
			if err == nil && len(out.Errors) > 0 {
				e := out.Errors[0]
				err = fmt.Errorf("%s: %s %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
			}
			if err != nil {
				return d.half(r, err)
			}
			r.Objects += len(objects)
			d.say(Step, "deleted %d objects from %s", r.Objects, bucket)
		}
		if !aws.ToBool(page.IsTruncated) {
			break
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	if _, err := d.cfg.S3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket, ExpectedBucketOwner: &account}); err != nil {
		if codeOf(err) == "BucketNotEmpty" {
			return fail(ErrState, "stop the cameras, then run the same command again", "something was stored in %s while it was emptied", bucket)
		}
		return d.half(r, err)
	}
	r.VideoDeleted = true
	d.say(Step, "the video bucket %s is deleted", bucket)
	return nil
}

// half says how far the deletion of the video went.
func (d *Deployer) half(r *DownResult, err error) error {
	return &hint.Error{Text: fmt.Sprintf("the video bucket %s is not deleted (%d objects are)", r.VideoBucket, r.Objects), Err: Explain(err),
		Advice: fmt.Sprintf("go on with: s3cam deploy down --stack %s --region %s --yes-delete-video %s", d.cfg.Stack, d.cfg.Region, r.VideoBucket)}
}
