// SPDX-License-Identifier: Apache-2.0

package sigv4_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// vector is one published signature: of the S3 API reference (sig-v4-header-based-auth, sigv4-query-string-auth) or of
// AWS's SigV4 test suite, whose constants are filled in by load.
type vector struct {
	Name      string
	Creds     string // "s3" = the API reference's bucket and key pair, else the suite's
	Method    string
	Path      string // not encoded
	Query     [][2]string
	Headers   [][2]string
	Body      string
	Payload   string // default: hash of Body
	Token     string
	Presign   int64 // seconds; 0 = header signature
	Signed    string
	Request   string `json:"request_sha256"` // hash of the canonical request, where published
	Signature string

	host, region, service string
	credentials           sigv4.Credentials
	time                  time.Time
}

func vectors(t *testing.T) []vector {
	t.Helper()
	raw, err := os.ReadFile("testdata/aws_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(raw, &vs); err != nil {
		t.Fatal(err)
	}
	for i := range vs {
		v := &vs[i]
		v.region, v.service, v.host = "us-east-1", "service", "example.amazonaws.com"
		v.credentials = sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
		v.time = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
		if v.Creds == "s3" {
			v.service, v.host = "s3", "examplebucket.s3.amazonaws.com"
			v.credentials = sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
			v.time = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
		}
		v.credentials.SessionToken = sigv4.Secret(v.Token)
		if v.Payload == "" {
			sum := sha256.Sum256([]byte(v.Body))
			v.Payload = hex.EncodeToString(sum[:])
		}
	}
	return vs
}

func (v *vector) request() *sigv4.Request {
	r := &sigv4.Request{
		Method: v.Method, EscapedPath: string(sigv4.AppendPath(nil, v.Path)), PayloadHash: v.Payload,
		Headers: []sigv4.Header{{Name: "host", Value: v.host}, {Name: "x-amz-date", Value: string(sigv4.AppendTime(nil, v.time))}},
	}
	for _, h := range v.Headers {
		r.Headers = append(r.Headers, sigv4.Header{Name: h[0], Value: h[1]})
	}
	var params []sigv4.Param
	for _, q := range v.Query {
		params = append(params, sigv4.Param{Name: q[0], Value: q[1]})
	}
	r.Query = string(sigv4.AppendQuery(nil, params))
	return r
}

func TestPublishedVectors(t *testing.T) {
	var s sigv4.Signer // one for all: keys of two days, services and secrets side by side
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			if v.Presign > 0 {
				p, err := s.NewPresigner(&v.credentials, sigv4.PresignOptions{
					BaseURL: "https://" + v.host, Region: v.region, Service: v.service, Time: v.time,
					Expires: time.Duration(v.Presign) * time.Second, Payload: v.Payload,
				})
				if err != nil {
					t.Fatal(err)
				}
				url := string(p.Append(nil, strings.TrimPrefix(v.Path, "/")))
				if _, got, _ := strings.Cut(url, "&X-Amz-Signature="); got != v.Signature {
					t.Errorf("signature = %s, want %s\n%s", got, v.Signature, url)
				}
				return
			}
			r := v.request()
			auth := string(s.AppendAuthorization(nil, &v.credentials, v.region, v.service, v.time, r))
			canonical := sigv4.AppendCanonical(nil, r)
			if sum := sha256.Sum256(canonical); v.Request != "" && hex.EncodeToString(sum[:]) != v.Request {
				t.Errorf("canonical request hashes to %x, want %s:\n%s", sum, v.Request, canonical)
			}
			want := ", Signature=" + v.Signature
			if !strings.HasSuffix(auth, want) {
				t.Errorf("authorization = %s, want suffix %s\n%s", auth, want, canonical)
			}
			if v.Signed != "" && !strings.Contains(auth, " SignedHeaders="+v.Signed+",") {
				t.Errorf("authorization = %s, want signed headers %s", auth, v.Signed)
			}
		})
	}
}

func TestPublishedAuthorizationInFull(t *testing.T) {
	v := vectors(t)[0]
	var s sigv4.Signer
	got := string(s.AppendAuthorization([]byte("kept "), &v.credentials, v.region, v.service, v.time, v.request()))
	const want = "kept AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
		"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, " +
		"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPublishedPresignedURLInFull(t *testing.T) {
	v := vectors(t)[4]
	var s sigv4.Signer
	p, err := s.NewPresigner(&v.credentials, sigv4.PresignOptions{BaseURL: "https://" + v.host, Region: v.region, Time: v.time, Expires: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const want = "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z" +
		"&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	if got := string(p.Append(nil, "test.txt")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := p.Expires(), v.time.Add(24*time.Hour); !got.Equal(want) {
		t.Errorf("Expires() = %v, want %v", got, want)
	}
}
