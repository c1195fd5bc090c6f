// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/buildinfo"
	"github.com/s3cam/s3cam/internal/wire"
	"github.com/s3cam/s3cam/segment"
)

// Agent records cameras. Use [New], then [Agent.Run] once.
type Agent struct {
	cfg   Config
	log   *slog.Logger
	now   func() time.Time
	build buildinfo.Info
	state *state
	start time.Time

	mu      sync.Mutex
	pools   map[string]*x509.CertPool
	cameras map[string]*camera
	conns   map[*connection]struct{}
	ending  bool
	streams map[string]string // camera label -> trouble with its input

	drains  sync.WaitGroup
	patient context.Context // of drains: ends with the second signal, or when they have lasted long enough
	hurry   context.CancelFunc
	last    func() context.Context // see lastDrain
	failed  firstError             // what Run returns
	text    sync.Once
	trimmed time.Time // by the monotonic clock
}

// Options are what the process gives besides the Config.
type Options struct {
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil: time.Now
	Stdin  *os.File
}

// New returns an Agent, or an error about the configuration.
func New(cfg Config, o Options) (*Agent, error) {
	a := &Agent{cfg: cfg, log: o.Logger, now: o.Now, build: buildinfo.Read(), pools: map[string]*x509.CertPool{},
		cameras: map[string]*camera{}, conns: map[*connection]struct{}{}, streams: map[string]string{}}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.start = a.now()
	var err error
	if a.state, err = openState(cfg.StateDir, buildTime(a.build), a.now, a.log); err != nil {
		return nil, err
	}
	a.patient, a.hurry = context.WithCancel(context.Background())
	a.last = sync.OnceValue(func() context.Context {
		ctx, cancel := context.WithTimeout(a.patient, a.cfg.Drain)
		context.AfterFunc(ctx, func() { cancel(); a.hurry() })
		return ctx
	})
	return a, nil
}

// inputs are the cameras that are streams.
func (a *Agent) inputs() (all []CameraConfig) {
	if a.cfg.Camera.Input != "" && len(a.cfg.Cameras) == 0 {
		all = append(all, a.cfg.Camera)
	}
	for _, k := range a.cfg.Cameras {
		if k.Input != "" {
			all = append(all, k)
		}
	}
	return all
}

// Run works until ctx ends, or, with Config.FD or inputs that end, until there is nothing more to do; then it drains for Config.Drain
// at most. now ends that at once. It returns an error when it could not begin, or when footage was lost at the end.
func (a *Agent) Run(ctx context.Context, now <-chan struct{}) error {
	switch inputs := len(a.inputs()); {
	case a.cfg.FD == 0 && a.cfg.Socket == "" && inputs == 0:
		return Usagef("nothing to do: give --socket for cameras that connect, or --input for a stream to record")
	case a.cfg.FD != 0 && (a.cfg.Socket != "" || inputs > 0):
		return Usagef("--fd serves one camera and cannot go with --socket or --input")
	}
	if a.cfg.Exposed {
		a.log.Warn("every user of this system can read the keys in the configuration file", "file", a.cfg.File, "hint", "chmod 600")
	}
	var work sync.WaitGroup
	inner, stop := context.WithCancel(ctx)
	defer stop()
	told := make(chan struct{})
	context.AfterFunc(inner, func() { a.notify("STOPPING=1"); close(told) })
	begin := func(f func(context.Context) error) {
		work.Go(func() {
			if err := f(inner); err != nil {
				a.failed.set(err)
				stop()
			}
		})
	}
	switch {
	case a.cfg.FD != 0:
		nc, err := connectionOf(a.cfg.FD)
		if err != nil {
			return err
		}
		begin(func(ctx context.Context) error { return a.serveOne(ctx, nc) })
	case a.cfg.Socket != "":
		l, err := listen(a.cfg.Socket, a.cfg.SocketMode)
		if err != nil {
			return err
		}
		a.log.Info("listening", "socket", a.cfg.Socket, "mode", fmt.Sprintf("%#o", a.cfg.SocketMode), "version", a.build.Version)
		begin(func(ctx context.Context) error { return a.accept(ctx, l) })
	}
	for _, k := range a.inputs() {
		begin(func(ctx context.Context) error { return a.stream(ctx, k) })
	}
	var health sync.WaitGroup
	done := make(chan struct{})
	health.Go(func() { a.keepHealth(done) })
	go func() {
		select {
		case <-now:
			a.hurry()
		case <-done:
		}
	}()
	work.Wait()
	stop()
	a.failed.set(a.closeAll(a.lastDrain()))
	close(done)
	health.Wait()
	<-told
	a.failed.set(a.state.save())
	return a.failed.get()
}

