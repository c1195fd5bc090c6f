// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/s3cam/s3cam/internal/hint"
)

// Result is what became of Up.
type Result struct {
	Action string `json:"action"` // created, updated, nothing or checked (dry run)
	Caller string `json:"caller"`
	Assets string `json:"assets_bucket"`
	Stack  *Stack `json:"stack"` // nil when there is none yet
}

// Up creates the stack or brings it up to date, and waits for it. Nothing is created before all checks have passed. Errors
// match the Err values of this package and most have a Hint. When ctx ends while CloudFormation works, the error matches
// [ErrLeft] and the work goes on in AWS.
func (d *Deployer) Up(ctx context.Context, o UpOptions) (*Result, error) {
	if o.Archive == nil {
		return nil, errors.New("deploy: UpOptions.Archive is required")
	}
	p, err := d.check(ctx, o)
	if err != nil {
		return nil, d.ended(ctx, err)
	}
	if err := d.keys(p, o); err != nil {
		return nil, d.ended(ctx, err)
	}
	// Every change of the zip changes its key: a function is updated only when its key changes.
	if _, given := p.values["AssetsPrefix"]; !given {
		p.all["AssetsPrefix"] = "s3cam/" + p.archive.Hash[:16] + "/"
	}
	r := &Result{Action: "checked", Caller: p.caller, Assets: p.bucket, Stack: p.stack}
	if o.DryRun {
		return r, d.ended(ctx, d.dryRun(ctx, p, o))
	}
	if p.gone {
		if err := d.clear(ctx, p); err != nil {
			return nil, d.ended(ctx, err)
		}
	}
	url, err := d.assets(ctx, p)
	if err != nil {
		return nil, d.ended(ctx, err)
	}
	set, changes, err := d.changeSet(ctx, p, url)
	if err != nil {
		return nil, d.ended(ctx, err)
	}
	if len(changes) == 0 {
		d.say(Step, "nothing to do: the stack %s is as it should be", d.cfg.Stack)
		r.Action = "nothing"
		return r, nil
	}
	if err := d.judge(ctx, p, changes, o.AllowReplace); err != nil {
		d.dropChangeSet(ctx, p, set)
		return nil, d.ended(ctx, err)
	}
	r.Stack, err = d.execute(ctx, p, set)
	if r.Action = "updated"; p.stack == nil {
		r.Action = "created"
	}
	return r, d.ended(ctx, err)
}

// ended makes errors after the end of the context ones that say so.
func (d *Deployer) ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ErrLeft) {
		return err
	}
	var e *hint.Error
	if errors.As(err, &e) {
		return &hint.Error{Kind: context.Canceled, Err: e, Advice: e.Advice}
	}
	return &hint.Error{Kind: errors.Join(context.Canceled, err), Text: "interrupted", Advice: "s3cam deploy status --stack " + d.cfg.Stack + " --region " + d.cfg.Region + " tells what there is"}
}

// assets uploads what CloudFormation reads. The address of the template is "" when it is small enough without.
func (d *Deployer) assets(ctx context.Context, p *plan) (templateURL string, err error) {
	if !p.bucketExists {
		if err := d.createAssetsBucket(ctx, p.bucket, p.account); err != nil {
			return "", err
		}
	}
	key := p.all["AssetsPrefix"] + ArchiveName(p.archive.Architecture)
	if err := d.upload(ctx, p.bucket, p.account, key, p.archive.body, ArchiveName(p.archive.Architecture)); err != nil {
		return "", err
	}
	if len(p.template.Body) <= inlineTemplate {
		return "", nil
	}
	sum := sha256.Sum256(p.template.Body)
	key = "s3cam/templates/" + hex.EncodeToString(sum[:16]) + ".yaml"
	if err := d.upload(ctx, p.bucket, p.account, key, p.template.Body, "the template"); err != nil {
		return "", err
	}
	suffix := "amazonaws.com"
	if d.china {
		suffix += ".cn"
	}
	return fmt.Sprintf("https://%s.s3.%s.%s/%s", p.bucket, d.cfg.Region, suffix, key), nil
}

