// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
)

const (
	maxParts   = 10000 // S3's limit for one multipart upload
	healthPath = "/healthz"
	corsMaxAge = "86400"

	headTimeout = 30 * time.Second // for a request's head; it comes in one or two packets
	bodyTimeout = 24 * time.Hour   // 5 GB over 500 kbit/s
	// maxDocument bounds the bodies that are not objects, which versitygw holds in memory. The largest that S3 takes is a
	// deletion of 1000 keys of 1 KiB, escaped.
	maxDocument = 8 << 20
	// What a player needs to see besides the body.
	corsExpose = "Accept-Ranges, Content-Length, Content-Range, Date, ETag, Last-Modified, x-amz-request-id"
)

// newFront builds the HTTP side: versitygw's S3 API, a handler around it, and a server that is ours, because versitygw takes
// only addresses to listen on (no listener, so no port 0), certificates only as files, and no time limits.
func newFront(cfg *Config, gw *gateway) (*fasthttp.Server, error) {
	root := middlewares.RootUserConfig{Access: cfg.AccessKey, Secret: string(cfg.SecretKey)}
	opts := []s3api.Option{
		s3api.WithConcurrencyLimiter(cfg.MaxConnections, cfg.MaxRequests),
		s3api.WithMpMaxParts(maxParts),
		s3api.WithQuiet(),
		s3api.WithKeepAlive(),
		s3api.WithDisableACL(),
		s3api.WithHealth(healthPath),
	}
	if cfg.VirtualDomain != "" {
		opts = append(opts, s3api.WithHostStyle(cfg.VirtualDomain))
	}
	users := &iam{accounts: cfg.Accounts}
	users.IAMServiceSingle = *auth.NewIAMServiceSingle(auth.Account{Access: cfg.AccessKey, Role: auth.RoleAdmin}).(*auth.IAMServiceSingle)
	api, err := s3api.New(gw, root, cfg.Region, users, nil, nil, nil, nil, opts...)
	if err != nil {
		return nil, err
	}
	app, err := appOf(api)
	if err != nil {
		return nil, err
	}
	f := &front{inner: app.Handler(), putOnly: gw.claimsPutOnly, log: cfg.Logger, onRequest: cfg.OnRequest, origins: cfg.CORSOrigins, domain: cfg.VirtualDomain}
	theirs := app.Server()
	return &fasthttp.Server{
		Handler:            f.handle,
		ErrorHandler:       f.badRequest,
		Name:               "s3cam",
		Concurrency:        cfg.MaxConnections,
		ReadBufferSize:     theirs.ReadBufferSize,
		StreamRequestBody:  theirs.StreamRequestBody,
		MaxRequestBodySize: theirs.MaxRequestBodySize,
		IdleTimeout:        cfg.StallTimeout,
		// A head that trickles in would hold its connection for ever, byte by byte. A body only has not to stall (conn.go).
		ReadTimeout: min(headTimeout, cfg.StallTimeout),
		HeaderReceived: func(*fasthttp.RequestHeader) fasthttp.RequestConfig {
			return fasthttp.RequestConfig{ReadTimeout: bodyTimeout}
		},
		CloseOnShutdown: true,
		Logger:          quiet{cfg.Logger},
		// Otherwise a form is written to temporary files before anybody has looked at its signature.
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true, // less to strip, see unquoted
	}, nil
}

// appOf returns the fiber application that versitygw made. It has no accessor in v1.8.0; the type is checked, and every test of
// this package would fail with the error below if a later version moved it.
func appOf(api *s3api.S3ApiServer) (*fiber.App, error) {
	v := reflect.ValueOf(api).Elem().FieldByName("app")
	if !v.IsValid() || v.Type() != reflect.TypeFor[*fiber.App]() || v.IsNil() {
		return nil, errors.New("versitygw keeps its application elsewhere than v1.8.0 did")
	}
	return (*fiber.App)(v.UnsafePointer()), nil
}

// front is the handler around versitygw's: CORS for every status, malformed requests, the debug log.
type front struct {
	inner   fasthttp.RequestHandler
	putOnly func(*fasthttp.RequestCtx) bool
	log     *slog.Logger
	origins []string
	domain  string // of buckets in host names; empty: none

	onRequest func(method string, status int, took time.Duration) // may be nil
}

