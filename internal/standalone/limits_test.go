// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Connections that say nothing make room for those that do; connections at work keep theirs.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	working, finish := make(chan struct{}, 10), make(chan struct{})
	srv := &http.Server{ConnState: connState, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			working <- struct{}{}
			<-finish
		}
		io.WriteString(w, "served")
	})}
	go srv.Serve(newLimited(l, Limits{Connections: 4}, nil, func(int) {}, func(string) { refused.Add(1) }))
	defer srv.Close()
	dial := func() net.Conn {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	ask := func(c net.Conn, path string) (string, error) {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	slow := dial()
	answer := make(chan string, 1)
	go func() { s, _ := ask(slow, "/slow"); answer <- s }()
	<-working
	var idle []net.Conn
	for range 20 { // far more than there is room for
		idle = append(idle, dial())
	}
	for n := range 5 {
		c := dial()
		if got, err := ask(c, "/"); got != "served" || err != nil {
			t.Errorf("request %d among idle connections: %q %v", n, got, err)
		}
	}
	if refused.Load() == 0 {
		t.Error("nothing had to make room: the test means nothing")
	}
	if _, err := idle[0].Read(make([]byte, 1)); err == nil {
		t.Error("the longest idle connection is still open")
	}
	close(finish)
	if got := <-answer; got != "served" {
		t.Errorf("the connection at work got %q", got)
	}
}

// When all connections are at work a new one is refused.
func TestConnectionsAtWorkAreKept(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	working, finish := make(chan struct{}, 10), make(chan struct{})
	srv := &http.Server{ConnState: connState, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		working <- struct{}{}
		<-finish
	})}
	go srv.Serve(newLimited(l, Limits{Connections: 2}, nil, func(int) {}, func(string) {}))
	defer srv.Close()
	defer close(finish)
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-working
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return // refused as early as that
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if n, err := c.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Error("a third connection was taken")
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Error("a third connection waits")
	}
}
