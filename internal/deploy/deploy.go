// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// CloudFormation is what is needed of *cloudformation.Client.
type CloudFormation interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error)
	DescribeStackResources(context.Context, *cloudformation.DescribeStackResourcesInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackResourcesOutput, error)
	CreateChangeSet(context.Context, *cloudformation.CreateChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.CreateChangeSetOutput, error)
	DescribeChangeSet(context.Context, *cloudformation.DescribeChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeChangeSetOutput, error)
	ExecuteChangeSet(context.Context, *cloudformation.ExecuteChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.ExecuteChangeSetOutput, error)
	DeleteChangeSet(context.Context, *cloudformation.DeleteChangeSetInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteChangeSetOutput, error)
	DeleteStack(context.Context, *cloudformation.DeleteStackInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error)
}

// S3 is what is needed of *s3.Client.
type S3 interface {
	HeadBucket(context.Context, *s3.HeadBucketInput, ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
	CreateBucket(context.Context, *s3.CreateBucketInput, ...func(*s3.Options)) (*s3.CreateBucketOutput, error)
	PutPublicAccessBlock(context.Context, *s3.PutPublicAccessBlockInput, ...func(*s3.Options)) (*s3.PutPublicAccessBlockOutput, error)
	PutBucketEncryption(context.Context, *s3.PutBucketEncryptionInput, ...func(*s3.Options)) (*s3.PutBucketEncryptionOutput, error)
	GetBucketTagging(context.Context, *s3.GetBucketTaggingInput, ...func(*s3.Options)) (*s3.GetBucketTaggingOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	PutObject(context.Context, *s3.PutObjectInput, ...func(*s3.Options)) (*s3.PutObjectOutput, error)
	ListBuckets(context.Context, *s3.ListBucketsInput, ...func(*s3.Options)) (*s3.ListBucketsOutput, error)
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	DeleteBucket(context.Context, *s3.DeleteBucketInput, ...func(*s3.Options)) (*s3.DeleteBucketOutput, error)
}

// STS is what is needed of *sts.Client.
type STS interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// Permissions tells beforehand what somebody may not do.
type Permissions interface {
	// Denied returns those of the IAM actions that the user or role may not do on any resource. An error means that it
	// cannot be known.
	Denied(ctx context.Context, principal string, actions []string) ([]string, error)
}

// DefaultStack is the stack's name where none is given.
const DefaultStack = "s3cam"

// defaultPoll is the pause between two looks at a stack.
const defaultPoll = 3 * time.Second

// Config joins a Deployer to AWS. CloudFormation, S3, STS, Template and Region are required.
type Config struct {
	CloudFormation CloudFormation
	S3             S3
	STS            STS
	Permissions    Permissions // nil: not checked beforehand
	// Cameras returns the names of the things whose certificates hold the stack's IoT policy, which keep the stack from being
	// deleted. nil: not checked.
	Cameras func(ctx context.Context, policy string) ([]string, error)

	Template func(china bool) []byte // of package deploy/cloudformation
	Region   string
	Stack    string // default DefaultStack
	Release  string // recorded as a tag of the stack

	Report func(Event)      // told what happens, on the caller's goroutine; nil: nobody
	Now    func() time.Time // default time.Now
	Poll   time.Duration    // default 3 s
	Logger *slog.Logger     // nil discards
}

// Kind tells what an Event is about.
type Kind int

const (
	Step     Kind = iota // something is done, or was found right
	Note                 // worth knowing
	Warning              // will not work as expected, or loses something
	Change               // what the change set will do to one resource
	Resource             // CloudFormation reached a status with one resource
	Failed               // the same, and the status is a failure
)

// Event is one thing to tell while an operation goes on.
type Event struct {
	Kind Kind
	Text string // a sentence without full stop; for Change, Resource and Failed what the fields below say

	Time                                    time.Time // of CloudFormation, for Resource and Failed
	Logical, Type, Physical, Status, Reason string
}

// Deployer works on one stack. Use it from one goroutine.
type Deployer struct {
	cfg   Config
	china bool
	log   *slog.Logger
}

// stackName is CloudFormation's rule for names of stacks.
func stackName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9]{0,127}$`) }

// New checks the configuration without asking AWS; region and name of the stack are among it ([ErrSettings]).
func New(cfg Config) (*Deployer, error) {
	if cfg.CloudFormation == nil || cfg.S3 == nil || cfg.STS == nil || cfg.Template == nil {
		return nil, errors.New("deploy: CloudFormation, S3, STS and Template are required")
	}
	if cfg.Stack == "" {
		cfg.Stack = DefaultStack
	}
	if !stackName().MatchString(cfg.Stack) {
		return nil, settings("use letters, digits and -, beginning with a letter, at most 128", "stack name %q is not allowed by CloudFormation", cfg.Stack)
	}
	china, err := CheckRegion(cfg.Region)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Poll <= 0 {
		cfg.Poll = defaultPoll
	}
	if cfg.Report == nil {
		cfg.Report = func(Event) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return &Deployer{cfg: cfg, china: china, log: cfg.Logger}, nil
}

func (d *Deployer) say(kind Kind, format string, args ...any) {
	d.cfg.Report(Event{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// pause waits between two looks.
func (d *Deployer) pause(ctx context.Context) error {
	t := time.NewTimer(d.cfg.Poll)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
