// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func TestAnswersThatAreNotFetchedEnd(t *testing.T) {
	ended := make(chan error, 1)
	srv := httptest.NewServer(boundWrites(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var err error
		for chunk := make([]byte, 1<<20); err == nil; { // more than the sockets hold
			_, err = w.Write(chunk)
		}
		ended <- err
	}), 100*time.Millisecond))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /segments/x HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("writing ended with %v, want a deadline", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the answer is still being written")
	}
}

// deadlines notes whether one was set.
type deadlines struct {
	http.ResponseWriter
	set bool
}

func (d *deadlines) SetWriteDeadline(time.Time) error { d.set = true; return nil }

func TestOnlyPollsHaveNoWriteDeadline(t *testing.T) {
	h := boundWrites(http.NotFoundHandler(), time.Minute)
	for path, want := range map[string]bool{"/playlist.m3u8": false, "/playlist.m3u8/": true, "/replay.m3u8": true, "/segments/cam/2026/11/25/10/00/00.ts": true, "/": true, "/healthz": true} {
		w := &deadlines{ResponseWriter: httptest.NewRecorder()}
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.set != want {
			t.Errorf("%s: a deadline is set: %v, want %v", path, w.set, want)
		}
	}
}