func (f *front) handle(ctx *fasthttp.RequestCtx) {
	start := time.Now()
	origin := ctx.Request.Header.Peek("Origin")
	allow := f.allowOrigin(origin)
	switch {
	case ctx.IsOptions():
		f.preflight(ctx, allow)
	case !wellFormed(ctx.URI().PathOriginal()):
		fail(ctx, s3err.APIError{Code: "InvalidURI", Description: "Couldn't parse the specified URI.", HTTPStatusCode: 400})
	case ctx.IsPost() && bytes.HasPrefix(ctx.Request.Header.ContentType(), []byte("multipart/")):
		ctx.SetConnectionClose() // the form is not read
		fail(ctx, s3err.GetAPIError(s3err.ErrNotImplemented))
	case ctx.Request.Header.ContentLength() > maxDocument && !f.carriesData(ctx):
		ctx.SetConnectionClose()
		fail(ctx, s3err.GetAPIError(s3err.ErrMaxMessageLengthExceeded))
	case ctx.Request.Header.ContentLength() == -1 && !f.carriesData(ctx): // chunked
		ctx.SetConnectionClose()
		fail(ctx, s3err.GetAPIError(s3err.ErrMissingContentLength))
	case ctx.Request.Header.ContentLength() > 0 && !f.carriesData(ctx) && f.putOnly(ctx): // nothing of its document is read
		ctx.SetConnectionClose()
		fail(ctx, errAccessDenied)
	default:
		f.inner(ctx)
	}
	if ctx.Request.Header.ContentLength() == -1 {
		// A length beside the chunks is ignored, and a proxy before us may have believed it: what follows must not be taken for a request
		// (RFC 9112, 6.1). No S3 client sends chunks.
		ctx.SetConnectionClose()
	}
	if ctx.Response.ConnectionClose() && ctx.Request.IsBodyStream() {
		lingerOn(ctx.Conn())
	}
	if len(origin) > 0 && len(f.origins) > 0 {
		h := &ctx.Response.Header
		h.Add("Vary", "Origin")
		if allow != "" {
			h.Set("Access-Control-Allow-Origin", allow)
			h.Set("Access-Control-Expose-Headers", corsExpose)
		}
	}
	if f.onRequest != nil {
		f.onRequest(string(ctx.Method()), ctx.Response.StatusCode(), time.Since(start))
	}
	if f.log.Enabled(ctx, slog.LevelDebug) { // without the query, which may hold a signature
		f.log.Debug("S3 request", "method", string(ctx.Method()), "path", string(ctx.URI().PathOriginal()),
			"status", ctx.Response.StatusCode(), "took", time.Since(start), "remote", ctx.RemoteAddr().String())
	}
}

// carriesData tells whether the body is that of an object or of a part of one, which goes to a file piece by piece.
func (f *front) carriesData(ctx *fasthttp.RequestCtx) bool {
	if !ctx.IsPut() {
		return false
	}
	for _, name := range [...]string{"acl", "tagging", "retention", "legal-hold"} {
		if ctx.QueryArgs().Has(name) {
			return false
		}
	}
	path := bytes.TrimPrefix(ctx.URI().PathOriginal(), []byte("/"))
	if f.domain != "" && bytes.Contains(ctx.Host(), []byte("."+f.domain)) {
		return len(path) > 0
	}
	slash := bytes.IndexByte(path, '/')
	return slash > 0 && slash < len(path)-1
}

// badRequest answers a request that could not be read: broken, too big a head, or a peer that left or stalled.
func (f *front) badRequest(ctx *fasthttp.RequestCtx, err error) {
	f.log.Debug("S3 request could not be read", "err", unquoted(err.Error()), "remote", ctx.RemoteAddr().String())
	answer := s3err.GetAPIError(s3err.ErrCannotParseHTTPRequest)
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		answer = s3err.APIError{Code: "RequestHeaderSectionTooLarge", Description: "Your request header section exceeds the maximum allowed request header section size.", HTTPStatusCode: 400}
	case errors.Is(err, os.ErrDeadlineExceeded):
		answer = s3err.APIError{Code: "RequestTimeout", Description: "Your socket connection to the server was not read from or written to within the timeout period.", HTTPStatusCode: 400}
	case errors.Is(err, io.ErrUnexpectedEOF):
		answer = s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	fail(ctx, answer)
	if f.onRequest != nil {
		f.onRequest(string(ctx.Method()), ctx.Response.StatusCode(), 0)
	}
}

// quiet is what fasthttp logs: the connections that it gave up.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(format string, args ...any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug("S3 server: " + unquoted(fmt.Sprintf(format, args...)))
	}
}

var quotation = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// unquoted strips what fasthttp quotes in its errors: pieces of heads, which may hold signed URLs and credentials.
func unquoted(s string) string { return quotation.ReplaceAllString(s, `"..."`) }

func fail(ctx *fasthttp.RequestCtx, err s3err.APIError) {
	ctx.SetContentType("application/xml")
	ctx.SetStatusCode(err.HTTPStatusCode)
	ctx.SetBody(err.XMLBody("", ""))
}

// allowOrigin returns what Access-Control-Allow-Origin must say for a request's origin; empty = nothing.
func (f *front) allowOrigin(origin []byte) string {
	if len(origin) == 0 {
		return ""
	}
	for _, o := range f.origins {
		if o == "*" || strings.EqualFold(o, string(origin)) {
			if o == "*" {
				return "*"
			}
			return string(origin)
		}
	}
	return ""
}

// preflight answers OPTIONS: GET and HEAD with any header from an allowed origin.
func (f *front) preflight(ctx *fasthttp.RequestCtx, allow string) {
	method := string(ctx.Request.Header.Peek("Access-Control-Request-Method"))
	if allow == "" || method != fasthttp.MethodGet && method != fasthttp.MethodHead {
		fail(ctx, s3err.APIError{Code: "AccessForbidden", Description: "CORSResponse: This CORS request is not allowed.", HTTPStatusCode: 403})
		return
	}
	h := &ctx.Response.Header
	h.Set("Access-Control-Allow-Methods", "GET, HEAD")
	if want := ctx.Request.Header.Peek("Access-Control-Request-Headers"); len(want) > 0 {
		h.SetBytesV("Access-Control-Allow-Headers", want)
	}
	h.Set("Access-Control-Max-Age", corsMaxAge)
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}

// wellFormed reports whether a path as sent can name a bucket and a key here: proper percent encoding and, decoded, no control
// characters and no '.' or '..' elements. versitygw answers such paths with 500 or resolves them.
func wellFormed(path []byte) bool {
	p, err := url.PathUnescape(string(path))
	if err != nil {
		return false
	}
	for i := range len(p) {
		if p[i] < ' ' || p[i] == 0x7f {
			return false
		}
	}
	for elem := range strings.SplitSeq(p, "/") {
		if elem == "." || elem == ".." {
			return false
		}
	}
	return true
}
