// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/uploader"
)

// What the uploader does with a segment follows from the class of the error: it drops what is rejected and keeps the rest.
func TestClassesOfFailedUploads(t *testing.T) {
	b := s3servertest.New(t)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>hello</html>") }))
	t.Cleanup(page.Close)
	says := func(status int, code string) func(*s3.Config) {
		return func(c *s3.Config) { c.Transport = roundTrip(answer(status, s3Error(code))) }
	}
	classes := []error{uploader.ErrExists, uploader.ErrClockSkew, uploader.ErrExpiredCredentials, uploader.ErrNotSent, uploader.ErrRejected}
	for _, tt := range []struct {
		name   string
		change func(*s3.Config)
		want   error // nil: none of the classes, which is tried again
	}{
		{"access denied", says(403, "AccessDenied"), uploader.ErrRejected},
		{"no bucket", says(404, "NoSuchBucket"), uploader.ErrRejected},
		{"a full disk", says(507, "InsufficientStorage"), nil},
		{"an internal error", says(500, "InternalError"), nil},
		{"an existing key", says(412, "PreconditionFailed"), uploader.ErrExists},
		{"an expired token", says(400, "ExpiredToken"), uploader.ErrExpiredCredentials},
		{"nothing listens", func(c *s3.Config) { c.Endpoint = "http://" + closed(t) }, uploader.ErrNotSent},
		{"a certificate that nobody knows", func(c *s3.Config) { c.Endpoint = secure.URL }, uploader.ErrNotSent},
		{"https to a server without", func(c *s3.Config) { c.Endpoint = strings.Replace(page.URL, "http:", "https:", 1) }, uploader.ErrNotSent},
		{"the login page of a network", func(c *s3.Config) { c.Endpoint = page.URL }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := standalone.NewPutter(client(t, b, tt.change)).Put(t.Context(), &uploader.Object{Key: "cam/2026/11/25/12/00/00.ts", Parts: [2][]byte{[]byte("segment")}, Size: 7})
			if err == nil {
				t.Fatal("stored")
			}
			for _, class := range classes {
				if errors.Is(err, class) != (class == tt.want) {
					t.Errorf("error %v; is it %q: %v", err, class, errors.Is(err, class))
				}
			}
		})
	}
}
