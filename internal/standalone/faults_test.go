// SPDX-License-Identifier: Apache-2.0

package standalone_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
)

// trouble is a network whose answers can be replaced.
type trouble struct {
	http.RoundTripper
	answer atomic.Pointer[func(*http.Request) (*http.Response, error)]
}

func (tr *trouble) RoundTrip(r *http.Request) (*http.Response, error) {
	if f := tr.answer.Load(); f != nil {
		return (*f)(r)
	}
	return tr.RoundTripper.RoundTrip(r)
}

func answer(status int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
	}
}

func s3Error(code string) string {
	return `<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>no</Message></Error>`
}

// What a viewer sees when the store does not do what it should. Nothing hangs, nothing leaks, no secret shows.
func TestFaultsOfTheStore(t *testing.T) {
	b := s3servertest.New(t)
	up := client(t, b, nil)
	segment := bytes.Repeat([]byte{0x47}, 188*100)
	for _, second := range []string{"00", "03", "06"} {
		if _, err := up.Put(t.Context(), "cam/2021/01/01/00/00/"+second+".ts", bytes.NewReader(segment), int64(len(segment)), s3.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	tr := &trouble{RoundTripper: &http.Transport{DisableKeepAlives: true}}
	s := start(t, standalone.Config{Store: client(t, b, func(c *s3.Config) { c.Transport = tr })})

	list := `<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>cam/2021/01/01/00/00/00.ts</Key><Si`
	tests := []struct {
		name         string
		answer       func(*http.Request) (*http.Response, error)
		lists, bytes int // statuses of /replay.m3u8 and so on, and of /segments
		code         string
	}{
		{"access denied", answer(403, s3Error("AccessDenied")), 502, 502, "storage_refused"},
		{"the bucket is gone", answer(404, s3Error("NoSuchBucket")), 502, 502, "storage_refused"},
		{"no listing, said by something that is no S3", answer(404, "<html>not found</html>"), 502, 0, "storage_refused"},
		{"a listing that is not there, which S3 never says", answer(404, s3Error("NoSuchKey")), 502, 0, "storage_refused"},
		{"JSON where a listing should be", answer(200, `{"a":1}`), 502, 0, "storage_error"},
		{"an internal error", answer(500, s3Error("InternalError")), 502, 502, "storage_error"},
		{"slow down", answer(503, s3Error("SlowDown")), 503, 503, "storage_unavailable"},
		{"a gateway without a store behind it", answer(502, "<html>Bad Gateway</html>"), 502, 502, "storage_error"},
		{"a page where a listing should be", answer(200, "<html>welcome</html>", "Content-Type", "text/html"), 502, 0, "storage_error"},
		{"half a listing", answer(200, list), 502, 0, "storage_error"},
		{"an empty answer, which is as good as none", answer(200, ""), 503, 0, "storage_unavailable"},
		{"a redirect to nowhere", answer(301, s3Error("PermanentRedirect")), 502, 502, "storage_error"},
		{"a status that does not exist", answer(999, "?"), 502, 502, "storage_error"},
		{"connections refused", func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		}, 503, 503, "storage_unavailable"},
		{"no answer", func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }, 504, 504, "storage_timeout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr.answer.Store(&tt.answer)
			defer tr.answer.Store(nil)
			for _, path := range []string{"/replay.m3u8?camera_id=cam&start=2021-01-01T00:00:00Z&end=2021-01-01T00:01:00Z", "/playlist.m3u8?camera_id=cam", "/cameras",
				"/coverage?camera_id=cam&start=2021-01-01T00:00:00Z&end=2021-01-01T00:01:00Z", "/segments/cam/2021/01/01/00/00/00.ts"} {
				want := tt.lists
				if strings.HasPrefix(path, "/segments/") {
					if want = tt.bytes; want == 0 {
						continue // bytes are bytes
					}
				}
				began := time.Now()
				status, _, body := get(t, s.Web+path)
				var e struct{ Error struct{ Code string } }
				if err := json.Unmarshal(body, &e); err != nil || status != want || e.Error.Code != tt.code {
					t.Errorf("%s: %d %s; want %d %s", path, status, body, want, tt.code)
				}
				if strings.Contains(string(body), b.AccessKey) || strings.Contains(string(body), b.URL) {
					t.Errorf("%s shows what is inside: %s", path, body)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("%s took %v", path, took)
				}
			}
		})
	}

	// A segment that breaks off must not look whole.
	half := func(r *http.Request) (*http.Response, error) {
		resp, err := tr.RoundTripper.RoundTrip(r)
		if err == nil {
			resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, 5000), broken{}))
		}
		return resp, err
	}
	tr.answer.Store(&half)
	r, err := http.Get(s.Web + "/segments/cam/2021/01/01/00/00/00.ts")
	if err == nil {
		_, err = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if err == nil {
		t.Error("half a segment came without an error")
	}
	tr.answer.Store(nil)
	http.DefaultClient.CloseIdleConnections()
	if status, _, body := get(t, s.Web+"/segments/cam/2021/01/01/00/00/00.ts"); status != 200 || !bytes.Equal(body, segment) {
		t.Errorf("afterwards a segment is status %d, %d bytes", status, len(body))
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }
