// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/metrics"
	"github.com/s3cam/s3cam/playback"
)

// Metrics says how the server can be watched over. Without an Addr and a Token nobody but admins see the metrics.
type Metrics struct {
	Addr  string // of a listener for /metrics, /healthz and /readyz alone; empty: none
	Token string // that a request needs as Authorization: Bearer, on both addresses; required when Addr is not on loopback
	// Cameras is how often the cameras of an external store are listed, so that a silent one shows; 0: DefaultMetricsCameras,
	// negative: never. The embedded store tells of each segment and is listed once.
	Cameras time.Duration
}

// DefaultMetricsCameras is the default of Metrics.Cameras: some two listings per camera, a cent and a half a day for ten on AWS.
const DefaultMetricsCameras = 2 * time.Minute

// Listeners are sockets that are open already, such as those that systemd keeps open over a restart (sd_listen_fds(3)). Each
// takes the place of the address of the same name; nil: listen there.
type Listeners struct{ HTTP, S3, Metrics net.Listener }

func (m *Metrics) problem() error {
	if m.Addr == "" {
		return nil
	}
	loopback, err := onLoopback(m.Addr, "--metrics")
	if err == nil && !loopback && m.Token == "" {
		err = hint.With(fmt.Errorf("--metrics %s can be reached from other machines, and anyone could read the metrics", m.Addr),
			"keep 127.0.0.1, or set S3CAM_METRICS_TOKEN to a password that Prometheus sends (authorization: credentials)")
	}
	return err
}

// ops is what operating the server needs.
type ops struct {
	metrics  *metrics.Metrics
	ready    readiness
	closers  []func() error         // what was opened on the way, closed at the end in reverse order
	hosts    func(host string) bool // under which the web server answers, nil: all
	draining atomic.Bool
	began    atomic.Bool // Ready was called
	web      *http.Server
	viewers  *limited // the listener of the web server
	group    group
}

// startOps comes first: the other parts tell the metrics.
func (s *server) startOps(ctx context.Context) error {
	s.ops.metrics = metrics.New(metrics.Config{Now: s.cfg.Now, Logger: s.log})
	s.ops.ready.now = s.cfg.Now
	if s.cfg.Engine != nil {
		s.ops.metrics.Disk(s.cfg.Engine.Dir, s.reserve)
		removeReadyFiles(s.cfg.Engine.Dir)
	}
	l := s.cfg.Listeners.Metrics
	if l == nil && s.cfg.Metrics.Addr == "" {
		return nil
	}
	if l == nil {
		var err error
		if l, err = listen(s.cfg.Metrics.Addr, false, "--metrics"); err != nil {
			return err
		}
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics":
			s.showMetrics(w, r, s.cfg.Metrics.Token == "")
		case "/healthz":
			answerStatus(w, r, http.StatusOK, `{"status":"ok"}`)
		case "/readyz":
			s.showReady(w, r)
		default:
			http.NotFound(w, r)
		}
	})
	s.ops.web = &http.Server{
		Handler: boundBodies(handler, bodyTimeout), ReadHeaderTimeout: readHeaderTimeout, WriteTimeout: time.Minute, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	limits := newLimited(l, Limits{Connections: 64, PerAddress: 32}, nil, func(int) {}, func(string) {})
	s.addresses.Metrics = browserURL(l) + "/metrics"
	s.ops.group.run(ctx, s.failed, func(context.Context) error {
		if err := s.ops.web.Serve(limits); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("metrics: %w", err)
		}
		return nil
	})
	return nil
}

// watchCameras finds out which cameras there are and when each recorded last.
func (s *server) watchCameras(ctx context.Context, service *playback.Service) {
	interval := s.cfg.Metrics.Cameras
	switch {
	case interval < 0 || s.cfg.Engine == nil && s.addresses.Metrics == "" && s.cfg.Metrics.Token == "":
		return // nobody looks
	case s.cfg.Engine != nil:
		interval = 0
	case interval == 0:
		interval = DefaultMetricsCameras
	}
	s.ops.group.run(ctx, s.failed, func(ctx context.Context) error {
		s.ops.metrics.Watch(ctx, interval, service.Cameras)
		return nil
	})
}

// observed counts requests, keeps the access log, and answers for load balancers and Prometheus before anything else.
func (s *server) observed(next http.Handler) http.Handler {
	var after func(*http.Request, http.Header, metrics.Request)
	if s.cfg.AccessLog {
		after = s.logAccess
	}
	return s.ops.metrics.Web(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
			s.showReady(w, r)
		case "/metrics":
			s.showMetrics(w, r, false)
		default:
			next.ServeHTTP(w, r)
		}
	}), after)
}

