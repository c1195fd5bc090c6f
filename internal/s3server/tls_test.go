// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/s3server"
)

// writeCertificate makes a self-signed certificate for 127.0.0.1 of the given serial number.
func writeCertificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	return certtest.New(t, "nobody").Issue(certtest.Leaf{Serial: serial, SelfSigned: true}).Files(t, dir)
}

func TestTLS(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg := config(t)
	writeCertificate(t, ".", 1)
	cfg.CertFile, cfg.KeyFile = "cert.pem", "key.pem" // relative files work
	s, stop := run(t, cfg)
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Fatalf("URL %s", s.URL())
	}
	tg := targetOf(t, s, rootAccess, rootSecret)
	ctx := context.Background()
	body := randomBytes(3_000_000, 1)
	// The SDK's default over TLS: aws-chunked, STREAMING-UNSIGNED-PAYLOAD-TRAILER, a trailing CRC32.
	if _, err := tg.sdk.PutObject(ctx, &s3.PutObjectInput{Bucket: &tg.bucket, Key: aws.String("sdk"), Body: strings.NewReader(body)}); err != nil {
		t.Fatalf("SDK: %v", err)
	}
	// s3cam's own way.
	res := tg.do(t, rawRequest{method: "PUT", path: tg.path("own"), body: body, payload: "UNSIGNED-PAYLOAD", headers: map[string]string{"x-amz-checksum-crc32c": crc32c(body)}})
	if res.status != 200 {
		t.Fatalf("unsigned payload with CRC32C: %d %s", res.status, res.body)
	}
	for _, key := range []string{"sdk", "own"} {
		out, err := tg.sdk.GetObject(ctx, &s3.GetObjectInput{Bucket: &tg.bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		_ = out.Body.Close()
		if err != nil || string(got) != body {
			t.Errorf("%s: %d bytes, %v", key, len(got), err)
		}
	}

	serial := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", tg.host, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	writeCertificate(t, ".", 2)
	if got := serial(); got != 1 {
		t.Errorf("serial %d before the reload", got)
	}
	if err := s.ReloadCertificate(); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("serial %d after the reload, want 2", got)
	}
	if err := os.WriteFile("cert.pem", []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.ReloadCertificate(); err == nil {
		t.Error("a broken certificate was loaded")
	}
	if got := serial(); got != 2 {
		t.Errorf("serial %d after a failed reload, want 2", got)
	}
	if _, err := tls.Dial("tcp", tg.host, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}

	cut := tg.dialPut(t, body)
	_ = cut.Close()
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	bad := config(t)
	bad.CertFile, bad.KeyFile = "none.pem", "key.pem"
	if _, err := s3server.New(bad); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("missing certificate file: %v", err)
	}
}

// dialPut begins a PUT and leaves it in mid-body.
func (t *target) dialPut(tb testing.TB, body string) net.Conn {
	tb.Helper()
	c, err := t.dial()
	if err != nil {
		tb.Fatal(err)
	}
	r := rawRequest{method: "PUT", path: t.path("cut"), body: body, payload: "UNSIGNED-PAYLOAD"}
	if _, err := io.WriteString(c, t.head(r)+body[:len(body)/2]); err != nil {
		tb.Fatal(err)
	}
	return c
}
