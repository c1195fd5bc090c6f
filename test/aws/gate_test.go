// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// call is one request to a service, as IAM sees it.
type call struct {
	action    string // "s3:GetObject"
	resource  string // ARN
	prefix    string // of a listing
	accessKey string
	presigned bool
	query     url.Values
}

func (c call) String() string {
	s := c.action + " " + c.resource
	if c.action == "s3:ListBucket" {
		s += " prefix=" + c.prefix
	}
	return s
}

// gate stands before a service. It passes requests on unchanged, after writing down what they are and asking whether they are
// allowed.
type gate struct {
	URL   string
	parse func(r *http.Request, body []byte) call
	allow func(call) error

	mu     sync.Mutex
	calls  []call
	denied []string
	fault  func(w http.ResponseWriter, r *http.Request, c call) bool // true: answered
}

func newGate(t *testing.T, target string, parse func(*http.Request, []byte) call, allow func(call) error) *gate {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{parse: parse, allow: allow}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.DisableCompression, transport.Proxy = 64, true, nil
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host // it is signed
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		c := g.parse(r, body)
		err = g.allow(c)
		g.mu.Lock()
		g.calls = append(g.calls, c)
		if err != nil {
			g.denied = append(g.denied, fmt.Sprintf("%v: %v", c, err))
		}
		fault := g.fault
		g.mu.Unlock()
		switch {
		case fault != nil && fault(w, r, c):
		case err != nil:
			refuse(w, c, err.Error())
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	g.URL = server.URL
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); transport.CloseIdleConnections() })
	return g
}

// refuse answers a call that no policy allows, in the form of its service.
func refuse(w http.ResponseWriter, c call, message string) {
	if strings.HasPrefix(c.action, "s3:") {
		s3Error(w, http.StatusForbidden, "AccessDenied", message)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	status := http.StatusForbidden
	if strings.HasPrefix(c.action, "dynamodb:") {
		status = http.StatusBadRequest
	}
	w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":"com.amazon.coral.service#AccessDeniedException","message":%q}`, message)
}

// s3Error answers as S3 does.
func s3Error(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: code, Message: message})
}

// take returns the calls since the last take.
func (g *gate) take() []call {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.calls
	g.calls = nil
	return c
}

// takeDenied returns what was refused since the last time.
func (g *gate) takeDenied() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.denied
	g.denied = nil
	return d
}

// disturb lets f answer requests instead of the service; nil ends that.
func (g *gate) disturb(f func(w http.ResponseWriter, r *http.Request, c call) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fault = f
}

// count returns how many of the calls were of an action.
func count(calls []call, action string) int {
	n := 0
	for _, c := range calls {
		if c.action == action {
			n++
		}
	}
	return n
}

// signer returns the access key that a request is signed with.
func signer(r *http.Request) (accessKey string, presigned bool) {
	credential := r.URL.Query().Get("X-Amz-Credential")
	presigned = credential != ""
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential = after
	}
	accessKey, _, _ = strings.Cut(credential, "/")
	return accessKey, presigned
}

// parseS3 reads a path-style request of S3. What s3cam never sends is an action of no policy.
func parseS3(r *http.Request, _ []byte) call {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	c := call{resource: "arn:aws:s3:::" + bucket, query: q}
	c.accessKey, c.presigned = signer(r)
	switch {
	case key == "" && (r.Method == http.MethodGet) && q.Get("list-type") == "2":
		c.action, c.prefix = "s3:ListBucket", q.Get("prefix")
	case key == "":
		c.action = "s3:" + r.Method + "Bucket"
	default:
		c.resource += "/" + key
		c.action = map[string]string{"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}[r.Method]
		if c.action == "" {
			c.action = "s3:" + r.Method + "Object"
		}
	}
	return c
}

// parseDynamoDB reads a request of DynamoDB's JSON protocol.
func parseDynamoDB(r *http.Request, body []byte) call {
	var in struct{ TableName string }
	_ = json.Unmarshal(body, &in) // a request without a table is one of no policy
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c := call{action: "dynamodb:" + operation, resource: "arn:aws:dynamodb:us-east-1:123456789012:table/" + in.TableName}
	c.accessKey, c.presigned = signer(r)
	return c
}

// parseIoT reads the one request that s3cam sends to IoT's control plane.
func parseIoT(r *http.Request, _ []byte) call {
	c := call{action: "iot:" + r.Method + " " + r.URL.Path, resource: "*"}
	if r.Method == http.MethodGet && r.URL.Path == "/endpoint" {
		c.action = "iot:DescribeEndpoint"
	}
	c.accessKey, c.presigned = signer(r)
	return c
}
