// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
)

const (
	bucket    = "video"
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func static(c sigv4.Credentials) func(context.Context) (sigv4.Credentials, error) {
	return func(context.Context) (sigv4.Credentials, error) { return c, nil }
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = mathrand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// object is data under key, in two parts.
func object(key string, data []byte) *s3put.Object {
	return &s3put.Object{
		Key: key, Parts: [2][]byte{data[:len(data)/3], data[len(data)/3:]}, Size: len(data),
		CRC32C: crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)), Time: time.Now(),
	}
}

func timeout(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

func newClient(tb testing.TB, cfg s3put.Config) *s3put.Client {
	tb.Helper()
	c, err := s3put.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// request is what the fake saw.
type request struct {
	*http.Request
	body []byte
}

// fakeS3 checks the signature of every PUT with the AWS SDK's signer and then does what a test wants. It answers on any host name.
type fakeS3 struct {
	tb     testing.TB
	server *httptest.Server
	region string
	token  string
	answer func(n int, w http.ResponseWriter, r *request) bool // n = 1, 2...; true: answered

	mu       sync.Mutex
	requests []*request
}

func newFake(tb testing.TB, certificate *tls.Certificate) *fakeS3 {
	f := &fakeS3{tb: tb, region: "us-east-1"}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if certificate == nil {
		f.server.Start()
	} else {
		f.server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
		f.server.StartTLS()
	}
	tb.Cleanup(f.server.Close)
	return f
}

// config is for path style on the fake's own address.
func (f *fakeS3) config() s3put.Config {
	return s3put.Config{
		Endpoint: f.server.URL, Region: "us-east-1", Bucket: bucket, PathStyle: true,
		Credentials: static(sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey, SessionToken: sigv4.Secret(f.token)}),
	}
}

// dial leads every host to the fake.
func (f *fakeS3) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, f.server.Listener.Addr().String())
}

func (f *fakeS3) seen() []*request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (f *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	got := &request{r, body}
	f.requests = append(f.requests, got)
	n := len(f.requests)
	f.mu.Unlock()
	if r.Method == "PUT" {
		f.check(got)
	}
	if f.answer != nil && f.answer(n, w, got) {
		return
	}
	w.Header().Set("ETag", `"etag"`)
}

// check repeats the signature with the SDK's signer.
func (f *fakeS3) check(r *request) {
	authorization := r.Header.Get("Authorization")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		f.tb.Errorf("X-Amz-Date %q", r.Header.Get("X-Amz-Date"))
		return
	}
	_, rest, _ := strings.Cut(authorization, "Credential="+accessKey+"/")
	scope := strings.Split(rest, "/")
	_, rest, _ = strings.Cut(authorization, "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	again := r.Clone(context.Background())
	again.Header = http.Header{}
	again.URL.Scheme, again.URL.Host = "https", r.Host
	again.URL.Opaque = "//" + r.Host + r.RequestURI
	again.ContentLength = -1 // not signed by us
	for _, name := range strings.Split(names, ";") {
		if v := r.Header.Values(name); name != "host" && len(v) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	for name := range r.Header {
		if low := strings.ToLower(name); (strings.HasPrefix(low, "x-amz-") || low == "content-type" || low == "if-none-match") && !strings.Contains(";"+names+";", ";"+low+";") {
			f.tb.Errorf("%s is not signed", name)
		}
	}
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if sum := sha256.Sum256(r.body); hash != "UNSIGNED-PAYLOAD" && hash != hex.EncodeToString(sum[:]) {
		f.tb.Errorf("payload hash %s", hash)
	}
	if (hash == "UNSIGNED-PAYLOAD") != (r.TLS != nil) {
		f.tb.Errorf("payload hash %s, TLS %v", hash, r.TLS != nil)
	}
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.Checksum(r.body, crc32.MakeTable(crc32.Castagnoli)))
	if crc := r.Header.Get("X-Amz-Checksum-Crc32c"); crc != base64.StdEncoding.EncodeToString(sum[:]) {
		f.tb.Errorf("checksum %s of %d bytes", crc, len(r.body))
	}
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, again, hash, "s3", scope[1], at)
	if err != nil {
		f.tb.Error(err)
	}
	if want := again.Header.Get("Authorization"); authorization != want {
		f.tb.Errorf("signature of %s:\n%s\nwant\n%s", r.RequestURI, authorization, want)
	}
}

func says(status int, code string, header ...string) func(int, http.ResponseWriter, *request) bool {
	return func(_ int, w http.ResponseWriter, _ *request) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("X-Amz-Request-Id", "REQ1")
		w.WriteHeader(status)
		if code != "" {
			fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n<Error><Code>%s</Code><Message>why &amp; how</Message><RequestId>REQ1</RequestId><HostId>h</HostId></Error>", code)
		}
		return true
	}
}

// valid is a certificate that is valid now.
func valid(a *certtest.Authority, hosts ...string) *tls.Certificate {
	return issue(a, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), hosts...)
}

func issue(a *certtest.Authority, from, to time.Time, hosts ...string) *tls.Certificate {
	p := a.Issue(certtest.Leaf{Hosts: hosts, From: from, Until: to})
	return &p.Certificate
}
