// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// Playback answers what the playlists and lists show; *playback.Service is one.
type Playback interface {
	Live(ctx context.Context, camera string) (hls.Playlist, error)
	Replay(ctx context.Context, camera string, start, end time.Time) (hls.Playlist, error)
	Cameras(ctx context.Context) ([]playback.Camera, error)
	CoverageAt(ctx context.Context, camera string, start, end time.Time, o playback.CoverageOptions) (playback.Coverage, error)
	Segments(ctx context.Context, camera string, start, end time.Time, longest time.Duration) ([]segment.Segment, error)
}

// Objects reads stored segments for [Direct] delivery.
type Objects interface {
	// Open returns the object from offset on: n bytes of it, or all of the rest when n < 0. The caller closes the body. A
	// body that is also an io.ReadSeeker must be the whole object, whatever offset and n: ranges are then cut out of it
	// here (an *os.File goes out by sendfile). With n == 0, or an offset
	// at or beyond the end, only the description is wanted and Body may be nil.
	Open(ctx context.Context, key string, offset, n int64) (*Object, error)
}

// Object is one stored object.
type Object struct {
	Body     io.ReadCloser
	Size     int64     // of the whole object, -1 when the store does not say
	Modified time.Time // may be zero
	ETag     string    // quoted, may be empty
}

// Presigner makes URLs that let whoever has them read an object for a while; *s3.Presigner is one.
type Presigner interface {
	AppendGet(dst []byte, key string) []byte
}

// Delivery says how a player gets from a playlist to the bytes of a segment.
type Delivery int

// The deliveries of playback (docs/ref/http-api.md).
const (
	// Direct lists relative URLs, which this handler answers with the bytes.
	Direct Delivery = iota
	// Redirect lists relative URLs, which this handler answers with a 302 to a URL signed for [RedirectExpiry].
	Redirect
	// Presign lists signed URLs of the store itself.
	Presign
)

// ParseDelivery reads the names "direct", "redirect" and "presign".
func ParseDelivery(s string) (Delivery, error) {
	if i := slices.Index([]string{"direct", "redirect", "presign"}, s); i >= 0 {
		return Delivery(i), nil
	}
	return 0, fmt.Errorf("delivery %q: want direct, redirect or presign", s)
}

// Defaults of [Config], and the validity of redirects.
const (
	DefaultTimeout       = 20 * time.Second
	DefaultPresignPeriod = 600 * time.Second
	DefaultLiveAge       = 50 * time.Millisecond
	RedirectExpiry       = 60 * time.Second
	DefaultMaxClip       = 24 * time.Hour
	DefaultClipStall     = 2 * time.Minute
)

// Clips bounds /clip.mp4 and /clip.ts. Each clip in progress holds three segments in memory, and lasts as long as the client takes.
type Clips struct {
	Max       int           // clips at a time; 0: they are not offered. On Lambda an answer has room for some seconds only
	MaxLength time.Duration // longest range. Default 24 h
	Stall     time.Duration // a client that takes nothing for so long is given up. Default 2 min
}

// Config is what [New] needs. Playback is required; Objects for Direct, Presign for the other deliveries.
type Config struct {
	Playback Playback
	Live     Delivery // of segments in live playlists
	Replay   Delivery // of segments in replay playlists that are closed; growing ones never list signed URLs

	Objects Objects
	// Presign returns a signer whose URLs are dated at and expire after expires. It is called for many segments with the
	// same arguments, and should then return the same signer.
	Presign func(ctx context.Context, at time.Time, expires time.Duration) (Presigner, error)
	// PresignPeriod is how long the signed URL of a segment stays the same in a live playlist
	// (NearRealtimeReplayCachePeriod). Default 600 s.
	PresignPeriod time.Duration
	// MaxPresign is for how long the credentials behind Presign surely are good. A replay that needs signed URLs to last
	// longer lists relative ones instead, each answered by a redirect. Default 7 days, the longest that S3 accepts.
	MaxPresign time.Duration

	// LiveAge is for how long a live playlist is sent to other viewers too without asking Playback again. It bounds the work
	// for a camera that very many watch, and adds as much latency. Default 50 ms, negative for none.
	LiveAge time.Duration

	// RequestID names a request in the log and in answers. nil, or an empty name, makes one up.
	RequestID func(r *http.Request) string

	// Clips need Objects, whatever the delivery of segments is.
	Clips Clips

	// Authorize says what a request may see of a camera; the empty camera stands for the list of cameras. nil allows all.
	// An *Error chooses the answer, other errors give 403. When it is set, answers are kept out of shared caches, and the
	// playlists that are asked for with a token in the query (package token) list segments with it.
	Authorize func(r *http.Request, camera string) (Grant, error)
	// Account has the pages for logging in; nil: there are none.
	Account Account
	// Fault classifies errors of the object store that came through Playback, Objects and Presign. nil knows none.
	Fault func(error) Fault

	CORSOrigins []string      // origins that may read answers ("https://host[:port]"), or "*"
	CheckHost   bool          // refuse host names other than localhost, IP addresses and Hosts: for servers on loopback
	Hosts       []string      // further host names under which CheckHost lets requests through
	Site        http.Handler  // answers every path that is not part of the API; nil answers 404
	Timeout     time.Duration // of everything but sending bytes. Default 20 s
	Now         func() time.Time
	Logger      *slog.Logger // nil discards
}

