// SPDX-License-Identifier: Apache-2.0

package sigv4_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// The SDK's own signer judges ours: same random requests, same bytes. The seed is fixed; a failure prints the case number.
const (
	cases = 4000
	seed  = 20261101
)

type random struct{ *rand.Rand }

func (r random) pick(ss ...string) string { return ss[r.IntN(len(ss))] }

// text returns a string of up to n parts that tease the encoder: every byte S3 keys may hold and a few that they may not.
func (r random) text(n int) string {
	var b strings.Builder
	for range r.IntN(n + 1) {
		switch r.IntN(6) {
		case 0:
			b.WriteString(r.pick("+", "=", ":", "@", ",", "?", "%", " ", "%20", "%2F", "&", "#", "~", "*", "'", "(", ")", "!", "$", ";", `"`, "\\", "|", "^", "`", "<", ">", "[", "]", "{", "}", "-", "_", "."))
		case 1:
			b.WriteString(r.pick("ä", "録画", "🎥", "é", "\u00a0", "\x7f", "\x01"))
		case 2:
			b.WriteString(r.pick("/", "//", "/../", "/./", "cam1/2026/03/09/04/05/06.ts"))
		default:
			b.WriteByte(byte(r.pick("a", "Z", "0", "m", "9", "K")[0]))
		}
	}
	return b.String()
}

// value returns a header value: printable, with single and double spaces, at the ends too.
func (r random) value() string {
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(r.pick("a", "B=c", " ", "  ", "   ", "x/y", ":", "@", "project=front door", "ä", "%20", ","))
	}
	return b.String()
}

func (r random) credentials() (sigv4.Credentials, aws.Credentials) {
	// One secret per access key: the SDK's cache of signing keys looks at the access key id only.
	c := sigv4.Credentials{AccessKeyID: r.pick("AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE", "long")}
	c.SecretAccessKey = map[string]sigv4.Secret{
		"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AKIAI44QH8DHBEXAMPLE": "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY",
		"long":                 sigv4.Secret(strings.Repeat("s", 100)),
	}[c.AccessKeyID]
	if r.IntN(2) == 0 {
		c.SessionToken = sigv4.Secret(strings.Repeat("IQoJb3JpZ2luX2VjE+/=", 1+r.IntN(50)))
	}
	return c, aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: string(c.SecretAccessKey), SessionToken: string(c.SessionToken)}
}

func (r random) time() time.Time {
	return time.Date(2024+r.IntN(3), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e9), time.FixedZone("X", 3600*(r.IntN(25)-12)))
}

func request(t *testing.T, method, scheme, host, escapedPath, rawQuery string) *http.Request {
	t.Helper()
	path, err := url.PathUnescape(escapedPath)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Request{
		Method: method, Host: host, Header: http.Header{},
		URL: &url.URL{Scheme: scheme, Host: host, Path: path, RawPath: escapedPath, RawQuery: rawQuery},
	}
}

func noEscape(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }

