// SPDX-License-Identifier: Apache-2.0

package lambdatest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/s3cam/s3cam/test/aws/lambdatest"
)

// invokerFunc answers without a process.
type invokerFunc func(ctx context.Context, payload []byte) (lambdatest.Result, error)

func (f invokerFunc) Invoke(ctx context.Context, payload []byte) (lambdatest.Result, error) {
	return f(ctx, payload)
}

// echo answers with the event it got.
var echo = invokerFunc(func(_ context.Context, payload []byte) (lambdatest.Result, error) {
	return lambdatest.Result{Payload: payload}, nil
})

type response struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, method, url string, header http.Header, body io.Reader) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{res.StatusCode, res.Header, string(text)}
}

// get asks the echoing gateway and returns the event that the function saw.
func event(t *testing.T, method, url string, header http.Header, body string) (e events.APIGatewayV2HTTPRequest) {
	t.Helper()
	r := send(t, method, url, header, strings.NewReader(body))
	if err := json.Unmarshal([]byte(r.body), &e); err != nil || r.status != 200 {
		t.Fatalf("%s %s: %d %s (%v)", method, url, r.status, r.body, err)
	}
	return e
}

func TestRoutes(t *testing.T) {
	api := lambdatest.StartGateway(t, lambdatest.GatewayConfig{Routes: []lambdatest.Route{
		{Key: "GET /playlist.m3u8", Function: echo}, {Key: "HEAD /replay.m3u8", Function: echo},
		{Key: "GET /segments/{proxy+}", Function: echo}, {Key: "ANY /a/{id}", Function: echo}, {Key: "GET /a/b", Function: echo},
	}})
	tests := []struct {
		method, path string
		route        string // empty: 404
	}{
		{"GET", "/playlist.m3u8?camera_id=x", "GET /playlist.m3u8"},
		{"HEAD", "/playlist.m3u8", ""},
		{"GET", "/replay.m3u8", ""},
		{"GET", "/playlist.m3u8/", ""},
		{"GET", "/PLAYLIST.m3u8", ""},
		{"GET", "/segments/cam/2026/01.ts", "GET /segments/{proxy+}"},
		{"GET", "/segments/", ""},
		{"GET", "/segments", ""},
		{"POST", "/segments/x", ""},
		{"GET", "/a/b", "GET /a/b"},
		{"PUT", "/a/b", "ANY /a/{id}"},
		{"GET", "/", ""},
		{"OPTIONS", "/playlist.m3u8", ""},
	}
	for _, tt := range tests {
		r := send(t, tt.method, api.URL+tt.path, nil, nil)
		if tt.route == "" {
			if r.status != 404 || tt.method != "HEAD" && r.body != `{"message":"Not Found"}` {
				t.Errorf("%s %s: %d %s, want 404", tt.method, tt.path, r.status, r.body)
			}
			continue
		}
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal([]byte(r.body), &e); err != nil || e.RouteKey != tt.route || e.RequestContext.RouteKey != tt.route {
			t.Errorf("%s %s: %d, route %q, want %q", tt.method, tt.path, r.status, e.RouteKey, tt.route)
		}
	}
}