// Account answers the paths that are neither of the API nor of the Site, whatever the method of the request.
type Account interface {
	Has(path string) bool
	// Serve answers, or returns an error before it has written anything; an *Error chooses the answer.
	Serve(w http.ResponseWriter, r *http.Request) error
}

type handler struct {
	cfg    Config
	log    *slog.Logger
	ids    *requestIDs
	render *renderer
	lives  *liveCache
	clips  chan struct{} // holds one value for each clip in progress
	guests chan struct{} // and for each of guests
	varies []string      // what authorised answers depend on, as http.Header holds it

	goodHost atomic.Pointer[string] // that hostAllowed allowed last
}

// New returns the handler of the playback API. It reports everything that is wrong with cfg at once.
func New(cfg Config) (http.Handler, error) {
	var errs []error
	if cfg.Playback == nil {
		errs = append(errs, errors.New("no Playback"))
	}
	for _, d := range []Delivery{cfg.Live, cfg.Replay} {
		switch {
		case d < Direct || d > Presign:
			errs = append(errs, fmt.Errorf("delivery %d is none of direct, redirect, presign", d))
		case d == Direct && cfg.Objects == nil:
			errs = append(errs, errors.New("direct delivery needs Objects"))
		case d != Direct && cfg.Presign == nil:
			errs = append(errs, errors.New("redirect and presign need Presign"))
		}
	}
	if cfg.Clips.Max < 0 || cfg.Clips.MaxLength < 0 || cfg.Clips.Stall < 0 {
		errs = append(errs, errors.New("bounds of clips are negative"))
	}
	if cfg.Clips.Max > 0 && cfg.Objects == nil {
		errs = append(errs, errors.New("clips need Objects"))
	}
	for _, o := range cfg.CORSOrigins {
		if u, err := url.Parse(o); o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || strings.ToLower(o) != o) {
			errs = append(errs, fmt.Errorf("CORS origin %q: want \"*\" or scheme://host[:port] in lower case without a path, as browsers send it", o))
		}
	}
	for _, name := range cfg.Hosts {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || strings.ContainsRune(":/[]@,", r) }) {
			errs = append(errs, fmt.Errorf("host %q: want a name alone, as cam.example.org, without scheme and port", name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.PresignPeriod <= 0 {
		cfg.PresignPeriod = DefaultPresignPeriod
	}
	if cfg.MaxPresign <= 0 || cfg.MaxPresign > maxPresign {
		cfg.MaxPresign = maxPresign
	}
	if cfg.LiveAge == 0 {
		cfg.LiveAge = DefaultLiveAge
	}
	if cfg.Clips.MaxLength == 0 {
		cfg.Clips.MaxLength = DefaultMaxClip
	}
	if cfg.Clips.Stall == 0 {
		cfg.Clips.Stall = DefaultClipStall
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Fault == nil {
		cfg.Fault = func(error) Fault { return FaultNone }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	hosts := make([]string, len(cfg.Hosts))
	for i, name := range cfg.Hosts {
		hosts[i] = strings.ToLower(name)
	}
	cfg.Hosts = hosts
	return &handler{cfg: cfg, log: cfg.Logger, ids: newRequestIDs(), render: newRenderer(), lives: newLiveCache(),
		clips: make(chan struct{}, cfg.Clips.Max), guests: make(chan struct{}, (cfg.Clips.Max+1)/2), varies: []string{"Authorization, Cookie"}}, nil
}
