// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// releaseTag marks the stacks of this program.
const releaseTag = "s3cam:release"

// videoBucket is the logical id of the bucket with the video; the deployment manual names it.
const videoBucket = "S3VideoBucket"

// Stack is what an account has.
type Stack struct {
	Name       string            `json:"stack"`
	ID         string            `json:"id"`
	Account    string            `json:"account"`
	Region     string            `json:"region"`
	Status     string            `json:"status"` // CloudFormation's
	Reason     string            `json:"reason,omitempty"`
	Release    string            `json:"release,omitempty"` // that deployed it
	Created    time.Time         `json:"created"`
	Updated    time.Time         `json:"updated,omitzero"`
	Parameters map[string]string `json:"parameters"`
	Outputs    map[string]string `json:"outputs"`
}

// Busy tells whether CloudFormation is at work.
func (s *Stack) Busy() bool {
	return strings.HasSuffix(s.Status, "_IN_PROGRESS") && s.Status != string(types.StackStatusReviewInProgress)
}

// Stack looks the stack up. The error matches [ErrNoStack] when there is none.
func (d *Deployer) Stack(ctx context.Context) (*Stack, error) {
	s, err := d.find(ctx, d.cfg.Stack)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fail(ErrNoStack, "s3cam deploy up makes it; --stack and --region choose another", "there is no stack %s in %s", d.cfg.Stack, d.cfg.Region)
	}
	return s, nil
}

// find returns the stack of a name or id, or nil.
func (d *Deployer) find(ctx context.Context, name string) (*Stack, error) {
	out, err := d.cfg.CloudFormation.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	switch {
	case codeOf(err) == "ValidationError" && strings.Contains(err.Error(), "does not exist"):
		return nil, nil
	case err != nil:
		return nil, Explain(err)
	case len(out.Stacks) == 0:
		return nil, nil
	}
	in := out.Stacks[0]
	s := &Stack{Name: aws.ToString(in.StackName), ID: aws.ToString(in.StackId), Region: d.cfg.Region, Status: string(in.StackStatus), Reason: aws.ToString(in.StackStatusReason),
		Created: aws.ToTime(in.CreationTime), Updated: aws.ToTime(in.LastUpdatedTime), Parameters: map[string]string{}, Outputs: map[string]string{}}
	if f := strings.Split(s.ID, ":"); len(f) > 4 {
		s.Account = f[4]
	}
	for _, p := range in.Parameters {
		s.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, o := range in.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	for _, t := range in.Tags {
		if aws.ToString(t.Key) == releaseTag {
			s.Release = aws.ToString(t.Value)
		}
	}
	if in.StackStatus == types.StackStatusDeleteComplete {
		return nil, nil // found by its id
	}
	return s, nil
}

// ours refuses stacks of something else.
func (d *Deployer) ours(s *Stack) error {
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := s.Parameters[n]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case s.Release != "" || s.Status == string(types.StackStatusReviewInProgress) || has("AssetsBucket", "S3VideoBucketName", "TSClipDuration"):
		return nil
	case has("S3VideoBucketName", "TSClipDuration"):
		return fail(ErrTaken, "deploy beside it under another name: --stack NAME. Cameras and footage can move one by one; the old bucket can be taken over with -p ExistingVideoBucketName=NAME",
			"the stack %s is one of the original IPC-H264-HLS-C-SDK; it cannot be updated to s3cam", s.Name)
	}
	return fail(ErrTaken, "choose another name with --stack", "the stack %s in %s is not one of s3cam", s.Name, d.cfg.Region)
}

// updatable refuses stacks that CloudFormation would not update, or not now. gone is true when the stack must be deleted
// first.
func (d *Deployer) updatable(s *Stack, replace bool) (gone bool, err error) {
	command := func(sub string) string {
		return fmt.Sprintf("s3cam deploy %s --stack %s --region %s", sub, s.Name, d.cfg.Region)
	}
	switch status := types.StackStatus(s.Status); {
	case s.Busy():
		return false, fail(ErrState, "watch it with "+command("status --wait")+", then try again", "the stack %s is at work: %s", s.Name, s.Status)
	case status == types.StackStatusRollbackComplete || status == types.StackStatusRollbackFailed || status == types.StackStatusCreateFailed || status == types.StackStatusDeleteFailed:
		if replace {
			return true, nil
		}
		text := "its creation failed"
		if status == types.StackStatusDeleteFailed {
			text = "its deletion failed"
		}
		return false, fail(ErrState, "mend the cause ("+command("status")+" shows it), then add --replace, which deletes what is left first; or "+command("down"),
			"the stack %s cannot be updated: %s (%s)", s.Name, text, s.Status)
	case status == types.StackStatusUpdateRollbackFailed:
		return false, fail(ErrState, "mend the cause, then: aws cloudformation continue-update-rollback --stack-name "+s.Name+" --region "+d.cfg.Region,
			"the stack %s cannot be updated: an update failed, and so did its rollback (%s)", s.Name, s.Status)
	}
	return false, nil
}

// resource returns the physical id of one of the stack's resources, "" when it has none of this name.
func (d *Deployer) resource(ctx context.Context, stack, logical string) (string, error) {
	out, err := d.cfg.CloudFormation.DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: &stack, LogicalResourceId: &logical})
	if err != nil {
		if codeOf(err) == "ValidationError" && strings.Contains(err.Error(), "does not exist") {
			return "", nil
		}
		return "", Explain(err)
	}
	for _, r := range out.StackResources {
		if aws.ToString(r.LogicalResourceId) == logical && r.ResourceStatus != types.ResourceStatusDeleteComplete {
			return aws.ToString(r.PhysicalResourceId), nil
		}
	}
	return "", nil
}

// Resource returns the physical id of one of the stack's resources, "" when the stack has none of this name.
func (d *Deployer) Resource(ctx context.Context, logical string) (string, error) {
	return d.resource(ctx, d.cfg.Stack, logical)
}