// lastDrain is the context of the drains at the end: Config.Drain from its first call on, or until the second signal.
func (a *Agent) lastDrain() context.Context { return a.last() }

// firstError keeps all errors that are set, from any goroutine.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) set(err error) {
	f.mu.Lock()
	f.err = errors.Join(f.err, err)
	f.mu.Unlock()
}

func (f *firstError) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// serveOne serves the socket of the shim; when it ends, so does the agent.
func (a *Agent) serveOne(ctx context.Context, nc net.Conn) error {
	a.log.Info("started by the camera's firmware", "version", a.build.Version)
	cam, err := a.newConnection(nc, a.log).serve(ctx)
	if err != nil {
		a.log.Warn("connection ended", "error", err)
	} else if cam != nil {
		a.log.Info("the firmware has ended the connection")
	}
	return nil
}

func (a *Agent) newConnection(nc net.Conn, log *slog.Logger) *connection {
	return &connection{a: a, nc: nc, log: log, in: wire.NewReader(nc)}
}

// accept serves whoever connects, until ctx ends.
func (a *Agent) accept(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	a.notify("READY=1")
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			a.log.Warn("cannot accept a connection", "error", err)
			select {
			case <-time.After(time.Second): // descriptors ran out, for example: some will be free again
			case <-ctx.Done():
			}
			continue
		}
		log := a.log.With("peer", peer(nc))
		c := a.newConnection(nc, log)
		a.mu.Lock()
		full := len(a.conns) >= 2*MaxCameras
		if !full {
			a.conns[c] = struct{}{}
		}
		a.mu.Unlock()
		if full {
			log.Warn("refused: too many connections")
			nc.Close()
			continue
		}
		serving.Go(func() {
			cam, err := c.serve(ctx)
			a.mu.Lock()
			delete(a.conns, c)
			a.mu.Unlock()
			if err != nil {
				c.log.Warn("connection ended", "error", err)
			}
			if cam != nil {
				a.left(cam)
			}
		})
	}
}

// errBusy: there is no place for another camera.
var errBusy = errors.New("busy")

// merge lets what the firmware says count more than the configuration.
func (a *Agent) merge(w wire.Config) (CameraConfig, error) {
	k, ok := a.cfg.Cameras[w.Camera]
	if !ok {
		k = a.cfg.Camera
		k.Name = w.Camera
	}
	k.Input, k.FPS = "", ""
	take := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	take(&k.Region, w.Region)
	take(&k.Bucket, w.Bucket)
	take(&k.Prefix, w.Prefix)
	if w.Endpoint != "" {
		k.Endpoint, k.BucketInHost = w.Endpoint, w.BucketInHost
	}
	k.BucketRoot = w.BucketRoot && k.Prefix == ""
	if w.RingBytes != 0 {
		k.RingBytes = int(min(w.RingBytes, 1<<30))
	}
	if w.Segment != 0 {
		k.Segment = w.Segment
	}
	if k.Bucket == "" && !k.BucketInHost {
		return k, errors.New("bucket is set neither by the firmware nor in the agent's configuration")
	}
	if k.Region == "" && k.Endpoint == "" {
		return k, errors.New("region is set neither by the firmware nor in the agent's configuration")
	}
	if !k.BucketRoot {
		clean, err := segment.CleanPrefix(k.Prefix)
		if err != nil {
			return k, fmt.Errorf("prefix: %w", err)
		}
		k.Prefix = clean
	}
	return k, nil
}

// attach gives a connection its camera: the one that was fed before by a connection that has ended or stands still, or a new one.
func (a *Agent) attach(ctx context.Context, c *connection, w wire.Config) (*camera, error) {
	k, err := a.merge(w)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	old := a.cameras[k.id()]
	n := len(a.cameras)
	a.mu.Unlock()
	if old != nil && old.cfg.Input != "" {
		return nil, fmt.Errorf("%w: this camera is recorded from %s", errBusy, old.cfg.Input)
	}
	if old != nil {
		if !old.free(ctx) {
			return nil, fmt.Errorf("%w: another process records this camera (%s/%s)", errBusy, k.Bucket, k.Prefix)
		}
		if cam := a.rejoin(old, c, k); cam != nil {
			return cam, nil
		}
		old.mu.Lock()
		before := old.conn
		old.mu.Unlock()
		before.cutOff()
		ctx, cancel := context.WithTimeout(a.patient, 2*time.Second)
		_ = a.end(ctx, old)
		cancel()
		n--
	}
	if n >= MaxCameras {
		return nil, fmt.Errorf("%w: %d cameras are recorded already", errBusy, n)
	}
	cam, err := a.newCamera(k)
	if err != nil {
		return nil, err
	}
	cam.conn = c
	a.mu.Lock()
	if a.ending || a.cameras[k.id()] != nil {
		a.mu.Unlock()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = cam.close(ctx)
		return nil, fmt.Errorf("%w: somebody else records this camera, or the agent is ending", errBusy)
	}
	a.cameras[k.id()] = cam
	a.mu.Unlock()
	cam.log.Info("camera", "bucket", k.Bucket, "prefix", k.Prefix, "region", k.Region, "endpoint", k.Endpoint, "ring_bytes", k.RingBytes,
		"segment", k.Segment, "spool", k.SpoolDir != "")
	return cam, nil
}

