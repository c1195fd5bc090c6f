// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/s3cam/s3cam/internal/buildinfo"
)

// DefaultMaxCameras is how many cameras have metrics of their own: ten time series each.
const DefaultMaxCameras = 1000

// Config is what New takes; the zero value means the defaults.
type Config struct {
	MaxCameras int
	Now        func() time.Time // default time.Now
	Logger     *slog.Logger     // nil discards
}

// Metrics counts.
type Metrics struct {
	cfg      Config
	registry *prometheus.Registry
	cameras  *cameras
	viewers  *viewers

	webRequests *prometheus.CounterVec
	webSeconds  *prometheus.HistogramVec
	webBytes    *prometheus.CounterVec
	webConns    prometheus.Gauge
	webRefused  *prometheus.CounterVec
	denied      *prometheus.CounterVec
	playlists   *prometheus.CounterVec

	s3Requests *prometheus.CounterVec
	s3Seconds  *prometheus.HistogramVec
	putFailed  *prometheus.CounterVec

	storeRequests *prometheus.CounterVec
	storeSeconds  *prometheus.HistogramVec
	windows       *prometheus.CounterVec
	windowSeconds *prometheus.HistogramVec
}

// seconds are the buckets of all latencies.
func seconds() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

// New returns Metrics with a registry of its own.
func New(cfg Config) *Metrics {
	if cfg.MaxCameras <= 0 {
		cfg.MaxCameras = DefaultMaxCameras
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Metrics{cfg: cfg, registry: prometheus.NewRegistry(), cameras: newCameras(cfg.MaxCameras, cfg.Now), viewers: newViewers(cfg.Now)}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds()}, labels)
		m.registry.MustRegister(h)
		return h
	}
	m.webRequests = counter("s3cam_http_requests_total", "Requests of viewers by route and status.", "route", "code")
	m.webSeconds = histogram("s3cam_http_request_seconds", "Time from the head of a request to the end of its answer, by route.", "route")
	m.webBytes = counter("s3cam_http_response_bytes_total", "Bytes of bodies sent to viewers, by route.", "route")
	m.webConns = prometheus.NewGauge(prometheus.GaugeOpts{Name: "s3cam_http_connections", Help: "Open connections of viewers."})
	m.webRefused = counter("s3cam_http_connections_refused_total", "Connections closed at once, because of which limit.", "limit")
	m.denied = counter("s3cam_auth_failures_total", "Requests refused for who made them: login (a wrong name or password), web (401 and 403 of other routes), s3 (403 of the embedded store).", "where")
	m.playlists = counter("s3cam_playlists_total", "Playlists by where they came from: rendered (sent again as it was), window (made from the shared state), listing (the store was asked), failed.", "kind", "source")
	m.s3Requests = counter("s3cam_s3_requests_total", "Requests to the embedded store by method and status.", "method", "code")
	m.s3Seconds = histogram("s3cam_s3_request_seconds", "Time of requests to the embedded store, with their bodies, by method.", "method")
	m.putFailed = counter("s3cam_put_failures_total", "PUTs to the embedded store that failed, by class: denied, exists, invalid, busy, full, error.", "class")
	m.storeRequests = counter("s3cam_store_requests_total", "What playback asked the store: list, folders, read; and with which outcome.", "op", "outcome")
	m.storeSeconds = histogram("s3cam_store_request_seconds", "How long the store took for what playback asked.", "op")
	m.windows = counter("s3cam_window_requests_total", "What playback asked the store of live windows: load, save; outcome ok, conflict (another server was first), error.", "op", "outcome")
	m.windowSeconds = histogram("s3cam_window_request_seconds", "How long the store of live windows took.", "op")
	for _, class := range putClasses {
		m.putFailed.WithLabelValues(class)
	}
	for _, where := range []string{"login", "web", "s3"} {
		m.denied.WithLabelValues(where)
	}
	for _, limit := range []string{"total", "address", "idle"} {
		m.webRefused.WithLabelValues(limit)
	}
	info := buildinfo.Read()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "s3cam_build_info", Help: "1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": info.Version, "revision": info.Revision, "go": info.Go}})
	build.Set(1)
	m.registry.MustRegister(m.cameras, m.webConns, build,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "s3cam_live_viewers", Help: "About how many players follow live playlists: distinct pairs of client and camera within the last minute."},
			func() float64 { return float64(m.viewers.count()) }),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gauge shows what read returns, under a name that begins with s3cam_. read is called at each scrape and must be quick.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read))
}

