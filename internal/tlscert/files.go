// SPDX-License-Identifier: Apache-2.0

package tlscert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Source gives certificates to handshakes. Run keeps them fresh until ctx ends; Covers tells whether the certificate is for a host.
type Source interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Covers(host string) bool
	Run(ctx context.Context) error
}

// Errors of Load, for errors.Is.
var (
	ErrExpired  = errors.New("the certificate has expired")
	ErrNotYet   = errors.New("the certificate is not valid yet")
	ErrMismatch = errors.New("the key does not belong to the certificate")
	ErrHost     = errors.New("the certificate is for other names")
	ErrEnding   = errors.New("the certificate expires soon")
)

const (
	maxFile    = 1 << 20
	soon       = 14 * day
	day        = 24 * time.Hour
	complainAt = 12 * time.Hour

	// DefaultEvery is how often Files looks at its files.
	DefaultEvery = 10 * time.Second
)

// hinted is an error with advice for the operator.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// Load reads a certificate (chain) and its key from PEM files. The error says that TLS is impossible with them; doubts are what
// clients will object to: ErrExpired, ErrNotYet, ErrEnding, or ErrHost for one of hosts. Errors may have a Hint.
func Load(certFile, keyFile string, hosts []string, now time.Time) (cert *tls.Certificate, doubts []error, err error) {
	certPEM, keyPEM, err := readPair(certFile, keyFile)
	if err != nil {
		return nil, nil, err
	}
	return parse(certFile, keyFile, certPEM, keyPEM, hosts, now)
}

func readPair(certFile, keyFile string) (certPEM, keyPEM []byte, err error) {
	if certPEM, err = readFile("certificate", certFile); err != nil {
		return nil, nil, err
	}
	keyPEM, err = readFile("key", keyFile)
	return certPEM, keyPEM, err
}

func readFile(what, path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		err = fmt.Errorf("TLS %s: %w", what, err)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return nil, hinted{err, "let the user that s3cam runs as read it, for example by its group"}
		case errors.Is(err, fs.ErrNotExist):
			return nil, hinted{err, "is the path right, and is it one on this machine (or in this container)?"}
		}
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("TLS %s: read %s: %w", what, path, err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("TLS %s: %s is larger than %d bytes", what, path, maxFile)
	}
	return text, nil
}

func parse(certFile, keyFile string, certPEM, keyPEM []byte, hosts []string, now time.Time) (*tls.Certificate, []error, error) {
	if kinds := blocks(certPEM); !strings.Contains(kinds, "CERTIFICATE") {
		return nil, nil, hinted{fmt.Errorf("TLS certificate: %s holds %s, no certificate", certFile, describe(kinds)), "give the PEM file with the full chain (fullchain.pem), not DER and not a signing request"}
	}
	kinds := blocks(keyPEM)
	switch {
	case strings.Contains(kinds, "ENCRYPTED PRIVATE KEY") || bytes.Contains(keyPEM, []byte("Proc-Type: 4,ENCRYPTED")):
		return nil, nil, hinted{fmt.Errorf("TLS key: %s is protected by a passphrase", keyFile), "write it without one: openssl pkey -in KEY -out KEY.plain"}
	case !strings.Contains(kinds, "PRIVATE KEY"):
		return nil, nil, hinted{fmt.Errorf("TLS key: %s holds %s, no private key", keyFile, describe(kinds)), "give the PEM file of the key (privkey.pem)"}
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		if strings.Contains(err.Error(), "private key") && strings.Contains(err.Error(), "match") {
			return nil, nil, hinted{fmt.Errorf("TLS: %w: %s, %s", ErrMismatch, keyFile, certFile),
				"both files must be of one issue; the server's own certificate comes first in the chain"}
		}
		return nil, nil, fmt.Errorf("TLS: %s, %s: %w", certFile, keyFile, plain(err))
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("TLS certificate: %s: %w", certFile, err)
	}
	cert.Leaf = leaf
	return &cert, doubtsOf(leaf, certFile, hosts, now), nil
}

// plain takes the prefix off errors of crypto/tls.
func plain(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "tls: ")) }

// blocks lists the types of the PEM blocks.
func blocks(text []byte) string {
	var kinds []string
	for range 100 {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		kinds = append(kinds, block.Type)
		text = rest
	}
	return strings.Join(kinds, ", ")
}

func describe(kinds string) string {
	if kinds == "" {
		return "no PEM"
	}
	return kinds
}

func doubtsOf(leaf *x509.Certificate, file string, hosts []string, now time.Time) []error {
	var doubts []error
	until := leaf.NotAfter.UTC().Format(time.DateTime)
	switch {
	case now.After(leaf.NotAfter):
		doubts = append(doubts, hinted{fmt.Errorf("%w: %s was good until %s", ErrExpired, file, until), "renew it; s3cam takes the new files by itself"})
	case now.Before(leaf.NotBefore):
		doubts = append(doubts, hinted{fmt.Errorf("%w: %s begins at %s", ErrNotYet, file, leaf.NotBefore.UTC().Format(time.DateTime)), "is the clock of this machine right?"})
	case leaf.NotAfter.Sub(now) < soon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soon:
		doubts = append(doubts, hinted{fmt.Errorf("%w: %s is good until %s", ErrEnding, file, until), "renew it; s3cam takes the new files by itself"})
	}
	for _, host := range hosts {
		if !covers(leaf, host) {
			doubts = append(doubts, hinted{fmt.Errorf("%w than %s: %s is for %s", ErrHost, host, file, names(leaf)), "get a certificate that names " + host})
		}
	}
	return doubts
}

