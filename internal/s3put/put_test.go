// SPDX-License-Identifier: Apache-2.0

package s3put_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/certtest"
	"github.com/s3cam/s3cam/internal/http1"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
)

func TestWhatIsSent(t *testing.T) {
	authority := certtest.New(t, "test root")
	for _, secure := range []bool{false, true} {
		f := newFake(t, nil)
		if secure {
			f = newFake(t, valid(authority, "127.0.0.1"))
		}
		f.token = "session/token+="
		cfg := f.config()
		cfg.RootCAs = authority.Pool()
		c := newClient(t, cfg)
		o := object("cam1/2026/03/09/04/05/06.ts", randomBytes(100_000))
		o.Tags = "site=north%20gate&n=1"
		o.Time = time.Date(2026, 3, 9, 5, 5, 6, 999, time.FixedZone("CET", 3600))
		if secure {
			o.Time = time.Now() // the certificate must be valid
		}
		server, err := c.Put(timeout(t), o)
		if err != nil || time.Since(server).Abs() > 5*time.Second {
			t.Fatalf("%v, %v", server, err)
		}
		r := f.seen()[0]
		for name, want := range map[string]string{
			"Content-Type": "video/mp2t", "If-None-Match": "*", "X-Amz-Tagging": o.Tags, "X-Amz-Security-Token": f.token, "User-Agent": "s3cam",
			"X-Amz-Date": o.Time.UTC().Format("20060102T150405Z"), "Expect": "", "Transfer-Encoding": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if r.Method != "PUT" || r.RequestURI != "/video/"+o.Key || r.ContentLength != 100_000 || !bytes.Equal(r.body, append(bytes.Clone(o.Parts[0]), o.Parts[1]...)) {
			t.Errorf("%s %s, %d bytes", r.Method, r.RequestURI, len(r.body))
		}
	}
}

func TestSwitches(t *testing.T) {
	f := newFake(t, nil)
	f.answer = func(_ int, w http.ResponseWriter, r *request) bool {
		if len(r.Header.Values("If-None-Match")) > 0 || len(r.Header.Values("X-Amz-Tagging")) > 0 || len(r.Header.Values("X-Amz-Security-Token")) > 0 {
			t.Errorf("%v", r.Header)
		}
		return false
	}
	cfg := f.config()
	cfg.NoCondition = true
	if _, err := newClient(t, cfg).Put(timeout(t), object("k", nil)); err != nil {
		t.Error(err)
	}
}

func TestClassesOfAnswers(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	late := now.Add(20 * time.Minute).Format(http.TimeFormat)
	classes := []error{s3put.ErrExists, s3put.ErrClockSkew, s3put.ErrExpiredCredentials, s3put.ErrRejected, s3put.ErrNotSent}
	for _, tt := range []struct {
		name   string
		answer func(int, http.ResponseWriter, *request) bool
		want   error
	}{
		{"exists", says(412, "PreconditionFailed"), s3put.ErrExists},
		{"two at once", says(409, "ConditionalRequestConflict"), nil},
		{"clock", says(403, "RequestTimeTooSkewed"), s3put.ErrClockSkew},
		{"signature, clock off", says(403, "SignatureDoesNotMatch", "Date", late), s3put.ErrClockSkew},
		{"signature, clock right", says(403, "SignatureDoesNotMatch"), s3put.ErrRejected},
		{"expired", says(400, "ExpiredToken"), s3put.ErrExpiredCredentials},
		{"bad token", says(403, "InvalidToken"), s3put.ErrExpiredCredentials},
		{"denied", says(403, "AccessDenied"), s3put.ErrRejected},
		{"denied, clock off", says(403, "AccessDenied", "Date", late), s3put.ErrRejected},
		{"no bucket", says(404, "NoSuchBucket"), s3put.ErrRejected},
		{"key id", says(403, "InvalidAccessKeyId"), s3put.ErrRejected},
		{"argument", says(400, "InvalidArgument"), s3put.ErrRejected},
		{"too large", says(400, "EntityTooLarge"), s3put.ErrRejected},
		{"not implemented", says(501, "NotImplemented"), s3put.ErrRejected},
		{"method", says(405, "MethodNotAllowed"), s3put.ErrRejected},
		{"bare 403", says(403, ""), s3put.ErrRejected},
		{"slow down", says(503, "SlowDown"), nil},
		{"unavailable", says(503, "ServiceUnavailable"), nil},
		{"internal", says(500, "InternalError"), nil},
		{"gateway", says(502, ""), nil},
		{"gateway timeout", says(504, ""), nil},
		{"disk full", says(507, "InsufficientStorage"), nil},
		{"timeout", says(400, "RequestTimeout"), nil},
		{"bare 408", says(408, ""), nil},
		{"429", says(429, ""), nil},
		{"damaged", says(400, "BadDigest"), nil},
		{"damaged, SHA", says(400, "XAmzContentSHA256Mismatch"), nil},
		{"incomplete", says(400, "IncompleteBody"), nil},
		{"wrong region that is not named", says(301, "PermanentRedirect"), s3put.ErrRejected},
	} {
		f := newFake(t, nil)
		f.answer = tt.answer
		o := object("cam1/x.ts", randomBytes(5000))
		server, err := newClient(t, f.config()).Put(timeout(t), o)
		var e *s3put.Error
		if !errors.As(err, &e) || e.RequestID != "REQ1" || server.IsZero() {
			t.Errorf("%s: %v, %v", tt.name, server, err)
			continue
		}
		for _, class := range classes {
			if errors.Is(err, class) != (class == tt.want) {
				t.Errorf("%s: Is(%v) = %v: %v", tt.name, class, !(class == tt.want), err)
			}
		}
		if e.Code != "" && (e.Message != "why & how" || !strings.Contains(err.Error(), e.Code+": why & how")) {
			t.Errorf("%s: message %q, error %v", tt.name, e.Message, err)
		}
		if n := len(f.seen()); n != 1 {
			t.Errorf("%s: %d requests, want 1", tt.name, n)
		}
	}
}

func TestTheServersTimeComesFromTheDocumentWhereDateIsMissing(t *testing.T) {
	f := newFake(t, nil)
	f.answer = func(_ int, w http.ResponseWriter, _ *request) bool {
		w.Header()["Date"] = nil
		w.WriteHeader(403)
		io.WriteString(w, "<Error><Code>RequestTimeTooSkewed</Code><Message>m</Message><RequestTime>20200101T000000Z</RequestTime><ServerTime>2026-03-09T04:05:06Z</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds><RequestId>r</RequestId></Error>")
		return true
	}
	server, err := newClient(t, f.config()).Put(timeout(t), object("k", nil))
	if want := time.Date(2026, 3, 9, 4, 5, 6, 0, time.UTC); !errors.Is(err, s3put.ErrClockSkew) || !server.Equal(want) {
		t.Errorf("%v, %v, want %v", server, err, want)
	}
}

func TestOthersThatAnswerAreNotTakenForS3(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"a page for everything":   func(w http.ResponseWriter) { io.WriteString(w, "<html>Welcome</html>") },
		"a redirect to the login": func(w http.ResponseWriter) { w.Header().Set("Location", "http://login.example/"); w.WriteHeader(302) },
		"a proxy's 511":           func(w http.ResponseWriter) { w.WriteHeader(511) },
	} {
		f := newFake(t, nil)
		f.answer = func(_ int, w http.ResponseWriter, _ *request) bool { answer(w); return true }
		server, err := newClient(t, f.config()).Put(timeout(t), object("k", randomBytes(10)))
		var e *s3put.Error
		if !errors.As(err, &e) || !e.NotS3 || e.Class != nil || !server.IsZero() || len(f.seen()) != 1 {
			t.Errorf("%s: %v, %v after %d requests", name, server, err, len(f.seen()))
		}
	}
}

