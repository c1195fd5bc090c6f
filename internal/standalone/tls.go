// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/registry"
	"github.com/s3cam/s3cam/internal/tlscert"
)

// TLS says how the web port and the embedded store's port are encrypted; the zero value: not at all.
type TLS struct {
	CertFile, KeyFile string // PEM; read again when they change

	Domains   []string // a certificate is got for by ACME, instead of the files
	Email     string
	Directory string       // of the ACME authority; empty: Let's Encrypt
	Client    *http.Client // that asks it; nil: the usual one

	PlainStore bool          // the store's port stays without TLS
	Redirect   string        // host:port of a listener that sends browsers to https; empty: none
	HSTS       time.Duration // zero: the header is not sent
}

func (t *TLS) on() bool { return t.CertFile != "" || t.KeyFile != "" || len(t.Domains) > 0 }

func (t *TLS) problem() error {
	var errs []error
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	if (t.CertFile == "") != (t.KeyFile == "") {
		bad("--tls-cert and --tls-key belong together")
	}
	if t.CertFile != "" && len(t.Domains) > 0 {
		bad("--tls-cert and --acme-domain exclude each other")
	}
	if len(t.Domains) == 0 && (t.Email != "" || t.Directory != "") {
		bad("--acme-email and --acme-directory need --acme-domain")
	}
	if !t.on() && t.Redirect != "" {
		bad("--http-redirect needs --tls-cert or --acme-domain")
	}
	if !t.on() && t.PlainStore {
		bad("--s3-plain needs --tls-cert or --acme-domain; without them it is so anyway")
	}
	if t.Redirect != "" {
		if _, err := onLoopback(t.Redirect, "--http-redirect"); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Connections of the redirects at a time: each is for one answer, and must not take the descriptors that footage needs.
const (
	redirectConnections = 256
	redirectPerAddress  = 64
)

// secured is what is running of it.
type secured struct {
	source   tlscert.Source // nil without TLS
	redirect *http.Server
	group    group

	mu   sync.Mutex
	note registry.Server // for `s3cam camera add`; its S3 is empty as long as the store does not listen
	ca   string          // who vouches for the certificate
}

// openTLS reads the certificate, or prepares to get one.
func (s *server) openTLS() error {
	t := s.cfg.TLS
	switch {
	case t.CertFile != "":
		f, err := tlscert.OpenFiles(tlscert.FilesConfig{CertFile: t.CertFile, KeyFile: t.KeyFile, Hosts: s.cfg.Web.Hosts, Changed: s.vouch, Now: s.cfg.Now, Logger: s.log})
		if err != nil {
			return configError{err}
		}
		s.secured.source = f
	case len(t.Domains) > 0:
		a, err := tlscert.NewACME(tlscert.ACMEConfig{
			Domains: t.Domains, Email: t.Email, Directory: t.Directory, Client: t.Client, CacheDir: filepath.Join(s.cfg.StateDir(), "tls", "acme"), Changed: s.vouch, Logger: s.log,
		})
		if err != nil {
			return configError{err}
		}
		s.secured.source = a
	default:
		return nil
	}
	return nil
}

// vouch notes for `s3cam camera add` what cameras have to trust.
func (s *server) vouch(cert *tls.Certificate) {
	s.secured.mu.Lock()
	defer s.secured.mu.Unlock()
	s.secured.ca = string(tlscert.Vouchers(cert, s.cfg.Now()))
	s.saveNote()
}

// noteServer notes for `s3cam camera add` where the server is.
func (s *server) noteServer(n registry.Server) {
	s.secured.mu.Lock()
	defer s.secured.mu.Unlock()
	s.secured.note = n
	s.saveNote()
}

// saveNote writes it. The lock is held.
func (s *server) saveNote() {
	n := s.secured.note
	if n.S3 == "" {
		return
	}
	if strings.HasPrefix(n.S3, "https:") {
		n.CA = s.secured.ca
	}
	if err := registry.SaveServer(s.cfg.StateDir(), n); err != nil {
		s.log.Warn("s3cam camera add will not know where this server is", "err", err)
	}
}

// coveredHost is the host under which cameras reach the store and find a certificate for it: that of the address to listen on, where it
// is, else a name that was given, else an address of this machine.
func (s *server) coveredHost(host string) string {
	for _, h := range slices.Concat([]string{host}, s.cfg.TLS.Domains, s.cfg.Web.Hosts, machineHosts(host)) {
		ip := net.ParseIP(h)
		if loopback := h == "localhost" || ip != nil && ip.IsLoopback(); (!loopback || h == host) && s.secured.source.Covers(h) {
			return h
		}
	}
	return host
}

// storeTLS is for the embedded store's port; nil: plain.
func (s *server) storeTLS() *tls.Config {
	if s.secured.source == nil || s.cfg.TLS.PlainStore {
		return nil
	}
	return tlscert.ServerConfig(s.secured.source)
}

// ownTransport is for a client of the embedded store in this process: it trusts the certificate that this process serves, for
// whichever name that is. nil: the usual one.
func (s *server) ownTransport() http.RoundTripper {
	if s.storeTLS() == nil {
		return nil
	}
	return &http.Transport{
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 4 * time.Second, DisableCompression: true,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, // replaced by the comparison below
			VerifyConnection: func(c tls.ConnectionState) error {
				own, err := s.secured.source.GetCertificate(&tls.ClientHelloInfo{
					CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
					SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
				})
				if err != nil {
					return err
				}
				if len(c.PeerCertificates) == 0 || !bytes.Equal(c.PeerCertificates[0].Raw, own.Certificate[0]) {
					return errors.New("the certificate of the own store's port is not the one that this process serves")
				}
				return nil
			},
		},
	}
}

// serveWeb serves the page and the API, with TLS if there is a certificate, until the server is shut down.
func (s *server) serveWeb(l net.Listener) error {
	var err error
	if s.secured.source != nil {
		err = s.web.ServeTLS(l, "", "")
	} else {
		err = s.web.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web server: %w", err)
	}
	return nil
}

// secureWeb makes the web server one with TLS, and returns its URL.
func (s *server) secureWeb(url string) string {
	if s.secured.source == nil {
		return url
	}
	s.web.TLSConfig = tlscert.ServerConfig(s.secured.source)
	s.web.Handler = tlscert.HSTS(s.cfg.TLS.HSTS, s.web.Handler)
	host, port := splitURL(url)
	if domains := s.cfg.TLS.Domains; len(domains) > 0 {
		host = domains[0]
	} else if names := s.cfg.Web.Hosts; len(names) > 0 && s.secured.source.Covers(names[0]) {
		host = names[0]
	}
	if port == "443" {
		if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
			host = "[" + host + "]"
		}
		return "https://" + host
	}
	return "https://" + net.JoinHostPort(host, port)
}

