// SPDX-License-Identifier: Apache-2.0

package s3put

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/s3cam/s3cam/internal/http1"
)

// verificationTime is the time for which certificates must be valid.
func (c *Client) verificationTime() time.Time {
	if c.time.Before(c.cfg.TimeFloor) {
		return c.cfg.TimeFloor
	}
	return c.time
}

func (c *Client) tlsConfig() *tls.Config {
	return &tls.Config{RootCAs: c.cfg.RootCAs, Time: c.verificationTime, MinVersion: tls.VersionTLS12}
}

// dateError is a certificate that verifies for another time than the present one.
type dateError struct {
	host   string
	clock  time.Time
	floor  bool // clock is the floor and not the device's clock
	leaf   *x509.Certificate
	remedy string
}

// Error names both dates and what to do.
func (e *dateError) Error() string {
	const form = "2006-01-02 15:04 UTC"
	clock := "this device's clock says " + e.clock.UTC().Format(form)
	if e.floor {
		clock = "this device's clock is older than " + e.clock.UTC().Format(form) + ", which has passed for certain"
	}
	return fmt.Sprintf("the certificate of %s is valid from %s to %s, but %s: %s", e.host,
		e.leaf.NotBefore.UTC().Format(form), e.leaf.NotAfter.UTC().Format(form), clock, e.remedy)
}

// dateProblem tells whether err is a certificate whose dates do not fit, and nothing else is wrong with it.
func (c *Client) dateProblem(err error) (*dateError, bool) {
	var failed *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &failed) || !errors.As(err, &invalid) || invalid.Reason != x509.Expired || len(failed.UnverifiedCertificates) == 0 {
		return nil, false
	}
	if c.verifiesSometime(failed.UnverifiedCertificates) != nil {
		return nil, false
	}
	e := &dateError{
		host: c.at.host, clock: c.verificationTime(), floor: c.time.Before(c.cfg.TimeFloor), leaf: failed.UnverifiedCertificates[0],
		remedy: "set the clock (NTP), or allow to take the time from the server",
	}
	return e, true
}

// verifiesSometime checks the chain for the time when all of its certificates had become valid.
func (c *Client) verifiesSometime(chain []*x509.Certificate) error {
	at := chain[0].NotBefore
	if err := c.verify(chain, at); err == nil {
		return nil
	}
	for _, cert := range chain {
		if cert.NotBefore.After(at) {
			at = cert.NotBefore
		}
	}
	return c.verify(chain, at)
}

// verify does what crypto/tls does, for the time at.
func (c *Client) verify(chain []*x509.Certificate, at time.Time) error {
	host, _, err := net.SplitHostPort(c.at.dial)
	if err != nil {
		return err
	}
	opts := x509.VerifyOptions{Roots: c.cfg.RootCAs, Intermediates: x509.NewCertPool(), DNSName: host, CurrentTime: at}
	for _, cert := range chain[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err = chain[0].Verify(opts)
	return err
}

// Time asks the server for the time, without anything signed or secret: for who cannot get credentials yet since the clock is wrong. As
// Put, it verifies the certificate, for any time only if Config.ServerTime allows that.
func (c *Client) Time(ctx context.Context) (time.Time, error) {
	c.time = c.cfg.Now().UTC()
	r, err := c.http.Do(ctx, c.timeRequest())
	if err != nil {
		problem, ok := c.dateProblem(err)
		if !ok || !c.cfg.ServerTime {
			return time.Time{}, fmt.Errorf("s3: time of the server: %w", err)
		}
		t, err := c.learnTime(ctx, problem)
		if !t.IsZero() {
			err = nil
		}
		return t, err
	}
	if r.Date.IsZero() {
		return time.Time{}, errors.New("s3: the server does not tell its time")
	}
	return r.Date, nil
}

func (c *Client) timeRequest() *http1.Request {
	return &http1.Request{Method: "HEAD", Target: "/", Host: c.at.host, Header: []http1.Field{{Name: "User-Agent", Value: "s3cam"}}}
}

// learnTime asks the server for the time. The request has nothing in it but the host's name. What makes the answer worth something: whoever
// answers holds the key of a certificate for this host, made by a root that is trusted, and the time has to lie within the dates of
// that whole chain. What it cannot tell is an old certificate whose key got into other hands, which is why this is for those who ask for it.
func (c *Client) learnTime(ctx context.Context, problem *dateError) (time.Time, error) {
	fail := func(err error) (time.Time, error) {
		problem.remedy = fmt.Sprintf("the server did not tell the time: %v; set the clock (NTP)", err)
		return time.Time{}, fmt.Errorf("%w: %w", ErrNotSent, problem)
	}
	var chain []*x509.Certificate
	cfg := c.httpConfig(c.at)
	cfg.TLS = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection verifies, but for the dates
		VerifyConnection: func(s tls.ConnectionState) error {
			chain = s.PeerCertificates
			return c.verifiesSometime(chain)
		},
	}
	h := http1.New(cfg)
	defer h.Close()
	r, err := h.Do(ctx, c.timeRequest())
	switch {
	case err != nil:
		return fail(err)
	case r.Date.IsZero():
		return fail(errors.New("no Date in its answer"))
	case r.Date.Before(c.cfg.TimeFloor):
		return fail(fmt.Errorf("it says %v, which has passed long since", r.Date))
	}
	if err := c.verify(chain, r.Date); err != nil {
		return fail(fmt.Errorf("it says %v, but %w", r.Date, err))
	}
	c.mu.Lock()
	c.stats.ServerTimes++
	c.mu.Unlock()
	c.cfg.Logger.Warn("s3: the time is taken from the server, since its certificate does not fit the clock of this device", "time", r.Date, "clock", problem.clock)
	problem.remedy = "the time is taken from the server"
	return r.Date, fmt.Errorf("%w: %w", ErrClockSkew, problem)
}