// TestSuccessBeforeTheEndIsNone: an answer 200 in the middle of the upload.
func TestSuccessBeforeTheEndIsNone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.ReadAtLeast(c, make([]byte, 1000), 1000)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n")
		io.Copy(io.Discard, c)
	}()
	cfg := newFake(t, nil).config()
	cfg.Endpoint = "http://" + l.Addr().String()
	_, err = newClient(t, cfg).Put(timeout(t), object("k", randomBytes(32<<20)))
	var e *s3put.Error
	if !errors.As(err, &e) || e.Status != 200 || e.Class != nil {
		t.Errorf("%v", err)
	}
}

func TestWhatCannotHaveBeenStored(t *testing.T) {
	f := newFake(t, nil)
	closed := f.server.Listener.Addr().String()
	f.server.Close()
	cfg := f.config()
	cfg.Endpoint = "http://" + closed
	if _, err := newClient(t, cfg).Put(timeout(t), object("k", randomBytes(10))); !errors.Is(err, s3put.ErrNotSent) {
		t.Errorf("refused: %v", err)
	}

	// A server that takes a part of the body and dies, then one that takes all of it and dies.
	for _, whole := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		size := 32 << 20
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := 1000
			if whole {
				n = size
			}
			io.CopyN(io.Discard, c, int64(n)+200)
			c.Close()
		}()
		cfg.Endpoint = "http://" + l.Addr().String()
		_, err = newClient(t, cfg).Put(timeout(t), object("k", randomBytes(size)))
		var e *http1.Error
		if err == nil || !errors.As(err, &e) || errors.Is(err, s3put.ErrNotSent) == whole {
			t.Errorf("whole %v: %v", whole, err)
		}
	}

	cfg = newFake(t, nil).config()
	cfg.Credentials = func(context.Context) (sigv4.Credentials, error) {
		return sigv4.Credentials{}, errors.New("no IoT endpoint")
	}
	if _, err := newClient(t, cfg).Put(timeout(t), object("k", nil)); !errors.Is(err, s3put.ErrNotSent) || !strings.Contains(err.Error(), "no IoT endpoint") {
		t.Errorf("no credentials: %v", err)
	}
	cfg.Credentials = static(sigv4.Credentials{})
	if _, err := newClient(t, cfg).Put(timeout(t), object("k", nil)); !errors.Is(err, s3put.ErrNotSent) {
		t.Errorf("empty credentials: %v", err)
	}
}

