// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// link is a Putter at the end of a simulated uplink, to be used in a synctest bubble: what is sent goes through a send buffer
// that the link empties at its rate, and the answer comes a round trip after the last byte. It takes the bytes out of the ring
// piece by piece and says so, as a device does, and puts what arrived into the bucket, which checks it.
type link struct {
	*bucket
	rate   func() float64 // bytes per second now; 0 is a black hole
	refuse func() bool    // connections fail at once
	rtt    time.Duration
	buffer int // of the kernel
	silent bool
	fresh  bool // a new connection for each object, three round trips

	took []time.Duration // of each Put that failed
}

func newLink(t testing.TB, mbit float64) *link {
	return &link{bucket: &bucket{t: t, server: now}, rate: func() float64 { return mbit * 1e6 / 8 }, rtt: 30 * time.Millisecond, buffer: 128 << 10}
}

func (l *link) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	begin := time.Now()
	data, err := l.carry(ctx, o)
	if err != nil {
		l.took = append(l.took, time.Since(begin))
		return time.Time{}, err
	}
	sent := *o // what arrived; the bytes in the ring may be others by now
	sent.Parts = [2][]byte{data}
	return l.bucket.Put(ctx, &sent)
}

func (l *link) carry(ctx context.Context, o *uploader.Object) ([]byte, error) {
	if l.refuse != nil && l.refuse() {
		return nil, fmt.Errorf("connection refused: %w", uploader.ErrNotSent)
	}
	pass := func(d time.Duration) bool {
		select {
		case <-time.After(d):
			return true
		case <-ctx.Done():
			return false
		}
	}
	const piece = 16 << 10
	data := make([]byte, 0, o.Size)
	inBuffer := 0.0
	drain := func(below float64) error {
		for inBuffer > below {
			rate := l.rate()
			wait := 20 * time.Millisecond
			if rate > 0 {
				wait = min(wait, time.Duration((inBuffer-below)/rate*1e9)+1)
			}
			if !pass(wait) {
				return ctx.Err()
			}
			inBuffer = max(0, inBuffer-rate*wait.Seconds())
		}
		return nil
	}
	if l.fresh && !pass(3*l.rtt) {
		return nil, ctx.Err()
	}
	for _, part := range o.Parts {
		for len(part) > 0 {
			n := min(len(part), piece)
			if err := drain(float64(l.buffer - n)); err != nil {
				return nil, err
			}
			data = append(data, part[:n]...)
			inBuffer += float64(n)
			part = part[n:]
			if !l.silent {
				o.Sent(len(data))
			}
		}
	}
	if err := drain(0); err != nil {
		return nil, err
	}
	if !pass(l.rtt) {
		return nil, errors.Join(errors.New("no answer"), ctx.Err())
	}
	return data, nil
}
