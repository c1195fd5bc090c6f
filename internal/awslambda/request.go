// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// newRequest makes a request of an event as a server would have received it. An error says what the event lacks.
func newRequest(ctx context.Context, ev *events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	about := &ev.RequestContext.HTTP
	if about.Method == "" {
		return nil, errors.New("it has no requestContext.http.method; is the integration's payload format 2.0?")
	}
	if !isToken(about.Method) {
		return nil, errors.New("requestContext.http.method is no method")
	}
	body := []byte(ev.Body)
	if ev.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(ev.Body); err != nil {
			return nil, fmt.Errorf("its body: %w", err)
		}
	}
	u := &url.URL{Path: path(ev), RawQuery: query(ev)}
	r := &http.Request{
		Method: about.Method, URL: u, RequestURI: u.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(ev.Headers)+1), Body: http.NoBody, ContentLength: int64(len(body)),
		Host: ev.RequestContext.DomainName, RemoteAddr: about.SourceIP,
	}
	if about.SourceIP != "" {
		r.RemoteAddr = net.JoinHostPort(about.SourceIP, "0")
	}
	if len(body) > 0 {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	if major, minor, ok := http.ParseHTTPVersion(about.Protocol); ok {
		r.Proto, r.ProtoMajor, r.ProtoMinor = about.Protocol, major, minor
	}
	// Names come in lower case and several values joined by commas. Cookies come apart from the headers.
	for name, value := range ev.Headers {
		switch key := http.CanonicalHeaderKey(name); {
		case !isToken(name):
		case key == "Host":
			if r.Host == "" {
				r.Host = value
			}
		case key == "Content-Length", key == "Transfer-Encoding": // of the body as the gateway received it
		default:
			r.Header[key] = append(r.Header[key], value)
		}
	}
	if len(ev.Cookies) > 0 {
		r.Header["Cookie"] = []string{strings.Join(ev.Cookies, "; ")}
	}
	return r.WithContext(ctx), nil
}

// path is the path of the request, decoded. HTTP APIs decode rawPath (REST APIs and function URLs, which we do not use, do
// not), and they put the name of a stage other than $default in front.
func path(ev *events.APIGatewayV2HTTPRequest) string {
	p := ev.RawPath
	if p == "" {
		p = ev.RequestContext.HTTP.Path
	}
	if stage := ev.RequestContext.Stage; stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(p, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			p = rest
		}
	}
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	return p
}

// query is the query as the client wrote it, still encoded. Some callers (tests in the console, other gateways) give the
// decoded parameters alone; values of a repeated name are then joined by commas and cannot be told apart again.
func query(ev *events.APIGatewayV2HTTPRequest) string {
	if ev.RawQueryString != "" || len(ev.QueryStringParameters) == 0 {
		return ev.RawQueryString
	}
	v := make(url.Values, len(ev.QueryStringParameters))
	for name, value := range ev.QueryStringParameters {
		v.Set(name, value)
	}
	return v.Encode()
}

// isToken tells whether s can be a method or the name of a header (RFC 9110 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