func TestObjectsThatAreRefusedHere(t *testing.T) {
	f := newFake(t, nil)
	c := newClient(t, f.config())
	for name, o := range map[string]*s3put.Object{
		"no key": {}, "a long key": {Key: strings.Repeat("k", 1025)}, "not UTF-8": {Key: "\xff"}, "a wrong size": {Key: "k", Size: 5},
		"a line break in the tags": {Key: "k", Tags: "a=b\r\nx-amz-acl: public-read"},
	} {
		if _, err := c.Put(timeout(t), o); !errors.Is(err, s3put.ErrRejected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := f.config()
	cfg.Credentials = static(sigv4.Credentials{AccessKeyID: "A\r\nX: y", SecretAccessKey: "s"})
	if _, err := newClient(t, cfg).Put(timeout(t), object("k", nil)); !errors.Is(err, s3put.ErrRejected) {
		t.Errorf("a line break in the key id: %v", err)
	}
	if len(f.seen()) > 0 {
		t.Error("something was sent")
	}
}

// TestARepeatedSendingThatWasStored: the kept connection dies after the server has stored the object; the repetition is told that it exists.
func TestARepeatedSendingThatWasStored(t *testing.T) {
	f := newFake(t, nil)
	f.answer = func(n int, w http.ResponseWriter, r *request) bool {
		switch n {
		case 2:
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
			return true
		case 3:
			return says(412, "PreconditionFailed")(n, w, r)
		}
		return false
	}
	c := newClient(t, f.config())
	for i := range 2 {
		o := object(fmt.Sprint("k", i), randomBytes(1000))
		if _, err := c.Put(timeout(t), o); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Resends != 1 || s.Dials != 2 || len(f.seen()) != 3 {
		t.Errorf("%+v", s)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	var text bytes.Buffer
	f := newFake(t, nil)
	f.token = "hush-token"
	n := 0
	f.answer = func(_ int, w http.ResponseWriter, r *request) bool {
		n++
		return says([]int{403, 301, 500}[n%3], "SignatureDoesNotMatch", "X-Amz-Bucket-Region", "eu-central-1")(n, w, r)
	}
	cfg := f.config()
	cfg.Logger = slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := newClient(t, cfg)
	for range 4 {
		_, err := c.Put(timeout(t), object("k", nil))
		fmt.Fprintf(&text, "%v %+v %#v\n", err, err, err)
	}
	for _, secret := range []string{f.token, secretKey, "Signature="} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("%q leaked: %s", secret, text.String())
		}
	}
}

// TestAServerInTroubleIsLeft: after 500 and 503 the next try is made on a new connection, with a name that is looked up again.
func TestAServerInTroubleIsLeft(t *testing.T) {
	f := newFake(t, nil)
	f.answer = func(n int, w http.ResponseWriter, r *request) bool {
		switch n {
		case 1:
			return says(503, "SlowDown")(n, w, r)
		case 2:
			return says(403, "AccessDenied")(n, w, r)
		}
		return false
	}
	c := newClient(t, f.config())
	for i, wantDials := range []int{1, 2, 2} {
		_, err := c.Put(timeout(t), object("k", nil))
		if s := c.Stats(); s.Dials != wantDials || (err == nil) != (i == 2) {
			t.Errorf("Put %d: %v, %+v", i, err, s)
		}
	}
}