func covers(leaf *x509.Certificate, host string) bool {
	if leaf == nil || host == "" {
		return false
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil {
		host = ip.String()
	}
	return leaf.VerifyHostname(host) == nil
}

func names(leaf *x509.Certificate) string {
	all := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name at all (a common name does not count)"
	}
	if len(all) > 10 {
		all = append(all[:10], "...")
	}
	return strings.Join(all, ", ")
}

// FilesConfig is what OpenFiles needs.
type FilesConfig struct {
	CertFile, KeyFile string
	Hosts             []string               // that clients will use; a certificate for others is complained about
	Every             time.Duration          // default DefaultEvery
	Changed           func(*tls.Certificate) // is told of the first certificate and of each later one; may be nil
	Now               func() time.Time
	Logger            *slog.Logger
}

// Files serves a certificate from files and follows their changes.
type Files struct {
	cfg     FilesConfig
	cert    atomic.Pointer[tls.Certificate]
	reloads atomic.Int64
	tried   [2][]byte // content that was looked at last
	said    time.Time
}

// OpenFiles loads the files. What clients will object to is logged as an error but served: recording goes on for those who do not check.
func OpenFiles(cfg FilesConfig) (*Files, error) {
	if cfg.Every <= 0 {
		cfg.Every = DefaultEvery
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func(*tls.Certificate) {}
	}
	f := &Files{cfg: cfg}
	certPEM, keyPEM, err := readPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	cert, doubts, err := parse(cfg.CertFile, cfg.KeyFile, certPEM, keyPEM, cfg.Hosts, cfg.Now())
	if err != nil {
		return nil, err
	}
	f.tried = [2][]byte{certPEM, keyPEM}
	f.cert.Store(cert)
	cfg.Changed(cert)
	f.complain(doubts)
	return f, nil
}

// GetCertificate is for tls.Config.
func (f *Files) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return f.cert.Load(), nil
}

// Covers tells whether the certificate in use is for host.
func (f *Files) Covers(host string) bool { return covers(f.cert.Load().Leaf, host) }

// NotAfter is when the certificate in use expires.
func (f *Files) NotAfter() time.Time { return f.cert.Load().Leaf.NotAfter }

// Reloads counts the certificates taken after the first.
func (f *Files) Reloads() int64 { return f.reloads.Load() }

// Run looks at the files until ctx ends and returns nil then. Files that are renewed one after the other do not match for a
// moment; as long as they do not, and whenever they are broken, the old certificate stays.
func (f *Files) Run(ctx context.Context) error {
	t := time.NewTicker(f.cfg.Every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			f.Reload()
		}
	}
}

// Reload looks at the files once. It is called by one goroutine at a time.
func (f *Files) Reload() {
	certPEM, keyPEM, err := readPair(f.cfg.CertFile, f.cfg.KeyFile)
	if err == nil && bytes.Equal(certPEM, f.tried[0]) && bytes.Equal(keyPEM, f.tried[1]) {
		if now := f.cfg.Now(); now.Sub(f.said) >= complainAt {
			f.complain(doubtsOf(f.cert.Load().Leaf, f.cfg.CertFile, f.cfg.Hosts, now))
		}
		return
	}
	var cert *tls.Certificate
	var doubts []error
	if err == nil {
		cert, doubts, err = parse(f.cfg.CertFile, f.cfg.KeyFile, certPEM, keyPEM, f.cfg.Hosts, f.cfg.Now())
		// A certificate that has expired is not better than one that has not.
		if err == nil && len(doubts) > 0 && (errors.Is(doubts[0], ErrExpired) || errors.Is(doubts[0], ErrNotYet)) && f.cfg.Now().Before(f.NotAfter()) {
			err = doubts[0]
		}
	}
	same := bytes.Equal(certPEM, f.tried[0]) && bytes.Equal(keyPEM, f.tried[1])
	f.tried = [2][]byte{certPEM, keyPEM}
	if err != nil {
		if !same {
			f.cfg.Logger.Error("new TLS files cannot be used; the old certificate stays", "err", err, "good_until", f.NotAfter().UTC())
		}
		return
	}
	f.cert.Store(cert)
	f.reloads.Add(1)
	f.cfg.Changed(cert)
	f.cfg.Logger.Info("TLS certificate renewed", "names", names(cert.Leaf), "good_until", cert.Leaf.NotAfter.UTC())
	f.complain(doubts)
}

func (f *Files) complain(doubts []error) {
	f.said = f.cfg.Now()
	for _, d := range doubts {
		level := slog.LevelError
		if errors.Is(d, ErrEnding) {
			level = slog.LevelWarn
		}
		hint := ""
		var h hinted
		if errors.As(d, &h) {
			hint = h.hint
		}
		f.cfg.Logger.Log(context.Background(), level, "clients will object to the TLS certificate", "err", d, "hint", hint)
	}
}
