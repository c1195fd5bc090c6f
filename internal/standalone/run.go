// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/access"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3delivery"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/webui"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// Bounds of the web server and of the steps of a shutdown.
const (
	readHeaderTimeout = 10 * time.Second
	writeTimeout      = 10 * time.Minute // a segment of 10 MB over 150 kbit/s
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
	webDrain          = 5 * time.Second
	cameraDrain       = 5 * time.Second
	storeCheck        = 15 * time.Second
)

// gcHeadroom is memory that is allocated and never touched. Answers leave a few kilobytes of garbage each on a heap of a few
// megabytes, and collecting whenever that has doubled would cost a tenth of a poll. The headroom counts as heap but takes no
// memory; what it costs is that as much garbage more may lie about.
const gcHeadroom = 32 << 20

// Run runs everything until ctx ends and returns nil then. An error means that something could not be started, or broke
// and took the rest with it.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	headroom := make([]byte, gcHeadroom)
	defer runtime.KeepAlive(headroom)
	s := &server{cfg: cfg, log: cfg.Logger, failed: make(chan error, 8)}
	defer s.stop(ctx)
	if err := s.start(ctx); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	s.ops.began.Store(true)
	if cfg.Ready != nil {
		cfg.Ready(s.addresses)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.failed:
		return err
	}
}

// server is what is running.
type server struct {
	cfg       Config
	log       *slog.Logger
	addresses Addresses
	failed    chan error // the first error of a part that should run until it is stopped

	engine   *s3server.Server
	bucket   *s3server.Bucket
	client   *s3.Client
	service  *playback.Service
	web      *http.Server
	signers  *s3delivery.Signers
	access   *access.Access
	keyed    keyed
	keeping  keeping
	secured  secured
	ops      ops
	cameras  group
	webGroup group
	engines  group
}

// group is a set of goroutines that end together.
type group struct {
	ctx    context.Context // of all of them
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// run starts f with a context that ends only by stop; an error other than nil is reported.
func (g *group) run(ctx context.Context, failed chan<- error, f func(context.Context) error) {
	if g.cancel == nil {
		g.ctx, g.cancel = context.WithCancel(context.WithoutCancel(ctx))
	}
	g.done.Go(func() {
		if err := f(g.ctx); err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	})
}

func (g *group) stop() {
	if g.cancel != nil {
		g.cancel()
	}
	g.done.Wait()
}

func (s *server) start(ctx context.Context) error {
	if err := s.startOps(ctx); err != nil {
		return err
	}
	// The web address first: it is what people mistype.
	l, err := s.listenWeb()
	if err != nil {
		return err
	}
	if err = s.openTLS(); err != nil {
		l.Close()
		return err
	}
	if s.cfg.Engine != nil {
		err = s.startEngine(ctx)
	} else {
		s.client = s.cfg.Store
		err = s.checkStore(ctx)
	}
	if err == nil {
		err = s.startWeb(ctx, l)
	}
	if err == nil {
		err = s.startTLS(ctx, l)
	}
	if err != nil {
		l.Close()
		return err
	}
	if s.engine != nil { // after the service, which it tells of each segment
		s.engines.run(ctx, s.failed, s.engine.Run)
		if err := s.startCredentials(ctx); err != nil {
			return err
		}
	}
	s.startRetention(ctx)
	return s.startCameras(ctx)
}

// startEngine starts the embedded store and a client of it.
func (s *server) startEngine(ctx context.Context) error {
	e := s.cfg.Engine
	cred, err := s3server.LoadOrCreateCredentials(e.Dir, e.AccessKey, e.SecretKey)
	if err != nil {
		return dataError(e.Dir, err)
	}
	if cred.File != "" && cred.Readable {
		s.log.Warn("the key file can be read by other users of this machine; chmod 600 it", "file", cred.File)
	}
	cfg := s3server.Config{
		Dir: e.Dir, Addr: e.Addr, Region: e.Region, Bucket: e.Bucket, AccessKey: cred.AccessKey, SecretKey: cred.SecretKey,
		Logger: s.log, OnStored: s.stored, OnRequest: s.ops.metrics.S3Request, Listener: s.cfg.Listeners.S3,
	}
	if err := s.openCameras(); err != nil {
		return err
	}
	cfg.Accounts = s.keyed.registry
	cfg.TLS = s.storeTLS()
	if e.Volatile {
		cfg.Durability = s3server.DurabilityNone
	}
	if s.cfg.Playback.Live != httpapi.Direct || s.cfg.Playback.Replay != httpapi.Direct {
		cfg.CORSOrigins = []string{"*"} // access is in the signed URL; after a redirect browsers send Origin: null
	}
	if cfg.Addr, err = s.engineAddr(e); err != nil {
		return err
	}
	if s.engine, err = s3server.New(cfg); err != nil {
		return dataError(e.Dir, err)
	}
	if s.bucket, err = s.engine.CreateBucket(e.Bucket); err != nil {
		return dataError(e.Dir, err)
	}
	s.client, err = s3.New(s3.Config{
		Endpoint: s.engine.URL(), Region: s.engine.Region(), Bucket: e.Bucket, PathStyle: true,
		Credentials: s3.Static(cred.AccessKey, s3.Secret(cred.SecretKey), ""), Transport: s.ownTransport(), Logger: s.log,
	})
	if err != nil {
		return configError{err}
	}
	s.addresses.S3, s.addresses.Bucket, s.addresses.Region = s.engine.URL(), e.Bucket, s.engine.Region()
	s.addresses.AccessKey, s.addresses.SecretKey = cred.AccessKey, string(cred.SecretKey)
	s.addresses.KeyFile, s.addresses.KeyMade = cred.File, cred.Created
	return nil
}

// engineAddr finds out whether the port is free, which the engine would only say in its own words.
func (s *server) engineAddr(e *Engine) (string, error) {
	if s.cfg.Listeners.S3 != nil {
		return e.Addr, nil
	}
	l, err := listen(e.Addr, e.Fallback, "--s3")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// stored tells playback about a segment the moment it is there, so that live playlists need no listing.
func (s *server) stored(bucket, key string, size int64) {
	if s.service == nil || bucket != s.cfg.Engine.Bucket {
		return
	}
	if camera, start, ok := segment.ParseKey(key); ok {
		s.ops.metrics.Stored(camera, start, size)
		s.keeping.stored(camera, start)
		s.service.Stored(camera, segment.Segment{Key: start, Start: start, Size: size})
	}
}

// checkStore asks an external store for one key, so that a wrong address, bucket or key fails at the start.
func (s *server) checkStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeCheck)
	defer cancel()
	if err := s.client.List(ctx, "", "", 1, func([]byte, int64) bool { return false }); err != nil {
		return StoreError(s.client.Bucket(), err)
	}
	s.addresses.Bucket = s.client.Bucket()
	return nil
}

