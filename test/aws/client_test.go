// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/segment"
)

// response is what came back.
type response struct {
	status int
	header http.Header
	body   []byte // as sent
}

// plain keeps http.Client from following redirects and from asking for gzip.
var plain = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       2 * time.Minute,
}

// fetch sends a request. A failure fails the test and is a response of status 0, so that any goroutine may call it.
func fetch(t *testing.T, method, address string, header http.Header) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Error(err)
		return response{}
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := plain.Do(req)
	if err != nil {
		t.Error(err)
		return response{}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s: %v", method, err)
		return response{}
	}
	return response{res.StatusCode, res.Header, body}
}

// text returns the body, decompressed when it was sent so. Any goroutine may call it.
func (r response) text(t *testing.T) string {
	t.Helper()
	if r.header.Get("Content-Encoding") != "gzip" {
		return string(r.body)
	}
	var text []byte
	z, err := gzip.NewReader(bytes.NewReader(r.body))
	if err == nil {
		text, err = io.ReadAll(z)
	}
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// code is the code of an error of the API.
func (r response) code(t *testing.T) string {
	t.Helper()
	var e struct {
		Error struct{ Code string }
	}
	if err := json.Unmarshal([]byte(r.text(t)), &e); err != nil {
		return ""
	}
	return e.Error.Code
}

// playlist reads a playlist, which must be there and right.
func (r response) playlist(t *testing.T) hls.Playlist {
	t.Helper()
	if r.status != http.StatusOK {
		t.Fatalf("status %d: %.500s", r.status, r.text(t))
	}
	p, err := hls.Parse([]byte(r.text(t)))
	if err != nil {
		t.Fatalf("%v in\n%.2000s", err, r.text(t))
	}
	return p
}

var acceptGzip = http.Header{"Accept-Encoding": {"gzip"}}

// query writes a path with parameters.
func query(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}

// stamp writes a time as the API takes it.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05") }

// record puts a camera's segments of n times step into the bucket, straight into its directory. The content of
// each is made from its key.
func record(t *testing.T, b *s3server.Bucket, camera string, start time.Time, n int, step time.Duration) []string {
	t.Helper()
	var keys []string
	made := ""
	for i := range n {
		key := segment.Key(camera, start.Add(time.Duration(i)*step))
		name := filepath.Join(b.Dir(), filepath.FromSlash(key))
		if dir := filepath.Dir(name); dir != made {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			made = dir
		}
		if err := os.WriteFile(name, []byte(content(key)), 0o644); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// content is what record stores: as long as the shortest possible segment, three packets of a transport stream.
func content(key string) string { return key + "\n" + strings.Repeat(" ", 3*188) }

// resolve makes a playlist's URI absolute.
func (w *world) resolve(uri string) string {
	if strings.HasPrefix(uri, "http") {
		return uri
	}
	return w.api.URL + "/" + uri
}
