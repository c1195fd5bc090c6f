// SPDX-License-Identifier: Apache-2.0

package lambdatest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// event is the payload of format 2.0. It is written out here, not taken from aws-lambda-go, so that the two check each other.
type event struct {
	Version         string            `json:"version"`
	RouteKey        string            `json:"routeKey"`
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	PathParameters  map[string]string `json:"pathParameters,omitempty"`
	RequestContext  requestContext    `json:"requestContext"`
	Body            string            `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

type requestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         httpContext `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	Time         string      `json:"time"`
	TimeEpoch    int64       `json:"timeEpoch"`
}

type httpContext struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

func newEvent(r *http.Request, path string, body []byte, routeKey string, params map[string]string, id string) event {
	now := time.Now().UTC()
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	prefix, _, _ := strings.Cut(r.Host, ".")
	e := event{
		Version: "2.0", RouteKey: routeKey, RawPath: path, RawQueryString: r.URL.RawQuery,
		Headers: map[string]string{}, Query: query(r.URL.RawQuery), PathParameters: params,
		RequestContext: requestContext{
			AccountID: AccountID, APIID: "api1234567", DomainName: r.Host, DomainPrefix: prefix,
			HTTP:      httpContext{Method: r.Method, Path: path, Protocol: r.Proto, SourceIP: ip, UserAgent: r.UserAgent()},
			RequestID: id, RouteKey: routeKey, Stage: "$default",
			Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		},
	}
	for name, values := range r.Header {
		if name == "Cookie" {
			for _, v := range values {
				for c := range strings.SplitSeq(v, ";") {
					e.Cookies = append(e.Cookies, strings.TrimSpace(c))
				}
			}
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	e.Headers["host"] = r.Host
	e.Headers["content-length"] = fmt.Sprint(len(body))
	e.Headers["x-forwarded-for"] = ip
	e.Headers["x-forwarded-proto"] = "https"
	e.Headers["x-forwarded-port"] = "443"
	e.Headers["x-amzn-trace-id"] = fmt.Sprintf("Root=1-%08x-%024x", now.Unix(), 1)
	if isText(r.Header.Get("Content-Type")) && utf8.Valid(body) {
		e.Body = string(body)
	} else if len(body) > 0 {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

// isText says whether a body of this type comes as text rather than as base64.
func isText(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.HasPrefix(kind, "text/") || kind == "application/json" || kind == "application/xml" || kind == "application/javascript"
}

// query decodes a query; values of a repeated name are joined by commas. What cannot be decoded stays as it is.
func query(raw string) map[string]string {
	if raw == "" {
		return nil
	}
	q := map[string]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = unescape(name), unescape(value)
		if before, ok := q[name]; ok {
			value = before + "," + value
		}
		q[name] = value
	}
	return q
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// answer is what a function said in payload format 2.0.
type answer struct {
	status  int
	headers map[string]string
	cookies []string
	body    []byte
}

// parseAnswer reads a function's answer. Without statusCode all of it is the body of a 200.
func parseAnswer(payload []byte) (answer, error) {
	var a struct {
		StatusCode      *int              `json:"statusCode"`
		Headers         map[string]scalar `json:"headers"`
		Cookies         []string          `json:"cookies"`
		Body            *string           `json:"body"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
	}
	if !json.Valid(payload) {
		return answer{}, errors.New("answer is not JSON")
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) != nil || object["statusCode"] == nil {
		return answer{status: http.StatusOK, headers: map[string]string{"Content-Type": "application/json"}, body: payload}, nil
	}
	if err := json.Unmarshal(payload, &a); err != nil {
		return answer{}, err
	}
	if a.StatusCode == nil || *a.StatusCode < 200 || *a.StatusCode > 599 {
		return answer{}, errors.New("statusCode is not one")
	}
	out := answer{status: *a.StatusCode, headers: map[string]string{}, cookies: a.Cookies}
	for k, v := range a.Headers {
		out.headers[http.CanonicalHeaderKey(k)] = string(v)
	}
	if a.Body != nil {
		out.body = []byte(*a.Body)
	}
	if a.IsBase64Encoded {
		var err error
		if out.body, err = base64.StdEncoding.DecodeString(string(out.body)); err != nil {
			return answer{}, fmt.Errorf("body is not base64: %w", err)
		}
	}
	return out, nil
}

// scalar is the value of a header: text, a number or a truth value.
type scalar string

func (s *scalar) UnmarshalJSON(text []byte) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	switch v.(type) {
	case string, float64, bool:
		*s = scalar(fmt.Sprint(v))
		return nil
	}
	return errors.New("header is no scalar")
}

// write sends the answer. The gateway sets some headers itself, and the CORS headers when it is configured to.
func (a answer) write(w http.ResponseWriter, ownCORS bool) {
	h := w.Header()
	for name, value := range a.headers {
		switch {
		case name == "Content-Length" || name == "Date" || name == "Connection" || name == "Transfer-Encoding":
		case ownCORS && strings.HasPrefix(name, "Access-Control-"):
		default:
			h.Add(name, value)
		}
	}
	for _, c := range a.cookies {
		h.Add("Set-Cookie", c)
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
	}
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		h.Set("Content-Length", fmt.Sprint(len(a.body)))
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
