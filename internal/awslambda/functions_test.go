// SPDX-License-Identifier: Apache-2.0

package awslambda_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/s3cam/s3cam/internal/awslambda"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/segment"
)

// aws plays S3 and DynamoDB, and notes what is asked of them.
type aws struct {
	t    *testing.T
	url  string
	mu   sync.Mutex
	now  time.Time
	keys []string          // sorted
	item map[string][]byte // by window
	deny string            // error code that DynamoDB answers

	lists    []string // prefixes
	pages    int
	gets     int // of objects
	reads    int // of items
	writes   int
	services map[string]bool // that saw the session token
}

func (a *aws) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Date", a.now.UTC().Format(http.TimeFormat))
	if r.Header.Get("X-Amz-Security-Token") == "token/+==" {
		a.services[strings.Split(r.Header.Get("Authorization"), "/")[3]] = true
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		a.dynamo(w, r, target)
		return
	}
	q := r.URL.Query()
	if q.Get("list-type") != "2" {
		a.gets++
		http.Error(w, "", http.StatusNotFound)
		return
	}
	a.lists = append(a.lists, q.Get("prefix"))
	a.pages++
	type object struct {
		Key  string
		Size int
	}
	type folder struct{ Prefix string }
	var out struct {
		XMLName        xml.Name `xml:"ListBucketResult"`
		IsTruncated    bool
		NextToken      string `xml:"NextContinuationToken,omitempty"`
		Contents       []object
		CommonPrefixes []folder
	}
	from := max(q.Get("start-after"), q.Get("continuation-token"))
	most, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		most = 1000
	}
	for _, k := range a.keys {
		rest, ok := strings.CutPrefix(k, q.Get("prefix"))
		if !ok || k <= from {
			continue
		}
		if name, _, deeper := strings.Cut(rest, "/"); deeper && q.Get("delimiter") == "/" {
			if f := (folder{q.Get("prefix") + name + "/"}); !slices.Contains(out.CommonPrefixes, f) {
				out.CommonPrefixes = append(out.CommonPrefixes, f)
			}
			continue
		}
		if len(out.Contents) == most {
			out.IsTruncated, out.NextToken = true, out.Contents[most-1].Key
			break
		}
		out.Contents = append(out.Contents, object{k, 188_000})
	}
	w.Header().Set("Content-Type", "application/xml")
	if err := xml.NewEncoder(w).Encode(out); err != nil {
		a.t.Error(err)
	}
}

