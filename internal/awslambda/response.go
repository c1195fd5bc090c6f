// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// MaxResponse is the most bytes of JSON that Lambda takes as an answer: body, its base64 or escapes, headers and all.
const MaxResponse = 6_291_556

// recorder is the ResponseWriter of one invocation. It keeps no more of a body than an answer can hold.
type recorder struct {
	header http.Header
	sent   http.Header // as they were when the header was written
	status int         // 0 until then
	body   []byte
	length int64 // of the body, also when it is not kept
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status != 0 || status < 200 { // interim answers have no way through
		return
	}
	w.status, w.sent = status, w.header.Clone()
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.length += int64(len(p)); w.length > MaxResponse {
		w.body = nil
	} else {
		w.body = append(w.body, p...)
	}
	return len(p), nil
}

// response is the answer as API Gateway takes it. fits is false when Lambda would not carry it.
func (w *recorder) response(method string) (out events.APIGatewayV2HTTPResponse, fits bool) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	out.StatusCode = w.status
	empty := method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified
	if !empty && len(w.body) > 0 && w.sent["Content-Type"] == nil && w.sent["Content-Encoding"] == nil {
		w.sent.Set("Content-Type", http.DetectContentType(w.body)) // as net/http does; API Gateway would call it text/plain
	}
	out.Headers = make(map[string]string, len(w.sent))
	for name, values := range w.sent {
		switch {
		case name == "Set-Cookie":
			for _, v := range values {
				out.Cookies = append(out.Cookies, oneLine(v))
			}
		case name == "Content-Length" && method != http.MethodHead: // the gateway counts what it sends
		case name == "Connection", name == "Transfer-Encoding", name == "Trailer", strings.HasPrefix(name, http.TrailerPrefix):
		default:
			out.Headers[name] = oneLine(strings.Join(values, ", "))
		}
	}
	switch {
	case empty, w.length == 0:
		return out, true
	case w.length > MaxResponse:
		return out, false
	case isText(w.sent, w.body):
		out.Body = string(w.body)
	default:
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(w.body), true
	}
	const others = 64 << 10 // more than headers and the rest take
	if atMost := 6 * len(out.Body); out.IsBase64Encoded && len(out.Body)+others <= MaxResponse || atMost+others <= MaxResponse {
		return out, true
	}
	return out, encodedSize(&out) <= MaxResponse
}

// isText tells whether a body can go as a JSON string: what is compressed or not UTF-8 would not survive that.
func isText(h http.Header, body []byte) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	text := strings.HasPrefix(kind, "text/") ||
		slices.Contains([]string{"application/json", "application/vnd.apple.mpegurl", "application/javascript", "application/xml"}, strings.TrimSpace(kind))
	return text && h.Get("Content-Encoding") == "" && utf8.Valid(body)
}

// encodedSize is the size of the answer as lambda.Start encodes it.
func encodedSize(out *events.APIGatewayV2HTTPResponse) int {
	var n counter
	e := json.NewEncoder(&n)
	e.SetEscapeHTML(false)
	if e.Encode(out) != nil {
		return MaxResponse + 1
	}
	return int(n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// oneLine keeps a value of a header from becoming two, as net/http does.
func oneLine(v string) string {
	if !strings.ContainsAny(v, "\r\n") {
		return v
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(v)
}
