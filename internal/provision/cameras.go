// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
)

// Camera is a thing of the stack.
type Camera struct {
	Name         string        `json:"name"`
	ThingARN     string        `json:"thing_arn"`
	Certificates []Certificate `json:"certificates"`
}

// Certificate is one that shows who a camera is.
type Certificate struct {
	ID      string    `json:"id"`
	Status  string    `json:"status"` // ACTIVE, INACTIVE, ...
	Created time.Time `json:"created"`
}

// List returns the cameras of the stack, by name, with their certificates (one question for each).
func (p *Provisioner) List(ctx context.Context) ([]Camera, error) {
	cameras := []Camera{}
	in := &iot.ListThingsInput{AttributeName: aws.String(stackAttribute), AttributeValue: &p.cfg.Stack.Name}
	for {
		out, err := p.cfg.IoT.ListThings(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, t := range out.Things {
			if t.Attributes[stackAttribute] == p.cfg.Stack.Name {
				cameras = append(cameras, Camera{Name: aws.ToString(t.ThingName), ThingARN: aws.ToString(t.ThingArn)})
			}
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	slices.SortFunc(cameras, func(a, b Camera) int { return strings.Compare(a.Name, b.Name) })
	for i := range cameras {
		principals, err := p.principals(ctx, cameras[i].Name)
		if err != nil {
			return nil, err
		}
		for _, arn := range principals {
			id := certificateID(arn)
			d, err := p.cfg.IoT.DescribeCertificate(ctx, &iot.DescribeCertificateInput{CertificateId: &id})
			if err != nil {
				return nil, err
			}
			c := Certificate{ID: id}
			if d.CertificateDescription != nil {
				c.Status, c.Created = string(d.CertificateDescription.Status), aws.ToTime(d.CertificateDescription.CreationDate)
			}
			cameras[i].Certificates = append(cameras[i].Certificates, c)
		}
	}
	return cameras, nil
}

// Remove takes a camera away: its certificates end, the thing is deleted. Footage is not touched. When it fails half way
// it can be called again. The error matches [ErrAbsent] when there is no such camera.
func (p *Provisioner) Remove(ctx context.Context, name string) error {
	thing, err := p.thing(ctx, name)
	if err != nil {
		return err
	}
	if thing == nil {
		return fail(ErrAbsent, "s3cam camera list shows the cameras of the stack", "the stack %s has no camera %s", p.cfg.Stack.Name, name)
	}
	principals, err := p.principals(ctx, name)
	if err != nil {
		return err
	}
	for _, arn := range principals {
		things, err := p.things(ctx, arn)
		if err != nil {
			return err
		}
		shared := slices.ContainsFunc(things, func(t string) bool { return t != name })
		if !shared {
			// First of all it must not be good for anything any more.
			id := certificateID(arn)
			if _, err := p.cfg.IoT.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &id, NewStatus: types.CertificateStatusInactive}); err != nil {
				return err
			}
		}
		if _, err := p.cfg.IoT.DetachThingPrincipal(ctx, &iot.DetachThingPrincipalInput{ThingName: &name, Principal: &arn}); err != nil {
			return err
		}
		if shared {
			p.say("left the certificate %s, which other things use", certificateID(arn))
			continue
		}
		if err := p.deleteCertificate(ctx, arn); err != nil {
			return err
		}
		p.say("deleted the certificate %s", certificateID(arn))
	}
	if err := p.deleteThing(ctx, name); err != nil {
		return err
	}
	p.say("deleted the thing %s", name)
	return nil
}

func (p *Provisioner) deleteThing(ctx context.Context, name string) error {
	return p.patiently(ctx, func() error {
		_, err := p.cfg.IoT.DeleteThing(ctx, &iot.DeleteThingInput{ThingName: &name})
		return err
	})
}

// deleteCertificate deactivates, detaches and deletes a certificate. Steps that are done already do not matter.
func (p *Provisioner) deleteCertificate(ctx context.Context, arn string) error {
	id := certificateID(arn)
	if _, err := p.cfg.IoT.UpdateCertificate(ctx, &iot.UpdateCertificateInput{CertificateId: &id, NewStatus: types.CertificateStatusInactive}); err != nil {
		return err
	}
	policies, err := p.cfg.IoT.ListAttachedPolicies(ctx, &iot.ListAttachedPoliciesInput{Target: &arn})
	if err != nil {
		return err
	}
	for _, policy := range policies.Policies {
		if _, err := p.cfg.IoT.DetachPolicy(ctx, &iot.DetachPolicyInput{PolicyName: policy.PolicyName, Target: &arn}); err != nil {
			return err
		}
	}
	return p.patiently(ctx, func() error {
		_, err := p.cfg.IoT.DeleteCertificate(ctx, &iot.DeleteCertificateInput{CertificateId: &id})
		return err
	})
}

// principals lists the ARNs of a thing's certificates.
func (p *Provisioner) principals(ctx context.Context, name string) ([]string, error) {
	var all []string
	in := &iot.ListThingPrincipalsInput{ThingName: &name}
	for {
		out, err := p.cfg.IoT.ListThingPrincipals(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, arn := range out.Principals {
			if certificateID(arn) != "" {
				all = append(all, arn)
			}
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}

func (p *Provisioner) things(ctx context.Context, principal string) ([]string, error) {
	return things(ctx, p.cfg.IoT, principal)
}

func things(ctx context.Context, api IoT, principal string) ([]string, error) {
	var all []string
	in := &iot.ListPrincipalThingsInput{Principal: &principal}
	for {
		out, err := api.ListPrincipalThings(ctx, in)
		if err != nil {
			return nil, err
		}
		all = append(all, out.Things...)
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return all, nil
		}
	}
}

// Holders returns the names of the things whose certificates hold an IoT policy, sorted; a certificate without a thing is
// named by its id. A policy that does not exist has none.
func Holders(ctx context.Context, api IoT, policy string) ([]string, error) {
	if api == nil {
		return nil, errors.New("provision: IoT is required")
	}
	var names []string
	in := &iot.ListTargetsForPolicyInput{PolicyName: &policy}
	for {
		out, err := api.ListTargetsForPolicy(ctx, in)
		switch {
		case codeOf(err) == notFound:
			return nil, nil
		case err != nil:
			return nil, err
		}
		for _, arn := range out.Targets {
			of, err := things(ctx, api, arn)
			if err != nil {
				return nil, err
			}
			if len(of) == 0 {
				of = []string{fmt.Sprintf("certificate %.12s...", certificateID(arn))}
			}
			names = append(names, of...)
		}
		if in.Marker = out.NextMarker; aws.ToString(in.Marker) == "" {
			slices.Sort(names)
			return slices.Compact(names), nil
		}
	}
}

// certificateID is the end of a certificate's ARN, "" for principals of another kind.
func certificateID(arn string) string {
	_, id, ok := strings.Cut(arn, ":cert/")
	if !ok {
		return ""
	}
	return id
}
