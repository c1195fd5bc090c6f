// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3server"
)

func crowded(t *testing.T, cfg s3server.Config) (tg *target, addr string) {
	t.Helper()
	s, err := s3server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	return targetOf(t, s, rootAccess, rootSecret), u.Host
}

func dialed(t *testing.T, addr, send string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write([]byte(send)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	cfg := config(t)
	cfg.MaxConnections, cfg.MaxRequests = 48, 16
	tg, addr := crowded(t, cfg)
	kept := dialed(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Unfinished: ") // a request has begun: it is not idle
	for n := range 300 {
		dialed(t, addr, "")
		if n%50 == 49 {
			if res := tg.putRaw(t, segmentKey, "body"); res.status != 200 {
				t.Fatalf("with %d idle connections: %d %s", n+1, res.status, res.body)
			}
		}
	}
	if _, err := kept.Write([]byte("y\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	kept.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := kept.Read(make([]byte, 100)); n == 0 {
		t.Errorf("the request that had begun was not answered: %v", err)
	}
}

func TestABodyThatTricklesIsGivenUp(t *testing.T) {
	cfg := config(t)
	cfg.StallTimeout = 2 * time.Second
	_, addr := crowded(t, cfg)
	c := dialed(t, addr, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for buf := make([]byte, 100); ; {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}()
	tick := time.NewTicker(100 * time.Millisecond) // never silent for the stall time
	defer tick.Stop()
	limit := time.After(40 * time.Second)
	for {
		select {
		case <-gone:
			return
		case <-limit:
			t.Fatal("a body of ten bytes a second still holds its connection after 40 s")
		case <-tick.C:
			c.Write([]byte("a"))
		}
	}
}
