// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/s3"
)

// amazon plays AWS without a network: it records what would have been sent where.
type amazon struct {
	answer func(r *http.Request) (status int, header http.Header, body string)
	sent   []string // "host region body"
}

func (a *amazon) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	a.sent = append(a.sent, fmt.Sprint(r.URL.Scheme, "://", r.URL.Host, r.URL.EscapedPath(), " ", strings.Split(scope, "/")[2], " ", string(body)))
	status, header, text := a.answer(r)
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: r}, nil
}

func (a *amazon) client(t *testing.T, edit ...func(*s3.Config)) *s3.Client {
	t.Helper()
	cfg := s3.Config{Region: "us-east-1", Bucket: bucket, Credentials: s3.Static(accessKey, secretKey, ""), Transport: a, MaxAttempts: 1}
	for _, e := range edit {
		e(&cfg)
	}
	c, err := s3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBucketInAnotherRegionIsFollowed(t *testing.T) {
	moved := func(status int, region, body string) func(*http.Request) (int, http.Header, string) {
		return func(r *http.Request) (int, http.Header, string) {
			if region != "" && strings.Contains(r.URL.Host, region) {
				return 200, http.Header{"Etag": {`"e"`}}, ""
			}
			h := http.Header{"Location": {"https://evil.example/"}}
			if region != "" && body == "" {
				h.Set("X-Amz-Bucket-Region", region)
			}
			return status, h, body
		}
	}
	const first, second = "https://video.s3.us-east-1.amazonaws.com/k us-east-1 body", "https://video.s3.eu-central-1.amazonaws.com/k eu-central-1 body"
	tests := []struct {
		name   string
		answer func(*http.Request) (int, http.Header, string)
		want   []string
		ok     bool
	}{
		{"301 with the region's name", moved(301, "eu-central-1", ""), []string{first, second}, true},
		{"307 with the region's name", moved(307, "eu-central-1", ""), []string{first, second}, true},
		{"400 with the region in the document", moved(400, "eu-central-1", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>"), []string{first, second}, true},
		{"a bare 400 with the region's name, as to HEAD", moved(400, "eu-central-1", ""), []string{first, second}, true},
		{"301 without a region goes nowhere", moved(301, "", ""), []string{first}, false},
		{"a host in place of a region goes nowhere", moved(301, "evil.example/", ""), []string{first}, false},
		{"another partition gets no credentials", moved(301, "cn-north-1", ""), []string{first}, false},
		{"redirects are followed once", func(r *http.Request) (int, http.Header, string) {
			return 301, http.Header{"X-Amz-Bucket-Region": {map[bool]string{true: "eu-central-1", false: "eu-west-1"}[strings.Contains(r.URL.Host, "us-east-1")]}}, ""
		}, []string{first, second}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &amazon{answer: tt.answer}
			c := a.client(t)
			_, err := c.PutOnce(context.Background(), "k", strings.NewReader("body"), 4, s3.PutOptions{})
			if (err == nil) != tt.ok || s3.Retryable(err) {
				t.Errorf("error = %v", err)
			}
			if strings.Join(a.sent, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("sent\n%s\nwant\n%s", strings.Join(a.sent, "\n"), strings.Join(tt.want, "\n"))
			}
			if !tt.ok {
				return
			}
			c.Delete(context.Background(), "k")
			if last := a.sent[len(a.sent)-1]; len(a.sent) != 3 || !strings.Contains(last, "eu-central-1.amazonaws.com") {
				t.Errorf("the region was not remembered: %q", a.sent)
			}
			p, err := c.Presigner(context.Background(), time.Now(), time.Minute)
			if err != nil || !strings.HasPrefix(string(p.AppendGet(nil, "k")), "https://video.s3.eu-central-1.amazonaws.com/k?") {
				t.Errorf("presigned URLs do not know the region: %v", err)
			}
		})
	}
}

func TestOtherServersAreAskedAgainInTheirRegionOnly(t *testing.T) {
	a := &amazon{answer: func(r *http.Request) (int, http.Header, string) {
		if strings.Contains(r.Header.Get("Authorization"), "/garage/") {
			return 200, nil, ""
		}
		return 400, nil, "<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>"
	}}
	c := a.client(t, func(cfg *s3.Config) { cfg.Endpoint, cfg.Region, cfg.PathStyle = "http://nas:3900", "", true })
	if err := c.Delete(context.Background(), "k"); err != nil {
		t.Fatal(err)
	}
	if want := "http://nas:3900/video/k us-east-1 \nhttp://nas:3900/video/k garage "; strings.Join(a.sent, "\n") != want {
		t.Errorf("sent %q", a.sent)
	}
}

func TestClockIsCorrectedByTheServers(t *testing.T) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			f := newFake(t)
			f.store("k")
			var own atomic.Int64 // the client's clock minus the server's
			own.Store(int64(-time.Hour))
			var logged bytes.Buffer
			c, w := f.client(func(cfg *s3.Config) {
				cfg.Now = func() time.Time { return time.Now().Add(time.Duration(own.Load())) }
				cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			})
			if err := op.run(context.Background(), c); err != nil {
				t.Fatal(err)
			}
			if f.count() != 2 || len(w.all) != 0 {
				t.Errorf("%d requests, waits %v; want one more at once", f.count(), w.all)
			}
			if d := c.ClockOffset() - time.Hour; d.Abs() > 2*time.Second {
				t.Errorf("offset = %v, want 1h", c.ClockOffset())
			}
			if !strings.Contains(logged.String(), "level=WARN") {
				t.Errorf("log = %q", logged.String())
			}
			op.run(context.Background(), c) // may answer 404 after a delete
			if f.count() != 3 {
				t.Errorf("%d requests, want no further correction", f.count())
			}
			// NTP sets the clock right: the offset must go.
			own.Store(0)
			if op.run(context.Background(), c); f.count() != 5 || c.ClockOffset() != 0 {
				t.Errorf("%d requests, offset %v; want 5 and none", f.count(), c.ClockOffset())
			}
			if got := c.Stats().ClockSkews; got != 2 {
				t.Errorf("counted %d corrections, want 2", got)
			}
		})
	}
}

