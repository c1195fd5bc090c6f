// SPDX-License-Identifier: Apache-2.0

package demosite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/s3cam/s3cam/s3"
)

// Config says where the installer runs.
type Config struct {
	Region      string      // required
	Credentials s3.Provider // required; of the function's role

	// S3Endpoint and IoTEndpoint replace the addresses of AWS (scheme://host[:port]); with the first, buckets stand in the path.
	S3Endpoint, IoTEndpoint string

	Transport http.RoundTripper // nil: package s3's own, and http.DefaultTransport's settings for IoT
	Now       func() time.Time  // default time.Now
	Logger    *slog.Logger      // nil discards
}

// Installer handles the events of the custom resource. It may be used concurrently, but two events for the same site bucket
// must not overlap (CloudFormation sends one at a time).
type Installer struct {
	cfg Config
}

// New checks cfg, all of it.
func New(cfg Config) (*Installer, error) {
	var problems []error
	if cfg.Region == "" {
		problems = append(problems, errors.New("no Region"))
	}
	if cfg.Credentials == nil {
		problems = append(problems, errors.New("no Credentials"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("demo site: %w", errors.Join(problems...))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Installer{cfg: cfg}, nil
}

const (
	reserve    = 5 * time.Second // of the function's time, to tell CloudFormation how it ended
	maxReason  = 1000            // bytes; CloudFormation takes 4 kB of answer in all
	cleanupMax = 60 * time.Second
)

// Handle carries out one event; it is a cfn.CustomResourceFunction. The physical id never changes in the life of a stack.
// An error is the reason that CloudFormation shows: it is made to be read by the person who deploys.
func (i *Installer) Handle(ctx context.Context, event cfn.Event) (physicalID string, data map[string]any, err error) {
	physicalID = event.PhysicalResourceID
	if physicalID == "" {
		physicalID = newID(event)
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	log := i.cfg.Logger.With("request", string(event.RequestType), "stack", event.StackID)
	log.Info("demo site: event received")
	switch event.RequestType {
	case cfn.RequestCreate, cfn.RequestUpdate:
		data, err = i.install(ctx, event)
	case cfn.RequestDelete:
		err = i.uninstall(ctx, event)
	default:
		err = fmt.Errorf("unknown request type %q", event.RequestType)
	}
	if err != nil {
		log.Error("demo site: event failed", "error", err)
		return physicalID, nil, reason(ctx, err)
	}
	log.Info("demo site: event done")
	return physicalID, data, nil
}

// newID depends on nothing that an update can change, and comes out the same when CloudFormation sends an event twice.
func newID(event cfn.Event) string {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(event.StackID + "\n" + event.LogicalResourceID)) // never fails
	return "s3cam-demosite-" + hex.EncodeToString(sum.Sum(nil))
}

func (i *Installer) install(ctx context.Context, event cfn.Event) (map[string]any, error) {
	p, err := readProperties(event.ResourceProperties)
	if err != nil {
		return nil, err
	}
	if p.WebsiteBucket != "" {
		site, err := i.bucket(p.WebsiteBucket)
		if err != nil {
			return nil, err
		}
		defer func() { _ = site.Close() }()
		if err := i.writeSite(ctx, site, p); err != nil {
			return nil, fmt.Errorf("install the web site in bucket %s: %w", p.WebsiteBucket, err)
		}
	}
	video, err := i.bucket(p.VideoBucket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = video.Close() }()
	if err := i.writeVideo(ctx, video, p.DemoPrefix); err != nil {
		return nil, fmt.Errorf("store the demo video in bucket %s: %w", p.VideoBucket, err)
	}
	if old, _ := event.OldResourceProperties["WebsiteBucket"].(string); event.RequestType == cfn.RequestUpdate &&
		old != "" && old != p.WebsiteBucket && old != p.VideoBucket {
		i.clearOldBucket(ctx, old)
	}
	return map[string]any{"CredentialEndpoint": i.credentialEndpoint(ctx)}, nil
}

// clearOldBucket removes the site from the bucket that an update has replaced, as far as the role still may.
func (i *Installer) clearOldBucket(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, cleanupMax)
	defer cancel()
	old, err := i.bucket(name)
	if err == nil {
		defer func() { _ = old.Close() }()
		err = i.removeSite(ctx, old)
	}
	if err != nil {
		i.cfg.Logger.Warn("demo site: the files in the site bucket of before were not removed; it cannot be deleted before it is emptied",
			"bucket", name, "error", err)
	}
}

// uninstall removes the site. Properties of a stack that could not be created may be anything: then there is nothing to remove.
func (i *Installer) uninstall(ctx context.Context, event cfn.Event) error {
	name, _ := event.ResourceProperties["WebsiteBucket"].(string)
	video, _ := event.ResourceProperties["VideoBucket"].(string)
	if name == "" || name == video {
		return nil
	}
	site, err := i.bucket(name)
	if err != nil {
		i.cfg.Logger.Warn("demo site: nothing can have been installed there", "bucket", name, "error", err)
		return nil
	}
	defer func() { _ = site.Close() }()
	if err := i.removeSite(ctx, site); err != nil && !errors.Is(err, s3.ErrNoBucket) {
		return fmt.Errorf("remove the web site from bucket %s: %w", name, err)
	}
	return nil
}

func (i *Installer) bucket(name string) (*s3.Client, error) {
	c, err := s3.New(s3.Config{
		Endpoint: i.cfg.S3Endpoint, PathStyle: i.cfg.S3Endpoint != "", Region: i.cfg.Region, Bucket: name,
		Credentials: i.cfg.Credentials, Transport: i.cfg.Transport, Now: i.cfg.Now, Logger: i.cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("bucket %q: %w", name, err)
	}
	return c, nil
}

// reason adds what the reader can do about err, and keeps it short.
func reason(ctx context.Context, err error) error {
	hint := ""
	switch {
	case ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		hint = "the function's time is over; deploy again, what was written stays"
	case errors.Is(err, s3.ErrNoBucket):
		hint = "the bucket does not exist (any more)"
	case errors.Is(err, s3.ErrAccessDenied):
		hint = "the function's role or a policy of the bucket or organization forbids it"
	case errors.Is(err, s3.ErrThrottled), errors.Is(err, s3.ErrTimeout):
		hint = "S3 was too busy or not reachable; deploy again"
	}
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "..."
	}
	if hint != "" {
		text += " (" + hint + ")"
	}
	return &failure{text: text, err: err}
}

type failure struct {
	text string
	err  error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }
