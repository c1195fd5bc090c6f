// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// hold opens n connections and sends something on each.
func hold(t testing.TB, addr string, n int, send []byte) (conns []net.Conn, refused int) {
	t.Helper()
	d := net.Dialer{Timeout: 5 * time.Second}
	for range n {
		c, err := d.Dial("tcp", addr)
		if err != nil {
			if refused++; refused > 50 { // it says no often enough
				break
			}
			continue
		}
		c.Write(send)
		conns = append(conns, c)
	}
	return conns, refused
}

// ended waits until the server has closed all but a few of the connections.
func ended(conns []net.Conn, limit time.Duration) (open int) {
	deadline := time.Now().Add(limit)
	buf := make([]byte, 4096)
	for _, c := range conns {
		c.SetReadDeadline(deadline)
		for {
			if _, err := c.Read(buf); err != nil {
				if ne, ok := err.(net.Error); ok && ne.Timeout() {
					open++
				}
				break
			}
		}
	}
	return open
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		reset(c)
	}
}

// TestSlowloris: heads and bodies that come a byte at a time hold a connection for a bounded time and nobody else up.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	programs(t)
	v := newVictim(t)
	const each = 400
	all := map[string][]net.Conn{}
	for port, addr := range v.both() {
		for what, send := range map[string]string{
			"a head without an end": "GET /playlist.m3u8?camera_id=front HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ",
			"a body that trickles":  "POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n",
		} {
			conns, refused := hold(t, addr, each, []byte(send))
			if refused > 0 {
				t.Errorf("%s on %s: %d of %d connections were refused", what, port, refused, each)
			}
			all[what+" on "+port] = conns
		}
	}
	defer func() {
		for _, conns := range all {
			closeAll(conns)
		}
	}()
	stop := make(chan struct{})
	trickled := make(chan struct{})
	go func() { // one byte each second: never silent for long
		defer close(trickled)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
			}
			for _, conns := range all {
				for _, c := range conns {
					c.SetWriteDeadline(time.Now().Add(time.Second))
					c.Write([]byte("a"))
				}
			}
		}
	}()
	v.normal("while 1600 connections trickle")
	began := time.Now()
	for name, conns := range all {
		limit := 100*time.Second - time.Since(began) // 10 s for a head and 5 s for a body on the web port, 30 s and 60 s on the store's, and the machine may be busy
		if open := ended(conns, max(limit, time.Second)); open > 0 {
			t.Errorf("%s: %d of %d connections are still open after %v", name, open, len(conns), time.Since(began).Round(time.Second))
		} else {
			t.Logf("%s: all closed after %v", name, time.Since(began).Round(time.Second))
		}
	}
	close(stop)
	<-trickled
	v.healthy("after slowloris", 200)
}

// TestIdleConnections: ten thousand connections that say nothing. Normal clients are served meanwhile, and memory is bounded.
func TestIdleConnections(t *testing.T) {
	programs(t)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	want := 10_000
	if limit.Max < uint64(want)+500 {
		t.Logf("NOT TESTED with %d connections: RLIMIT_NOFILE allows %d files", want, limit.Max)
		want = int(limit.Max) - 500
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, port := range []string{"web", "store"} {
		t.Run(port, func(t *testing.T) {
			v := newVictim(t)
			before := memory(v.pid(), "VmRSS")
			began := time.Now()
			conns, refused := hold(t, v.both()[port], want, nil)
			defer func() { closeAll(conns) }()
			during := memory(v.pid(), "VmRSS")
			v.healthy(fmt.Sprintf("with %d idle connections (%d refused), opened in %v, RSS %d kB before and %d kB then", len(conns), refused, time.Since(began).Round(time.Millisecond), before, during), 400)
			closeAll(conns)
			v.healthy("after idle connections", 400)
		})
	}
}
