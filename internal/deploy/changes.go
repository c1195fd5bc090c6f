// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// inlineTemplate is CloudFormation's bound on templates in the request itself; larger ones go through the assets bucket.
const inlineTemplate = 51200

// cleanup bounds what is still done after the context has ended.
const cleanup = 30 * time.Second

// changeSet makes a change set and waits until CloudFormation has worked it out. changes is nil when there is nothing to
// do; the change set is deleted then. templateURL is "" for a small template.
func (d *Deployer) changeSet(ctx context.Context, p *plan, templateURL string) (arn string, changes []types.ResourceChange, err error) {
	in := &cloudformation.CreateChangeSetInput{
		StackName: &d.cfg.Stack, ChangeSetName: aws.String("s3cam-" + d.cfg.Now().UTC().Format("20060102-150405-000")),
		ChangeSetType: types.ChangeSetTypeUpdate, Description: aws.String("s3cam deploy"),
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		Tags:         []types.Tag{{Key: aws.String(releaseTag), Value: aws.String(d.release())}},
	}
	if p.stack == nil {
		in.ChangeSetType = types.ChangeSetTypeCreate
	}
	if templateURL != "" {
		in.TemplateURL = &templateURL
	} else {
		in.TemplateBody = aws.String(string(p.template.Body))
	}
	for i := range p.template.Parameters {
		name := p.template.Parameters[i].Name
		value, given := p.values[name]
		switch {
		case given || name == "AssetsBucket" || name == "AssetsPrefix":
			if !given {
				value = p.all[name]
			}
			in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(value)})
		case p.stack != nil && hasKey(p.stack.Parameters, name):
			in.Parameters = append(in.Parameters, types.Parameter{ParameterKey: aws.String(name), UsePreviousValue: aws.Bool(true)})
		}
	}
	out, err := d.cfg.CloudFormation.CreateChangeSet(ctx, in)
	if err != nil {
		return "", nil, Explain(err)
	}
	arn = aws.ToString(out.Id)
	defer func() {
		if err != nil || len(changes) == 0 {
			d.dropChangeSet(ctx, p, arn)
		}
	}()
	for {
		state, err := d.cfg.CloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: &arn})
		if err != nil {
			return arn, nil, Explain(err)
		}
		reason := aws.ToString(state.StatusReason)
		switch state.Status {
		case types.ChangeSetStatusCreateComplete:
			changes, err := d.changes(ctx, state)
			return arn, changes, err
		case types.ChangeSetStatusFailed:
			if strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed") {
				return arn, nil, nil
			}
			return arn, nil, fail(ErrFailed, (&Failure{Reason: reason}).hint(), "CloudFormation refuses the change set: %s", reason)
		}
		if err := d.pause(ctx); err != nil {
			return arn, nil, err
		}
	}
}

func hasKey(m map[string]string, k string) bool { _, ok := m[k]; return ok }

// release is a value that CloudFormation takes for a tag.
func (d *Deployer) release() string {
	if d.cfg.Release == "" {
		return "devel"
	}
	return d.cfg.Release
}

// changes collects the pages of a change set, in a steady order.
func (d *Deployer) changes(ctx context.Context, page *cloudformation.DescribeChangeSetOutput) ([]types.ResourceChange, error) {
	var all []types.ResourceChange
	for {
		for _, c := range page.Changes {
			if c.ResourceChange != nil {
				all = append(all, *c.ResourceChange)
			}
		}
		if aws.ToString(page.NextToken) == "" {
			break
		}
		var err error
		if page, err = d.cfg.CloudFormation.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: page.ChangeSetId, NextToken: page.NextToken}); err != nil {
			return nil, Explain(err)
		}
	}
	slices.SortFunc(all, func(a, b types.ResourceChange) int {
		return strings.Compare(aws.ToString(a.LogicalResourceId), aws.ToString(b.LogicalResourceId))
	})
	return all, nil
}

