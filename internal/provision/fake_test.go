// SPDX-License-Identifier: Apache-2.0

package provision_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/aws-sdk-go-v2/service/iot/types"
	"github.com/aws/smithy-go"
)

// fake is AWS IoT in memory: things, certificates with their status, policies and things. It refuses what AWS refuses.
type fake struct {
	t      *testing.T
	things map[string]map[string]string // attributes
	certs  map[string]*fakeCert         // by ARN
	fail   string                       // the operation that fails
	busy   int                          // how often deleting is refused although nothing hangs on it any more
	other  bool                         // certificates are made for another key
	calls  []string
	n      int
}

type fakeCert struct {
	active           bool
	things, policies []string
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, things: map[string]map[string]string{}, certs: map[string]*fakeCert{}}
}

func refuse(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (f *fake) call(name string) error {
	f.calls = append(f.calls, name)
	if name == f.fail {
		return refuse("ThrottlingException", "%s fails here", name)
	}
	return nil
}

func (f *fake) DescribeThing(_ context.Context, in *iot.DescribeThingInput, _ ...func(*iot.Options)) (*iot.DescribeThingOutput, error) {
	if err := f.call("DescribeThing"); err != nil {
		return nil, err
	}
	a, ok := f.things[*in.ThingName]
	if !ok {
		return nil, refuse("ResourceNotFoundException", "no thing")
	}
	return &iot.DescribeThingOutput{ThingName: in.ThingName, Attributes: a, ThingArn: aws.String("arn:aws:iot:r:1:thing/" + *in.ThingName)}, nil
}

func (f *fake) CreateThing(_ context.Context, in *iot.CreateThingInput, _ ...func(*iot.Options)) (*iot.CreateThingOutput, error) {
	if err := f.call("CreateThing"); err != nil {
		return nil, err
	}
	f.things[*in.ThingName] = in.AttributePayload.Attributes
	return &iot.CreateThingOutput{ThingArn: aws.String("arn:aws:iot:r:1:thing/" + *in.ThingName)}, nil
}

func (f *fake) DeleteThing(_ context.Context, in *iot.DeleteThingInput, _ ...func(*iot.Options)) (*iot.DeleteThingOutput, error) {
	if err := f.call("DeleteThing"); err != nil {
		return nil, err
	}
	for _, c := range f.certs {
		if slices.Contains(c.things, *in.ThingName) {
			return nil, refuse("InvalidRequestException", "principals are attached")
		}
	}
	if f.busy--; f.busy >= 0 {
		return nil, refuse("InvalidRequestException", "principals are still attached")
	}
	delete(f.things, *in.ThingName)
	return &iot.DeleteThingOutput{}, nil
}

func (f *fake) ListThings(_ context.Context, in *iot.ListThingsInput, _ ...func(*iot.Options)) (*iot.ListThingsOutput, error) {
	out := &iot.ListThingsOutput{}
	names := slices.Sorted(maps.Keys(f.things))
	at := 0
	if in.NextToken != nil {
		at = int((*in.NextToken)[0] - '0')
	}
	if at < len(names) {
		if a := f.things[names[at]]; a[*in.AttributeName] == *in.AttributeValue {
			out.Things = append(out.Things, types.ThingAttribute{ThingName: &names[at], Attributes: a})
		}
		out.NextToken = aws.String(string(rune('0' + at + 1)))
	}
	return out, f.call("ListThings")
}

func (f *fake) ListThingPrincipals(_ context.Context, in *iot.ListThingPrincipalsInput, _ ...func(*iot.Options)) (*iot.ListThingPrincipalsOutput, error) {
	out := &iot.ListThingPrincipalsOutput{}
	for _, arn := range slices.Sorted(maps.Keys(f.certs)) {
		if slices.Contains(f.certs[arn].things, *in.ThingName) {
			out.Principals = append(out.Principals, arn)
		}
	}
	return out, f.call("ListThingPrincipals")
}

func (f *fake) ListPrincipalThings(_ context.Context, in *iot.ListPrincipalThingsInput, _ ...func(*iot.Options)) (*iot.ListPrincipalThingsOutput, error) {
	return &iot.ListPrincipalThingsOutput{Things: f.certs[*in.Principal].things}, f.call("ListPrincipalThings")
}

func (f *fake) AttachThingPrincipal(_ context.Context, in *iot.AttachThingPrincipalInput, _ ...func(*iot.Options)) (*iot.AttachThingPrincipalOutput, error) {
	if err := f.call("AttachThingPrincipal"); err != nil {
		return nil, err
	}
	c := f.certs[*in.Principal]
	c.things = append(c.things, *in.ThingName)
	return &iot.AttachThingPrincipalOutput{}, nil
}

func (f *fake) DetachThingPrincipal(_ context.Context, in *iot.DetachThingPrincipalInput, _ ...func(*iot.Options)) (*iot.DetachThingPrincipalOutput, error) {
	c := f.certs[*in.Principal]
	c.things = slices.DeleteFunc(c.things, func(t string) bool { return t == *in.ThingName })
	return &iot.DetachThingPrincipalOutput{}, f.call("DetachThingPrincipal")
}

func (f *fake) CreateCertificateFromCsr(_ context.Context, in *iot.CreateCertificateFromCsrInput, _ ...func(*iot.Options)) (*iot.CreateCertificateFromCsrOutput, error) {
	if err := f.call("CreateCertificateFromCsr"); err != nil {
		return nil, err
	}
	f.n++
	text := certify(f.t, *in.CertificateSigningRequest, int64(f.n), f.other)
	id := fmt.Sprintf("%064x", f.n)
	arn := "arn:aws:iot:r:1:cert/" + id
	f.certs[arn] = &fakeCert{active: in.SetAsActive}
	return &iot.CreateCertificateFromCsrOutput{CertificateArn: &arn, CertificateId: &id, CertificatePem: &text}, nil
}

func (f *fake) DescribeCertificate(_ context.Context, in *iot.DescribeCertificateInput, _ ...func(*iot.Options)) (*iot.DescribeCertificateOutput, error) {
	status := types.CertificateStatusInactive
	if f.certs["arn:aws:iot:r:1:cert/"+*in.CertificateId].active {
		status = types.CertificateStatusActive
	}
	return &iot.DescribeCertificateOutput{CertificateDescription: &types.CertificateDescription{Status: status}}, f.call("DescribeCertificate")
}

func (f *fake) UpdateCertificate(_ context.Context, in *iot.UpdateCertificateInput, _ ...func(*iot.Options)) (*iot.UpdateCertificateOutput, error) {
	if err := f.call("UpdateCertificate"); err != nil {
		return nil, err
	}
	f.certs["arn:aws:iot:r:1:cert/"+*in.CertificateId].active = in.NewStatus == types.CertificateStatusActive
	return &iot.UpdateCertificateOutput{}, nil
}

func (f *fake) DeleteCertificate(_ context.Context, in *iot.DeleteCertificateInput, _ ...func(*iot.Options)) (*iot.DeleteCertificateOutput, error) {
	if err := f.call("DeleteCertificate"); err != nil {
		return nil, err
	}
	arn := "arn:aws:iot:r:1:cert/" + *in.CertificateId
	if c := f.certs[arn]; c.active || len(c.things) > 0 || len(c.policies) > 0 || in.ForceDelete {
		return nil, refuse("DeleteConflictException", "active %v, things %v, policies %v", c.active, c.things, c.policies)
	}
	if f.busy--; f.busy >= 0 {
		return nil, refuse("DeleteConflictException", "things must be detached")
	}
	delete(f.certs, arn)
	return &iot.DeleteCertificateOutput{}, nil
}

func (f *fake) AttachPolicy(_ context.Context, in *iot.AttachPolicyInput, _ ...func(*iot.Options)) (*iot.AttachPolicyOutput, error) {
	if err := f.call("AttachPolicy"); err != nil {
		return nil, err
	}
	c := f.certs[*in.Target]
	c.policies = append(c.policies, *in.PolicyName)
	return &iot.AttachPolicyOutput{}, nil
}

func (f *fake) DetachPolicy(_ context.Context, in *iot.DetachPolicyInput, _ ...func(*iot.Options)) (*iot.DetachPolicyOutput, error) {
	f.certs[*in.Target].policies = nil
	return &iot.DetachPolicyOutput{}, f.call("DetachPolicy")
}

func (f *fake) ListAttachedPolicies(_ context.Context, in *iot.ListAttachedPoliciesInput, _ ...func(*iot.Options)) (*iot.ListAttachedPoliciesOutput, error) {
	out := &iot.ListAttachedPoliciesOutput{}
	for _, name := range f.certs[*in.Target].policies {
		out.Policies = append(out.Policies, types.Policy{PolicyName: aws.String(name)})
	}
	return out, f.call("ListAttachedPolicies")
}

func (f *fake) ListTargetsForPolicy(_ context.Context, in *iot.ListTargetsForPolicyInput, _ ...func(*iot.Options)) (*iot.ListTargetsForPolicyOutput, error) {
	out := &iot.ListTargetsForPolicyOutput{}
	for _, arn := range slices.Sorted(maps.Keys(f.certs)) {
		if slices.Contains(f.certs[arn].policies, *in.PolicyName) {
			out.Targets = append(out.Targets, arn)
		}
	}
	return out, f.call("ListTargetsForPolicy")
}

// certify makes the certificate that a request asks for, or one for another key.
func certify(t *testing.T, csr string, serial int64, other bool) string {
	t.Helper()
	block, _ := pem.Decode([]byte(csr))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || request.CheckSignature() != nil {
		t.Errorf("the request is no request: %v", err)
	}
	ca, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := request.PublicKey
	if other {
		public = ca.Public()
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: request.Subject, NotAfter: time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, public, ca)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
