// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	// S3 closes idle connections after some 5 to 20 s; letting go first avoids most requests on a dead connection.
	idleTimeout = 4 * time.Second
	maxIdle     = 64
)

// newTransport returns the transport that suits S3: HTTP/1.1 (uploads over HTTP/2 cost more), session tickets because S3
// closes a connection after 100 requests, full TLS records from the start, no transparent compression.
func newTransport(roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	config := &tls.Config{
		RootCAs:                     roots,
		MinVersion:                  tls.VersionTLS12,
		ClientSessionCache:          tls.NewLRUClientSessionCache(maxIdle),
		DynamicRecordSizingDisabled: true,
		NextProtos:                  []string{"http/1.1"},
	}
	secure := &tls.Dialer{NetDialer: dialer, Config: config}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return wrap(dialer.DialContext(ctx, network, addr))
		},
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout+handshakeTimeout)
			defer cancel()
			return wrap(secure.DialContext(ctx, network, addr))
		},
		TLSClientConfig:     config, // behind a proxy
		TLSHandshakeTimeout: handshakeTimeout,
		Protocols:           protocols,
		DisableCompression:  true,
		MaxIdleConns:        2 * maxIdle,
		MaxIdleConnsPerHost: maxIdle,
		IdleConnTimeout:     idleTimeout,
		// A body goes to the connection directly (conn.ReadFrom), so a large write buffer would only copy more.
	}
}

func wrap(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn writes the body of a Put without net/http's copy buffer. net/http hands a body of known length to the connection's
// ReadFrom as a LimitedReader; the connections of package net then allocate 32 kB to copy through. This one lets the body
// write itself.
type conn struct {
	net.Conn
	answered atomic.Bool // something was read: from the second request on the connection is a kept one
}

// Read implements [io.Reader].
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.answered.Load() {
		c.answered.Store(true)
	}
	return n, err
}

// ReadFrom implements [io.ReaderFrom].
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if p, ok := limited.R.(*pass); ok {
			p.kept.Store(c.answered.Load())
			n, err := p.writeN(c.Conn, limited.N)
			limited.N -= n
			return n, err
		}
	}
	if from, ok := c.Conn.(io.ReaderFrom); ok {
		return from.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}