func TestEventFormat(t *testing.T) {
	api := lambdatest.StartGateway(t, lambdatest.GatewayConfig{Routes: []lambdatest.Route{{Key: "GET /segments/{proxy+}", Function: echo}, {Key: "POST /x", Function: echo}}})
	e := event(t, "GET", api.URL+"/segments/front%20door/50%25/caf%C3%A9?camera_id=a%2Fb&start=2021-05-01+11:00:00&x=1&x=2%2C3&empty",
		http.Header{"X-Two": {"1", "2"}, "Cookie": {"a=1; b=2"}, "User-Agent": {"tester"}}, "")
	if e.RawPath != "/segments/front door/50%/café" || e.PathParameters["proxy"] != "front door/50%/café" {
		t.Errorf("path %q, parameters %q", e.RawPath, e.PathParameters)
	}
	if e.RawQueryString != "camera_id=a%2Fb&start=2021-05-01+11:00:00&x=1&x=2%2C3&empty" {
		t.Errorf("raw query %q", e.RawQueryString)
	}
	for k, want := range map[string]string{"camera_id": "a/b", "start": "2021-05-01 11:00:00", "x": "1,2,3", "empty": ""} {
		if got, ok := e.QueryStringParameters[k]; !ok || got != want {
			t.Errorf("query %s = %q, want %q", k, got, want)
		}
	}
	if e.Version != "2.0" || e.Headers["x-two"] != "1,2" || e.Headers["cookie"] != "" || strings.Join(e.Cookies, "|") != "a=1|b=2" {
		t.Errorf("version %q, headers %q, cookies %q", e.Version, e.Headers, e.Cookies)
	}
	c := e.RequestContext
	if c.AccountID == "" || c.APIID == "" || c.RequestID == "" || c.Stage != "$default" || c.TimeEpoch == 0 || c.Time == "" || e.Headers["host"] != c.DomainName ||
		c.HTTP.Method != "GET" || c.HTTP.Path != e.RawPath || c.HTTP.Protocol != "HTTP/1.1" || c.HTTP.SourceIP != "127.0.0.1" || c.HTTP.UserAgent != "tester" {
		t.Errorf("context %+v", c)
	}
	if e := event(t, "GET", api.URL+"/segments/what%3Fnow/x.ts", nil, ""); e.RawPath != "/segments/what" {
		t.Errorf("a decoded question mark: path %q; real HTTP APIs cut there", e.RawPath)
	}
	if e := event(t, "POST", api.URL+"/x", http.Header{"Content-Type": {"application/json"}}, `{"a":1}`); e.Body != `{"a":1}` || e.IsBase64Encoded {
		t.Errorf("text body %q %v", e.Body, e.IsBase64Encoded)
	}
	if e := event(t, "POST", api.URL+"/x", http.Header{"Content-Type": {"video/mp2t"}}, "\x00\xff"); e.Body != "AP8=" || !e.IsBase64Encoded {
		t.Errorf("binary body %q %v", e.Body, e.IsBase64Encoded)
	}
}

func TestAnswersOfAFunction(t *testing.T) {
	f := lambdatest.New(t, lambdatest.Config{Bootstrap: bootstrap, Timeout: 20 * time.Second})
	api := lambdatest.StartGateway(t, lambdatest.GatewayConfig{Routes: []lambdatest.Route{{Key: "GET /do/{what}", Function: f}, {Key: "HEAD /do/{what}", Function: f}},
		CORS: &lambdatest.CORS{AllowOrigins: []string{"*"}, ExposeHeaders: []string{"date", "etag"}}})
	failed := `{"message":"Internal Server Error"}`
	tests := []struct {
		method, what string
		status       int
		kind, body   string
	}{
		{"GET", "base64", 203, "application/x-test", "\x00\x01\x02\xff"},
		{"HEAD", "base64", 203, "application/x-test", ""},
		{"GET", "no%20status", 200, "application/json", `{"hello":"world"}`},
		{"GET", "malformed", 500, "application/json", failed},
		{"GET", "bad%20base64", 500, "application/json", failed},
		{"GET", "fail", 500, "application/json", failed},
		{"GET", "panic", 500, "application/json", failed},
		{"GET", "exit", 500, "application/json", failed},
	}
	for _, tt := range tests {
		r := send(t, tt.method, api.URL+"/do/"+tt.what, http.Header{"Origin": {"https://site.example"}}, nil)
		if r.status != tt.status || r.body != tt.body || r.header.Get("Content-Type") != tt.kind {
			t.Errorf("%s %s: %d %s %q, want %d %s %q\n%s", tt.method, tt.what, r.status, r.header.Get("Content-Type"), r.body, tt.status, tt.kind, tt.body, f.Logs())
		}
		if got := r.header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != "*" || r.header.Get("Access-Control-Expose-Headers") != "date,etag" {
			t.Errorf("%s: CORS headers %q; the function's are dropped", tt.what, got)
		}
		if tt.what == "base64" && (r.header.Get("X-Number") != "5" || strings.Join(r.header.Values("Set-Cookie"), "|") != "a=1|b=2") {
			t.Errorf("headers %q", r.header)
		}
	}
}

