// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/s3cam/s3cam/internal/hint"
)

// lostLooks is how many looks in a row may fail before the watching ends: the stack goes on without us.
const lostLooks = 5

// quiet is how long nothing may happen before it is said that the work goes on: CloudFront takes minutes.
const quiet = time.Minute

// Failure is the resource that failed first, and what CloudFormation says about it.
type Failure struct {
	Logical string `json:"resource"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
}

func (f *Failure) String() string { return fmt.Sprintf("%s (%s): %s", f.Logical, f.Type, f.Reason) }

// hint is what to do about the reasons that are common.
func (f *Failure) hint() string {
	reason := strings.ToLower(f.Reason)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(reason, w) })
	}
	if action := actionIn(f.Reason); action != "" {
		return "ask the account's administrator for a policy that allows " + action
	}
	switch {
	case has("icp"):
		return "the domain or the account needs an ICP filing before this works in China"
	case has("cname", "alias") && strings.HasPrefix(f.Type, "AWS::CloudFront"):
		return "another distribution has SiteDomainName already; remove it there, or choose another name"
	case has("certificate"):
		return "check that the certificate is issued, is for this domain and lies in the right region"
	case has("already exists", "alreadyexists", "already owned"):
		return "something of this name is there already; choose other names (parameters or --stack)"
	case has("nosuchkey", "s3 error"):
		return "the functions are not in the assets bucket; run s3cam deploy up again"
	case has("limit", "quota"):
		return "the account has reached a quota; ask for a higher one in Service Quotas"
	case f.Type == "AWS::IoT::Policy" && has("attached", "delete"):
		return "cameras still hold certificates of this stack: s3cam camera list, then s3cam camera remove NAME"
	}
	return ""
}

// mark returns the id of the newest event, "" when there is none.
func (d *Deployer) mark(ctx context.Context, stack string) (string, error) {
	out, err := d.cfg.CloudFormation.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &stack})
	if err != nil {
		return "", Explain(err)
	}
	if len(out.StackEvents) == 0 {
		return "", nil
	}
	return aws.ToString(out.StackEvents[0].EventId), nil
}

// maxEventPages bounds how far back events are read; a page has up to 100.
const maxEventPages = 50

// since returns the events after the one with the id mark, the oldest first.
func (d *Deployer) since(ctx context.Context, stack, mark string) ([]types.StackEvent, error) {
	var events []types.StackEvent
	in := &cloudformation.DescribeStackEventsInput{StackName: &stack}
	for range maxEventPages {
		out, err := d.cfg.CloudFormation.DescribeStackEvents(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, e := range out.StackEvents {
			if aws.ToString(e.EventId) == mark {
				slices.Reverse(events)
				return events, nil
			}
			events = append(events, e)
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	slices.Reverse(events)
	return events, nil
}

// watch tells the events after mark until CloudFormation has ended its work on the stack with this id. It returns the stack
// as it is then (nil when it is gone) and the first failure, if there was one. When ctx ends before that, the error matches
// ErrLeft.
func (d *Deployer) watch(ctx context.Context, id, mark string) (*Stack, *Failure, error) {
	var first *Failure
	lost := 0
	open := map[string]bool{} // resources that have begun and not ended
	began := d.cfg.Now()
	spoke := began
	for {
		s, err := d.find(ctx, id)
		var events []types.StackEvent
		if err == nil {
			events, err = d.since(ctx, id, mark)
		}
		switch {
		case ctx.Err() != nil:
			return nil, first, d.left(ctx)
		case err != nil:
			if lost++; lost == lostLooks || Denied(err) != "" {
				return nil, first, &hint.Error{Kind: ErrLeft, Text: "the stack goes on, but cannot be watched", Err: Explain(err), Advice: "come back with " + d.statusCommand()}
			}
			d.say(Note, "CloudFormation does not answer, trying again: %v", Explain(err))
		default:
			lost = 0
		}
		for _, e := range events {
			mark, spoke = aws.ToString(e.EventId), d.cfg.Now()
			if aws.ToString(e.PhysicalResourceId) != aws.ToString(e.StackId) {
				open[aws.ToString(e.LogicalResourceId)] = strings.HasSuffix(string(e.ResourceStatus), "_IN_PROGRESS")
			}
			if f := d.tell(e); f != nil && first == nil {
				first = f
			}
		}
		if err == nil && (s == nil || !s.Busy() && s.Status != string(types.StackStatusReviewInProgress)) {
			return s, first, nil
		}
		if now := d.cfg.Now(); now.Sub(spoke) >= quiet {
			spoke = now
			maps.DeleteFunc(open, func(_ string, begun bool) bool { return !begun })
			d.say(Step, "still at work after %v: %s", now.Sub(began).Round(time.Second), strings.Join(slices.Sorted(maps.Keys(open)), ", "))
		}
		if d.pause(ctx) != nil {
			return nil, first, d.left(ctx)
		}
	}
}

func (d *Deployer) statusCommand() string {
	return fmt.Sprintf("s3cam deploy status --wait --stack %s --region %s", d.cfg.Stack, d.cfg.Region)
}

func (d *Deployer) left(ctx context.Context) error {
	return &hint.Error{Kind: errors.Join(ErrLeft, context.Canceled), Text: "left; CloudFormation goes on with the stack " + d.cfg.Stack, Advice: "come back with " + d.statusCommand()}
}

// tell reports an event and returns the failure that it is, unless it only follows from another one.
func (d *Deployer) tell(e types.StackEvent) *Failure {
	f := failure(e)
	out := Event{Kind: Resource, Time: aws.ToTime(e.Timestamp), Logical: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType),
		Physical: aws.ToString(e.PhysicalResourceId), Status: string(e.ResourceStatus), Reason: aws.ToString(e.ResourceStatusReason)}
	out.Text = fmt.Sprintf("%s %s (%s)", out.Status, out.Logical, out.Type)
	if strings.HasSuffix(out.Status, "_FAILED") {
		out.Kind = Failed
		out.Text += ": " + out.Reason
	}
	d.cfg.Report(out)
	return f
}

// failure tells whether an event is a failure by itself: CloudFormation also calls those failed that it gave up because
// of another.
func failure(e types.StackEvent) *Failure {
	if !strings.HasSuffix(string(e.ResourceStatus), "_FAILED") {
		return nil
	}
	reason := aws.ToString(e.ResourceStatusReason)
	if lower := strings.ToLower(reason); strings.Contains(lower, "cancelled") || strings.Contains(lower, "failed to create: [") || strings.Contains(lower, "failed to update: [") || strings.Contains(lower, "failed to delete: [") {
		return nil
	}
	return &Failure{Logical: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType), Status: string(e.ResourceStatus), Reason: reason}
}

// firstFailure looks for the cause of the last operation that failed.
func (d *Deployer) firstFailure(ctx context.Context, id string) (*Failure, error) {
	events, err := d.since(ctx, id, "")
	if err != nil {
		return nil, Explain(err)
	}
	var first *Failure
	for _, e := range events {
		if aws.ToString(e.PhysicalResourceId) == aws.ToString(e.StackId) && strings.HasSuffix(string(e.ResourceStatus), "_IN_PROGRESS") &&
			!strings.Contains(string(e.ResourceStatus), "ROLLBACK") && !strings.Contains(string(e.ResourceStatus), "CLEANUP") {
			first = nil // another operation begins
		}
		if f := failure(e); f != nil && first == nil {
			first = f
		}
	}
	return first, nil
}

// Status returns the stack and, when its last operation failed, the first cause. With wait it tells the events until
// CloudFormation has ended what it does; the stack is nil when that was the deletion.
func (d *Deployer) Status(ctx context.Context, wait bool) (*Stack, *Failure, error) {
	s, err := d.Stack(ctx)
	if err != nil {
		return nil, nil, err
	}
	id := s.ID
	if wait && s.Busy() {
		mark, err := d.mark(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		d.say(Step, "watching %s: %s", s.Name, s.Status)
		if s, _, err = d.watch(ctx, id, mark); err != nil || s == nil {
			return nil, nil, err
		}
	}
	if !strings.Contains(s.Status, "FAILED") && !strings.Contains(s.Status, "ROLLBACK") {
		return s, nil, nil
	}
	f, err := d.firstFailure(ctx, id)
	return s, f, err
}
