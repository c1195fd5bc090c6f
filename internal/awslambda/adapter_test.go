// SPDX-License-Identifier: Apache-2.0

package awslambda_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/s3cam/s3cam/internal/awslambda"
)

// event reads an event as API Gateway writes it.
func event(t testing.TB, text string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	var ev events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal([]byte(text), &ev); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return ev
}

func get(target string) events.APIGatewayV2HTTPRequest { return request(http.MethodGet, target) }

func request(method, target string) events.APIGatewayV2HTTPRequest {
	path, query, _ := strings.Cut(target, "?")
	ev := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, RawQueryString: query, Headers: map[string]string{"accept-encoding": "gzip"}}
	ev.RequestContext.HTTP.Method, ev.RequestContext.HTTP.Path, ev.RequestContext.HTTP.SourceIP = method, path, "203.0.113.9"
	ev.RequestContext.DomainName, ev.RequestContext.Stage = "abc.execute-api.us-east-1.amazonaws.com", "$default"
	return ev
}

func invocation(ctx context.Context, id string) context.Context {
	return lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: id})
}

func serve(t testing.TB, h http.HandlerFunc, ev events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	out, err := awslambda.NewHandler(h, nil)(invocation(t.Context(), "lambda-1"), ev)
	if err != nil {
		t.Fatalf("the function failed: %v", err)
	}
	return out
}

// wantError checks an error of the API.
func wantError(t testing.TB, out events.APIGatewayV2HTTPResponse, status int, code, id string) (message string) {
	t.Helper()
	var e struct {
		Error struct {
			Code, Message string
			RequestID     string `json:"request_id"`
		}
	}
	if err := json.Unmarshal([]byte(out.Body), &e); err != nil {
		t.Fatalf("status %d, body %q: %v", out.StatusCode, out.Body, err)
	}
	if out.StatusCode != status || e.Error.Code != code || e.Error.RequestID != id || out.Headers["X-Request-Id"] != id || e.Error.Message == "" {
		t.Errorf("got %d %+v, header %q; want %d %s of request %q", out.StatusCode, e.Error, out.Headers["X-Request-Id"], status, code, id)
	}
	if out.Headers["Cache-Control"] != "no-store" || out.Headers["Content-Type"] != "application/json" {
		t.Errorf("headers %v", out.Headers)
	}
	return e.Error.Message
}

