// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/s3cam/s3cam/s3"
)

func TestOneConnectionServesAll(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var opened, resumed atomic.Int32
		f := startFake(t, func(h http.Handler) *httptest.Server {
			s := httptest.NewUnstartedServer(h)
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					opened.Add(1)
				}
			}
			if secure {
				s.TLS = &tls.Config{VerifyConnection: func(cs tls.ConnectionState) error {
					if cs.DidResume {
						resumed.Add(1)
					}
					if cs.NegotiatedProtocol == "h2" {
						t.Errorf("protocol %q", cs.NegotiatedProtocol)
					}
					return nil
				}}
				s.EnableHTTP2 = true // offered, not taken
				s.StartTLS()
			} else {
				s.Start()
			}
			return s
		})
		c, _ := f.client()
		ctx := context.Background()
		body := make([]byte, 300_000)
		for range 3 {
			if _, err := c.Put(ctx, "k", bytes.NewReader(body), int64(len(body)), s3.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.ReadRange(ctx, "k", 100, 200_000); err != nil {
				t.Fatal(err)
			}
			for _, op := range operations {
				if err := op.run(ctx, c); err != nil && !errors.Is(err, s3.ErrNotFound) {
					t.Fatal(err)
				}
			}
			if _, err := c.Get(ctx, "missing", s3.GetOptions{}); !errors.Is(err, s3.ErrNotFound) {
				t.Fatal(err)
			}
		}
		if n := opened.Load(); n != 1 {
			t.Errorf("tls=%v: %d connections, want 1", secure, n)
		}
		c.Close()
		c.Head(ctx, "k")
		if n := opened.Load(); n != 2 || (secure && resumed.Load() != 1) {
			t.Errorf("tls=%v: %d connections after Close, %d resumed sessions", secure, n, resumed.Load())
		}
	}
}

func TestUnknownCertificateIsNotRepeatedNow(t *testing.T) {
	f := newTLSFake(t)
	c, w := f.client(func(cfg *s3.Config) { cfg.RootCAs = nil })
	_, err := c.Head(context.Background(), "k")
	var cert *tls.CertificateVerificationError
	if !errors.As(err, &cert) || len(w.all) != 0 || f.count() != 0 {
		t.Errorf("error = %v, waits %v", err, w.all)
	}
	if !s3.Retryable(err) {
		t.Error("final: but an uploader whose clock is set later must go on")
	}
}
