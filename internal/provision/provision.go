// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iot"
	"github.com/aws/smithy-go"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/segment"
)

// IoT is what is needed of *iot.Client.
type IoT interface {
	DescribeThing(context.Context, *iot.DescribeThingInput, ...func(*iot.Options)) (*iot.DescribeThingOutput, error)
	CreateThing(context.Context, *iot.CreateThingInput, ...func(*iot.Options)) (*iot.CreateThingOutput, error)
	DeleteThing(context.Context, *iot.DeleteThingInput, ...func(*iot.Options)) (*iot.DeleteThingOutput, error)
	ListThings(context.Context, *iot.ListThingsInput, ...func(*iot.Options)) (*iot.ListThingsOutput, error)
	ListThingPrincipals(context.Context, *iot.ListThingPrincipalsInput, ...func(*iot.Options)) (*iot.ListThingPrincipalsOutput, error)
	ListPrincipalThings(context.Context, *iot.ListPrincipalThingsInput, ...func(*iot.Options)) (*iot.ListPrincipalThingsOutput, error)
	AttachThingPrincipal(context.Context, *iot.AttachThingPrincipalInput, ...func(*iot.Options)) (*iot.AttachThingPrincipalOutput, error)
	DetachThingPrincipal(context.Context, *iot.DetachThingPrincipalInput, ...func(*iot.Options)) (*iot.DetachThingPrincipalOutput, error)
	CreateCertificateFromCsr(context.Context, *iot.CreateCertificateFromCsrInput, ...func(*iot.Options)) (*iot.CreateCertificateFromCsrOutput, error)
	DescribeCertificate(context.Context, *iot.DescribeCertificateInput, ...func(*iot.Options)) (*iot.DescribeCertificateOutput, error)
	UpdateCertificate(context.Context, *iot.UpdateCertificateInput, ...func(*iot.Options)) (*iot.UpdateCertificateOutput, error)
	DeleteCertificate(context.Context, *iot.DeleteCertificateInput, ...func(*iot.Options)) (*iot.DeleteCertificateOutput, error)
	AttachPolicy(context.Context, *iot.AttachPolicyInput, ...func(*iot.Options)) (*iot.AttachPolicyOutput, error)
	DetachPolicy(context.Context, *iot.DetachPolicyInput, ...func(*iot.Options)) (*iot.DetachPolicyOutput, error)
	ListAttachedPolicies(context.Context, *iot.ListAttachedPoliciesInput, ...func(*iot.Options)) (*iot.ListAttachedPoliciesOutput, error)
	ListTargetsForPolicy(context.Context, *iot.ListTargetsForPolicyInput, ...func(*iot.Options)) (*iot.ListTargetsForPolicyOutput, error)
}

// Stack is what a camera must know of the deployment, from the outputs of the stack.
type Stack struct {
	Name, Region, Bucket string
	Endpoint             string // of AWS IoT for credentials, a host name
	RoleAlias, Policy    string // names
}

// Config joins a Provisioner to AWS. IoT and Stack are required.
type Config struct {
	IoT    IoT
	Stack  Stack
	Report func(text string) // told what was done, on the caller's goroutine; nil: nobody
	// Pause is waited before another try of what AWS IoT does not do yet, because it has not heard of the step before;
	// default 1 s, at most [tries] times.
	Pause  time.Duration
	Logger *slog.Logger // nil discards
}

// What went wrong, for errors.Is. The errors have a remedy ([hint.Of]).
var (
	ErrName   = errors.New("name of a camera")  // not allowed
	ErrExists = errors.New("camera exists")     // and was not to be renewed; or files of it do
	ErrAbsent = errors.New("no such camera")    //
	ErrOther  = errors.New("not of this stack") // a thing of somebody else
	ErrStack  = errors.New("incomplete stack")  // an output is missing
)

func fail(kind error, advice, format string, args ...any) error {
	return hint.Errorf(kind, advice, format, args...)
}

// stackAttribute is the attribute that says whose a thing is.
const stackAttribute = "s3cam-stack"

// demoCamera is the prefix of the video that the deployment installs.
const demoCamera = "demo"

// maxName is the longest name of a thing.
const maxName = 128

// CheckName tells whether a camera can have this name: it is a thing's name and a prefix in the bucket. The error matches
// [ErrName].
func CheckName(name string) error {
	hint := "use at most 128 letters, digits and : _ -"
	switch {
	case name == "":
		return fail(ErrName, hint, "the camera has no name")
	case len(name) > maxName:
		return fail(ErrName, hint, "the camera's name has %d characters, a thing's at most %d", len(name), maxName)
	case !regexp.MustCompile(`^[a-zA-Z0-9:_-]+$`).MatchString(name):
		if strings.Contains(name, "/") {
			hint += "; on AWS the name of the thing is the whole prefix, so it cannot have folders"
		}
		return fail(ErrName, hint, "%q is no name for a camera", name)
	case name == demoCamera:
		return fail(ErrName, "choose another name", "%q is the name of the demo's recording, which everybody may see", name)
	}
	if err := segment.CheckPrefix(name); err != nil {
		return fail(ErrName, hint, "%q is no name for a camera: %v", name, err)
	}
	return nil
}

// Provisioner works on the cameras of one stack. Use it from one goroutine.
type Provisioner struct {
	cfg Config
	log *slog.Logger
}

// New checks that the stack has all that a camera needs ([ErrStack]). It asks nobody.
func New(cfg Config) (*Provisioner, error) {
	if cfg.IoT == nil {
		return nil, errors.New("provision: IoT is required")
	}
	var missing []string
	for _, f := range []struct{ name, value string }{{"name", cfg.Stack.Name}, {"region", cfg.Stack.Region}, {"VideoBucketName", cfg.Stack.Bucket},
		{"IoTCredentialEndpoint", cfg.Stack.Endpoint}, {"DeviceRoleAliasName", cfg.Stack.RoleAlias}, {"DeviceIotPolicyName", cfg.Stack.Policy}} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if len(missing) > 0 {
		return nil, fail(ErrStack, "look at s3cam deploy status; s3cam deploy up brings an old stack up to date", "the stack %s has no %s", cfg.Stack.Name, strings.Join(missing, ", "))
	}
	if cfg.Report == nil {
		cfg.Report = func(string) {}
	}
	if cfg.Pause <= 0 {
		cfg.Pause = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return &Provisioner{cfg, cfg.Logger}, nil
}

func (p *Provisioner) say(format string, args ...any) { p.cfg.Report(fmt.Sprintf(format, args...)) }

// codeOf is the code of an error of AWS.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

const notFound = "ResourceNotFoundException"

// tries is how often something is tried that AWS IoT refuses because an earlier step has not reached all of it.
const tries = 10

// patiently repeats f while AWS IoT says that something still hangs on something.
func (p *Provisioner) patiently(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if code := codeOf(err); n == tries || code != "DeleteConflictException" && code != "InvalidRequestException" && code != "CertificateStateException" {
			return err
		}
		t := time.NewTimer(p.cfg.Pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
