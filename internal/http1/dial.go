// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// prepare fills in the defaults of cfg.
func (cfg *Config) prepare() {
	for _, d := range []struct {
		v     *time.Duration
		value time.Duration
	}{{&cfg.ConnectTimeout, DefaultConnectTimeout}, {&cfg.IdleTimeout, DefaultIdleTimeout}, {&cfg.StallTimeout, DefaultStallTimeout}} {
		if *d.v <= 0 {
			*d.v = d.value
		}
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.SendBuffer == 0 {
		cfg.SendBuffer = DefaultSendBuffer
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.TLS == nil {
		return
	}
	cfg.TLS = cfg.TLS.Clone()
	if cfg.TLS.ServerName == "" {
		cfg.TLS.ServerName = cfg.Address
		if host, _, err := net.SplitHostPort(cfg.Address); err == nil {
			cfg.TLS.ServerName = host
		}
	}
	if cfg.TLS.MinVersion == 0 {
		cfg.TLS.MinVersion = tls.VersionTLS12
	}
	if cfg.TLS.CipherSuites == nil {
		cfg.TLS.CipherSuites = []uint16{ // of TLS 1.2; crypto/tls has its own order
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		}
	}
	if cfg.TLS.ClientSessionCache == nil {
		cfg.TLS.ClientSessionCache = tls.NewLRUClientSessionCache(1) // its key is the server's name
	}
	cfg.TLS.DynamicRecordSizingDisabled = true // small records help readers that show a page early; here they only cost
}

// dial makes a new connection. Its errors are all ErrNotSent.
func (c *Client) dial(ctx context.Context) (*conn, error) {
	cn, restricted, err := c.dialOnce(ctx, !c.cfg.AnyCipher && !c.anyCipher)
	if restricted && mayBeCipher(ctx, err.Err) {
		var again *Error
		if cn, _, again = c.dialOnce(ctx, false); again == nil {
			c.anyCipher = true // this server needs AES
			return cn, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return cn, nil
}

// dialOnce makes a connection. restricted: the TLS handshake failed, and only ChaCha20 had been offered.
func (c *Client) dialOnce(ctx context.Context, chachaOnly bool) (cn *conn, restricted bool, failure *Error) {
	fail := func(op string, err error) *Error {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return &Error{Op: op, Addr: c.cfg.Address, NotSent: true, Err: err}
	}
	c.count(func(s *Stats) { s.Dials++ })
	dialCtx, cancel := context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	nc, err := c.cfg.Dial(dialCtx, "tcp", c.cfg.Address)
	cancel()
	if err != nil {
		return nil, false, fail("dial", err)
	}
	l := newLink(nc, c.cfg.StallTimeout, c.cfg.SendBuffer)
	if c.cfg.TLS == nil {
		return newConn(l, l, c), false, nil
	}
	t := tls.Client(l, c.cfg.TLS)
	dialCtx, cancel = context.WithTimeout(ctx, c.cfg.ConnectTimeout)
	restricted, err = handshake(dialCtx, t, l, chachaOnly)
	cancel()
	if err != nil {
		l.abort()
		return nil, restricted, fail("handshake", explain(err))
	}
	state := t.ConnectionState()
	c.count(func(s *Stats) {
		s.Cipher = state.CipherSuite
		if state.DidResume {
			s.Resumed++
		}
	})
	return newConn(t, l, c), false, nil
}