func TestAuthorizationEqualsTheSDKs(t *testing.T) {
	r := random{rand.New(rand.NewPCG(seed, 1))}
	var ours sigv4.Signer
	theirs := v4.NewSigner(noEscape)
	for n := range cases {
		cred, sdkCred := r.credentials()
		at := r.time()
		region := r.pick("us-east-1", "cn-north-1", "eu-central-1")
		host := r.pick("b.s3.us-east-1.amazonaws.com", "127.0.0.1:9000", "b.s3.cn-north-1.amazonaws.com.cn")
		req := &sigv4.Request{
			Method:      r.pick("GET", "PUT", "HEAD", "DELETE"),
			EscapedPath: string(sigv4.AppendPath([]byte("/"), r.text(12))),
			PayloadHash: r.pick(sigv4.UnsignedPayload, sigv4.EmptySHA256, strings.Repeat("ab", 32)),
		}
		var params []sigv4.Param
		query := url.Values{}
		for range r.IntN(5) {
			p := sigv4.Param{Name: r.pick("prefix", "list-type", "max-keys", "a/b", "a-b", "ä b"), Value: r.text(6)}
			params = append(params, p)
			query.Add(p.Name, p.Value)
		}
		req.Query = string(sigv4.AppendQuery(nil, params))
		hr := request(t, req.Method, "https", host, req.EscapedPath, query.Encode())

		headers := map[string]string{
			"x-amz-content-sha256": req.PayloadHash,
			"content-type":         r.pick("video/mp2t", ""),
			"x-amz-tagging":        r.value(),
			"if-none-match":        "*",
			"range":                r.pick("bytes=0-9", ""),
			"x-amz-meta-note":      r.value(),
		}
		for name, value := range headers {
			if value == "" && r.IntN(2) == 0 {
				continue // else an empty value is signed
			}
			req.Headers = append(req.Headers, sigv4.Header{Name: name, Value: value})
			hr.Header.Set(name, value)
		}
		if r.IntN(8) == 0 {
			for range 2 {
				v := r.value()
				req.Headers = append(req.Headers, sigv4.Header{Name: "x-amz-meta-twice", Value: v})
				hr.Header.Add("x-amz-meta-twice", v)
			}
		}
		req.Headers = append(req.Headers, sigv4.Header{Name: "host", Value: host},
			sigv4.Header{Name: "x-amz-date", Value: string(sigv4.AppendTime(nil, at))})
		if cred.SessionToken != "" {
			req.Headers = append(req.Headers, sigv4.Header{Name: "x-amz-security-token", Value: string(cred.SessionToken)})
		}

		got := string(ours.AppendAuthorization(nil, &cred, region, "s3", at, req))
		if err := theirs.SignHTTP(context.Background(), sdkCred, hr, req.PayloadHash, "s3", region, at); err != nil {
			t.Fatal(err)
		}
		if want := hr.Header.Get("Authorization"); got != want {
			t.Fatalf("case %d:\ngot  %s\nwant %s\n%s", n, got, want, sigv4.AppendCanonical(nil, req))
		}
	}
}

func TestPresignedURLEqualsTheSDKs(t *testing.T) {
	r := random{rand.New(rand.NewPCG(seed, 2))}
	var ours sigv4.Signer
	theirs := v4.NewSigner(noEscape)
	for n := range cases {
		cred, sdkCred := r.credentials()
		at := r.time()
		region := r.pick("us-east-1", "cn-north-1", "eu-central-1")
		base := r.pick("https://b.s3.us-east-1.amazonaws.com", "http://127.0.0.1:9000/bucket", "https://s3.eu-central-1.amazonaws.com/my.bucket")
		key := r.text(12)
		seconds := 1 + r.IntN(7*86400)
		query := url.Values{"X-Amz-Expires": {fmt.Sprint(seconds)}}
		var params []sigv4.Param
		for _, name := range []string{"response-content-type", "versionId", "Accept"} {
			if r.IntN(4) == 0 {
				v := r.text(4)
				params = append(params, sigv4.Param{Name: name, Value: v})
				query.Set(name, v)
			}
		}
		p, err := ours.NewPresigner(&cred, sigv4.PresignOptions{BaseURL: base, Region: region, Time: at, Expires: time.Duration(seconds) * time.Second, Query: params})
		if err != nil {
			t.Fatal(err)
		}
		scheme, rest, _ := strings.Cut(base, "://")
		host, bucket, slash := strings.Cut(rest, "/")
		if slash {
			bucket = "/" + bucket
		}
		hr := request(t, "GET", scheme, host, string(sigv4.AppendPath([]byte(bucket+"/"), key)), query.Encode())
		want, _, err := theirs.PresignHTTP(context.Background(), sdkCred, hr, sigv4.UnsignedPayload, "s3", region, at)
		if err != nil {
			t.Fatal(err)
		}
		got := string(p.Append(nil, key))
		if canonicalURL(t, got) != canonicalURL(t, want) {
			t.Fatalf("case %d, key %q:\ngot  %s\nwant %s", n, key, got, want)
		}
		if again := string(p.Append(nil, key)); again != got {
			t.Fatalf("case %d: the second URL differs:\n%s\n%s", n, again, got)
		}
	}
}

// canonicalURL sorts the query: the SDK puts the signature and the token elsewhere. Path and signature stay as they are.
func canonicalURL(t *testing.T, s string) string {
	t.Helper()
	head, rawQuery, _ := strings.Cut(s, "?")
	q, err := url.ParseQuery(rawQuery)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return head + "?" + q.Encode()
}
