// SPDX-License-Identifier: Apache-2.0

package tlscert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEConfig is what NewACME needs.
type ACMEConfig struct {
	Domains   []string // names that a certificate is got for; the first is used where a client names none
	Email     string   // for the authority's warnings; may be empty
	CacheDir  string   // for account key, certificates and their keys; made with mode 0700
	Directory string   // of the authority; default Let's Encrypt
	Client    *http.Client
	Logger    *slog.Logger
}

// ACME gets and renews certificates by itself. Using it agrees to the authority's terms. The authority must reach this
// machine: port 443 (TLS-ALPN-01, by the handshake that ServerConfig serves) or port 80 (HTTP-01, by HTTPHandler).
type ACME struct {
	cfg     ACMEConfig
	manager *autocert.Manager

	mu   sync.Mutex
	last map[string]string // error per name, as logged
}

// NewACME checks cfg. It asks nobody yet.
func NewACME(cfg ACMEConfig) (*ACME, error) {
	var errs []error
	if len(cfg.Domains) == 0 {
		errs = append(errs, errors.New("ACME: no domain"))
	}
	domains := make([]string, 0, len(cfg.Domains))
	for _, d := range cfg.Domains {
		host, ok := hostOf(d)
		if !ok || net.ParseIP(host) != nil || !strings.Contains(host, ".") || strings.Contains(d, ":") {
			errs = append(errs, fmt.Errorf("ACME: %q is no public host name; wildcards, addresses and names of a local network are not certified this way", d))
			continue
		}
		domains = append(domains, host)
	}
	if cfg.CacheDir == "" {
		errs = append(errs, errors.New("ACME: no directory for the certificates"))
	}
	if u, err := url.Parse(cfg.Directory); cfg.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		errs = append(errs, fmt.Errorf("ACME: directory %q is no https URL", cfg.Directory))
	}
	if strings.ContainsAny(cfg.Email, " \r\n<>") || cfg.Email != "" && !strings.Contains(cfg.Email, "@") {
		errs = append(errs, fmt.Errorf("ACME: %q is no e-mail address", cfg.Email))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	cfg.Domains = domains
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &ACME{cfg: cfg, last: map[string]string{}, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(cfg.CacheDir), HostPolicy: autocert.HostWhitelist(domains...), Email: cfg.Email,
		Client: &acme.Client{DirectoryURL: cfg.Directory, HTTPClient: cfg.Client, UserAgent: "s3cam"},
	}}, nil
}

// GetCertificate is for tls.Config. The first handshake for a name may wait for the authority.
func (a *ACME) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" { // a camera that is given an address
		named := *hello
		named.ServerName = a.cfg.Domains[0]
		hello = &named
	}
	cert, err := a.manager.GetCertificate(hello)
	if err != nil && a.Covers(hello.ServerName) {
		a.note(hello.ServerName, err)
	}
	return cert, err
}

// note logs a failure once until it changes.
func (a *ACME) note(name string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.mu.Lock()
	changed := a.last[name] != text
	a.last[name] = text
	a.mu.Unlock()
	if changed && err != nil {
		a.cfg.Logger.Error("no TLS certificate by ACME", "domain", name, "err", err,
			"hint", "the name must lead to this machine, and port 443 (or 80 with --http-redirect :80) be open to the internet")
	}
}

// Covers tells whether host is one of the domains.
func (a *ACME) Covers(host string) bool { return slices.Contains(a.cfg.Domains, strings.ToLower(host)) }

// HTTPHandler answers the authority's HTTP-01 challenges on port 80 and gives the rest to next.
func (a *ACME) HTTPHandler(next http.Handler) http.Handler { return a.manager.HTTPHandler(next) }

// Waits between two looks of Run.
const (
	acmeCheck    = 12 * time.Hour
	acmeRetry    = time.Minute
	acmeMaxRetry = time.Hour
)

// Run gets the certificates before anybody asks for them, and looks after them until ctx ends.
func (a *ACME) Run(ctx context.Context) error {
	wait := acmeRetry
	for {
		failed := false
		for _, domain := range a.cfg.Domains {
			if ctx.Err() != nil {
				return nil
			}
			// What every browser of today can do; with less the authority would be asked for an RSA certificate.
			cert, err := a.manager.GetCertificate(&tls.ClientHelloInfo{
				ServerName: domain, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
				SupportedCurves: []tls.CurveID{tls.CurveP256}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			})
			a.note(domain, err)
			if failed = failed || err != nil; err == nil && cert.Leaf != nil {
				a.cfg.Logger.Info("TLS certificate by ACME ready", "domain", domain, "good_until", cert.Leaf.NotAfter.UTC())
			}
		}
		pause := acmeCheck
		if failed {
			pause = wait
			wait = min(2*wait, acmeMaxRetry)
		} else {
			wait = acmeRetry
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}