// clear deletes what a failed creation has left.
func (d *Deployer) clear(ctx context.Context, p *plan) error {
	d.say(Step, "deleting what is left of the stack %s (%s)", p.stack.Name, p.stack.Status)
	if err := d.remove(ctx, p.stack); err != nil {
		return err
	}
	p.stack = nil
	return nil
}

// execute runs the change set and watches it.
func (d *Deployer) execute(ctx context.Context, p *plan, set string) (*Stack, error) {
	s, err := d.find(ctx, d.cfg.Stack)
	if err == nil && s == nil {
		err = fmt.Errorf("the stack %s is gone", d.cfg.Stack)
	}
	var mark string
	if err == nil {
		mark, err = d.mark(ctx, s.ID)
	}
	if err == nil {
		_, err = d.cfg.CloudFormation.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: &set})
	}
	if err != nil {
		d.dropChangeSet(ctx, p, set)
		return nil, Explain(err)
	}
	d.log.Info("change set is executed", "stack", s.ID, "change_set", set)
	d.say(Step, "CloudFormation is at work; Ctrl-C leaves it going")
	done, first, err := d.watch(ctx, s.ID, mark)
	if err != nil {
		return nil, err
	}
	return done, d.verdict(p, done, first)
}

// verdict is the error of a stack that did not reach what was wanted.
func (d *Deployer) verdict(p *plan, s *Stack, first *Failure) error {
	if s != nil && (s.Status == "CREATE_COMPLETE" || s.Status == "UPDATE_COMPLETE") {
		return nil
	}
	what, next := "updated", "the stack works on as it was before; run s3cam deploy up again when the cause is mended"
	if p.stack == nil {
		what, next = "created", "mend the cause, then run s3cam deploy up again with --replace"
	}
	status := "it is gone"
	if s != nil {
		status = s.Status
	}
	if first == nil {
		if s != nil && s.Reason != "" {
			status += ": " + s.Reason
		}
		return fail(ErrFailed, next, "the stack %s could not be %s (%s)", d.cfg.Stack, what, status)
	}
	hint := next
	if h := first.hint(); h != "" {
		hint = h + "; " + next
	}
	return fail(ErrFailed, hint, "the stack %s could not be %s (%s). First cause: %s", d.cfg.Stack, what, status, first)
}

// dryRun tells what Up would do. For a stack that exists it makes a change set, and takes it back.
func (d *Deployer) dryRun(ctx context.Context, p *plan, o UpOptions) error {
	d.say(Step, "dry run: parameters %s", p.template.shown(p.values))
	if !p.bucketExists {
		d.say(Step, "would create the assets bucket %s", p.bucket)
	}
	if p.stack == nil || p.gone {
		kinds := map[string]int{}
		for _, kind := range p.template.Types {
			kinds[strings.Split(kind+"::", "::")[1]]++
		}
		var list []string
		for _, k := range slices.Sorted(maps.Keys(kinds)) {
			list = append(list, fmt.Sprintf("%s %d", k, kinds[k]))
		}
		d.say(Step, "would create the stack %s with at most %s: %s", d.cfg.Stack, count(len(p.template.Types), "resource"), strings.Join(list, ", "))
		return nil
	}
	if len(p.template.Body) > inlineTemplate {
		d.say(Note, "the changes to the stack %s cannot be told without uploading the template", d.cfg.Stack)
		return nil
	}
	set, changes, err := d.changeSet(ctx, p, "")
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		d.say(Step, "nothing to do: the stack %s is as it should be", d.cfg.Stack)
		return nil
	}
	defer d.dropChangeSet(ctx, p, set)
	return d.judge(ctx, p, changes, o.AllowReplace)
}