// rejoin lets c feed a camera that is there already, unless its settings have changed.
func (a *Agent) rejoin(old *camera, c *connection, k CameraConfig) *camera {
	k.Name = old.cfg.Name
	old.mu.Lock()
	if old.closing || old.givenUp || old.cfg != k {
		old.mu.Unlock()
		return nil
	}
	before := old.conn
	old.conn, old.parted = c, false
	if old.linger != nil {
		old.linger.Stop()
		old.linger = nil
	}
	old.mu.Unlock()
	before.cutOff()
	_ = old.up.Flush() // the encoder's clock may be another now
	old.log.Info("camera is back")
	return old
}

// left lets a camera without a connection drain and wait for the firmware to come back.
func (a *Agent) left(cam *camera) {
	cam.mu.Lock()
	defer cam.mu.Unlock()
	if cam.conn != nil || cam.closing || cam.givenUp || cam.linger != nil {
		return
	}
	cam.log.Info("connection of the camera has ended; uploading what is left")
	_ = cam.up.Flush()
	cam.linger = time.AfterFunc(a.cfg.Drain, func() { a.retire(cam) })
}

// retire ends a camera to which nobody came back, in the background.
func (a *Agent) retire(cam *camera) {
	if !cam.giveUp() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending { // closeAll does it
		return
	}
	a.drains.Go(func() {
		ctx, cancel := context.WithTimeout(a.patient, a.cfg.Drain)
		defer cancel()
		_ = a.end(ctx, cam) // logged there
	})
}

// end drains a camera until ctx ends, and forgets it.
func (a *Agent) end(ctx context.Context, cam *camera) error {
	err := cam.close(ctx)
	a.state.learn(cam.up)
	a.mu.Lock()
	if a.cameras[cam.id] == cam {
		delete(a.cameras, cam.id)
	}
	a.mu.Unlock()
	return err
}

// closeAll ends all cameras at the same time.
func (a *Agent) closeAll(ctx context.Context) error {
	a.mu.Lock()
	a.ending = true
	var all []*camera
	for _, cam := range a.cameras {
		all = append(all, cam)
	}
	a.mu.Unlock()
	var failed firstError
	var closing sync.WaitGroup
	for _, cam := range all {
		closing.Go(func() { failed.set(a.end(ctx, cam)) })
	}
	closing.Wait()
	a.drains.Wait()
	return failed.get()
}

// firstStored runs once, after the first upload of any camera: what start and handshake needed is not needed soon again.
func (a *Agent) firstStored() {
	if !a.cfg.KeepText {
		a.text.Do(releaseText)
	}
}

// trimEvery bounds what giving memory back costs: a collection of a small heap, some milliseconds on a camera.
const trimEvery = 2 * time.Second

// trim gives memory back after a connection was made. What a handshake leaves behind is half a megabyte, which would stay until the heap
// has grown to one, and longest when the ring is full since each try fails; its code is a third of the program.
func (a *Agent) trim() {
	now := time.Now()
	a.mu.Lock()
	due := now.Sub(a.trimmed) >= trimEvery
	if due {
		a.trimmed = now
	}
	a.mu.Unlock()
	if !due {
		return
	}
	debug.FreeOSMemory()
	if !a.cfg.KeepText {
		releaseText()
	}
}

// cameraList returns the cameras there are.
func (a *Agent) cameraList() (all []*camera) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, cam := range a.cameras {
		all = append(all, cam)
	}
	return all
}

func buildTime(b buildinfo.Info) time.Time {
	t, err := time.Parse(time.RFC3339, b.Time)
	if err != nil {
		return time.Time{}
	}
	return t
}
