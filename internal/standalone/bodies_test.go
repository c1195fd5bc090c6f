// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A client that announces a body and never sends it gets its answer, and does not keep the connection and its goroutine.
func TestUnfinishedBodyEndsTheConnection(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "here") })
	srv := httptest.NewServer(boundBodies(answer, 50*time.Millisecond))
	defer srv.Close()
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nx",
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(conn)
		r, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%.20q: %v, want an answer", head, err)
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != "here" {
			t.Errorf("%.20q: body %q, %v", head, body, err)
		}
		if _, err := br.ReadByte(); err == nil || isTimeout(err) {
			t.Errorf("%.20q: after the answer %v, want the connection closed", head, err)
		}
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

// Requests without a body keep their connection, and their answers may take as long as they need.
func TestRequestsWithoutBodyAreLeftAlone(t *testing.T) {
	srv := httptest.NewServer(boundBodies(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if w.Header().Get("Connection") != "" {
			t.Error("the connection of a request without a body is to be closed")
		}
		select {
		case <-r.Context().Done():
			t.Error("the request was cancelled")
		case <-time.After(100 * time.Millisecond):
		}
	}), 10*time.Millisecond))
	defer srv.Close()
	r, err := srv.Client().Get(srv.URL)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(err)
	}
	r.Body.Close()
}
