// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/s3cam/s3cam/internal/buildinfo"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
)

// Level says how bad it is.
type Level string

// The levels. Fail means that something does not work or is about to stop working.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Line is what one check found.
type Line struct {
	Check  string `json:"check"` // disk, rights, attributes, secrets, limits, clock, store.put, ...
	Level  Level  `json:"level"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do; not for OK
}

// Config says what to look at. What is not set is not looked at.
type Config struct {
	Dir               string   // data directory of an embedded store
	Ports             []Port   // that the server is meant to listen on
	Hosts             []string // public names of the server
	CertFile, KeyFile string
	Store             *s3.Client // to be tried out
	StoreSkipped      string     // why there is none, for a line
	Origin            string     // of a page that loads segments from the store itself (delivery by signed URLs): the store must allow it
	Cameras           func(context.Context) ([]playback.Camera, error)
	Connections       int    // that the server is meant to take; 0: not looked at
	URL               string // of a server that is asked as a viewer would
	Token             string // that is sent there
	TimeURL           string // of any web server with a right clock
	ExpectLogin       bool   // the site at URL must not show anything to strangers
	RootCAs           *x509.CertPool
	Transport         http.RoundTripper // that asks URL and TimeURL; nil: the usual one
	Lookup            func(ctx context.Context, host string) ([]string, error)
	Now               func() time.Time
	Logger            *slog.Logger
}

// Port is an address to listen on.
type Port struct {
	Flag, Addr string
	TLS        bool
}

// askTimeout bounds each question to the network.
const askTimeout = 10 * time.Second

// doctor is a run.
type doctor struct {
	cfg   Config
	web   *http.Client
	lines []Line
	each  func(Line)
}

// Run makes all checks and returns their lines; each, which may be nil, gets them as they come.
func Run(ctx context.Context, cfg Config, each func(Line)) []Line {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if each == nil {
		each = func(Line) {}
	}
	d := &doctor{cfg: cfg, each: each}
	d.web = &http.Client{Timeout: askTimeout, Transport: cfg.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if cfg.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = tlsConfig(cfg.RootCAs, "")
		t.DisableKeepAlives = true
		d.web.Transport = t
	}
	d.ok("version", "%s", buildinfo.Read())
	if cfg.Dir != "" {
		d.directory()
	}
	d.limits()
	d.ports(ctx)
	d.names(ctx)
	d.certificateFiles()
	d.clock(ctx)
	switch {
	case cfg.Store != nil:
		d.store(ctx)
	case cfg.StoreSkipped != "":
		d.warn("store", "start the server, where it should run; see also the lines above. Then run this again", "not tried: %s", cfg.StoreSkipped)
	}
	if cfg.Cameras != nil {
		d.cameras(ctx)
	}
	if cfg.URL != "" {
		d.site(ctx)
	}
	return d.lines
}

// Worst is the highest level of lines.
func Worst(lines []Line) Level {
	worst := OK
	for _, l := range lines {
		if l.Level == Fail || l.Level == Warn && worst == OK {
			worst = l.Level
		}
	}
	return worst
}

func (d *doctor) add(l Line) {
	d.lines = append(d.lines, l)
	d.each(l)
}

func (d *doctor) ok(check, format string, args ...any) {
	d.add(Line{Check: check, Level: OK, Found: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(check, advice, format string, args ...any) {
	d.add(Line{Check: check, Level: Warn, Found: fmt.Sprintf(format, args...), Advice: advice})
}

func (d *doctor) fail(check, advice, format string, args ...any) {
	d.add(Line{Check: check, Level: Fail, Found: fmt.Sprintf(format, args...), Advice: advice})
}
