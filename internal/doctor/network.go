// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/s3cam/s3cam/internal/tlscert"
)

// certificateSoon is when the end of a certificate is near: those of ACME are renewed a month before.
const certificateSoon = 14 * 24 * time.Hour

// ports looks who listens where the server should.
func (d *doctor) ports(ctx context.Context) {
	for _, p := range d.cfg.Ports {
		check := "port." + strings.TrimLeft(p.Flag, "-")
		host, port, err := net.SplitHostPort(p.Addr)
		if err != nil {
			d.fail(check, "write host:port, as 127.0.0.1:8080", "%s %q is not an address", p.Flag, p.Addr)
			continue
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		switch ours, err := d.listening(ctx, net.JoinHostPort(host, port), p.TLS); {
		case ours:
			d.ok(check, "s3cam answers at %s", p.Addr)
		case err == nil && d.otherwise(ctx, net.JoinHostPort(host, port), !p.TLS):
			now, meant := "with", "without"
			if p.TLS {
				now, meant = meant, now
			}
			d.fail(check, "run this with the flags and variables that the server has (--tls-cert, --acme-domain, --s3-plain), or restart the server with these", "s3cam answers at %s %s TLS, and these flags are for one %s", p.Addr, now, meant)
		case err == nil:
			d.fail(check, "stop that program, or choose another port with "+p.Flag, "something else answers at %s", p.Addr)
		default:
			d.bindable(check, p)
		}
	}
}

// listening asks who is at an address; the error says that nobody is.
func (d *doctor) listening(ctx context.Context, addr string, secure bool) (ours bool, err error) {
	dialer := net.Dialer{Timeout: askTimeout}
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, err
	}
	c.Close()
	scheme := "http"
	if secure {
		scheme = "https"
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}} // who it is, not whether it can be trusted
	client := http.Client{Timeout: askTimeout, Transport: transport}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+addr+"/healthz", nil)
	if err != nil {
		return false, nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return resp.StatusCode == http.StatusOK && (resp.Header.Get("Server") == "s3cam" || strings.Contains(string(body), `"status":"ok"`)), nil
}

// otherwise tells whether it is s3cam after all, with TLS instead of without or the other way round.
func (d *doctor) otherwise(ctx context.Context, addr string, secure bool) bool {
	ours, err := d.listening(ctx, addr, secure)
	return ours && err == nil
}

