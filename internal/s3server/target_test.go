// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
)

// target is an S3 endpoint under test and a place in it: a bucket and a key prefix that this test has to itself.
//
// The conformance tests run against the embedded engine and, when S3CAM_TEST_S3_URL is set, against that endpoint instead, with
// S3CAM_TEST_S3_ACCESS_KEY, _SECRET_KEY, _REGION (us-east-1) and _BUCKET (which must exist). They remove what they stored.
type target struct {
	url, host, scheme string
	region            string
	bucket            string
	access, secret    string
	prefix            string // "" or ending in '/'
	embedded          *s3servertest.Bucket
	sdk               *s3.Client
	close             func() // idle connections of sdk
}

func newTarget(t *testing.T) *target {
	t.Helper()
	var tg *target
	if u := os.Getenv("S3CAM_TEST_S3_URL"); u != "" {
		tg = &target{
			url: strings.TrimSuffix(u, "/"), region: os.Getenv("S3CAM_TEST_S3_REGION"), bucket: os.Getenv("S3CAM_TEST_S3_BUCKET"),
			access: os.Getenv("S3CAM_TEST_S3_ACCESS_KEY"), secret: os.Getenv("S3CAM_TEST_S3_SECRET_KEY"),
			prefix: "s3cam-conformance/" + rand.Text() + "/",
		}
		if tg.region == "" {
			tg.region = "us-east-1"
		}
	} else {
		b := s3servertest.New(t)
		tg = &target{url: b.URL, region: b.Region, bucket: b.Bucket.Name(), access: b.AccessKey, secret: b.SecretKey, embedded: b}
	}
	tg.connect(t)
	if tg.embedded == nil {
		t.Cleanup(func() { tg.removeAll(t) })
	}
	return tg
}

// needEmbedded skips what only the embedded engine promises, or what would need a look into its directory.
func (t *target) needEmbedded(tb testing.TB) {
	if t.embedded == nil {
		tb.Skip("SKIP: only for the embedded engine")
	}
}

// targetOf is a target on an engine that the test runs itself.
func targetOf(t *testing.T, s *s3server.Server, access, secret string) *target {
	tg := &target{url: s.URL(), region: s.Region(), bucket: s.Bucket().Name(), access: access, secret: secret}
	tg.connect(t)
	return tg
}

func (t *target) connect(tb testing.TB) {
	u, err := url.Parse(t.url)
	if err != nil {
		tb.Fatalf("endpoint %q: %v", t.url, err)
	}
	t.host, t.scheme = u.Host, u.Scheme
	// Black-box and bounded: a server that hangs fails the test.
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	t.close = client.CloseIdleConnections
	tb.Cleanup(t.close)
	t.sdk = s3.New(s3.Options{
		BaseEndpoint: &t.url, Region: t.region, UsePathStyle: true, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider(t.access, t.secret, ""), RetryMaxAttempts: 1,
	})
}

func (t *target) dial() (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	host := t.host
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(host, map[string]string{"http": "80", "https": "443"}[t.scheme])
	}
	c, err := d.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if t.scheme == "https" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return c, nil
}

// path returns the request path of a key of this test, which must need no encoding.
func (t *target) path(key string) string { return "/" + t.bucket + "/" + t.prefix + key }

// keys lists everything of this test, without the prefix, by the SDK.
func (t *target) keys(tb testing.TB) []string {
	tb.Helper()
	var keys []string
	p := s3.NewListObjectsV2Paginator(t.sdk, &s3.ListObjectsV2Input{Bucket: &t.bucket, Prefix: &t.prefix})
	for p.HasMorePages() {
		out, err := p.NextPage(context.Background())
		if err != nil {
			tb.Fatalf("list: %v", err)
		}
		for _, o := range out.Contents {
			keys = append(keys, strings.TrimPrefix(*o.Key, t.prefix))
		}
	}
	return keys
}

func (t *target) put(tb testing.TB, key, body string) {
	tb.Helper()
	_, err := t.sdk.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: &t.bucket, Key: aws.String(t.prefix + key), Body: strings.NewReader(body),
	})
	if err != nil {
		tb.Fatalf("put %s: %v", key, err)
	}
}

func (t *target) removeAll(tb testing.TB) {
	for _, k := range t.keys(tb) {
		if _, err := t.sdk.DeleteObject(context.Background(), &s3.DeleteObjectInput{Bucket: &t.bucket, Key: aws.String(t.prefix + k)}); err != nil {
			tb.Errorf("delete %s: %v", k, err)
		}
	}
}