func TestAnEventBecomesTheRequestThatTheClientSent(t *testing.T) {
	const head = `"version":"2.0","requestContext":{"stage":"$default","domainName":"api.example","http":{"method":"GET","protocol":"HTTP/1.1","sourceIp":"2001:db8::1"}}`
	tests := []struct {
		name, event string
		want        string // method, host, path, query, remote, then what the test looks at
		look        func(*http.Request) string
	}{
		{"the query stays as it was written", `{` + head + `,"rawPath":"/replay.m3u8","rawQueryString":"camera_id=a%2Fb&start=2021-05-01+11%3A00%3A00","queryStringParameters":{"camera_id":"a/b","start":"2021-05-01 11:00:00"}}`,
			"GET api.example /replay.m3u8 camera_id=a%2Fb&start=2021-05-01+11%3A00%3A00 [2001:db8::1]:0 a/b 2021-05-01 11:00:00",
			func(r *http.Request) string { return r.URL.Query().Get("camera_id") + " " + r.URL.Query().Get("start") }},
		{"a repeated parameter is seen twice", `{` + head + `,"rawPath":"/p","rawQueryString":"a=1&a=2","queryStringParameters":{"a":"1,2"}}`,
			"GET api.example /p a=1&a=2 [2001:db8::1]:0 [1 2]", func(r *http.Request) string { return fmt.Sprint(r.URL.Query()["a"]) }},
		{"decoded parameters do when there is no raw query", `{` + head + `,"rawPath":"/p","rawQueryString":"","queryStringParameters":{"a":"x y&z"}}`,
			"GET api.example /p a=x+y%26z [2001:db8::1]:0 x y&z", func(r *http.Request) string { return r.URL.Query().Get("a") }},
		{"the path comes decoded and is not decoded again", `{` + head + `,"rawPath":"/segments/50% off/ä/2026/11/25/09/30/00.ts"}`,
			"GET api.example /segments/50% off/ä/2026/11/25/09/30/00.ts  [2001:db8::1]:0 /segments/50%25%20off/%C3%A4/2026/11/25/09/30/00.ts", func(r *http.Request) string { return r.RequestURI }},
		{"headers in lower case, several values joined", `{` + head + `,"rawPath":"/p","headers":{"if-none-match":"W/\"a\",W/\"b\"","host":"other.example","content-length":"7","bad name":"x"}}`,
			"GET api.example /p  [2001:db8::1]:0 map[If-None-Match:[W/\"a\",W/\"b\"]]", func(r *http.Request) string { return fmt.Sprint(r.Header) }},
		{"cookies", `{` + head + `,"rawPath":"/p","cookies":["a=1","b=2"]}`,
			"GET api.example /p  [2001:db8::1]:0 a=1; b=2", func(r *http.Request) string { return r.Header.Get("Cookie") }},
		{"a body in base64", `{` + head + `,"rawPath":"/p","body":"AP8=","isBase64Encoded":true}`,
			"GET api.example /p  [2001:db8::1]:0 2 \"\\x00\\xff\"", func(r *http.Request) string {
				b, _ := io.ReadAll(r.Body)
				return fmt.Sprintf("%d %q", r.ContentLength, b)
			}},
		{"a stage in front of the path", `{"version":"2.0","rawPath":"/prod/cameras","headers":{"host":"h.example"},"requestContext":{"stage":"prod","http":{"method":"HEAD","protocol":"HTTP/2.0","sourceIp":"10.0.0.1"}}}`,
			"HEAD h.example /cameras  10.0.0.1:0 HTTP/2.0", func(r *http.Request) string { return r.Proto }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.Host, r.URL.Path, r.URL.RawQuery, r.RemoteAddr, tt.look(r))
			}, event(t, tt.event))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWhatIsNoEventOfAnHTTPAPIIsRefused(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"httpMethod":"GET","path":"/cameras"}`, // payload format 1.0
		`{"requestContext":{"http":{"method":"GET /x HTTP/1.1\r\n"}}}`,
		`{"requestContext":{"http":{"method":"POST"}},"body":"%","isBase64Encoded":true}`,
	} {
		out := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }, event(t, text))
		wantError(t, out, 400, "bad_event", "lambda-1")
	}
}

func TestAnAnswerArrivesAsItWasWritten(t *testing.T) {
	binary := string([]byte{0, 0xff, 0x47})
	tests := []struct {
		name, method string
		write        func(http.ResponseWriter)
		status       int
		body         string // decoded
		base64       bool
		headers      string // but Content-Type
		cookies      int
	}{
		{"text goes as text", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
			w.Header().Set("Content-Length", "8")
			io.WriteString(w, "#EXTM3U\n")
		}, 200, "#EXTM3U\n", false, "map[]", 0},
		{"bytes go as base64", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "video/mp2t")
			io.WriteString(w, binary)
		}, 200, binary, true, "map[]", 0},
		{"text that is not UTF-8 too", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, binary)
		}, 200, binary, true, "map[]", 0},
		{"what is compressed too", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "abc")
		}, 200, "abc", true, "map[Content-Encoding:gzip]", 0},
		{"several values are joined, cookies apart", "GET", func(w http.ResponseWriter) {
			w.Header()["Content-Type"] = []string{"text/plain"}
			w.Header()["Vary"] = []string{"Origin", "Accept-Encoding"}
			w.Header()["Set-Cookie"] = []string{"a=1, b", "c=2\r\nX: y"}
			w.WriteHeader(201)
			w.Header().Set("Too", "late")
		}, 201, "", false, "map[Vary:Origin, Accept-Encoding]", 2},
		{"HEAD keeps the length and has no body", "HEAD", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "1234")
			io.WriteString(w, "body")
		}, 200, "", false, "map[Content-Length:1234]", 0},
		{"304 has no body", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Etag", `W/"x"`)
			w.WriteHeader(304)
		}, 304, "", false, `map[Etag:W/"x"]`, 0},
		{"a redirect", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://b.s3.example/k?X-Amz-Signature=1&X-Amz-Date=2")
			w.WriteHeader(302)
		}, 302, "", false, "map[Location:https://b.s3.example/k?X-Amz-Signature=1&X-Amz-Date=2]", 0},
		{"a handler that writes nothing", "GET", func(http.ResponseWriter) {}, 200, "", false, "map[]", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := serve(t, func(w http.ResponseWriter, r *http.Request) { tt.write(w) }, request(tt.method, "/x"))
			body := out.Body
			if out.IsBase64Encoded {
				b, err := base64.StdEncoding.DecodeString(body)
				if err != nil {
					t.Fatal(err)
				}
				body = string(b)
			}
			delete(out.Headers, "Content-Type")
			if out.StatusCode != tt.status || body != tt.body || out.IsBase64Encoded != tt.base64 || fmt.Sprint(out.Headers) != tt.headers || len(out.Cookies) != tt.cookies {
				t.Errorf("got %+v; want %d %q base64 %v headers %s", out, tt.status, tt.body, tt.base64, tt.headers)
			}
			for _, c := range out.Cookies {
				if strings.ContainsAny(c, "\r\n") {
					t.Errorf("cookie %q ends its line", c)
				}
			}
		})
	}
}

func TestAnAnswerThatLambdaCannotCarryBecomesAdvice(t *testing.T) {
	const limit = 6_291_556
	tests := []struct {
		name, kind, encoding string
		unit                 string
		n                    int
		fits                 bool
		advice               string
	}{
		{"6 MB of text", "text/plain", "", "x", 6_000_000, true, ""},
		{"text at the limit", "text/plain", "", "x", limit, false, "Accept-Encoding: gzip"},
		{"line ends take two bytes each", "text/plain", "", "\n", 3_200_000, false, "Accept-Encoding: gzip"},
		{"ampersands take one", "text/plain", "", "&", 6_000_000, true, ""},
		{"4.7 MB in base64", "video/mp2t", "", "\xff", 4_700_000, true, ""},
		{"4.8 MB in base64", "video/mp2t", "", "\xff", 4_800_000, false, "shorter range"},
		{"compressed", "text/plain", "gzip", "x", 4_800_000, false, "shorter range"},
		{"40 MB", "text/plain", "", "x", 40_000_000, false, "40.0 MB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tt.kind)
				if tt.encoding != "" {
					w.Header().Set("Content-Encoding", tt.encoding)
				}
				piece := bytes.Repeat([]byte(tt.unit), 100_000)
				for left := tt.n; left > 0; left -= len(piece) {
					w.Write(piece[:min(left, len(piece))])
				}
			}, get("/replay.m3u8"))
			var text bytes.Buffer
			e := json.NewEncoder(&text)
			e.SetEscapeHTML(false)
			if err := e.Encode(out); err != nil || text.Len() > limit {
				t.Errorf("the answer takes %d bytes (%v), Lambda carries %d", text.Len(), err, limit)
			}
			if tt.fits {
				if out.StatusCode != 200 {
					t.Errorf("status %d: %s", out.StatusCode, out.Body)
				}
				return
			}
			message := wantError(t, out, 413, "answer_too_large", "lambda-1")
			if !strings.Contains(message, tt.advice) || !strings.Contains(message, "shorter range") {
				t.Errorf("message %q, want it to mention %q", message, tt.advice)
			}
			if compressed := tt.encoding != ""; compressed == strings.Contains(message, "Accept-Encoding") {
				t.Errorf("message %q to an answer with encoding %q", message, tt.encoding)
			}
		})
	}
}

func TestAPanicIsAnAnswerAndTheProcessGoesOn(t *testing.T) {
	var log bytes.Buffer
	calls := 0
	h := awslambda.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch calls++; calls {
		case 1:
			io.WriteString(w, "half an answer")
			panic("secret detail")
		case 2:
			w.WriteHeader(200)
			panic(http.ErrAbortHandler) // the body broke in the middle
		}
	}), slog.New(slog.NewJSONHandler(&log, nil)))
	for range 2 {
		out, err := h(invocation(t.Context(), "id-2"), get("/x"))
		if err != nil {
			t.Fatal(err)
		}
		if message := wantError(t, out, 500, "internal", "id-2"); strings.Contains(message, "secret") {
			t.Errorf("the answer shows %q", message)
		}
	}
	if !strings.Contains(log.String(), "secret detail") || !strings.Contains(log.String(), "adapter_test.go") {
		t.Errorf("the log has neither reason nor place: %s", &log)
	}
	if out, _ := h(t.Context(), get("/x")); out.StatusCode != 200 {
		t.Errorf("after a panic the status is %d", out.StatusCode)
	}
}

func TestAnAnswerComesBeforeLambdaEndsTheProcess(t *testing.T) {
	for _, tt := range []struct{ left, reserve time.Duration }{{20 * time.Second, 1500 * time.Millisecond}, {2 * time.Second, 500 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(invocation(t.Context(), "slow"), tt.left)
			defer cancel()
			began := time.Now()
			out, err := awslambda.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), nil)(ctx, get("/x"))
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, out, 504, "storage_timeout", "slow")
			if took := time.Since(began); took != tt.left-tt.reserve {
				t.Errorf("of %v the handler had %v, want %v", tt.left, took, tt.left-tt.reserve)
			}
		})
	}
}

func FuzzEvent(f *testing.F) {
	for _, s := range []string{
		`{"version":"2.0","rawPath":"/p","rawQueryString":"a=%zz","requestContext":{"http":{"method":"GET","sourceIp":"1.2.3.4"}}}`,
		`{"requestContext":{"stage":"x","http":{"method":"HEAD","path":"/x/y","protocol":"HTTP/9.9"}},"headers":{"":"","é":"1","host":"h"},"cookies":["\r\n"]}`,
		`{"requestContext":{"http":{"method":"POST"}},"body":"AA==","isBase64Encoded":true,"queryStringParameters":{"a":"b"}}`, `{}`, `[]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var ev events.APIGatewayV2HTTPRequest
		if json.Unmarshal(text, &ev) != nil {
			return
		}
		out := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/") || r.Body == nil || r.Header == nil || strings.ContainsAny(r.Method, " \r\n") {
				t.Errorf("request %+v", r)
			}
			r.URL.Query()
			body, err := io.ReadAll(r.Body)
			if err != nil || int64(len(body)) != r.ContentLength {
				t.Errorf("body of %d bytes, length %d: %v", len(body), r.ContentLength, err)
			}
			for name, values := range r.Header {
				w.Header()["X-"+name] = values
			}
			w.Write(body)
		}, ev)
		if out.StatusCode != 200 && out.StatusCode != 400 && out.StatusCode != 413 {
			t.Errorf("status %d", out.StatusCode)
		}
		for name, v := range out.Headers {
			if strings.ContainsAny(name+v, "\r\n") {
				t.Errorf("header %q: %q", name, v)
			}
		}
		if _, err := json.Marshal(out); err != nil {
			t.Error(err)
		}
	})
}
