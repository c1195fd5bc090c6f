// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/credential"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
	"github.com/s3cam/s3cam/internal/spool"
	"github.com/s3cam/s3cam/internal/wire"
	"github.com/s3cam/s3cam/uploader"
)

// camera records one camera into one place. It outlives the connection that it was made for, until it is drained.
type camera struct {
	cfg   CameraConfig
	id    string // bucket and prefix: what must not be recorded twice
	log   *slog.Logger
	up    *uploader.Uploader
	put   *putter
	keys  *keys
	spool *lateSpool // nil: none
	now   func() time.Time
	born  time.Time
	sick  bool // the log knows that it is unhealthy; only for Agent.checkHealth

	mu        sync.Mutex
	conn      *connection // that feeds it now
	linger    *time.Timer // ends it when nobody comes back
	lastFrame time.Time
	lastLoss  time.Time // of footage
	failing   time.Time // since when uploads fail; zero: they do not
	problem   error     // the last one that somebody has to act on
	closed    chan struct{}
	closing   bool
	givenUp   bool // nobody came back in time; no connection gets it any more
	parted    bool // the firmware has said CLOSE, and nobody came back yet
	closeErr  error
}

// id names the place that a configuration records to.
func (k *CameraConfig) id() string {
	if k.BucketInHost {
		return k.Endpoint + "\x00" + k.Prefix
	}
	return k.Endpoint + "\x00" + k.Bucket + "\x00" + k.Prefix
}

// label is what people know the camera as.
func (k *CameraConfig) label() string {
	switch {
	case k.Name != "":
		return k.Name
	case k.Prefix != "":
		return k.Prefix
	}
	return "(bucket root)"
}

// newCamera starts the upload worker. Errors are about the configuration.
func (a *Agent) newCamera(k CameraConfig) (*camera, error) {
	log := a.log.With("camera", k.label())
	c := &camera{cfg: k, id: k.id(), log: log, now: a.now, born: a.now(), keys: &keys{}, closed: make(chan struct{})}
	roots, err := a.roots(k.CAFile)
	if err != nil {
		return nil, err
	}
	if c.keys.configured, err = a.provider(&k, roots, log); err != nil {
		return nil, err
	}
	c.put = &putter{stored: a.firstStored, trim: a.trim, clock: a.state, keys: c.keys}
	c.put.client, err = s3put.New(s3put.Config{
		Endpoint: k.Endpoint, Region: k.Region, Bucket: k.Bucket, PathStyle: k.pathStyle(), BucketInHost: k.BucketInHost,
		Credentials: c.keys.retrieve, RootCAs: roots, AnyCipher: k.AnyCipher, NoCondition: k.NoCondition, NoChecksum: k.NoChecksum,
		Now: a.now, TimeFloor: a.state.floor, ServerTime: k.ServerTime, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	cfg := uploader.Config{
		Prefix: k.Prefix, BucketRoot: k.BucketRoot && k.Prefix == "", SegmentDuration: k.Segment, RingBytes: k.RingBytes, Putter: c.put,
		Audio: k.Audio, Tags: k.Tags, ClockOffset: a.state.offset(), RejectedMax: k.RejectedWait, Now: a.now, Logger: a.log, // adds the camera itself
		OnStored: c.onStored, OnDrop: c.onDrop, OnError: c.onError, RefreshCredentials: c.keys.refresh,
	}
	if k.SpoolDir != "" {
		dir := filepath.Join(k.SpoolDir, spoolName(&k))
		c.spool = &lateSpool{cfg: spool.Config{Dir: dir, MaxBytes: k.SpoolBytes, Logger: log}}
		cfg.Spool = c.spool
		if err := c.spool.open(); err != nil {
			// A card that is missing or broken must not stop the recording.
			log.Error("recording goes on without a spool until it can be used: what memory cannot hold in an outage is lost", "error", err)
		}
	}
	if c.up, err = uploader.New(cfg); err != nil {
		if c.spool != nil {
			err = errors.Join(err, c.spool.close())
		}
		return nil, err
	}
	return c, nil
}

// spoolName makes one folder name of bucket and prefix; only letters, digits, '-', '_' and '.' inside stay, so that it names the same place
// on any file system.
func spoolName(k *CameraConfig) string {
	var b strings.Builder
	for _, s := range []string{k.Bucket, k.Prefix} {
		if b.Len() > 0 {
			b.WriteByte('@')
		}
		for i := range len(s) {
			switch c := s[i]; {
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && i > 0:
				b.WriteByte(c)
			default: // capital letters too: FAT does not tell them apart
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
	}
	name := b.String()
	if len(name) > 200 { // of 255 that file systems take
		name = fmt.Sprintf("%s@%x", name[:150], sha256.Sum256([]byte(name)))
	}
	return name
}

// roots reads a file of certificates once for all cameras.
func (a *Agent) roots(file string) (*x509.CertPool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if pool := a.pools[file]; pool != nil {
		return pool, nil
	}
	pool := x509.NewCertPool()
	if file == "" {
		pool = s3put.PinnedRoots()
	} else {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("ca-file: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca-file: %s has no certificate in PEM form", file)
		}
	}
	a.pools[file] = pool
	return pool, nil
}

// provider makes the configured source of credentials: fixed ones, then the IoT endpoint, then a file. nil: the firmware sets them.
func (a *Agent) provider(k *CameraConfig, roots *x509.CertPool, log *slog.Logger) (credential.Provider, error) {
	switch {
	case k.AccessKey != "":
		c := sigv4.Credentials{AccessKeyID: k.AccessKey, SecretAccessKey: sigv4.Secret(k.SecretKey), SessionToken: sigv4.Secret(k.SessionToken)}
		if err := credential.Check(c); err != nil {
			return nil, err
		}
		return credential.Static(c), nil
	case k.IoTEndpoint != "":
		return credential.NewIoT(credential.IoTConfig{Endpoint: k.IoTEndpoint, ThingName: k.IoTThing, RoleAlias: k.IoTAlias,
			CertFile: k.IoTCert, KeyFile: k.IoTKey, RootCAs: roots, Now: a.state.time, TimeFloor: a.state.floor, Heard: a.state.heard, Logger: log})
	case k.CredentialsFile != "":
		return credential.NewFile(credential.FileConfig{Path: k.CredentialsFile, Profile: k.Profile, Now: a.now, Logger: log}), nil
	}
	return nil, nil
}

// setCredentials takes those of the firmware.
func (c *camera) setCredentials(n sigv4.Credentials) error {
	if err := credential.Check(n); err != nil {
		return err
	}
	c.keys.firmware.Set(n)
	c.up.Retry()
	return nil
}

// start lets uploads begin.
func (c *camera) start() {
	if !c.put.started.Swap(true) {
		c.up.Retry()
	}
}

func (c *camera) onStored(s uploader.Stored) {
	c.mu.Lock()
	c.failing, c.problem = time.Time{}, nil
	c.mu.Unlock()
	c.changed()
}

func (c *camera) onDrop(d uploader.Drop) {
	c.mu.Lock()
	c.lastLoss = c.now()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.dropped(d)
	}
}

func (c *camera) onError(err error) {
	c.mu.Lock()
	c.problem = err
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.trouble(err)
	}
}

// changed wakes who reports counters.
func (c *camera) changed() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn != nil {
		conn.wake()
	}
}

