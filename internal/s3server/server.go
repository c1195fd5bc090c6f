// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3api/utils"
)

// lockName is the file in Config.Dir that one process holds locked.
const lockName = ".s3cam.lock"

// Server is an S3 endpoint on a directory. Its methods may be called from several goroutines.
type Server struct {
	cfg    Config
	store  *Bucket // of cfg.Bucket
	gw     *gateway
	http   *fasthttp.Server
	ln     *listener
	url    string
	cert   atomic.Pointer[tls.Certificate]
	lock   *os.File
	closed sync.Once
}

// New opens the directory, makes the bucket when it is missing, and binds the address, so that URL and the error for a port in
// use are there at once. Requests are accepted from then on and answered when Run is called. A Server that is never run must
// be closed.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("S3 server: %w", err)
	}
	s := &Server{cfg: cfg}
	if err := s.open(); err != nil {
		s.Close()
		return nil, fmt.Errorf("S3 server: %w", err)
	}
	return s, nil
}

func (s *Server) open() error {
	if err := os.MkdirAll(s.cfg.Dir, 0o700); err != nil {
		return err
	}
	if err := s.lockDir(); err != nil {
		return err
	}
	var err error
	if s.gw, err = newGateway(&s.cfg); err != nil {
		return err
	}
	if s.store, err = s.CreateBucket(s.cfg.Bucket); err != nil {
		return err
	}
	if s.cfg.Durability == DurabilityFull {
		if err := syncAncestors(s.cfg.Dir); err != nil {
			return err
		}
	}
	if err := s.sweepAll(); err != nil {
		s.cfg.Logger.Warn("leftovers of an earlier run could not be removed", "err", err)
	}
	if s.http, err = newFront(&s.cfg, s.gw); err != nil {
		return err
	}
	return s.listen()
}

func (s *Server) lockDir() error {
	f, err := os.OpenFile(filepath.Join(s.cfg.Dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.lock = f
	taken, err := lockFile(f)
	if taken {
		return fmt.Errorf("%s is in use by another process (hint: is s3cam already running? give this one its own data directory)", s.cfg.Dir)
	}
	if errors.Is(err, errNoLocks) {
		s.cfg.Logger.Warn("nothing keeps a second server from using this directory: see to it that there is none", "dir", s.cfg.Dir, "err", err)
		return nil
	}
	return err
}

// errNoLocks says that a second process on the directory would not be noticed.
var errNoLocks = errors.New("its file system has no locks")

func (s *Server) sweepAll() error {
	entries, err := os.ReadDir(s.cfg.Dir)
	errs := []error{err}
	for _, e := range entries {
		if e.IsDir() && utils.IsValidBucketName(e.Name()) {
			errs = append(errs, sweep(filepath.Join(s.cfg.Dir, e.Name()), time.Now()))
		}
	}
	return errors.Join(errs...)
}

func (s *Server) listen() error {
	scheme := "http"
	if s.cfg.TLS != nil {
		scheme = "https"
	}
	if s.cfg.CertFile != "" {
		scheme = "https"
		if err := s.ReloadCertificate(); err != nil {
			return err
		}
	}
	ln := s.cfg.Listener
	if ln == nil {
		var err error
		if ln, err = net.Listen("tcp", s.cfg.Addr); err != nil {
			return listenError(s.cfg.Addr, err)
		}
	}
	s.ln = newListener(ln, s.cfg.StallTimeout, s.cfg.MaxConnections)
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() { // every interface: name one that works from here
		host = "127.0.0.1"
	}
	s.url = scheme + "://" + net.JoinHostPort(host, port)
	return nil
}

func listenError(addr string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		hint = " (hint: another program listens there; choose another port, or port 0 for a free one)"
	case errors.Is(err, syscall.EACCES):
		hint = " (hint: ports below 1024 need privileges)"
	}
	return fmt.Errorf("listen on %s: %w%s", addr, err, hint)
}

// Run serves until ctx ends, then stops accepting, lets the requests under way finish for up to Config.DrainTimeout, cuts the
// rest and returns nil; ErrDrain tells that some were cut. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	var ln net.Listener = s.ln
	if tc := s.tlsConfig(); tc != nil {
		ln = tls.NewListener(ln, tc)
	}
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(ln) }()
	s.cfg.Logger.Info("S3 server ready", "url", s.url, "dir", s.cfg.Dir, "bucket", s.cfg.Bucket, "durability", string(s.cfg.Durability))

	var err error
	select {
	case <-ctx.Done():
		err = s.drain(context.WithoutCancel(ctx))
	case err = <-served:
		served <- nil
		err = errors.Join(errors.New("S3 server stopped by itself"), err, s.drain(context.WithoutCancel(ctx)))
	}
	<-served
	return err
}

// tlsConfig is what the port is served with, nil for plain HTTP.
func (s *Server) tlsConfig() *tls.Config {
	var c *tls.Config
	switch {
	case s.cfg.TLS != nil:
		c = s.cfg.TLS.Clone()
	case s.cfg.CertFile != "":
		c = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.cert.Load(), nil }}
	default:
		return nil
	}
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.NextProtos = []string{"http/1.1"}
	return c
}

// ErrDrain is returned by Run when requests were still under way after Config.DrainTimeout and their connections were cut.
var ErrDrain = errors.New("S3 server: requests were cut at shutdown")

// drain ends the server: no new connections, idle ones closed, busy ones waited for.
func (s *Server) drain(ctx context.Context) error {
	_ = s.ln.Close() // also when Serve has not begun: it then ends at once
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	_ = s.http.ShutdownWithContext(ctx)
	cut := s.ln.closeAll()
	s.ln.wait()
	if cut > 0 {
		s.cfg.Logger.Warn("S3 requests cut at shutdown", "connections", cut)
		return fmt.Errorf("%w: %d connections", ErrDrain, cut)
	}
	return nil
}

// Close frees the port and the directory of a Server that is not running. Run calls it by itself; calling it again does nothing.
func (s *Server) Close() error {
	s.closed.Do(func() {
		if s.ln != nil {
			_ = s.ln.Close()
		}
		if s.gw != nil {
			s.gw.Shutdown()
		}
		if s.lock != nil {
			_ = s.lock.Close()
		}
	})
	return nil
}

// URL returns scheme://host:port, with the real port; for an address without a host, 127.0.0.1.
func (s *Server) URL() string { return s.url }

// Region returns the region that clients sign for.
func (s *Server) Region() string { return s.cfg.Region }

// ReloadCertificate reads the certificate files again; new connections use the new one. On an error the old one stays.
func (s *Server) ReloadCertificate() error {
	cert, err := tls.LoadX509KeyPair(s.cfg.CertFile, s.cfg.KeyFile)
	if err != nil {
		return fmt.Errorf("S3 server certificate: %w", err)
	}
	s.cert.Store(&cert)
	return nil
}

// CreateBucket makes the bucket when it is missing and returns it.
func (s *Server) CreateBucket(name string) (*Bucket, error) {
	if err := s.gw.makeBucket(name); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create bucket %s: %w", name, err)
	}
	if fi, err := os.Lstat(filepath.Join(s.cfg.Dir, name)); err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, err)
	} else if !fi.IsDir() {
		return nil, fmt.Errorf("bucket %s: %s is no directory (hint: choose another name; a link to a directory elsewhere is not followed, a mount is)", name, filepath.Join(s.cfg.Dir, name))
	}
	return &Bucket{name: name, dir: filepath.Join(s.cfg.Dir, name)}, nil
}