func TestClockThatCannotBeCorrected(t *testing.T) {
	tests := []struct {
		name     string
		own      time.Duration
		fault    fault
		requests int
		want     error
	}{
		{"no Date header", 0, func(_ int, w http.ResponseWriter, r *http.Request) bool {
			w.Header()["Date"] = nil
			return answerError(403, "RequestTimeTooSkewed")(0, w, r)
		}, 1, s3.ErrClockSkew},
		{"a Date out of a cache", 0, func(_ int, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Age", "7200")
			return answerError(403, "RequestTimeTooSkewed")(0, w, r)
		}, 1, s3.ErrClockSkew},
		{"the server contradicts its own Date", 0, answerError(403, "RequestTimeTooSkewed"), 1, s3.ErrClockSkew},
		{"refused again after the correction", time.Hour, answerError(403, "RequestTimeTooSkewed"), 2, s3.ErrClockSkew},
		{"a bad signature with a good clock", 3 * time.Minute, answerError(403, "SignatureDoesNotMatch"), 1, s3.ErrAccessDenied},
		{"a bad signature with a bad clock", 5 * time.Minute, answerError(403, "SignatureDoesNotMatch"), 2, s3.ErrAccessDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.fault = tt.fault
			c, w := f.client(func(cfg *s3.Config) { cfg.Now = func() time.Time { return time.Now().Add(tt.own) } })
			err := c.Delete(context.Background(), "k")
			if !errors.Is(err, tt.want) || s3.Retryable(err) {
				t.Errorf("error = %v, want %v and final", err, tt.want)
			}
			if f.count() != tt.requests || len(w.all) != 0 {
				t.Errorf("%d requests, want %d; waits %v", f.count(), tt.requests, w.all)
			}
		})
	}
}

// rotating hands out the token that is current when asked to refresh.
type rotating struct {
	mu      sync.Mutex
	token   s3.Secret
	next    []s3.Secret
	err     error
	refresh int
}

func (p *rotating) Retrieve(context.Context) (s3.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s3.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: p.token}, nil
}

func (p *rotating) Refresh(ctx context.Context, old s3.Credentials) (s3.Credentials, error) {
	p.mu.Lock()
	p.refresh++
	if len(p.next) > 0 && old.SessionToken == p.token {
		p.token, p.next = p.next[0], p.next[1:]
	}
	err := p.err
	p.mu.Unlock()
	if err != nil {
		return s3.Credentials{}, err
	}
	return p.Retrieve(ctx)
}

// polling has no Refresh; each Retrieve sees the next token.
type polling struct{ tokens []s3.Secret }

func (p *polling) Retrieve(context.Context) (s3.Credentials, error) {
	t := p.tokens[0]
	if len(p.tokens) > 1 {
		p.tokens = p.tokens[1:]
	}
	return s3.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: t}, nil
}

func TestExpiredCredentialsAreRefreshedOnce(t *testing.T) {
	tests := []struct {
		name     string
		provider s3.Provider
		requests int
		ok       bool
	}{
		{"a provider that refreshes", &rotating{token: "old", next: []s3.Secret{"good"}}, 2, true},
		{"a provider with nothing newer", &rotating{token: "old"}, 1, false},
		{"a refresh that fails", &rotating{token: "old", err: errors.New("no network")}, 1, false},
		{"newer ones that are no better", &rotating{token: "old", next: []s3.Secret{"older", "good"}}, 2, false},
		{"a provider without Refresh is asked again", &polling{[]s3.Secret{"old", "good"}}, 2, true},
		{"fixed credentials", s3.Static(accessKey, secretKey, "old"), 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.token = "good"
			c, w := f.client(func(cfg *s3.Config) { cfg.Credentials = tt.provider })
			_, err := c.Put(context.Background(), "k", strings.NewReader("body"), 4, s3.PutOptions{})
			if (err == nil) != tt.ok || (!tt.ok && (!errors.Is(err, s3.ErrExpiredCredentials) || s3.Retryable(err))) {
				t.Errorf("error = %v, want success: %v", err, tt.ok)
			}
			if f.count() != tt.requests || len(w.all) != 0 {
				t.Errorf("%d requests, want %d; waits %v", f.count(), tt.requests, w.all)
			}
		})
	}
}

type broken struct{}

func (broken) Retrieve(context.Context) (s3.Credentials, error) {
	return s3.Credentials{}, errors.New("no credentials in the environment")
}

func TestProviderThatFails(t *testing.T) {
	f := newFake(t)
	c, _ := f.client(func(cfg *s3.Config) { cfg.Credentials = broken{} })
	for _, op := range operations {
		if err := op.run(context.Background(), c); err == nil || s3.Retryable(err) || !strings.Contains(err.Error(), "no credentials in the environment") {
			t.Errorf("%s: %v", op.name, err)
		}
	}
	if _, err := c.Presigner(context.Background(), time.Now(), time.Minute); err == nil || f.count() != 0 {
		t.Errorf("presigner: %v; %d requests", err, f.count())
	}
}
