// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server"
)

// putters is Accounts with one key pair that may put anything anywhere, as far as Allow says.
type putters struct {
	rule s3server.PutOnly
	gone atomic.Bool
}

func (p *putters) Lookup(access, _ string) (s3server.Account, error) {
	if access != "cam" || p.gone.Load() {
		return s3server.Account{}, s3server.ErrUnknownKey
	}
	return s3server.Account{SecretKey: "s", PutOnly: &p.rule, Allow: func(string, string, string) bool { return true }}, nil
}

func putOnly(t *testing.T, rule s3server.PutOnly) (*putters, *target, *s3server.Server) {
	p := &putters{rule: rule}
	cfg := config(t)
	cfg.Accounts = p
	s, _ := run(t, cfg)
	return p, targetOf(t, s, rootAccess, rootSecret), s
}

func asCam(method, key, body string, change ...func(*rawRequest)) rawRequest {
	r := rawRequest{method: method, path: "/video/" + key, body: body, access: "cam", secret: "s"}
	for _, c := range change {
		c(&r)
	}
	return r
}

// Even an account whose rule allows every action has only one kind of request.
func TestPutOnlyIsOnePlainPUT(t *testing.T) {
	_, tg, s := putOnly(t, s3server.PutOnly{Name: "cam", MaxBytes: 100, Grace: time.Hour})
	query := func(q string) func(*rawRequest) { return func(r *rawRequest) { r.query = q } }
	head := func(name, value string) func(*rawRequest) {
		return func(r *rawRequest) { r.headers = map[string]string{name: value} }
	}
	const parts = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part></CompleteMultipartUpload>`
	const tags = `<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`
	tg.put(t, "old", "old")
	age(t, s, "old")
	for _, tt := range []struct {
		name   string
		req    rawRequest
		status int
		code   string
	}{
		{"a PUT", asCam("PUT", "a", "1"), 200, ""},
		{"a PUT as the SDK marks it", asCam("PUT", "b", "2", query("x-id=PutObject")), 200, ""},
		{"the largest object", asCam("PUT", "c", strings.Repeat("x", 100)), 200, ""},
		{"a larger one", asCam("PUT", "d", strings.Repeat("x", 101)), 400, "EntityTooLarge"},
		{"a presigned PUT", asCam("PUT", "e", "x", func(r *rawRequest) { r.presign = time.Minute }), 403, "AccessDenied"},
		{"an unknown parameter", asCam("PUT", "f", "x", query("a=b")), 403, "AccessDenied"},
		{"a version", asCam("PUT", "f", "x", query("versionId=1")), 403, "AccessDenied"},
		{"the begin of a multipart upload", asCam("POST", "g", "", query("uploads=")), 403, "AccessDenied"},
		{"a part", asCam("PUT", "g", "x", query("partNumber=1&uploadId=1")), 403, "AccessDenied"},
		{"the end of a multipart upload", asCam("POST", "g", parts, query("uploadId=1")), 403, "AccessDenied"},
		{"other tags", asCam("PUT", "a", tags, query("tagging=")), 403, "AccessDenied"},
		{"no tags", asCam("DELETE", "a", "", query("tagging=")), 403, "AccessDenied"},
		{"again within the grace window", asCam("PUT", "a", "2"), 200, ""},
		{"again, but not over another", asCam("PUT", "a", "3", head("if-none-match", "*")), 412, "PreconditionFailed"},
		{"after the grace window", asCam("PUT", "old", "new"), 412, "PreconditionFailed"},
		{"after the grace window, if it matches", asCam("PUT", "old", "new", head("if-match", "*")), 412, "PreconditionFailed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := tg.do(t, tt.req); res.status != tt.status || res.code != tt.code {
				t.Errorf("%d %s, want %d %s: %.300s", res.status, res.code, tt.status, tt.code, res.body)
			}
		})
	}
	for key, want := range map[string]string{"a": "2", "old": "old"} {
		if got := tg.do(t, rawRequest{method: "GET", path: "/video/" + key}); got.body != want {
			t.Errorf("%s holds %q, want %q", key, got.body, want)
		}
	}
	if got := tg.keys(t); !slices.Equal(got, []string{"a", "b", "c", "old"}) {
		t.Errorf("stored %q", got)
	}
}

// age makes an object look as if it had been stored two hours ago.
func age(t *testing.T, s *s3server.Server, key string) {
	t.Helper()
	then := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filepath.Join(s.Bucket().Dir(), key), then, then); err != nil {
		t.Fatal(err)
	}
}

// A browser that gets such an object must not take it for a page.
func TestPutOnlyStoresVideoWithoutOtherHeaders(t *testing.T) {
	_, tg, _ := putOnly(t, s3server.PutOnly{Name: "cam", Grace: time.Hour})
	sent := map[string]string{"content-type": "text/html", "content-encoding": "gzip", "content-disposition": "inline; filename=x.html",
		"content-language": "de", "cache-control": "max-age=1", "expires": "Thu, 01 Dec 1994 16:00:00 GMT", "x-amz-website-redirect-location": "https://example.org/",
		"x-amz-tagging": "a=b", "x-amz-meta-x": "y"}
	if res := tg.do(t, asCam("PUT", "a.ts", "<script>", func(r *rawRequest) { r.headers = sent })); res.status != 200 {
		t.Fatalf("%d %s", res.status, res.body)
	}
	res := tg.do(t, rawRequest{method: "GET", path: "/video/a.ts"})
	if got := res.header.Get("Content-Type"); got != "video/mp2t" {
		t.Errorf("Content-Type is %q", got)
	}
	for name, value := range sent {
		if got := res.header.Get(name); got == value && name != "content-type" && name != "x-amz-meta-x" {
			t.Errorf("%s: %s is kept", name, got)
		}
	}
	if res.header.Get("x-amz-tagging-count") != "1" || res.header.Get("x-amz-meta-x") != "y" {
		t.Errorf("tags or metadata are gone: %v", res.header)
	}
}

// What has changed while a body came in slowly counts when the object would get its name.
func TestPutOnlyIsJudgedWhenTheBodyIsComplete(t *testing.T) {
	body := randomBytes(300_000, 3) // less than 8 KiB would be read before anybody is asked
	for _, tt := range []struct {
		name     string
		meantime func(*testing.T, *putters, *target, *s3server.Server)
		status   int
		stored   string
	}{
		{"nothing has happened", func(*testing.T, *putters, *target, *s3server.Server) {}, 200, body},
		{"the key was taken away", func(_ *testing.T, p *putters, _ *target, _ *s3server.Server) { p.gone.Store(true) }, 403, ""},
		{"an object was stored and has grown old", func(t *testing.T, _ *putters, tg *target, s *s3server.Server) {
			tg.put(t, "slow", "first")
			age(t, s, "slow")
		}, 412, "first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, tg, s := putOnly(t, s3server.PutOnly{Name: "cam", MaxRequests: 1, Grace: time.Hour})
			c, err := tg.dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fmt.Fprint(c, tg.head(asCam("PUT", "slow", body))+body[:len(body)/2])
			waitFor(t, "the upload to begin", func() bool {
				res := tg.do(t, asCam("PUT", "other", "x"))
				return res.status == 503 && res.code == "SlowDown"
			})
			tt.meantime(t, p, tg, s)
			_, _ = io.WriteString(c, body[len(body)/2:])
			res, err := readResponse(bufio.NewReader(c), "PUT")
			if err != nil || res.status != tt.status {
				t.Errorf("answer %d %s, %v; want %d", res.status, res.body, err, tt.status)
			}
			if got := tg.do(t, rawRequest{method: "GET", path: "/video/slow"}); got.status == 200 && got.body != tt.stored || got.status != 200 && tt.stored != "" {
				t.Errorf("stored: %d, %.20q, want %.20q", got.status, got.body, tt.stored)
			}
			p.gone.Store(false)
			if res := tg.do(t, asCam("PUT", "after", "x")); res.status != 200 {
				t.Errorf("the next PUT: %d %s", res.status, res.body)
			}
		})
	}
}

func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	polltest.Until(t, 30*time.Second, what, f)
}