// Counter shows what read returns, which never falls, under a name that begins with s3cam_ and ends in _total.
func (m *Metrics) Counter(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read))
}

// Certificate shows when the certificate that the server shows ends; read returns the zero time when there is none.
func (m *Metrics) Certificate(read func() time.Time) {
	m.Gauge("s3cam_certificate_not_after_seconds", "When the server's certificate ends, Unix seconds; 0: there is none.", func() float64 {
		if t := read(); !t.IsZero() {
			return float64(t.Unix())
		}
		return 0
	})
}

// Disk shows the room on the file system of dir, and how much of it is reserved: retention deletes footage before less is free.
func (m *Metrics) Disk(dir string, reserve func() int64) {
	free := func() (int64, int64) { f, t, _ := DiskSpace(dir); return f, t }
	m.Gauge("s3cam_disk_free_bytes", "Free on the file system of the embedded store, for its user.", func() float64 { f, _ := free(); return float64(f) })
	m.Gauge("s3cam_disk_size_bytes", "Size of that file system.", func() float64 { _, t := free(); return float64(t) })
	m.Gauge("s3cam_disk_reserve_bytes", "What retention keeps free on it; 0: nothing.", func() float64 { return float64(reserve()) })
}

// Retention is what the deletion of old footage has done so far.
type Retention struct {
	Segments, Bytes map[string]int64 // deleted, by reason: age, bytes, disk
	Refused         int64            // deletions that the store has refused
	Failed          int64            // rounds that failed
	LastRound       time.Time        // end of the last one that went through
}

// Retention shows what read returns; it is called at each scrape and must be quick.
func (m *Metrics) Retention(read func() Retention) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.registry.MustRegister(&retained{
		read:     read,
		segments: desc("s3cam_retention_deleted_segments_total", "Segments deleted by retention, by reason: age, bytes (of a camera), disk (the reserve).", "reason"),
		bytes:    desc("s3cam_retention_deleted_bytes_total", "Bytes in them.", "reason"),
		refused:  desc("s3cam_retention_refused_segments_total", "Deletions of single segments that the store has refused; they are tried again, and counted again."),
		failed:   desc("s3cam_retention_failed_rounds_total", "Rounds of retention that failed; the log says why."),
		last:     desc("s3cam_retention_last_round_timestamp_seconds", "End of the last round of retention that went through, Unix seconds; 0: none yet."),
	})
}

type retained struct {
	read                                   func() Retention
	segments, bytes, refused, failed, last *prometheus.Desc
}

func (r *retained) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{r.segments, r.bytes, r.refused, r.failed, r.last} {
		ch <- d
	}
}

func (r *retained) Collect(ch chan<- prometheus.Metric) {
	now := r.read()
	for _, reason := range []string{"age", "bytes", "disk"} {
		ch <- prometheus.MustNewConstMetric(r.segments, prometheus.CounterValue, float64(now.Segments[reason]), reason)
		ch <- prometheus.MustNewConstMetric(r.bytes, prometheus.CounterValue, float64(now.Bytes[reason]), reason)
	}
	ch <- prometheus.MustNewConstMetric(r.refused, prometheus.CounterValue, float64(now.Refused))
	ch <- prometheus.MustNewConstMetric(r.failed, prometheus.CounterValue, float64(now.Failed))
	last := 0.0
	if !now.LastRound.IsZero() {
		last = float64(now.LastRound.Unix())
	}
	ch <- prometheus.MustNewConstMetric(r.last, prometheus.GaugeValue, last)
}

// Handler answers with all metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(m.cfg.Logger.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
	})
}
