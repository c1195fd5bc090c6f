// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/metrics"
	"github.com/s3cam/s3cam/playback"
)

// How /readyz asks.
const (
	readyAge     = 5 * time.Second  // an answer is given again for so long: each costs a write, or a listing of an external store
	readyTimeout = 5 * time.Second  // of the store
	readyFree    = int64(256 << 20) // bytes that must be free on the data directory's disk, or half the reserve if that is more
)

// readyFile begins the name of what writable writes; no bucket's name does.
const readyFile = ".s3cam-ready-"

// readiness remembers the last answer of the store.
type readiness struct {
	now     func() time.Time
	windows playback.WindowStore

	mu    sync.Mutex
	asked time.Time
	wrong []string
}

// showReady answers /readyz: 200, or 503 with what is missing. It says nothing that is not for everybody.
func (s *server) showReady(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	if s.ops.draining.Load() {
		answerStatus(w, r, http.StatusServiceUnavailable, `{"status":"not ready","reasons":["draining"]}`)
		return
	}
	wrong := s.unready(r.Context())
	if len(wrong) == 0 {
		answerStatus(w, r, http.StatusOK, `{"status":"ready"}`)
		return
	}
	body, err := json.Marshal(map[string]any{"status": "not ready", "reasons": wrong})
	if err != nil { // strings always encode
		body = []byte(`{"status":"not ready"}`)
	}
	answerStatus(w, r, http.StatusServiceUnavailable, string(body))
}

// unready asks the store, at most once in readyAge whatever many ask.
func (s *server) unready(ctx context.Context) []string {
	q := &s.ops.ready
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	if age := now.Sub(q.asked); !q.asked.IsZero() && age >= 0 && age < readyAge {
		return q.wrong
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyTimeout)
	defer cancel()
	q.wrong = nil
	bad := func(reason string, err error) {
		q.wrong = append(q.wrong, reason)
		s.log.Warn("not ready", "reason", reason, "err", err)
	}
	if e := s.cfg.Engine; e != nil {
		if err := writable(e.Dir, !e.Volatile); err != nil {
			bad("the store cannot be written", err)
		}
		least := max(readyFree, s.reserve()/2)
		if free, _, err := metrics.DiskSpace(e.Dir); err == nil && free < least && !e.Volatile {
			bad("the disk is nearly full", fmt.Errorf("%d bytes are free, at least %d are wanted", free, least))
		}
	} else if err := s.client.List(ctx, "", "", 1, func([]byte, int64) bool { return false }); err != nil {
		bad("the store does not answer", err)
	}
	if q.windows != nil {
		if _, err := q.windows.Load(ctx, cacheProbe); err != nil {
			bad("the store of live windows does not answer", err)
		}
	}
	q.asked = s.ops.ready.now()
	return q.wrong
}

// removeReadyFiles removes what a server that was killed left behind.
func removeReadyFiles(dir string) {
	left, err := filepath.Glob(filepath.Join(dir, readyFile+"*"))
	if err != nil { // of the pattern
		return
	}
	for _, name := range left {
		os.Remove(name)
	}
}

// writable stores a byte in dir and removes it again.
func writable(dir string, sync bool) error {
	f, err := os.CreateTemp(dir, readyFile+"*")
	if err != nil {
		return err
	}
	_, err = f.Write([]byte{'\n'})
	if sync {
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}
