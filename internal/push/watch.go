// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// maxRefused is how often a store that has never taken anything may be out of reach before the push is given up: its
// address is wrong, then, rather than the network down.
const maxRefused = 3

// watch is the putter of a push. A camera tries for ever; somebody at a terminal wants to know that nothing works.
type watch struct {
	inner   uploader.Putter
	exists  func(ctx context.Context, key string, size int64) bool
	now     func() time.Time
	abort   context.CancelCauseFunc
	patient bool // outages are borne as long as the input goes on

	mu      sync.Mutex
	any     bool // something was stored
	same    int64
	refused int
	since   time.Time // when the first try began that has failed since something was stored; zero: none has
	stopped bool
	ending  bool
}

func (w *watch) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	began := w.now()
	at, err := w.inner.Put(ctx, o)
	same := errors.Is(err, uploader.ErrExists) && w.exists != nil && w.exists(ctx, o.Key, int64(o.Size))
	if same {
		err = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.any, w.since, w.refused = true, time.Time{}, 0
		if same {
			w.same++
		}
		return at, nil
	case errors.Is(err, uploader.ErrExists), ctx.Err() != nil && errors.Is(err, context.Canceled):
		return at, err
	}
	if w.since.IsZero() {
		w.since = began
	}
	if errors.Is(err, uploader.ErrNotSent) {
		w.refused++
	}
	switch {
	case !w.any && (errors.Is(err, uploader.ErrRejected) || errors.Is(err, uploader.ErrExpiredCredentials) || w.refused >= maxRefused):
		w.giveUp(err)
	case (!w.patient || w.ending) && w.now().Sub(w.since) >= StallTimeout:
		w.giveUp(fmt.Errorf("%w: %w", errStalled, err))
	}
	return at, err
}

func (w *watch) giveUp(err error) {
	w.stopped = true
	w.abort(err)
}

func (w *watch) gaveUp() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped
}

func (w *watch) existing() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.same
}

// closing says that the input has ended: from now on a stall is one in real time, too.
func (w *watch) closing() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending = true
	if w.patient && !w.since.IsZero() {
		w.since = w.now()
	}
}
