// SPDX-License-Identifier: Apache-2.0

package sigv4_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

func TestAppendPath(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"a segment key needs no encoding", "cam1/2026/03/09/04/05/06.ts", "cam1/2026/03/09/04/05/06.ts"},
		{"each special byte is encoded once", "a b+c=d:e@f,g?h%20", "a%20b%2Bc%3Dd%3Ae%40f%2Cg%3Fh%2520"},
		{"UTF-8 is encoded per byte, upper-case digits", "ä", "%C3%A4"},
		{"double slashes and dots are kept", "//a//../.", "//a//../."},
		{"nothing stays nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(sigv4.AppendPath([]byte("x"), tt.in)); got != "x"+tt.want {
				t.Errorf("AppendPath(%q) = %q, want %q", tt.in, got, "x"+tt.want)
			}
		})
	}
}

func TestAppendQuerySortsByEncodedNameThenValue(t *testing.T) {
	got := string(sigv4.AppendQuery(nil, []sigv4.Param{{"b", "2"}, {"a-b", "/"}, {"a", "z"}, {"a", " "}, {"ä", ""}, {"A", "1"}}))
	if want := "%C3%A4=&A=1&a=%20&a=z&a-b=%2F&b=2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPresignerRefusesWhatCannotWork(t *testing.T) {
	good := sigv4.Credentials{AccessKeyID: "A", SecretAccessKey: "S"}
	ok := sigv4.PresignOptions{BaseURL: "https://h", Region: "r", Expires: time.Minute}
	tests := []struct {
		name string
		cred sigv4.Credentials
		edit func(*sigv4.PresignOptions)
		want []string // all problems are named
	}{
		{"a complete configuration", good, func(*sigv4.PresignOptions) {}, nil},
		{"seven days are the limit", good, func(o *sigv4.PresignOptions) { o.Expires = 7*24*time.Hour + 1 }, []string{"expiry"}},
		{"less than a second", good, func(o *sigv4.PresignOptions) { o.Expires = time.Second - 1 }, []string{"expiry"}},
		{"everything missing", sigv4.Credentials{}, func(o *sigv4.PresignOptions) { *o = sigv4.PresignOptions{} }, []string{"base URL", "expiry", "credentials", "region"}},
		{"a trailing slash", good, func(o *sigv4.PresignOptions) { o.BaseURL = "https://h/b/" }, []string{"base URL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := ok
			tt.edit(&o)
			var s sigv4.Signer
			_, err := s.NewPresigner(&tt.cred, o)
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("error = %v, want one: %v", err, tt.want != nil)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not name %q", err, w)
				}
			}
		})
	}
}

func TestSignerIsSafeWhileKeysRotate(t *testing.T) {
	var s, alone sigv4.Signer
	day := time.Date(2026, 3, 9, 23, 59, 59, 0, time.UTC)
	sign := func(s *sigv4.Signer, secret, region string, at time.Time) string {
		return string(s.AppendAuthorization(nil, &sigv4.Credentials{AccessKeyID: "A", SecretAccessKey: sigv4.Secret(secret)}, region, "s3", at,
			&sigv4.Request{Method: "PUT", EscapedPath: "/k", PayloadHash: sigv4.UnsignedPayload, Headers: []sigv4.Header{{"host", "h"}}}))
	}
	// More combinations than the cache holds.
	var want [12]string
	args := func(i int) (string, string, time.Time) {
		return fmt.Sprint("secret", i%3), fmt.Sprint("region", i%2), day.Add(time.Duration(i%4) * time.Second)
	}
	for i := range want {
		secret, region, at := args(i)
		want[i] = sign(&alone, secret, region, at)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 300 {
				i := (n*7 + g) % len(want)
				secret, region, at := args(i)
				if got := sign(&s, secret, region, at); got != want[i] {
					t.Errorf("combination %d: got %s, want %s", i, got, want[i])
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSecretsDoNotPrint(t *testing.T) {
	c := sigv4.Credentials{AccessKeyID: "AKID", SecretAccessKey: "hush1", SessionToken: "hush2"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", c.SecretAccessKey, "credentials", c)
	js, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %s %q %x %d", c, c, c, c.SecretAccessKey, c.SecretAccessKey, c.SecretAccessKey, c.SecretAccessKey) + log.String() + string(js)
	for _, leak := range []string{"hush", "6875736831"} {
		if strings.Contains(out, leak) {
			t.Errorf("leaked %q in %s", leak, out)
		}
	}
	if !strings.Contains(out, "AKID") || !strings.Contains(out, "[redacted]") {
		t.Errorf("unexpected output %s", out)
	}
}

func TestSigningAllocatesNothing(t *testing.T) {
	if sigv4.RaceEnabled {
		t.Skip("sync.Pool drops entries under the race detector")
	}
	var s sigv4.Signer
	cred := sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: sigv4.Secret(strings.Repeat("t", 900))}
	at := time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC)
	p, err := s.NewPresigner(&cred, sigv4.PresignOptions{BaseURL: "https://b.s3.us-east-1.amazonaws.com", Region: "us-east-1", Time: at, Expires: 900 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(200, func() { buf = p.Append(buf[:0], "cam1/2026/03/09/04/05/06.ts") }); n != 0 {
		t.Errorf("a presigned URL costs %v allocations, want 0", n)
	}
	headers := make([]sigv4.Header, 4)
	if n := testing.AllocsPerRun(200, func() {
		copy(headers, []sigv4.Header{{"x-amz-date", "20260309T040506Z"}, {"host", "h"}, {"content-type", "video/mp2t"}, {"x-amz-security-token", string(cred.SessionToken)}})
		buf = s.AppendAuthorization(buf[:0], &cred, "us-east-1", "s3", at, &sigv4.Request{Method: "PUT", EscapedPath: "/k", PayloadHash: sigv4.UnsignedPayload, Headers: headers})
	}); n != 0 {
		t.Errorf("a header signature costs %v allocations, want 0", n)
	}
}