// bindable tells whether the server could listen there.
func (d *doctor) bindable(check string, p Port) {
	l, err := net.Listen("tcp", p.Addr)
	switch {
	case err == nil:
		l.Close()
		d.warn(check, "start the server, if it should run", "nobody listens at %s", p.Addr)
	case errors.Is(err, syscall.EACCES):
		d.warn(check, "let systemd open the port (s3cam.socket), or choose one above 1023", "this user may not listen at %s", p.Addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		d.fail(check, "choose an address of this machine with "+p.Flag, "this machine does not have the address %s", p.Addr)
	default:
		d.fail(check, "choose another address with "+p.Flag, "nobody can listen at %s: %v", p.Addr, short(err))
	}
}

// names looks whether the public names lead anywhere.
func (d *doctor) names(ctx context.Context) {
	hosts := d.cfg.Hosts
	if u, err := url.Parse(d.cfg.URL); err == nil && u.Hostname() != "" {
		hosts = append(hosts[:len(hosts):len(hosts)], u.Hostname())
	}
	lookup := d.cfg.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	done := map[string]bool{}
	for _, host := range hosts {
		if done[host] || net.ParseIP(host) != nil {
			continue
		}
		done[host] = true
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		addrs, err := lookup(ctx, host)
		cancel()
		loopback := len(addrs) > 0
		for _, a := range addrs {
			if ip := net.ParseIP(a); ip == nil || !ip.IsLoopback() {
				loopback = false
			}
		}
		switch {
		case err != nil || len(addrs) == 0:
			d.fail("dns", "add an A or AAAA record for it, or an entry in /etc/hosts", "the name %s leads nowhere: %v", host, short(err))
		case loopback && host != "localhost" && !strings.HasSuffix(host, ".localhost"):
			d.warn("dns", "look at /etc/hosts; others may see another address", "%s leads to this machine itself (%s) as seen from here", host, strings.Join(addrs, ", "))
		default:
			d.ok("dns", "%s leads to %s", host, strings.Join(addrs, ", "))
		}
	}
}

// certificateFiles looks at what the server would show.
func (d *doctor) certificateFiles() {
	if d.cfg.CertFile == "" {
		return
	}
	cert, doubts, err := tlscert.Load(d.cfg.CertFile, d.cfg.KeyFile, d.cfg.Hosts, d.cfg.Now())
	if err != nil {
		d.fail("certificate.file", hintOf(err, "check --tls-cert and --tls-key, and who may read them"), "%v", short(err))
		return
	}
	for _, doubt := range doubts {
		level, advice := d.fail, hintOf(doubt, "get a new certificate; the server takes the new files up by itself")
		if errors.Is(doubt, tlscert.ErrEnding) {
			level = d.warn
		}
		if errors.Is(doubt, tlscert.ErrHost) {
			advice = "get one for all names of --host"
		}
		level("certificate.file", advice, "%v", doubt)
	}
	if len(doubts) == 0 {
		d.ok("certificate.file", "%s is good until %s", d.cfg.CertFile, cert.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
}

// certificate looks at what a server shows to a viewer.
func (d *doctor) certificate(ctx context.Context, u *url.URL) bool {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	dial := func(insecure bool) (*tls.ConnectionState, error) {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		cfg := tlsConfig(d.cfg.RootCAs, u.Hostname())
		cfg.InsecureSkipVerify = insecure
		c, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		state := c.(*tls.Conn).ConnectionState()
		return &state, nil
	}
	state, err := dial(false)
	if err == nil {
		leaf := state.PeerCertificates[0]
		left := leaf.NotAfter.Sub(d.cfg.Now())
		if left < certificateSoon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*certificateSoon {
			d.warn("certificate", "renew it: see the log of whoever does that", "the certificate of %s ends in %d days", u.Hostname(), int(left.Hours()/24))
		} else {
			d.ok("certificate", "the certificate of %s is trusted and good until %s", u.Hostname(), leaf.NotAfter.UTC().Format(time.DateOnly))
		}
		return true
	}
	seen, ierr := dial(true)
	if ierr != nil {
		d.fail("certificate", "check the address, and that the server speaks TLS there", "no TLS at %s: %v", addr, short(ierr))
		return false
	}
	leaf := seen.PeerCertificates[0]
	now := d.cfg.Now()
	var name x509.HostnameError
	var unknown x509.UnknownAuthorityError
	switch {
	case now.After(leaf.NotAfter):
		d.fail("certificate", "renew it", "the certificate of %s ended on %s", u.Hostname(), leaf.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		d.fail("certificate", "check the clocks of this machine and of whoever made it", "the certificate of %s is not good before %s", u.Hostname(), leaf.NotBefore.UTC().Format(time.DateTime))
	case errors.As(err, &name):
		d.fail("certificate", "get one for this name", "the certificate is for %s, not for %s", strings.Join(leaf.DNSNames, ", "), u.Hostname())
	case errors.As(err, &unknown) && len(seen.PeerCertificates) == 1 && leaf.Issuer.String() != leaf.Subject.String():
		d.fail("certificate", "append the authority's certificates to --tls-cert (its full chain)", "%s sends its certificate without those that lead to an authority: browsers may cope, cameras and players do not", u.Hostname())
	case errors.As(err, &unknown):
		d.fail("certificate", "get one from an authority that browsers trust, or give this one to the clients: SSL_CERT_FILE", "nobody vouches for the certificate of %s (issuer %s)", u.Hostname(), leaf.Issuer.CommonName)
	default:
		d.fail("certificate", "see the reason", "the certificate of %s is refused: %v", u.Hostname(), short(err))
	}
	return false
}

func tlsConfig(roots *x509.CertPool, name string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: name}
}

// address matches URLs with a query, which may be signed.
var address = regexp.MustCompile(`(https?://[^\s"?]+)\?[^\s"]*`)

// hintOf is the advice that an error brings, or another.
func hintOf(err error, otherwise string) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return h.Hint()
	}
	return otherwise
}

// unsigned is an error without the queries of URLs in its text.
func unsigned(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(address.ReplaceAllString(err.Error(), "$1"))
}

// short is an error in one line without signed URLs.
func short(err error) string {
	if err == nil {
		return "no address"
	}
	text := strings.Join(strings.Fields(unsigned(err).Error()), " ")
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	return fmt.Sprint(text)
}