func TestCORSIsAnsweredByTheGateway(t *testing.T) {
	refuse := invokerFunc(func(context.Context, []byte) (lambdatest.Result, error) {
		t.Error("a function was asked")
		return lambdatest.Result{}, nil
	})
	api := lambdatest.StartGateway(t, lambdatest.GatewayConfig{
		Routes: []lambdatest.Route{{Key: "GET /x", Function: refuse}},
		CORS: &lambdatest.CORS{AllowOrigins: []string{"https://site.example"}, AllowMethods: []string{"GET", "HEAD"}, AllowHeaders: []string{"authorization", "range"},
			MaxAge: 86400, AllowCredentials: true},
	})
	ask := http.Header{"Origin": {"https://site.example"}, "Access-Control-Request-Method": {"GET"}}
	r := send(t, "OPTIONS", api.URL+"/x", ask, nil)
	if h := r.header; r.status != 204 || h.Get("Access-Control-Allow-Origin") != "https://site.example" || h.Get("Access-Control-Allow-Methods") != "GET,HEAD" ||
		h.Get("Access-Control-Allow-Headers") != "authorization,range" || h.Get("Access-Control-Max-Age") != "86400" || h.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("preflight: %d %q", r.status, h)
	}
	ask.Set("Origin", "https://other.example")
	if r := send(t, "OPTIONS", api.URL+"/x", ask, nil); r.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin: %q", r.header)
	}
	if r := send(t, "GET", api.URL+"/nowhere", http.Header{"Origin": {"https://site.example"}}, nil); r.status != 404 || r.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a page must be able to read a 404: %d %q", r.status, r.header)
	}
	open := lambdatest.StartGateway(t, lambdatest.GatewayConfig{Routes: []lambdatest.Route{{Key: "GET /x", Function: invokerFunc(func(context.Context, []byte) (lambdatest.Result, error) {
		return lambdatest.Result{Payload: []byte(`{"statusCode":200,"headers":{"access-control-allow-origin":"https://f.example"}}`)}, nil
	})}}})
	if r := send(t, "GET", open.URL+"/x", nil, nil); r.header.Get("Access-Control-Allow-Origin") != "https://f.example" {
		t.Errorf("without CorsConfiguration the function's headers stay: %q", r.header)
	}
}

func TestLimitsOfTheGateway(t *testing.T) {
	slow := invokerFunc(func(ctx context.Context, _ []byte) (lambdatest.Result, error) {
		<-ctx.Done()
		return lambdatest.Result{}, ctx.Err()
	})
	big := invokerFunc(func(context.Context, []byte) (lambdatest.Result, error) {
		return lambdatest.Result{Payload: []byte(`{"statusCode":200,"body":"` + strings.Repeat("x", lambdatest.MaxBody+1) + `"}`)}, nil
	})
	full := invokerFunc(func(context.Context, []byte) (lambdatest.Result, error) {
		return lambdatest.Result{}, lambdatest.ErrRequestTooLarge
	})
	api := lambdatest.StartGateway(t, lambdatest.GatewayConfig{Routes: []lambdatest.Route{
		{Key: "GET /slow", Function: slow, Timeout: 50 * time.Millisecond}, {Key: "POST /x", Function: echo}, {Key: "GET /x", Function: echo},
		{Key: "GET /big", Function: big}, {Key: "POST /full", Function: full},
	}})
	if r := send(t, "GET", api.URL+"/slow", nil, nil); r.status != 503 || r.body != `{"message":"Service Unavailable"}` {
		t.Errorf("integration timeout: %d %s", r.status, r.body)
	}
	if r := send(t, "POST", api.URL+"/x", nil, bytes.NewReader(make([]byte, lambdatest.MaxBody+1))); r.status != 413 {
		t.Errorf("body of 10 MB and a byte: %d", r.status)
	}
	if r := send(t, "GET", api.URL+"/big", nil, nil); r.status != 500 {
		t.Errorf("answer of 10 MB and a byte: %d", r.status)
	}
	if r := send(t, "POST", api.URL+"/full", nil, nil); r.status != 413 {
		t.Errorf("event beyond 6 MiB: %d", r.status)
	}
	for size, want := range map[int]int{lambdatest.MaxHead: 200, lambdatest.MaxHead + 1: 431} {
		if got := rawHead(t, strings.TrimPrefix(api.URL, "http://"), size); got != want {
			t.Errorf("request line and headers of %d bytes: %d, want %d", size, got, want)
		}
	}
}

// rawHead sends a request whose line and headers have exactly size bytes and returns the status.
func rawHead(t *testing.T, addr string, size int) int {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	head := "GET /x?q=%s HTTP/1.1\r\nHost: " + addr + "\r\n"
	fill := size - len(head) + 2
	if _, err := fmt.Fprintf(conn, head+"\r\n", strings.Repeat("x", fill)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
