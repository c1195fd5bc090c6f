// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
	"github.com/s3cam/s3cam/s3"
)

// The cases are fixed by the seed; a failure prints its number.
const (
	cases = 8000
	seed  = 20261102
)

type random struct{ *rand.Rand }

func (r random) pick(ss ...string) string { return ss[r.IntN(len(ss))] }

// key returns a key of what S3 allows and what encoders get wrong.
func (r random) key() string {
	var b strings.Builder
	b.WriteString(r.pick("cam1/2026/03/09/04/05/06.ts", "a", "/", "ä", "."))
	for range r.IntN(12) {
		b.WriteString(r.pick("+", "=", ":", "@", ",", "?", "%", " ", "%20", "%2F", "&", "#", "~", "*", "'", "(", ")", "!", "$", ";", `"`, "\\", "|", "^", "`", "<", ">", "[", "]", "{", "}", "-", "_", ".",
			"ä", "録画", "🎥", "\u00a0", "\x7f", "\x01", "/", "//", "/../", "/./", "z", "Z", "0"))
	}
	return b.String()
}

// tags returns a value of x-amz-tagging, also with spaces that a signature has to fold.
func (r random) tags() string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString(r.pick("a", "b", "site", "%C3%A4") + "=" + r.pick("1", "x%20y", "%2B", "x  y", " x", "y ", "a/b:c@d", "") + r.pick("", "&"))
	}
	return b.String()
}

// recorder is a transport for the s3 package that keeps the request.
type recorder struct{ last *http.Request }

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	r.last = q
	return &http.Response{StatusCode: 200, Header: http.Header{"Etag": {`"e"`}}, Body: http.NoBody, Request: q}, nil
}

type providerFunc func() s3.Credentials

func (f providerFunc) Retrieve(context.Context) (s3.Credentials, error) { return f(), nil }

// TestRequestsEqualThoseOfTheOtherClient: 8000 random objects over all shapes of addresses are sent as the s3 package sends them, whose
// tests compare its signatures with the AWS SDK's. (What goes over the wire here is judged by the SDK's signer in fakeS3.)
func TestRequestsEqualThoseOfTheOtherClient(t *testing.T) {
	shapes := []struct{ endpoint, region string }{{"http://nas.local:9000", "us-east-1"}, {"https://nas.local", "eu-x-1"}, {"", "cn-north-1"}, {"", "eu-central-1"}}
	r := random{rand.New(rand.NewPCG(seed, 1))}
	for _, sh := range shapes {
		for _, pathStyle := range []bool{false, true} {
			var now time.Time
			var cred sigv4.Credentials
			rec := &recorder{}
			ours := newClient(t, s3put.Config{Endpoint: sh.endpoint, Region: sh.region, Bucket: bucket, PathStyle: pathStyle, Credentials: someKeys})
			theirs, err := s3.New(s3.Config{
				Endpoint: sh.endpoint, Region: sh.region, Bucket: bucket, PathStyle: pathStyle, Transport: rec, Now: func() time.Time { return now },
				Credentials: providerFunc(func() s3.Credentials { return cred }),
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range cases / len(shapes) / 2 {
				o := object(r.key(), randomBytes(r.IntN(50)))
				o.Tags = r.tags()
				o.Time = time.Date(2024+r.IntN(3), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e9), time.FixedZone("X", 3600*(r.IntN(25)-12)))
				cred = sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
				if r.IntN(2) == 0 {
					cred.SessionToken = sigv4.Secret(strings.Repeat("IQoJb3JpZ2luX2VjE+/=", 1+r.IntN(20)))
				}
				now = o.Time
				if _, err := theirs.PutOnce(context.Background(), o.Key, s3.NewParts(o.Parts[:]...), int64(o.Size), s3.PutOptions{ContentType: "video/mp2t", Tags: o.Tags, IfNoneMatch: true, CRC32C: &o.CRC32C}); err != nil {
					t.Fatal(err)
				}
				got, want := s3put.Build(ours, o, cred), rec.last
				name := fmt.Sprintf("%v, path style %v, case %d", sh, pathStyle, i)
				if target := want.URL.EscapedPath(); got.Method != want.Method || got.Target != target || got.Host != want.Host {
					t.Fatalf("%s: %s %s %s, want %s %s", name, got.Method, got.Host, got.Target, want.Host, target)
				}
				fields := 0
				for _, v := range want.Header {
					fields += len(v) // a mark for net/http has none and is not sent
				}
				for _, f := range got.Header {
					if v := want.Header[f.Name]; len(v) != 1 || v[0] != f.Value {
						t.Fatalf("%s: %s: %q, want %q", name, f.Name, f.Value, v)
					}
				}
				if len(got.Header) != fields {
					t.Fatalf("%s: %d fields, want %d", name, len(got.Header), fields)
				}
			}
		}
	}
}

// TestRandomKeysOverTheWire: the AWS SDK's signer repeats the signature of what arrived, for keys and tags of all kinds.
func TestRandomKeysOverTheWire(t *testing.T) {
	f := newFake(t, nil)
	f.token = "token"
	c := newClient(t, f.config())
	r := random{rand.New(rand.NewPCG(seed, 2))}
	for i := range 500 {
		o := object(r.key(), randomBytes(r.IntN(50)))
		o.Tags = r.tags()
		if _, err := c.Put(timeout(t), o); err != nil {
			t.Fatalf("case %d: %q: %v", i, o.Key, err)
		}
		if t.Failed() {
			t.Fatalf("case %d: %q", i, o.Key)
		}
	}
}
