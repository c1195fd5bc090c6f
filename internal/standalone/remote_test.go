// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
)

// transportFunc is an http.RoundTripper.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// notDeleting answers requests to delete, and lets others through.
func notDeleting(status int, code string) transportFunc {
	return func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodPost {
			return http.DefaultTransport.RoundTrip(r)
		}
		io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader("<Error><Code>" + code + "</Code></Error>"))}, nil
	}
}

func clientOf(t *testing.T, r running, transport http.RoundTripper) *s3.Client {
	t.Helper()
	c, err := s3.New(s3.Config{Endpoint: r.S3, Region: r.Region, Bucket: r.Bucket, PathStyle: true, Credentials: s3.Static(r.AccessKey, s3.Secret(r.SecretKey), ""),
		Transport: transport, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// How many requests it takes to delete an hour of some cameras. S3CAM_TEST_CAMERAS=84 makes it 100,800 segments.
func TestRequestsToDeleteFromAnExternalStore(t *testing.T) {
	cameras := 3
	if s := os.Getenv("S3CAM_TEST_CAMERAS"); s != "" {
		var err error
		if cameras, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	const segments = 1200 // of 3 s
	for _, tt := range []struct {
		name      string
		transport http.RoundTripper
		most      int
	}{
		{"many at a time", nil, cameras * 10},
		{"a store that takes one at a time", notDeleting(501, "NotImplemented"), cameras * (segments + 10)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			now := time.Now().UTC()
			for i := range cameras {
				s3servertest.Footage(t, dir, fmt.Sprintf("cam%03d", i), now.Add(-50*time.Hour), segments, 3*time.Second, 1880)
			}
			s3servertest.Footage(t, dir, "cam000", now, 1, time.Second, 1880)
			r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir, Volatile: true}})
			c := clientOf(t, r, tt.transport)
			cfg, err := standalone.KeeperConfig(t.TempDir(), standalone.Retention{Default: retention.Limits{Age: 48 * time.Hour}}, standalone.RemoteBucket{Client: c})
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Batch != 1000 || cfg.Interval != time.Hour || cfg.MaxDeletes < 450*segments/2 {
				t.Errorf("the bounds of an external store are %+v", cfg)
			}
			cfg.Rate = -1
			k, err := retention.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			rep, err := k.Round(t.Context(), retention.Options{})
			n := int(c.Stats().Requests)
			t.Logf("%d segments by %d requests in %v", rep.Total.Segments, n, time.Since(began).Round(time.Millisecond))
			if err != nil || int(rep.Total.Segments) != cameras*segments || len(s3servertest.Keys(t, dir)) != 1 {
				t.Errorf("%v: deleted %+v", err, rep.Total)
			}
			if n > tt.most+10 {
				t.Errorf("%d requests, want at most %d", n, tt.most+10)
			}
		})
	}
}

func TestAnExternalStoreThatAsksForAPauseGetsOne(t *testing.T) {
	dir := t.TempDir()
	s3servertest.Footage(t, dir, "door", time.Now().Add(-100*time.Hour), 10, 10*time.Second, 1880)
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir, Volatile: true}})
	c := clientOf(t, r, notDeleting(503, "SlowDown"))
	removed, done, err := standalone.RemoteBucket{Client: c}.DeleteKeys(t.Context(), s3servertest.Keys(t, dir))
	if !errors.Is(err, retention.ErrBusy) || !errors.Is(err, s3.ErrThrottled) || removed != 0 || done != 0 || len(s3servertest.Keys(t, dir)) != 10 {
		t.Errorf("%d, %d, %v", removed, done, err)
	}
}

func TestAnExternalStoreRefusesSingleSegments(t *testing.T) {
	dir := t.TempDir()
	s3servertest.Footage(t, dir, "door", time.Now().Add(-100*time.Hour), 4, 10*time.Second, 1880)
	r := start(t, standalone.Config{Engine: &standalone.Engine{Dir: dir, Volatile: true}})
	keys := s3servertest.Keys(t, dir)
	answer := func(codes ...string) transportFunc {
		return func(q *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, q.Body)
			var b strings.Builder
			for i, code := range codes {
				fmt.Fprintf(&b, "<Error><Key>%s</Key><Code>%s</Code><Message>locked</Message></Error>", keys[i+1], code)
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Request: q, Body: io.NopCloser(strings.NewReader("<DeleteResult>" + b.String() + "</DeleteResult>"))}, nil
		}
	}
	b := standalone.RemoteBucket{Client: clientOf(t, r, answer("AccessDenied", "InvalidRequest"))}
	removed, done, err := b.DeleteKeys(t.Context(), keys)
	var refused *retention.Refused
	if !errors.As(err, &refused) || removed != 2 || done != 4 || len(refused.Keys) != 2 || !errors.Is(refused.Keys[1], s3.ErrAccessDenied) || refused.Keys[2] == nil {
		t.Errorf("%d, %d, %v", removed, done, err)
	}
	if !strings.Contains(err.Error(), "AccessDenied: locked") {
		t.Errorf("%v", err)
	}
}