func (a *aws) dynamo(w http.ResponseWriter, r *http.Request, target string) {
	var in struct {
		TableName      string
		ConsistentRead bool
		Key, Item      map[string]map[string]any
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.TableName != "IPC-Cache-x" {
		a.t.Errorf("%s of table %q: %v", target, in.TableName, err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch {
	case a.deny != "":
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"no"}`, a.deny)
	case strings.HasSuffix(target, ".GetItem"):
		if a.reads++; !in.ConsistentRead {
			a.t.Error("a read is not strongly consistent")
		}
		if item := a.item[fmt.Sprint(in.Key["pk"]["S"])]; item != nil {
			fmt.Fprintf(w, `{"Item":%s}`, item)
			return
		}
		io.WriteString(w, "{}")
	default:
		a.writes++
		b, err := json.Marshal(in.Item)
		if err != nil {
			a.t.Error(err)
		}
		a.item[fmt.Sprint(in.Item["pk"]["S"])] = b
		io.WriteString(w, "{}")
	}
}

// every stores segments of 3 s from start on.
func (a *aws) every(camera string, start time.Time, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range n {
		a.keys = append(a.keys, segment.Key(camera, start.Add(time.Duration(i)*3*time.Second)))
	}
	slices.Sort(a.keys)
}

func (a *aws) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lists, a.pages, a.gets, a.reads, a.writes = nil, 0, 0, 0, 0
}

func (a *aws) clock() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

type function func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// start makes a function of the stack on a, as main does.
func start(t *testing.T, a *aws, name string, log io.Writer, change ...func(*awslambda.Config)) function {
	t.Helper()
	m := stack(name)
	m["AWS_ENDPOINT_URL"] = a.url
	c, err := awslambda.Settings(env(m))
	if err != nil {
		t.Fatal(err)
	}
	c.Now, c.Logger = a.clock, awslambda.NewLogger(log, slog.LevelDebug)
	for _, f := range change {
		f(&c)
	}
	h, err := awslambda.New(c)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := h.(func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error))
	if !ok {
		t.Fatalf("New returned a %T", h)
	}
	return f
}

func newAWS(t *testing.T) *aws {
	a := &aws{t: t, now: noon, item: map[string][]byte{}, services: map[string]bool{}}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (f function) call(t *testing.T, method, target string) (events.APIGatewayV2HTTPResponse, string) {
	t.Helper()
	out, err := f(invocation(t.Context(), "lambda-7"), request(method, target))
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(out.Body)
	if out.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
			t.Fatal(err)
		}
	}
	if out.Headers["Content-Encoding"] == "gzip" && len(body) > 0 {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return out, string(body)
}

var signedURL = regexp.MustCompile(`(?m)^http://\S+$`)

func TestAWarmPollCostsOneReadOfTheTableAndNothingOfTheBucket(t *testing.T) {
	a := newAWS(t)
	a.every("cam1", noon.Add(-time.Minute), 20) // the last one began 3 s ago
	poll := start(t, a, "playlist", io.Discard)
	another := start(t, a, "playlist", io.Discard)
	out, first := poll.call(t, "GET", "/playlist.m3u8?camera_id=cam1")
	if out.StatusCode != 200 || !strings.HasPrefix(first, "#EXTM3U\n") || len(signedURL.FindAllString(first, -1)) < 6 {
		t.Fatalf("status %d\n%s", out.StatusCode, first)
	}
	if !out.IsBase64Encoded || out.Headers["Content-Encoding"] != "gzip" || out.Headers["X-Request-Id"] != "lambda-7" {
		t.Errorf("headers %v, base64 %v", out.Headers, out.IsBase64Encoded)
	}
	for _, l := range a.lists {
		if !regexp.MustCompile(`^.*/20../../../.*$`).MatchString(l) {
			t.Errorf("listed %q", l)
		}
	}
	if !a.services["s3"] || !a.services["dynamodb"] || len(a.services) != 2 {
		t.Errorf("the session token was seen by %v", a.services)
	}
	for name, f := range map[string]function{"the same instance": poll, "another one": another} {
		for range 3 {
			a.forget()
			if out, again := f.call(t, "GET", "/playlist.m3u8?camera_id=cam1"); out.StatusCode != 200 || again != first {
				t.Errorf("%s answers %d\n%s\nbefore\n%s", name, out.StatusCode, again, first)
			}
			if a.reads != 1 || a.writes != 0 || a.pages != 0 || a.gets != 0 {
				t.Errorf("%s: %d reads and %d writes of the table, %d listings and %d reads of the bucket; want 1, 0, 0, 0", name, a.reads, a.writes, a.pages, a.gets)
			}
		}
	}
	a.forget()
	if out, body := poll.call(t, "HEAD", "/playlist.m3u8?camera_id=cam1"); out.StatusCode != 200 || body != "" || out.Headers["Content-Length"] == "" {
		t.Errorf("HEAD: %d, body %q, headers %v", out.StatusCode, body, out.Headers)
	}
}

func TestSignedURLsHoldWithSessionCredentials(t *testing.T) {
	a := newAWS(t)
	a.every("cam1", noon.Add(-time.Minute), 20)
	_, text := start(t, a, "playlist", io.Discard).call(t, "GET", "/playlist.m3u8?camera_id=cam1")
	urls := signedURL.FindAllString(text, -1)
	if len(urls) == 0 {
		t.Fatalf("no signed URL in\n%s", text)
	}
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		at, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
		if err != nil || q.Get("X-Amz-Security-Token") != "token/+==" || q.Get("X-Amz-Expires") != "900" || !strings.HasPrefix(q.Get("X-Amz-Credential"), "ASIAEXAMPLE/20261125/us-east-1/s3/") ||
			at.After(noon) || noon.Sub(at) > 3*time.Minute || !strings.HasPrefix(u.Path, "/ipc-video-bucket-123/cam1/2026/11/25/11/59/") {
			t.Errorf("signed URL of %s: dated %v for %s s, token %q", u.Path, at, q.Get("X-Amz-Expires"), q.Get("X-Amz-Security-Token"))
		}
	}
	// A redirect is good for a minute.
	replay := start(t, a, "replay", io.Discard)
	out, _ := replay.call(t, "GET", "/segments/cam1/2026/11/25/11/59/00.ts")
	u, err := url.Parse(out.Headers["Location"])
	if err != nil || out.StatusCode != 302 || u.Query().Get("X-Amz-Expires") != "60" || u.Query().Get("X-Amz-Security-Token") != "token/+==" || out.Headers["Cache-Control"] != "no-store" {
		t.Errorf("redirect: %d %v", out.StatusCode, err)
	}
}

func TestReplayOfAnHour(t *testing.T) {
	a := newAWS(t)
	a.every("cam1", noon.Add(-14*time.Hour), 14*1200)
	replay := start(t, a, "replay", io.Discard)
	for _, tt := range []struct{ name, start, end string }{
		{"within a day", "2026-11-25 09:00:00", "2026-11-25 10:00:00"},
		{"around midnight", "2026-11-24 23:10:00", "2026-11-25 00:10:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.forget()
			out, text := replay.call(t, "GET", "/replay.m3u8?camera_id=cam1&start="+url.QueryEscape(tt.start)+"&end="+url.QueryEscape(tt.end))
			if n := strings.Count(text, "\nsegments/cam1/"); out.StatusCode != 200 || n != 1200 {
				t.Fatalf("status %d, %d segments", out.StatusCode, n)
			}
			if a.pages > 3 || a.reads+a.writes > 0 {
				t.Errorf("%d pages listed, %d requests to the table; want at most 3 and none", a.pages, a.reads+a.writes)
			}
			t.Logf("%d pages, %d ranged reads, %d bytes of answer", a.pages, a.gets, len(out.Body))
		})
	}
	t.Run("presigned, only for an hour with time for pauses", func(t *testing.T) {
		presign := start(t, a, "replay", io.Discard, func(c *awslambda.Config) { c.ReplaySegmentDelivery = httpapi.Presign })
		for minutes, signed := range map[int]bool{45: true, 46: false} {
			_, text := presign.call(t, "GET", fmt.Sprintf("/replay.m3u8?camera_id=cam1&start=2026-11-25T09:00:00Z&end=2026-11-25T09:%d:00Z", minutes))
			if got := signedURL.MatchString(text); got != signed {
				t.Errorf("%d minutes: signed %v, want %v", minutes, got, signed)
			}
		}
	})
	t.Run("a growing one is kept in the table", func(t *testing.T) {
		a.forget()
		out, text := replay.call(t, "GET", "/replay.m3u8?camera_id=cam1&start=2026-11-25T11:00:00Z")
		if out.StatusCode != 200 || !strings.Contains(text, "#EXT-X-PLAYLIST-TYPE:EVENT") || a.writes == 0 {
			t.Errorf("status %d, %d writes\n%.200s", out.StatusCode, a.writes, text)
		}
	})
	t.Run("days list nothing but days", func(t *testing.T) {
		a.forget()
		if out, _ := replay.call(t, "GET", "/replay.m3u8?camera_id=cam1&start=2026-11-20T00:00:00Z&end=2026-11-25T00:00:00Z"); out.StatusCode != 200 {
			t.Errorf("status %d", out.StatusCode)
		}
		for _, l := range a.lists {
			if !regexp.MustCompile(`^cam1/20../../../$`).MatchString(l) {
				t.Errorf("listed %q", l)
			}
		}
	})
}

func TestListsNeedNoTable(t *testing.T) {
	a := newAWS(t)
	a.every("site/cam1", noon.Add(-time.Minute), 20)
	cameras := start(t, a, "cameras", io.Discard)
	out, text := cameras.call(t, "GET", "/cameras")
	if out.StatusCode != 200 || !strings.Contains(text, `"id":"site/cam1"`) || !strings.Contains(text, `"live":true`) {
		t.Errorf("%d %s", out.StatusCode, text)
	}
	out, text = cameras.call(t, "GET", "/coverage?camera_id=site/cam1&start=2026-11-25T11:00:00Z&end=2026-11-25T12:00:00Z")
	if out.StatusCode != 200 || !strings.Contains(text, `"segments":20`) {
		t.Errorf("%d %s", out.StatusCode, text)
	}
	if a.reads+a.writes+a.gets > 0 {
		t.Errorf("%d requests to the table, %d objects read", a.reads+a.writes, a.gets)
	}
}

func TestWhatTheTableRefusesIsAnAnswer(t *testing.T) {
	for code, want := range map[string]struct {
		status int
		code   string
	}{
		"AccessDeniedException":     {502, "storage_refused"},
		"ResourceNotFoundException": {502, "storage_refused"},
		"ThrottlingException":       {503, "storage_unavailable"},
	} {
		t.Run(code, func(t *testing.T) {
			a := newAWS(t)
			a.every("cam1", noon.Add(-time.Minute), 20)
			a.deny = code
			var log bytes.Buffer
			out, _ := start(t, a, "playlist", &log).call(t, "GET", "/playlist.m3u8?camera_id=cam1")
			wantError(t, out, want.status, want.code, "lambda-7")
			if !strings.Contains(log.String(), `"requestId":"lambda-7"`) || !strings.Contains(log.String(), code) {
				t.Errorf("the log has not the reason and the invocation:\n%s", &log)
			}
			for line := range strings.Lines(log.String()) {
				if !json.Valid([]byte(line)) || strings.Contains(line, "very-secret") || strings.Contains(line, "token/+==") {
					t.Errorf("log line %s", line)
				}
			}
		})
	}
}

func TestConnectionsThatLayIdleWhileTheProcessWasFrozenAreNotUsed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		away   time.Duration
		closed bool
	}{
		{"a poll later", 3 * time.Second, false},
		{"frozen for an hour", time.Hour, true},
		{"the clock was set back", -time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if closed := awslambda.Idle(4*time.Second, noon, noon.Add(tt.away)); closed != tt.closed {
				t.Errorf("closed %v, want %v", closed, tt.closed)
			}
		})
	}
}