// giveUp tells whether the camera is to be ended since nobody came back, and sees to it that nobody does from now on.
func (c *camera) giveUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.givenUp = c.givenUp || c.conn == nil && !c.closing
	return c.givenUp
}

const (
	busyWait   = 3 * time.Second // for the connection before; firmware waits 5 s for READY
	busySilent = 2 * time.Second // one that sends no picture for so long is not in use
)

// free waits until nobody feeds the camera, and tells whether that is so. A connection of firmware that has died ends in a moment, and one
// that stands still (a child holds it, a debugger stops it) may be taken over. But of two that send pictures, the first keeps
// the camera: if they took it from each other, neither would record anything.
func (c *camera) free(ctx context.Context) bool {
	for wait := busyWait; wait > 0; wait -= 20 * time.Millisecond {
		c.mu.Lock()
		used := c.conn != nil && !c.lastFrame.IsZero() && c.now().Sub(c.lastFrame) < busySilent
		c.mu.Unlock()
		if !used {
			return true
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

// drained tells whether nothing waits to be stored any more.
func (c *camera) drained() bool {
	st := c.up.Stats()
	return st.Pending.Segments == 0 && st.Open.Segments == 0
}

// sawFrame notes that a picture came.
func (c *camera) sawFrame() {
	c.mu.Lock()
	c.lastFrame = c.now()
	c.mu.Unlock()
}

// close drains until ctx ends and frees everything. It may be called more than once; all calls wait for the end.
func (c *camera) close(ctx context.Context) error {
	c.mu.Lock()
	first := !c.closing
	c.closing = true
	if c.linger != nil {
		c.linger.Stop()
	}
	c.mu.Unlock()
	if !first {
		stop := context.AfterFunc(ctx, func() { // the shorter patience counts
			done, cancel := context.WithCancel(context.Background())
			cancel()
			_ = c.up.Close(done)
		})
		defer stop()
		<-c.closed
		return c.closeErr
	}
	if !c.put.started.Load() { // and it never will be
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(ctx)
		stop()
	}
	err := c.up.Close(ctx)
	c.put.client.Close()
	if p, ok := c.keys.configured.(interface{ Close() }); ok {
		p.Close() // ends an exchange under way
	}
	if st := c.up.Stats(); err == nil && c.cfg.Input != "" && st.Dropped().Segments > 0 { // there is no firmware that was told
		err = fmt.Errorf("%w: %d segments were lost while recording", uploader.ErrNotStored, st.Dropped().Segments)
	}
	if c.spool != nil {
		err = errors.Join(err, c.spool.close())
	}
	c.closeErr = err
	close(c.closed)
	if err != nil {
		c.log.Error("camera ended", "error", err)
	} else {
		st := c.up.Stats()
		c.log.Info("camera ended", "stored", st.Stored.Segments, "spooled", st.SpoolPending.Segments, "dropped", st.Dropped().Segments)
	}
	return err
}

// code says what kind of failure the last one was.
func (c *camera) code() wire.Code {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == nil {
		return wire.CodeNetwork
	}
	return code(c.problem)
}