func (s *server) startWeb(ctx context.Context, l net.Listener) error {
	p := s.cfg.Playback
	windows, err := s.openWindows(ctx)
	if err != nil {
		return err
	}
	pc := playback.Config{
		Windows: windows, FirstPTS: mpegts.FirstPTS, EndPTS: mpegts.EndPTS, Now: s.cfg.Now, Logger: s.log,
		ItemInPlaylist: p.ItemInPlaylist, M3U8TargetDuration: p.M3U8TargetDuration,
		NearRealtimeReplayCachePeriod: p.NearRealtimeReplayCachePeriod, NearRealtimeReplayPrecedingPeriod: p.NearRealtimeReplayPrecedingPeriod,
		TSClipDuration: p.TSClipDuration, MaxReplay: p.MaxReplay,
	}
	s.signers = s3delivery.NewSigners(s.client)
	site, err := s.site(ctx, p)
	if err != nil {
		return err
	}
	hc := httpapi.Config{
		Live: p.Live, Replay: p.Replay, Presign: s.signers.Get, PresignPeriod: p.NearRealtimeReplayCachePeriod, Fault: storeFault,
		CORSOrigins: s.cfg.Web.CORSOrigins, Hosts: s.cfg.Web.Hosts, Site: site, Now: s.cfg.Now, Logger: s.log,
	}
	hc.Clips = httpapi.Clips{Max: max(0, p.MaxClips), MaxLength: p.MaxClip}
	if p.MaxClips == 0 {
		hc.Clips.Max = DefaultMaxClips
	}
	if s.bucket != nil {
		pc.Store, pc.Heads, pc.Announced, hc.Objects = s.bucket, s.bucket, true, localObjects{s.bucket}
	} else {
		pc.Store, pc.Heads, hc.Objects = s.client, s.client, s3delivery.Objects{Client: s.client}
	}
	s.observeStore(&pc)
	if err := s.openRetention(&pc); err != nil {
		return err
	}
	service, err := playback.New(pc)
	if err != nil {
		return configError{err}
	}
	hc.Playback = s.observePlayback(service)
	if hc.CheckHost, err = onLoopback(s.cfg.Web.Addr, "--http"); err != nil {
		return err
	}
	if err := s.openAccess(hc.CheckHost); err != nil {
		return err
	}
	s.limitAccess(&hc)
	s.observeParts()
	if hc.CheckHost {
		s.ops.hosts = s.ownHost
	}
	handler, err := httpapi.New(hc)
	if err != nil {
		return configError{err}
	}
	s.service = service
	s.web = &http.Server{
		Handler: s.observed(boundBodies(handler, bodyTimeout)), ReadHeaderTimeout: readHeaderTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ConnState: connState, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.watchCameras(ctx, service)
	s.addresses.Web = s.secureWeb(browserURL(l))
	if path := s.access.SetupPath(); path != "" {
		s.addresses.Setup = s.addresses.Web + path
	}
	s.log.Info("web server ready", "url", s.addresses.Web)
	s.webGroup.run(ctx, s.failed, func(context.Context) error {
		return s.serveWeb(l)
	})
	return nil
}

// site is the web page. Its policy lets it load from the store when segments are not delivered by this server.
func (s *server) site(ctx context.Context, p Playback) (http.Handler, error) {
	cfg := webui.Config{Zone: s.cfg.Web.Zone, CameraZones: s.cfg.Web.CameraZones, NoClips: p.MaxClips < 0}
	if !s.cfg.Web.Anonymous {
		cfg.Login = "login"
		cfg.Sees = func(r *http.Request, camera string) bool {
			_, err := s.access.Authorize(r, camera)
			return err == nil
		}
	}
	if p.Live != httpapi.Direct || p.Replay != httpapi.Direct {
		origin, err := s.signers.Origin(ctx, s.cfg.Now())
		if err != nil {
			return nil, StoreError(s.client.Bucket(), err)
		}
		cfg.ConnectSources = []string{origin}
	}
	return webui.Handler(cfg)
}

// stop ends the parts in the order in which the bytes flow.
func (s *server) stop(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	s.drain()
	s.cameras.stop()
	if s.web != nil {
		quiesce(s.ops.viewers, s.web)
		drain, cancel := context.WithTimeout(ctx, webDrain)
		if err := s.web.Shutdown(drain); err != nil {
			s.web.Close()
		}
		cancel()
	}
	s.webGroup.stop()
	s.secured.stop()
	s.keeping.group.stop()
	s.keyed.stop(ctx)
	s.engines.stop()
	if s.engine != nil {
		s.engine.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
	s.stopOps()
}
