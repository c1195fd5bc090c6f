// SPDX-License-Identifier: Apache-2.0

package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// Limits of an HTTP API.
const (
	MaxHead            = 10_240   // bytes of request line and headers
	MaxBody            = 10 << 20 // bytes of a request's or an answer's body
	MaxIntegrationTime = 30 * time.Second
)

// Invoker is what a route leads to; *Function is one.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) (Result, error)
}

// Route is one route of an HTTP API.
type Route struct {
	Key      string // "GET /playlist.m3u8", "GET /segments/{proxy+}", "ANY /x", "$default"
	Function Invoker
	Timeout  time.Duration // TimeoutInMillis of the integration. Default and most: MaxIntegrationTime
}

// CORS is the CorsConfiguration of an HTTP API.
type CORS struct {
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string
	MaxAge                                                  int // seconds
	AllowCredentials                                        bool
}

// GatewayConfig describes an HTTP API.
type GatewayConfig struct {
	Routes []Route
	CORS   *CORS // nil: functions answer for themselves
}

// Gateway is a running HTTP API. It serves HTTP, not HTTPS.
type Gateway struct {
	URL    string
	cfg    GatewayConfig
	routes []route
}

type route struct {
	Route
	method string
	path   []string
	greedy bool
}

// StartGateway returns a gateway on a free port of loopback that is closed at the end of the test. Routes that an HTTP API would
// not take fail the test.
func StartGateway(tb testing.TB, cfg GatewayConfig) *Gateway {
	tb.Helper()
	g := &Gateway{cfg: cfg}
	for _, r := range cfg.Routes {
		parsed, err := parseRoute(r)
		if err != nil {
			tb.Fatalf("lambdatest: %v", err)
		}
		if slices.ContainsFunc(g.routes, func(o route) bool { return o.Key == r.Key }) {
			tb.Fatalf("lambdatest: route %q twice", r.Key)
		}
		g.routes = append(g.routes, parsed)
	}
	server := httptest.NewUnstartedServer(g)
	server.Config.MaxHeaderBytes = 1 << 20
	server.Start()
	g.URL = server.URL
	tb.Cleanup(server.Close)
	return g
}

func parseRoute(r Route) (route, error) {
	if r.Timeout == 0 {
		r.Timeout = MaxIntegrationTime
	}
	if r.Timeout < 50*time.Millisecond || r.Timeout > MaxIntegrationTime {
		return route{}, fmt.Errorf("route %q: an integration takes 50 ms to %v, not %v", r.Key, MaxIntegrationTime, r.Timeout)
	}
	if r.Function == nil {
		return route{}, fmt.Errorf("route %q leads nowhere", r.Key)
	}
	if r.Key == "$default" {
		return route{Route: r}, nil
	}
	method, path, ok := strings.Cut(r.Key, " ")
	methods := []string{"ANY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	if !ok || !slices.Contains(methods, method) || !strings.HasPrefix(path, "/") {
		return route{}, fmt.Errorf("route key %q is not METHOD /path", r.Key)
	}
	parts := strings.Split(path, "/")
	greedy := strings.HasSuffix(parts[len(parts)-1], "+}")
	for _, p := range parts[:len(parts)-1] {
		if strings.HasSuffix(p, "+}") {
			return route{}, fmt.Errorf("route key %q: a greedy parameter stands last", r.Key)
		}
	}
	return route{Route: r, method: method, path: parts, greedy: greedy}, nil
}

// match reports whether the route takes a request, how closely (lower is closer), and the path parameters.
func (r route) match(method string, path []string) (rank int, params map[string]string, ok bool) {
	if r.Key == "$default" {
		return 1 << 20, nil, true
	}
	if r.method != method && r.method != "ANY" {
		return 0, nil, false
	}
	if r.method == "ANY" {
		rank++
	}
	params = map[string]string{}
	last := len(r.path) - 1
	if r.greedy {
		if len(path) <= last || path[last] == "" && len(path) == last+1 {
			return 0, nil, false
		}
		params[strings.Trim(r.path[last], "{}+")] = strings.Join(path[last:], "/")
		path = path[:last]
		rank += 1 << 10
	} else if len(path) != len(r.path) {
		return 0, nil, false
	}
	for i, p := range path {
		switch name, isParam := strings.CutPrefix(r.path[i], "{"); {
		case isParam:
			params[strings.TrimSuffix(name, "}")] = p
			rank += 2
		case r.path[i] != p:
			return 0, nil, false
		}
	}
	return rank, params, true
}

// ServeHTTP answers one request as an HTTP API would.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := requestID()
	w.Header().Set("Apigw-Requestid", requestID)
	if headSize(r) > MaxHead {
		message(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return
	}
	if len(body) > MaxBody {
		message(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	if g.cfg.CORS != nil {
		preflight := r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
		g.cfg.CORS.set(w.Header(), r.Header.Get("Origin"), preflight)
		if preflight {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	path, _, _ := strings.Cut(r.URL.Path, "?") // a decoded question mark ends the path
	found, params := g.find(r.Method, path)
	if found == nil {
		message(w, http.StatusNotFound, "Not Found")
		return
	}
	payload, err := json.Marshal(newEvent(r, path, body, found.Key, params, requestID))
	if err != nil {
		message(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), found.Timeout)
	defer cancel()
	result, err := found.Function.Invoke(ctx, payload)
	switch {
	case errors.Is(err, ErrRequestTooLarge):
		message(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
	case err != nil:
		message(w, http.StatusServiceUnavailable, "Service Unavailable")
	case result.ErrorType != "":
		message(w, http.StatusInternalServerError, "Internal Server Error")
	default:
		a, err := parseAnswer(result.Payload)
		if err != nil || len(a.body) > MaxBody {
			message(w, http.StatusInternalServerError, "Internal Server Error")
			return
		}
		a.write(w, g.cfg.CORS != nil)
	}
}

func (g *Gateway) find(method, path string) (*route, map[string]string) {
	var best *route
	var bestParams map[string]string
	bestRank := 0
	for i := range g.routes {
		rank, params, ok := g.routes[i].match(method, strings.Split(path, "/"))
		if ok && (best == nil || rank < bestRank) {
			best, bestParams, bestRank = &g.routes[i], params, rank
		}
	}
	return best, bestParams
}

// headSize is the length of request line and headers as they came.
func headSize(r *http.Request) int {
	n := len(r.Method) + 1 + len(r.RequestURI) + 1 + len(r.Proto) + 2 + len("Host: ") + len(r.Host) + 2
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + 2 + len(v) + 2
		}
	}
	return n
}

// set writes what the API answers for itself to a request from another origin.
func (c *CORS) set(h http.Header, origin string, preflight bool) {
	if origin == "" {
		return
	}
	switch {
	case slices.Contains(c.AllowOrigins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(c.AllowOrigins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
	default:
		return
	}
	if c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if preflight {
		h.Set("Access-Control-Allow-Methods", strings.Join(c.AllowMethods, ","))
		h.Set("Access-Control-Allow-Headers", strings.Join(c.AllowHeaders, ","))
		if c.MaxAge > 0 {
			h.Set("Access-Control-Max-Age", fmt.Sprint(c.MaxAge))
		}
	} else if len(c.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposeHeaders, ","))
	}
}

// message is the gateway's own answer.
func message(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"message":%q}`, text)
}
