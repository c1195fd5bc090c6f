// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"path"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// put signs and sends one object as a camera would, by net/http.
func put(ctx context.Context, s *store, addr, key string, body []byte, at time.Time) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "PUT", "https://"+addr+"/"+key, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	date := at.UTC().Format("20060102T150405Z")
	req.Header.Set("x-amz-date", date)
	req.Header.Set("x-amz-content-sha256", sigv4.UnsignedPayload)
	var signer sigv4.Signer
	req.Header.Set("Authorization", string(signer.AppendAuthorization(nil,
		&sigv4.Credentials{AccessKeyID: rootKey.access, SecretAccessKey: sigv4.Secret(rootKey.secret)}, region, "s3", at, &sigv4.Request{
			Method: "PUT", EscapedPath: "/" + key, PayloadHash: sigv4.UnsignedPayload, Headers: []sigv4.Header{
				{Name: "host", Value: addr}, {Name: "x-amz-date", Value: date}, {Name: "x-amz-content-sha256", Value: sigv4.UnsignedPayload},
			}})))
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.ca.Pool()}, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

// The harness itself: what it is told to do is what a client sees.
func TestHarness(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	f := newFront(t, s, leaf{})
	l := newLink(t, f.addr)
	ctx := context.Background()
	body := bytes.Repeat([]byte("0123456789abcdef"), 50_000) // 800 kB

	t.Run("the bucket is in the host of the store and of the front", func(t *testing.T) {
		for addr, key := range map[string]string{s.host: "direct/a", f.addr: "front/a"} {
			if resp, err := put(ctx, s, addr, key, body, time.Now()); err != nil || resp.StatusCode != 200 {
				t.Fatalf("PUT %s: %v %v", key, resp, err)
			}
			if got := s.objects(t, path.Dir(key)); len(got) != 1 || !bytes.Equal(got[0].data, body) {
				t.Errorf("%d objects %s", len(got), key)
			}
		}
	})
	t.Run("a link has the bandwidth it was given", func(t *testing.T) {
		l.setRate(8_000_000)
		began := time.Now()
		if resp, err := put(ctx, s, l.addr, "shaped", body, time.Now()); err != nil || resp.StatusCode != 200 {
			t.Errorf("PUT through the link: %v %v", resp, err)
		}
		if took := time.Since(began); took < 700*time.Millisecond || took > 3*time.Second {
			t.Errorf("800 kB at 8 Mbit/s took %v, want 0.8 s", took)
		}
		l.setRate(0)
	})
	t.Run("a link that refuses is a machine without a server", func(t *testing.T) {
		l.refuse()
		if _, err := net.Dial("tcp4", l.addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
		l.up()
		if c, err := net.Dial("tcp4", l.addr); err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
	})
	t.Run("a link that hangs goes on later", func(t *testing.T) {
		l.hang()
		time.AfterFunc(300*time.Millisecond, l.up)
		began := time.Now()
		resp, err := put(ctx, s, l.addr, "hung", body, time.Now())
		if err != nil || resp.StatusCode != 200 || time.Since(began) < 250*time.Millisecond {
			t.Errorf("PUT: %v %v after %v", resp, err, time.Since(began))
		}
	})
	for _, tt := range []struct {
		name   string
		fault  fault
		status int // 0: an error
		stored bool
	}{
		{"503 after the body", fault{kind: statusAfter, status: 503, code: "SlowDown"}, 503, false},
		{"403 before the body", fault{kind: statusBefore, status: 403, code: "AccessDenied"}, 403, false},
		{"cut in the body", fault{kind: cutBody, after: 500_000}, 0, false},
		{"silence", fault{kind: silence}, 0, false},
		{"reads all and never answers", fault{kind: readsOnly}, 0, false},
		{"stores and never answers", fault{kind: storesOnly}, 0, true},
		{"stores and cuts", fault{kind: cutAnswer}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.set(tt.fault, 1)
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			key := "fault/" + tt.name[:5] + "/a"
			resp, err := put(ctx, s, f.addr, key, body, time.Now())
			switch {
			case tt.status == 0 && err == nil:
				t.Errorf("answered %s", resp.Status)
			case tt.status == 403 && err != nil: // net/http may see the reset before the answer
			case tt.status != 0 && (err != nil || resp.StatusCode != tt.status):
				t.Errorf("%v %v", resp, err)
			}
			if got := len(s.objects(t, path.Dir(key))) == 1; got != tt.stored {
				t.Errorf("stored: %v, want %v", got, tt.stored)
			}
		})
	}
}
