// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/s3"
)

func testLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// TestMain fails when a goroutine of the client or of net/http outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(); left != "" {
			fmt.Fprintf(os.Stderr, "goroutines left:\n%s\n", left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked gives goroutines some seconds to end: closed connections are noticed by their loops a moment later.
func leaked() string {
	var left string
	polltest.Within(10*time.Second, func() bool {
		left = ""
		buf := make([]byte, 1<<20)
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "net/http.(*persistConn)") || strings.Contains(g, "s3cam/s3.(*") {
				left += g + "\n\n"
			}
		}
		return left == ""
	})
	return left
}

// TestManyAtOnce runs all operations from several goroutines against a server that fails in every way, while the clock
// jumps and credentials rotate. Whatever is reported as stored must be there.
func TestManyAtOnce(t *testing.T) {
	f := newFake(t)
	var jump atomic.Int64
	// The last 200 requests or so succeed, so that the final check can.
	var calm atomic.Bool
	f.fault = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if calm.Load() {
			return false
		}
		switch n % 13 {
		case 3:
			return reset(n, w, r)
		case 5:
			return answerError(500, "InternalError")(n, w, r)
		case 7:
			return answerError(503, "SlowDown")(n, w, r)
		case 8:
			jump.Store(int64(time.Duration(n%3) * time.Hour))
		case 11:
			return closing(n, w, r)
		}
		return false
	}
	c, _ := f.client(func(cfg *s3.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		cfg.MaxAttempts = 20
	})
	ctx := context.Background()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 0))
			for i := range 30 {
				key := fmt.Sprintf("cam%d/%04d.ts", g, i)
				data := bytes.Repeat([]byte(key), r.IntN(3000))
				_, err := c.Put(ctx, key, s3.NewParts(data[:len(data)/2], data[len(data)/2:]), int64(len(data)), s3.PutOptions{IfNoneMatch: true})
				if err != nil && !errors.Is(err, s3.ErrClockSkew) && !s3.Retryable(err) {
					t.Errorf("Put: %v", err)
				}
				if o, ok := f.object(key); err == nil && (!ok || !bytes.Equal(o.data, data)) {
					t.Errorf("%s was acknowledged but holds %d bytes, want %d", key, len(o.data), len(data))
				}
				if got, rerr := c.ReadRange(ctx, key, 0, 8); err == nil && rerr == nil && !bytes.Equal(got, data[:min(8, len(data))]) {
					t.Errorf("ReadRange(%s) = %q", key, got)
				}
				last := ""
				c.List(ctx, fmt.Sprintf("cam%d/", g), "", 7, func(k []byte, _ int64) bool {
					if string(k) <= last {
						t.Errorf("%s after %s", k, last)
					}
					last = string(k)
					return true
				})
			}
		})
	}
	wg.Wait()
	calm.Store(true)
	jump.Store(0)
	n := 0
	if err := c.List(ctx, "", "", 0, func([]byte, int64) bool { n++; return true }); err != nil || n == 0 {
		t.Errorf("listed %d keys at the end: %v", n, err)
	}
	if s := c.Stats(); s.Requests == 0 || s.Retries == 0 || s.ClockSkews == 0 {
		t.Errorf("stats = %+v", s)
	}
}
