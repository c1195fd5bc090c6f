// SPDX-License-Identifier: Apache-2.0

package demosite_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/s3cam/s3cam/internal/demosite"
	"github.com/s3cam/s3cam/internal/s3server/s3servertest"
	"github.com/s3cam/s3cam/internal/webui"
	"github.com/s3cam/s3cam/s3"
)

const (
	api   = "https://abc.execute-api.eu-central-1.amazonaws.com"
	stack = "arn:aws:cloudformation:eu-central-1:123456789012:stack/s3cam/11111111-2222-3333-4444-555555555555"
)

// world is an account: two or more buckets and AWS IoT. It records the requests to S3 and can refuse them.
type world struct {
	t           *testing.T
	site, video *s3servertest.Bucket
	iot         *httptest.Server
	log         lockedBuffer

	mu       sync.Mutex
	requests []string // "PUT /bucket/key"
	headers  map[string]http.Header
	refuse   func(method, path string) (status int, code string)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, site: s3servertest.New(t), video: s3servertest.New(t), headers: map[string]http.Header{}}
	w.iot = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(rw, `{"endpointAddress":"c1abc.credentials.iot.eu-central-1.amazonaws.com"}`)
	}))
	t.Cleanup(w.iot.Close)
	return w
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/endpoint" {
		return http.DefaultTransport.RoundTrip(r)
	}
	w.mu.Lock()
	w.requests = append(w.requests, r.Method+" "+r.URL.Path)
	w.headers[r.Method+" "+r.URL.Path] = r.Header.Clone()
	refuse := w.refuse
	w.mu.Unlock()
	if refuse != nil {
		if status, code := refuse(r.Method, r.URL.Path); status != 0 {
			if r.Body != nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
			return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
				Header: http.Header{"Content-Type": {"application/xml"}, "X-Amz-Request-Id": {"1"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}},
				Body:   io.NopCloser(strings.NewReader("<Error><Code>" + code + "</Code><Message>refused</Message></Error>"))}, nil
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *world) installer() *demosite.Installer {
	w.t.Helper()
	i, err := demosite.New(demosite.Config{
		Region: w.site.Region, Credentials: s3.Static(w.site.AccessKey, s3.Secret(w.site.SecretKey), ""),
		S3Endpoint: w.site.URL, IoTEndpoint: w.iot.URL, Transport: w, Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

func (w *world) properties(edit ...func(map[string]any)) map[string]any {
	p := map[string]any{
		"ServiceToken": "arn:aws:lambda:eu-central-1:123456789012:function:IPC-Demosite-11111111", "ServiceTimeout": "300", "Release": "s3cam/v1/",
		"WebsiteBucket": w.site.Name(), "Path": "demosite/", "VideoBucket": w.video.Name(), "DemoPrefix": "demo", "ApiEndpoint": api,
	}
	for _, e := range edit {
		e(p)
	}
	return p
}

// send hands an event to a fresh installer, as a cold function would, and checks what holds for every event.
func (w *world) send(kind cfn.RequestType, properties, old map[string]any) (map[string]any, error) {
	w.t.Helper()
	w.mu.Lock()
	w.requests = nil
	clear(w.headers)
	w.mu.Unlock()
	event := cfn.Event{RequestType: kind, RequestID: "r", StackID: stack, LogicalResourceID: "Demosite", ResourceProperties: properties, OldResourceProperties: old}
	const id = "s3cam-demosite-ed91db0f76b8ace8"
	if kind != cfn.RequestCreate {
		event.PhysicalResourceID = id
	}
	got, data, err := w.installer().Handle(w.t.Context(), event)
	if got != id {
		w.t.Errorf("physical id %q, want %q", got, id)
	}
	for _, r := range w.requests {
		if strings.Contains(r, "/"+w.video.Name()) && !strings.HasPrefix(r, "PUT /"+w.video.Name()+"/demo/2021/01/01/00/00/") {
			w.t.Errorf("in the video bucket: %s", r)
		}
	}
	return data, err
}

func (w *world) must(kind cfn.RequestType, properties, old map[string]any) map[string]any {
	w.t.Helper()
	data, err := w.send(kind, properties, old)
	if err != nil {
		w.t.Fatalf("%s: %v", kind, err)
	}
	return data
}

func (w *world) writes() (list []string) {
	for _, r := range w.requests {
		if !strings.HasPrefix(r, "GET ") {
			list = append(list, r)
		}
	}
	return list
}

func (w *world) client(b *s3servertest.Bucket) *s3.Client {
	w.t.Helper()
	c, err := s3.New(s3.Config{Endpoint: b.URL, PathStyle: true, Region: b.Region, Bucket: b.Name(), Credentials: s3.Static(b.AccessKey, s3.Secret(b.SecretKey), "")})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// contents are the objects of a bucket, without marks.
func (w *world) contents(b *s3servertest.Bucket) map[string]string {
	w.t.Helper()
	c := w.client(b)
	objects := map[string]string{}
	var keys []string
	if err := c.List(w.t.Context(), "", "", 0, func(key []byte, _ int64) bool { keys = append(keys, string(key)); return true }); err != nil {
		w.t.Fatal(err)
	}
	for _, key := range keys {
		if strings.HasPrefix(key, ".s3cam-site/") {
			continue
		}
		o, err := c.Get(w.t.Context(), key, s3.GetOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		data, err := io.ReadAll(o.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = o.Body.Close()
		objects[key] = string(data)
	}
	return objects
}

func (w *world) put(b *s3servertest.Bucket, key, text string) {
	w.t.Helper()
	if _, err := w.client(b).Put(w.t.Context(), key, strings.NewReader(text), int64(len(text)), s3.PutOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// empty tells that nothing at all is in a bucket.
func (w *world) empty(b *s3servertest.Bucket) bool {
	w.t.Helper()
	n := 0
	if err := w.client(b).List(w.t.Context(), "", "", 0, func(key []byte, _ int64) bool { n++; w.t.Logf("there is %s", key); return true }); err != nil {
		w.t.Fatal(err)
	}
	return n == 0
}

func siteAt(t *testing.T, path string) map[string]string {
	t.Helper()
	files, err := webui.Files(webui.Config{APIBase: api, NoClips: true})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, f := range files {
		want[path+f.Name] = string(f.Body)
	}
	return want
}

func (w *world) checkSite(path string, extra ...string) {
	w.t.Helper()
	got, want := w.contents(w.site), siteAt(w.t, path)
	for _, key := range extra {
		want[key] = got[key]
	}
	if !maps.Equal(got, want) {
		w.t.Errorf("the site bucket has %q,\nwant %q with the bundle's content", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func TestCreateInstallsSiteAndVideo(t *testing.T) {
	w := newWorld(t)
	data := w.must(cfn.RequestCreate, w.properties(), nil)
	if got := data["CredentialEndpoint"]; got != "c1abc.credentials.iot.eu-central-1.amazonaws.com" || len(data) != 1 {
		t.Errorf("attributes %v", data)
	}
	w.checkSite("demosite/")
	var config struct {
		APIBase string `json:"apiBase"`
	}
	if err := json.Unmarshal([]byte(w.contents(w.site)["demosite/config.json"]), &config); err != nil || config.APIBase != api {
		t.Errorf("config.json %+v, %v", config, err)
	}
	for name, want := range map[string][2]string{
		"demosite/index.html":  {"text/html; charset=utf-8", "no-cache"},
		"demosite/config.json": {"application/json", "no-cache"},
		"demosite/favicon.svg": {"image/svg+xml", "no-cache"},
	} {
		h := w.headers["PUT /"+w.site.Name()+"/"+name]
		if h.Get("Content-Type") != want[0] || h.Get("Cache-Control") != want[1] {
			t.Errorf("%s was written with %q and %q, want %q", name, h.Get("Content-Type"), h.Get("Cache-Control"), want)
		}
	}
	kinds := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
	for request, h := range w.headers {
		if strings.HasPrefix(request, "PUT /"+w.site.Name()+"/demosite/assets/") {
			if want := kinds[request[strings.LastIndex(request, "."):]]; h.Get("Content-Type") != want || h.Get("Cache-Control") != "public, max-age=31536000, immutable" {
				t.Errorf("%s was written with %q and %q", request, h.Get("Content-Type"), h.Get("Cache-Control"))
			}
		}
	}
	if index, config := slices.Index(w.requests, "PUT /"+w.site.Name()+"/demosite/index.html"), w.lastAsset(); index < config {
		t.Error("index.html was written before what it refers to")
	}
	if n := len(w.contents(w.video)); n != 20 {
		t.Errorf("%d objects in the video bucket, want 20 segments", n)
	}
	t.Logf("%d requests to S3, %d of them writes", len(w.requests), len(w.writes()))
	if n := len(w.requests); n > 100 {
		t.Errorf("%d requests", n)
	}
}

func (w *world) lastAsset() (last int) {
	for i, r := range w.requests {
		if strings.HasPrefix(r, "PUT /"+w.site.Name()+"/demosite/assets/") {
			last = i
		}
	}
	return last
}

func TestAnUpdateWritesOnlyWhatDiffers(t *testing.T) {
	w := newWorld(t)
	old := w.properties()
	w.must(cfn.RequestCreate, old, nil)
	before := w.contents(w.video)
	next := w.properties(func(p map[string]any) { p["Release"] = "s3cam/v2/" })
	w.must(cfn.RequestUpdate, next, old)
	for _, r := range w.writes() {
		if !strings.HasPrefix(r, "PUT /"+w.video.Name()+"/demo/") { // answered by 412
			t.Errorf("nothing changed, but: %s", r)
		}
	}
	if !maps.Equal(w.contents(w.video), before) {
		t.Error("the video changed")
	}
	t.Logf("%d requests to S3 when nothing changed", len(w.requests))

	// Somebody's own page, a lost file, and another API.
	w.put(w.site, "demosite/index.html", "mine")
	if err := w.client(w.site).Delete(t.Context(), "demosite/favicon.svg"); err != nil {
		t.Fatal(err)
	}
	next["ApiEndpoint"] = "https://api.example.com"
	w.must(cfn.RequestUpdate, next, old)
	var written []string
	for _, r := range w.writes() {
		if key, ok := strings.CutPrefix(r, "PUT /"+w.site.Name()+"/demosite/"); ok {
			written = append(written, key)
		}
	}
	slices.Sort(written)
	if want := []string{"config.json", "favicon.svg", "index.html"}; !slices.Equal(written, want) {
		t.Errorf("written %q, want %q", written, want)
	}
	if got := w.contents(w.site)["demosite/config.json"]; got != `{"apiBase":"https://api.example.com","clips":false}`+"\n" {
		t.Errorf("config.json %q", got)
	}
	next["ApiEndpoint"] = api
	w.must(cfn.RequestUpdate, next, old)
	w.checkSite("demosite/")
}

func TestAnotherPathMovesTheSite(t *testing.T) {
	w := newWorld(t)
	props := func(path string) map[string]any { return w.properties(func(p map[string]any) { p["Path"] = path }) }
	w.must(cfn.RequestCreate, props("demosite/"), nil)
	w.put(w.site, "demosite/mine.html", "mine")
	w.put(w.site, "other/index.html", "mine")
	for _, path := range []string{"a/b/", "", "demosite/"} {
		w.must(cfn.RequestUpdate, props(path), props("demosite/"))
		w.checkSite(path, "demosite/mine.html", "other/index.html")
		lastPut, firstDelete := 0, len(w.requests)
		for i, r := range w.requests {
			if strings.HasPrefix(r, "PUT /"+w.site.Name()) && !strings.Contains(r, "/.s3cam-site/") {
				lastPut = i
			}
			if strings.HasPrefix(r, "DELETE ") && !strings.Contains(r, "/.s3cam-site/") {
				firstDelete = min(firstDelete, i)
			}
		}
		if firstDelete < lastPut {
			t.Errorf("path %q: the old files went before the new ones were there", path)
		}
	}
	w.must(cfn.RequestDelete, props("demosite/"), nil)
	if got := w.contents(w.site); len(got) != 2 || got["demosite/mine.html"] != "mine" || got["other/index.html"] != "mine" {
		t.Errorf("after Delete: %q", slices.Sorted(maps.Keys(got)))
	}
}

func TestAnotherBucketMovesTheSite(t *testing.T) {
	w := newWorld(t)
	old := w.properties()
	w.must(cfn.RequestCreate, old, nil)
	before := w.site
	w.site = s3servertest.New(t)
	w.must(cfn.RequestUpdate, w.properties(), old)
	w.checkSite("demosite/")
	if !w.empty(before) {
		t.Error("the old bucket is not empty")
	}
	// The role may no longer write to the old one: the update succeeds and the log says it.
	old = w.properties()
	before = w.site
	w.site = s3servertest.New(t)
	w.refuse = func(method, path string) (int, string) {
		if strings.HasPrefix(path, "/"+before.Name()) {
			return 403, "AccessDenied"
		}
		return 0, ""
	}
	w.must(cfn.RequestUpdate, w.properties(), old)
	w.checkSite("demosite/")
	if !strings.Contains(w.log.String(), "level=WARN") {
		t.Error("nothing was logged")
	}
}

func TestDeleteRemovesOnlyWhatWasWritten(t *testing.T) {
	w := newWorld(t)
	w.must(cfn.RequestCreate, w.properties(), nil)
	video := w.contents(w.video)
	w.must(cfn.RequestDelete, w.properties(), nil)
	if !w.empty(w.site) {
		t.Error("something is left of the site: CloudFormation cannot delete the bucket")
	}
	if !maps.Equal(w.contents(w.video), video) {
		t.Error("the video was touched")
	}
	w.must(cfn.RequestDelete, w.properties(), nil) // twice
}

func TestDeleteNeverFailsForWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	set := func(name string, value any) map[string]any {
		return w.properties(func(p map[string]any) { p[name] = value })
	}
	for name, p := range map[string]map[string]any{
		"no site":                          set("WebsiteBucket", ""),
		"bucket is gone":                   set("WebsiteBucket", "bucket-that-is-gone"),
		"a name that no bucket has":        set("WebsiteBucket", "!"),
		"properties that failed on Create": set("Path", "/../"),
		"other types":                      set("WebsiteBucket", []any{"a"}),
		"the video bucket as site":         set("WebsiteBucket", w.video.Name()),
		"nothing at all":                   {},
	} {
		if _, err := w.send(cfn.RequestDelete, p, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An interruption at any request leaves a state that the next event puts right, and Delete empties.
func TestInterruptionsLeaveNothingBehind(t *testing.T) {
	w := newWorld(t)
	total := 0
	for stop := 0; ; stop += 3 {
		n := 0
		w.refuse = func(_, path string) (int, string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if strings.HasPrefix(path, "/"+w.site.Name()) {
				n++
			}
			if n > stop {
				return 403, "AccessDenied"
			}
			return 0, ""
		}
		_, err := w.send(cfn.RequestCreate, w.properties(), nil)
		w.refuse = nil
		if total++; err == nil {
			break
		}
		if stop%2 == 0 {
			w.must(cfn.RequestUpdate, w.properties(), w.properties())
			w.checkSite("demosite/")
		}
		w.must(cfn.RequestDelete, w.properties(), nil)
		if !w.empty(w.site) {
			t.Fatalf("stopped after %d requests: something is left", stop)
		}
	}
	if total < 10 {
		t.Errorf("only %d interruptions", total)
	}
}

func TestWithoutASiteBucketTheVideoIsThere(t *testing.T) {
	w := newWorld(t)
	data := w.must(cfn.RequestCreate, w.properties(func(p map[string]any) { p["WebsiteBucket"], p["ApiEndpoint"] = "", "" }), nil)
	if !w.empty(w.site) || len(w.contents(w.video)) != 20 || data["CredentialEndpoint"] == nil {
		t.Errorf("attributes %v", data)
	}
	// A domain comes later, and goes.
	none := w.properties(func(p map[string]any) { p["WebsiteBucket"] = "" })
	w.must(cfn.RequestUpdate, w.properties(), none)
	w.checkSite("demosite/")
	w.must(cfn.RequestUpdate, none, w.properties())
	if !w.empty(w.site) {
		t.Error("the site is still there")
	}
}

func TestReasonsArePlain(t *testing.T) {
	w := newWorld(t)
	set := func(kv ...any) map[string]any {
		return w.properties(func(p map[string]any) {
			for i := 0; i < len(kv); i += 2 {
				p[kv[i].(string)] = kv[i+1]
			}
		})
	}
	denied := func(bucket string) func(string, string) (int, string) {
		return func(_, path string) (int, string) {
			if strings.HasPrefix(path, "/"+bucket) {
				return 403, "AccessDenied"
			}
			return 0, ""
		}
	}
	for _, tt := range []struct {
		name   string
		p      map[string]any
		refuse func(string, string) (int, string)
		want   []string
	}{
		{"all problems of the properties at once", set("VideoBucket", "", "Path", "x", "DemoPrefix", "/a", "ApiEndpoint", 7), nil, []string{"VideoBucket is missing", "does not end in a slash", "DemoPrefix", "ApiEndpoint"}},
		{"one bucket for both", set("WebsiteBucket", w.video.Name()), nil, []string{"the same bucket"}},
		{"a path that leads out", set("Path", "../"), nil, []string{"Path"}},
		{"an API that is no address", set("ApiEndpoint", "abc"), nil, []string{"abc", "not an http or https address"}},
		{"site bucket missing", set("WebsiteBucket", "bucket-that-is-gone"), nil, []string{"bucket-that-is-gone", "does not exist"}},
		{"video bucket missing", set("VideoBucket", "bucket-that-is-gone"), nil, []string{"demo video", "bucket-that-is-gone", "does not exist"}},
		{"site bucket forbidden", set(), denied(w.site.Name()), []string{"web site", w.site.Name(), "role"}},
		{"video bucket forbidden", set(), denied(w.video.Name()), []string{"demo video", w.video.Name(), "role"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.refuse = tt.refuse
			_, err := w.send(cfn.RequestCreate, tt.p, nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("reason %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), w.site.SecretKey) || len(err.Error()) > 1200 {
				t.Errorf("reason %q", err)
			}
		})
	}
	w.refuse = nil
	if _, err := w.send("Rename", set(), nil); err == nil || !strings.Contains(err.Error(), "Rename") {
		t.Errorf("an unknown request: %v", err)
	}
}

func TestThereIsTimeLeftToReport(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(string, string) (int, string) { return 503, "SlowDown" }
	ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
	defer cancel()
	_, _, err := w.installer().Handle(ctx, cfn.Event{RequestType: cfn.RequestCreate, StackID: stack, ResourceProperties: w.properties()})
	if err == nil || ctx.Err() != nil {
		t.Errorf("error %v, context %v", err, ctx.Err())
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	_, err := demosite.New(demosite.Config{})
	if err == nil || !strings.Contains(err.Error(), "Region") || !strings.Contains(err.Error(), "Credentials") {
		t.Errorf("error %v", err)
	}
	if errors.Is(err, s3.ErrNoBucket) {
		t.Error("nonsense")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
