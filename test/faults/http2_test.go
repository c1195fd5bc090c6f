// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"
)

// Frames of HTTP/2 (RFC 9113, 6).
const (
	h2Headers      = 1
	h2Reset        = 3
	h2Settings     = 4
	h2Ping         = 6
	h2Continuation = 9

	h2EndStream  = 1
	h2EndHeaders = 4
)

func h2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// h2Get is the HPACK block of a GET: indexed method and scheme, literal path and authority (RFC 7541).
func h2Get(path string) []byte {
	b := []byte{0x82, 0x87, 0x04, byte(len(path))}
	b = append(b, path...)
	return append(append(b, 0x01, 9), "127.0.0.1"...)
}

// h2Dial begins a connection; settings follow the preface.
func h2Dial(t *testing.T, addr string, ca *authority, settings []byte) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: ca.pool, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if c.ConnectionState().NegotiatedProtocol != "h2" {
		t.Fatalf("the server speaks %q, not HTTP/2", c.ConnectionState().NegotiatedProtocol)
	}
	c.SetDeadline(time.Now().Add(30 * time.Second))
	c.Write(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), h2Frame(h2Settings, 0, 0, settings)...))
	return c
}

// TestHTTP2Floods: what is cheap to send and dear to serve over HTTP/2 ends the connection or is served within bounds.
func TestHTTP2Floods(t *testing.T) {
	programs(t)
	ca := newAuthority(t)
	v := newVictimWith(t, ca)
	flood := func(name string, settings []byte, reads bool, send func(i int) []byte, n int, mustEnd bool) {
		t.Helper()
		c := h2Dial(t, v.web, ca, settings)
		ended := make(chan struct{})
		if reads {
			go func() { io.Copy(io.Discard, c); close(ended) }()
		}
		sent := 0
		for i := range n {
			if _, err := c.Write(send(i)); err != nil {
				break
			}
			sent++
		}
		if mustEnd && sent == n && reads {
			select {
			case <-ended:
			case <-time.After(15 * time.Second):
				t.Errorf("%s: the connection is still open after %d", name, n)
			}
		}
		t.Logf("%s: %d of %d sent", name, sent, n)
		v.healthy("after "+name, 250)
		c.Close()
	}
	get := h2Get("/playlist.m3u8?camera_id=front")
	flood("rapid reset", nil, true, func(i int) []byte {
		id := uint32(2*i + 1)
		return append(h2Frame(h2Headers, h2EndHeaders|h2EndStream, id, get), h2Frame(h2Reset, 0, id, []byte{0, 0, 0, 8})...)
	}, 20_000, false)
	flood("endless CONTINUATION", nil, true, func(i int) []byte {
		if i == 0 {
			return h2Frame(h2Headers, h2EndStream, 1, get)
		}
		// A literal header, not indexed: name "x", a long value.
		return h2Frame(h2Continuation, 0, 1, append([]byte{0x00, 1, 'x', 0x7f, 0x80, 0x7f}, strings.Repeat("a", 127+16256)...)[:16384])
	}, 20_000, true)
	flood("PING without reading", nil, false, func(int) []byte { return h2Frame(h2Ping, 0, 0, make([]byte, 8)) }, 100_000, false)
	flood("SETTINGS", nil, true, func(int) []byte { return h2Frame(h2Settings, 0, 0, nil) }, 50_000, false)
	// A window of 0: answers cannot leave. Streams beyond the limit are refused.
	flood("streams that take nothing", []byte{0, 4, 0, 0, 0, 0}, true, func(i int) []byte {
		return h2Frame(h2Headers, h2EndHeaders|h2EndStream, uint32(2*i+1), h2Get("/segments/"+v.key))
	}, 5_000, false)
}
