// SPDX-License-Identifier: Apache-2.0

package tlscert

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
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
	Changed   func(*tls.Certificate) // is told by Run of the first domain's certificate and of each later one; may be nil
	Logger    *slog.Logger
}

// ACME gets and renews certificates by itself. Using it agrees to the authority's terms. The authority must reach this
// machine: port 443 (TLS-ALPN-01, by the handshake that ServerConfig serves) or port 80 (HTTP-01, by HTTPHandler).
type ACME struct {
	cfg     ACMEConfig
	manager *autocert.Manager

	watch *watch

	mu    sync.Mutex
	last  map[string]string           // error per name, as logged
	have  map[string]*tls.Certificate // what Run has seen last
	until time.Time                   // when the first of them ends
	said  map[string]time.Time        // when it was complained last that one is not renewed
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
	if cfg.Changed == nil {
		cfg.Changed = func(*tls.Certificate) {}
	}
	client := http.Client{Timeout: acmeTimeout}
	if cfg.Client != nil {
		client = *cfg.Client
	}
	w := &watch{transport: client.Transport}
	if w.transport == nil {
		w.transport = http.DefaultTransport
	}
	client.Transport = w
	return &ACME{cfg: cfg, watch: w, last: map[string]string{}, have: map[string]*tls.Certificate{}, said: map[string]time.Time{}, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(cfg.CacheDir), HostPolicy: autocert.HostWhitelist(domains...), Email: cfg.Email,
		Client: &acme.Client{DirectoryURL: cfg.Directory, HTTPClient: &client, UserAgent: "s3cam"},
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
	if err != nil && a.Covers(hello.ServerName) && !challenge(hello) {
		a.note(hello.ServerName, err)
	}
	return cert, err
}

// challenge tells whether it is the authority that shakes hands (RFC 8737 3), or somebody who plays it.
func challenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ALPNProto
}

// NotAfter is when the first of the certificates in use ends; zero before there is one.
func (a *ACME) NotAfter() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.until
}

// note logs a failure once until it changes.
func (a *ACME) note(name string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.mu.Lock()
	if text == noneYet && a.last[name] != "" { // the same failure, as others see it who waited for the first
		text = a.last[name]
	}
	changed := a.last[name] != text
	a.last[name] = text
	a.mu.Unlock()
	if changed && err != nil {
		a.cfg.Logger.Error("no TLS certificate by ACME", "domain", name, "err", err, "authority", a.watch.last(),
			"hint", "the name must lead to this machine, and port 443 (or 80 with --http-redirect :80) be open to the internet")
	}
}

// Covers tells whether host is one of the domains.
func (a *ACME) Covers(host string) bool { return slices.Contains(a.cfg.Domains, strings.ToLower(host)) }

// HTTPHandler answers the authority's HTTP-01 challenges on port 80 and gives the rest to next.
// It has to be called before the authority is asked, else that challenge is not tried.
func (a *ACME) HTTPHandler(next http.Handler) http.Handler {
	challenges := a.manager.HTTPHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, ok := hostOf(r.Host); ok && strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") {
			named := *r
			named.Host = host // without a port: the manager compares it with the domains
			r = &named
		}
		challenges.ServeHTTP(w, r)
	})
}

// Waits between two looks of Run. Renewing is the manager's, after two thirds of a certificate's time or a month before its end.
const (
	acmeCheck    = time.Hour
	acmeRetry    = time.Minute
	acmeMaxRetry = time.Hour
	acmeSoon     = 15 * time.Second
	acmeTimeout  = time.Minute // of one question to the authority

	// noneYet is what the manager says to handshakes while it does not try again.
	noneYet = "acme/autocert: missing certificate"
)

// Run gets the certificates before anybody asks for them, and looks after them until ctx ends.
func (a *ACME) Run(ctx context.Context) error {
	wait := acmeRetry
	for {
		failed, pause := false, acmeCheck
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
			if failed = failed || err != nil; err == nil {
				pause = min(pause, a.took(domain, cert))
			}
		}
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

// took is told of the certificate that is in use for a domain, and returns after how long to look again.
func (a *ACME) took(domain string, cert *tls.Certificate) (pause time.Duration) {
	leaf := cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return acmeCheck
		}
	}
	now := time.Now()
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	due := leaf.NotAfter.Add(-min(life/3, 30*day)) // when the manager begins to renew it
	late := due.Add(min(life/12, 2*day))           // when it ought to be done
	a.mu.Lock()
	before := a.have[domain]
	fresh := before == nil || !bytes.Equal(before.Certificate[0], cert.Certificate[0])
	a.have[domain] = cert
	a.until = time.Time{}
	for _, c := range a.have {
		if c.Leaf != nil && (a.until.IsZero() || c.Leaf.NotAfter.Before(a.until)) {
			a.until = c.Leaf.NotAfter
		}
	}
	complain := !fresh && now.After(late) && now.Sub(a.said[domain]) >= min(complainAt, life/12)
	if complain {
		a.said[domain] = now
	}
	a.mu.Unlock()
	if fresh {
		a.cfg.Logger.Info("TLS certificate by ACME ready", "domain", domain, "good_until", leaf.NotAfter.UTC())
		if domain == a.cfg.Domains[0] {
			a.cfg.Changed(cert)
		}
		if now.After(late) { // of a machine that was off: the manager asks for another at this moment
			return min(acmeSoon, max(life/12, time.Second))
		}
	}
	if complain {
		why := a.watch.last()
		if why == "" {
			why = "nothing is known; it is perhaps being asked at this moment"
		}
		a.cfg.Logger.Error("the TLS certificate is not renewed by ACME; the old one stays", "domain", domain, "good_until", leaf.NotAfter.UTC(), "authority", why,
			"hint", "the authority must be reachable from here and reach this machine, as for the first certificate; it is tried again each half hour to hour")
	}
	return min(acmeCheck, max(life/12, time.Second))
}