// dropChangeSet takes a change set back, and the empty stack that came with it.
func (d *Deployer) dropChangeSet(ctx context.Context, p *plan, arn string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	_, err := d.cfg.CloudFormation.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: &arn})
	if err == nil && p.stack == nil {
		_, err = d.cfg.CloudFormation.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &d.cfg.Stack})
	}
	if err != nil {
		d.say(Note, "the change set could not be taken back; it does nothing by itself: %v", Explain(err))
	}
}

// loses says what goes when a resource of this type is replaced, "" when nothing does.
func loses(resourceType string) string {
	switch resourceType {
	case "AWS::DynamoDB::Table":
		return "the live windows in it are lost: running live views begin anew"
	case "AWS::ApiGatewayV2::Api":
		return "the addresses of the playlists change"
	case "AWS::CloudFront::Distribution":
		return "the address of the web site changes"
	case "AWS::S3::Bucket":
		return "what is in it is lost"
	case "AWS::IoT::RoleAlias":
		return "the cameras' configuration names it"
	case "AWS::IoT::Policy":
		return "the cameras' certificates hold it"
	}
	return ""
}

// judge tells the changes and refuses those that lose something.
func (d *Deployer) judge(ctx context.Context, p *plan, changes []types.ResourceChange, allow bool) error {
	var lost []string
	kinds := map[types.ChangeAction]int{}
	for _, c := range changes {
		kinds[c.Action]++
		id, kind := aws.ToString(c.LogicalResourceId), aws.ToString(c.ResourceType)
		verb := strings.ToLower(string(c.Action))
		replaced := c.Action == types.ChangeActionModify && (c.Replacement == types.ReplacementTrue || c.Replacement == types.ReplacementConditional)
		if replaced {
			verb = "replace"
			if c.Replacement == types.ReplacementConditional {
				verb = "perhaps replace"
			}
		}
		if p.stack != nil {
			d.cfg.Report(Event{Kind: Change, Text: fmt.Sprintf("%s %s (%s)", verb, id, kind), Logical: id, Type: kind, Physical: aws.ToString(c.PhysicalResourceId), Status: verb})
		}
		if id == videoBucket && (replaced || c.Action == types.ChangeActionRemove) {
			if err := d.keepsVideo(ctx, p, c); err != nil {
				return err
			}
			continue
		}
		if what := loses(kind); what != "" && (replaced || c.Action == types.ChangeActionRemove && p.stack != nil) {
			lost = append(lost, fmt.Sprintf("%s of %s: %s", verb, id, what))
		}
	}
	if p.stack == nil {
		d.say(Step, "CloudFormation will create %s", count(len(changes), "resource"))
	} else {
		var list []string
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			list = append(list, fmt.Sprintf("%s %d", strings.ToLower(string(kind)), kinds[kind]))
		}
		d.say(Step, "%s: %s", count(len(changes), "change"), strings.Join(list, ", "))
	}
	if len(lost) > 0 && !allow {
		return fail(ErrReplace, "leave the parameters that cause it as they were, or add --allow-replace", "this update would lose something: %s", strings.Join(lost, "; "))
	}
	for _, l := range lost {
		d.say(Warning, "%s", l)
	}
	return nil
}

// keepsVideo lets the stack give its bucket up only for itself: when the bucket is then used as an existing one.
func (d *Deployer) keepsVideo(ctx context.Context, p *plan, c types.ResourceChange) error {
	name := aws.ToString(c.PhysicalResourceId)
	if name == "" && p.stack != nil {
		var err error
		if name, err = d.resource(ctx, p.stack.ID, videoBucket); err != nil {
			return err
		}
	}
	if c.Action == types.ChangeActionRemove && name != "" && p.all["ExistingVideoBucketName"] == name {
		d.say(Note, "the video bucket %s leaves the stack and is used as an existing one from now on; nothing in it changes", name)
		return nil
	}
	verb := "replace"
	if c.Action == types.ChangeActionRemove {
		verb = "give up"
	}
	return fail(ErrReplace, "leave S3VideoBucketName and ExistingVideoBucketName as they were; to move to another bucket deploy a second stack with --stack",
		"this update would %s the video bucket %s: its footage would not be shown any more", verb, name)
}
