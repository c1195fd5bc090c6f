// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"sync"

	"github.com/s3cam/s3cam/internal/spool"
	"github.com/s3cam/s3cam/uploader"
)

// lateSpool is the spool of a camera whose folder may be of no use yet: the card is not mounted, or the agent before this one still empties its
// ring into it. It implements uploader.Spool; while it is not open it holds nothing and takes nothing.
type lateSpool struct {
	cfg spool.Config

	mu      sync.Mutex
	inner   *spool.Spool
	why     error // it is not open
	trying  bool
	closing bool
}

var errSpoolClosed = errors.New("the camera has ended")

// open opens it. Until it has succeeded once it may be called again, by one goroutine at a time.
func (l *lateSpool) open() error {
	s, err := spool.New(l.cfg) // may take long on a slow card
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.closing {
		return errors.Join(errSpoolClosed, s.Close())
	}
	l.why = err
	if err == nil {
		l.inner = s
	}
	return err
}

// problem says why it is not open, nil when it is.
func (l *lateSpool) problem() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// close closes it for good. The uploader must have ended.
func (l *lateSpool) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = true
	if l.inner == nil {
		return nil
	}
	return l.inner.Close()
}

func (l *lateSpool) get() (*spool.Spool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inner, l.why
}

func (l *lateSpool) Put(it uploader.SpoolItem, parts [2][]byte) (out []uploader.SpoolItem, err error) {
	s, err := l.get()
	if s == nil {
		return nil, err
	}
	return s.Put(it, parts)
}

func (l *lateSpool) Oldest() (it uploader.SpoolItem, ok bool) {
	if s, _ := l.get(); s != nil {
		return s.Oldest()
	}
	return it, false
}

func (l *lateSpool) Read(it uploader.SpoolItem, dst []byte) (int, error) {
	s, err := l.get()
	if s == nil {
		return 0, err
	}
	return s.Read(it, dst)
}

func (l *lateSpool) Delete(it uploader.SpoolItem) error {
	s, err := l.get()
	if s == nil {
		return err
	}
	return s.Delete(it)
}

func (l *lateSpool) Usage() (items int, bytes int64) {
	if s, _ := l.get(); s != nil {
		return s.Usage()
	}
	return 0, 0
}

// retrySpool opens the spool of a camera that could not be opened before, in the background: flash may be slow, and watchdogs are not
// patient.
func (c *camera) retrySpool() {
	l := c.spool
	if l == nil {
		return
	}
	l.mu.Lock()
	due := l.why != nil && !l.trying && !l.closing
	l.trying = l.trying || due
	l.mu.Unlock()
	if !due {
		return
	}
	go func() {
		err := c.up.OpenSpool(l.open)
		l.mu.Lock()
		l.trying = false
		l.mu.Unlock()
		if err == nil {
			c.log.Info("the spool can be used now")
		}
	}()
}
