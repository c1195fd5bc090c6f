// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3server"
)

// closing waits until the server has begun to stop: its port is closed.
func closing(t *testing.T, tg *target) {
	t.Helper()
	for range 10_000 {
		c, err := net.Dial("tcp", tg.host)
		if err != nil {
			return
		}
		_ = c.Close()
	}
	t.Fatal("the port stays open")
}

// half sends a PUT's head and half of its body.
func half(t *testing.T, tg *target, r rawRequest) net.Conn {
	t.Helper()
	c, err := tg.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, tg.head(r)+r.body[:len(r.body)/2]); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShutdownFinishesPutsUnderWay(t *testing.T) {
	cfg := config(t)
	cfg.Durability = s3server.DurabilityFull
	stored := make(chan string, 1)
	cfg.OnStored = func(_, key string, _ int64) { stored <- key }
	s, stop := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)

	idle, err := tg.dial() // a kept-alive connection must not hold the server up
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if res, err := tg.send(idle, bufio.NewReader(idle), rawRequest{method: "GET", path: "/healthz"}); err != nil || res.status != 200 {
		t.Fatalf("%v, %v", res, err)
	}
	r := rawRequest{method: "PUT", path: tg.path(segmentKey), body: randomBytes(1_900_000, 1)}
	c := half(t, tg, r)
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	closing(t, tg)
	select {
	case err := <-stopped:
		t.Fatalf("Run returned %v with a PUT under way", err)
	default:
	}
	if _, err := io.WriteString(c, r.body[len(r.body)/2:]); err != nil {
		t.Fatalf("rest of the body: %v", err)
	}
	res, err := readResponse(bufio.NewReader(c), "PUT")
	if err != nil || res.status != 200 {
		t.Errorf("answer: %d %s, %v, want 200", res.status, res.body, err)
	}
	if !res.closes {
		t.Errorf("the answer does not say that the connection ends")
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	if key := <-stored; key != segmentKey {
		t.Errorf("stored %q", key)
	}
	if b, err := s.ReadRange(t.Context(), segmentKey, 0, 1<<20); err != nil || string(b) != r.body[:1<<20] {
		t.Errorf("object after shutdown: %d bytes, %v", len(b), err)
	}
}

func TestShutdownCutsWhatDoesNotFinish(t *testing.T) {
	cfg := config(t)
	cfg.DrainTimeout = 200 * time.Millisecond
	s, stop := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	for _, payload := range []string{"", "UNSIGNED-PAYLOAD"} {
		half(t, tg, rawRequest{method: "PUT", path: tg.path(segmentKey), body: randomBytes(1_900_000, 1), payload: payload})
	}
	start := time.Now()
	if err := stop(); !errors.Is(err, s3server.ErrDrain) {
		t.Errorf("Run: %v, want ErrDrain", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if left := filesIn(t, s.Bucket().Dir()); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

func TestShutdownLeavesNothingRunning(t *testing.T) {
	files := openFiles(t)
	s, stop := run(t, config(t))
	tg := targetOf(t, s, rootAccess, rootSecret)
	tg.put(t, "x", "x")
	if err := stop(); err != nil {
		t.Error(err)
	}
	tg.close()
	if now := openFiles(t); now > files {
		t.Errorf("open files: %d before, %d after", files, now)
	}
	if _, err := net.Dial("tcp", tg.host); err == nil {
		t.Error("the port is still open")
	}
	if err := s.Run(context.Background()); err == nil {
		t.Error("a second Run succeeded")
	}
}

// TestEarlyRefusalIsReadable: a PUT that is refused by its head gets its answer although the server does not read the body, and
// the connection is not reset while the client still sends.
func TestEarlyRefusalIsReadable(t *testing.T) {
	tg := newTarget(t)
	tg.needEmbedded(t)
	body := randomBytes(40_000_000, 1)
	for range 10 {
		c, err := tg.dial()
		if err != nil {
			t.Fatal(err)
		}
		// First everything is written, then the answer is read: on a reset in between, neither would work.
		if _, err := io.WriteString(c, tg.head(rawRequest{method: "PUT", path: tg.path("x"), body: body, access: "UNKNOWN"})+body); err != nil {
			t.Errorf("write: %v", err)
		}
		res, err := readResponse(bufio.NewReader(c), "PUT")
		if err != nil || res.status != 403 || res.code != "InvalidAccessKeyId" || !res.closes {
			t.Errorf("%d %s, %v, want 403 and the connection's end", res.status, res.code, err)
		}
		_ = c.Close()
	}
}

func TestOverloadIsAnsweredSlowDown(t *testing.T) {
	cfg := config(t)
	cfg.MaxRequests = 2
	s, _ := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	r := rawRequest{method: "PUT", path: tg.path("a"), body: randomBytes(1_000_000, 1)}
	a := half(t, tg, r)
	r.path = tg.path("b")
	// The two have to arrive first, and nobody else tells when they have. A GET that is there before the second of them takes its
	// place, and the second is the one that is turned away: then it is sent again.
	var res rawResponse
	for range 20 {
		half(t, tg, r)
		for range 500 {
			if res = tg.do(t, rawRequest{method: "GET", path: tg.path("none")}); res.status != 404 {
				break
			}
		}
		if res.status != 404 {
			break
		}
	}
	if res.status != 503 || res.code != "SlowDown" {
		t.Errorf("third request: %d %s, want 503 SlowDown", res.status, res.code)
	}
	if _, err := io.WriteString(a, r.body[len(r.body)/2:]); err != nil {
		t.Fatal(err)
	}
	if res, err := readResponse(bufio.NewReader(a), "PUT"); err != nil || res.status != 200 {
		t.Errorf("one of the two: %d %s, %v", res.status, res.body, err)
	}
}