// logAccess writes a line for each request. The query is left out: it may hold a token.
func (s *server) logAccess(r *http.Request, answer http.Header, done metrics.Request) {
	path := r.URL.Path
	if len(path) > 256 {
		path = path[:256] + "..."
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "access",
		slog.String("request", answer.Get("X-Request-Id")), slog.String("remote", r.RemoteAddr), slog.String("method", r.Method), slog.String("path", path),
		slog.String("camera", cut(r.URL.Query().Get("camera_id"), 128)), slog.Int("status", done.Status), slog.Int64("bytes", done.Bytes),
		slog.Duration("took", done.Took), slog.String("agent", cut(r.UserAgent(), 128)))
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// showMetrics answers with the metrics when everyone may see them, to whoever has the token, and to admins.
func (s *server) showMetrics(w http.ResponseWriter, r *http.Request, open bool) {
	if !readOnly(w, r) {
		return
	}
	h := s.ops.metrics.Handler()
	switch {
	case open && !localName(r.Host): // a page elsewhere whose name was made to resolve to this machine
		answerStatus(w, r, http.StatusMisdirectedRequest, `{"error":{"code":"unknown_host","message":"ask by an IP address or localhost"}}`)
		return
	case open || bearer(r, s.cfg.Metrics.Token):
	case s.ops.hosts != nil && !s.ops.hosts(r.Host):
		answerStatus(w, r, http.StatusMisdirectedRequest, `{"error":{"code":"unknown_host","message":"this server does not answer under the host name of the request"}}`)
		return
	default:
		h = s.adminOnly(h)
	}
	w.Header().Set("Cache-Control", "no-store")
	h.ServeHTTP(w, r)
}

// reserve is what retention keeps free on the disk of the data directory, in bytes.
func (s *server) reserve() int64 {
	if s.keeping.keeper == nil {
		return 0
	}
	return s.keeping.keeper.Stats().DiskReserve
}

// ownHost tells whether a server on loopback answers under a host name.
func (s *server) ownHost(host string) bool {
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	return localName(host) || slices.ContainsFunc(s.cfg.Web.Hosts, func(h string) bool { return strings.EqualFold(h, name) || strings.EqualFold(h, host) })
}

// observeParts shows what retention does, and until when the certificate is good.
func (s *server) observeParts() {
	m := s.ops.metrics
	if k := s.keeping.keeper; k != nil {
		m.Retention(func() metrics.Retention {
			st := k.Stats()
			r := metrics.Retention{Segments: map[string]int64{}, Bytes: map[string]int64{}, Refused: st.Refused, Failed: st.Failed, LastRound: st.LastRound}
			for reason, n := range st.Deleted {
				r.Segments[string(reason)], r.Bytes[string(reason)] = n.Segments, n.Bytes
			}
			return r
		})
	}
	if c, ok := s.secured.source.(interface{ NotAfter() time.Time }); ok {
		m.Certificate(c.NotAfter)
	}
}

// bearer tells whether a request brings the token.
func bearer(r *http.Request, token string) bool {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(token))
	return ok && token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// localName tells whether a Host header is an address or localhost, which no other site's name can be.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}

func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	answerStatus(w, r, http.StatusMethodNotAllowed, `{"error":{"code":"method_not_allowed","message":"use GET or HEAD"}}`)
	return false
}

func answerStatus(w http.ResponseWriter, r *http.Request, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write([]byte(body + "\n"))
	}
}

// observeStore puts the metrics between playback and what it asks.
func (s *server) observeStore(pc *playback.Config) {
	m := s.ops.metrics
	pc.Store, pc.Heads, pc.Windows = m.Store(pc.Store), m.Heads(pc.Heads), m.Windows(pc.Windows)
	s.ops.ready.windows = pc.Windows
	client := s.client
	if s.cfg.Engine == nil {
		m.Counter("s3cam_store_client_requests_total", "Requests to the external store, repetitions included.", func() float64 { return float64(client.Stats().Requests) })
		m.Counter("s3cam_store_client_retries_total", "Of these, repetitions.", func() float64 { return float64(client.Stats().Retries) })
	}
}

func (s *server) observePlayback(p httpapi.Playback) httpapi.Playback {
	return s.ops.metrics.Playback(p)
}

// listenWeb opens the address of the web server, within the limits of its connections.
func (s *server) listenWeb() (net.Listener, error) {
	l := s.cfg.Listeners.HTTP
	if l == nil {
		var err error
		if l, err = listen(s.cfg.Web.Addr, s.cfg.Web.Fallback, "--http"); err != nil {
			return nil, err
		}
	}
	s.ops.viewers = newLimited(l, s.cfg.Limits, s.cfg.Access.TrustedProxies, s.ops.metrics.Connection, s.ops.metrics.Refused)
	return s.ops.viewers, nil
}

// drain tells load balancers that the server ends, and gives them the time to notice.
func (s *server) drain() {
	s.ops.draining.Store(true)
	if s.ops.began.Load() && s.cfg.Limits.DrainDelay > 0 {
		s.log.Info("ending: still answering for a while, while /readyz says no", "delay", s.cfg.Limits.DrainDelay)
		time.Sleep(s.cfg.Limits.DrainDelay)
	}
}

// stopOps is the last step.
func (s *server) stopOps() {
	if s.ops.web != nil {
		s.ops.web.Close()
	}
	s.ops.group.stop()
	for i := len(s.ops.closers) - 1; i >= 0; i-- {
		if err := s.ops.closers[i](); err != nil {
			s.log.Debug("closing", "err", err)
		}
	}
}