func splitURL(url string) (host, port string) {
	host, port, err := net.SplitHostPort(url[len("http://"):])
	if err != nil {
		return url[len("http://"):], "80"
	}
	return host, port
}

// startTLS keeps the certificate fresh and sends browsers from http to https.
func (s *server) startTLS(ctx context.Context, web net.Listener) error {
	src := s.secured.source
	if src == nil {
		return nil
	}
	// After the listener of the redirects: an authority that finds port 80 alone must not be asked before that answers.
	defer s.secured.group.run(ctx, s.failed, src.Run)
	if s.cfg.TLS.Redirect == "" {
		return nil
	}
	l, err := listen(s.cfg.TLS.Redirect, false, "--http-redirect")
	if err != nil {
		return err
	}
	port := 443
	if a, ok := web.Addr().(*net.TCPAddr); ok {
		port = a.Port
	}
	covers := func(host string) bool {
		for _, h := range s.cfg.Web.Hosts {
			if h == host {
				return true
			}
		}
		return src.Covers(host)
	}
	handler := tlscert.Redirect(covers, port)
	if a, ok := src.(*tlscert.ACME); ok {
		handler = a.HTTPHandler(handler)
	}
	s.secured.redirect = &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readHeaderTimeout, WriteTimeout: readHeaderTimeout, IdleTimeout: readHeaderTimeout,
		MaxHeaderBytes: maxHeaderBytes, ConnState: connState, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	limits := newLimited(l, Limits{Connections: redirectConnections, PerAddress: redirectPerAddress}, s.cfg.Access.TrustedProxies, func(int) {}, func(string) {})
	s.addresses.Redirect = browserURL(l)
	s.log.Info("http is redirected to https", "addr", l.Addr().String())
	s.secured.group.run(ctx, s.failed, func(context.Context) error {
		if err := s.secured.redirect.Serve(limits); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("redirect listener: %w", err)
		}
		return nil
	})
	return nil
}

// stop ends the redirects and the care for the certificate.
func (t *secured) stop() {
	if t.redirect != nil {
		t.redirect.Close()
	}
	t.group.stop()
}
