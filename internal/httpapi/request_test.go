// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
)

func TestARequestKeepsTheNameThatItsServerGaveIt(t *testing.T) {
	s := serve(t, func(c *httpapi.Config) {
		c.RequestID = func(r *http.Request) string { return r.Header.Get("Trace") }
	})
	s.err = errStore
	r := s.get("/playlist.m3u8?camera_id=cam", "Trace", "lambda-1")
	wantError(t, r, 500, "internal")
	if got := r.Header.Get("X-Request-Id"); got != "lambda-1" || !strings.Contains(s.log.String(), "request=lambda-1") {
		t.Errorf("the answer has the id %q, the log is\n%s", got, s.log)
	}
	if got := s.get("/healthz").Header.Get("X-Request-Id"); got == "" {
		t.Error("a request without a name was given none")
	}
}

// A server that has to answer by some time ends the request's context then; a client that went away cancels it.
func TestARequestThatRunsOutOfTimeIsAnswered(t *testing.T) {
	s := serve(t, nil)
	s.hang = true
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/playlist.m3u8?camera_id=cam", nil))
	wantError(t, w.Result(), 504, "storage_timeout")
}
