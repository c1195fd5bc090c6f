// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/credential"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
	"github.com/s3cam/s3cam/uploader"
)

// putter joins s3put to the uploader, behind a gate that START opens.
type putter struct {
	client  *s3put.Client
	clock   *state
	started atomic.Bool
	stored  func() // after the first success, once
	once    sync.Once
	trim    func() // after the handshake of a new connection
	dials   int    // connections so far
	checked bool   // the first upload has the right time

	keys    *keys
	renewed time.Time // when keys that the server did not know were last asked for anew
}

// unknownKeyPause is the least time between two looks for other keys than those that the server does not know.
const unknownKeyPause = 30 * time.Second

var errNotStarted = errors.New("uploads have not been started yet")

// Put implements uploader.Putter.
func (p *putter) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	if !p.started.Load() {
		return time.Time{}, fmt.Errorf("%w: %w", uploader.ErrNotSent, errNotStarted)
	}
	if !p.clock.isKnown() {
		// The first request of a run asks for the time: a clock that is some minutes off is good enough for S3, so the first segments would be
		// stored under wrong names, and names cannot be mended later. It costs one request, on the connection that the PUT then uses. It
		// needs no credentials, which a device with a wrong clock may not get from AWS IoT.
		if t, err := p.client.Time(ctx); err == nil {
			p.clock.heard(t)
		}
	}
	if !p.checked && p.clock.isKnown() { // this camera's uploader has not heard it, although another one, or AWS IoT, may have told
		p.checked = true
		t := p.clock.time()
		if d := t.Sub(o.Time); d > clockTolerance || d < -clockTolerance {
			return t, fmt.Errorf("%w by %v", uploader.ErrClockSkew, -d.Round(time.Second))
		}
	}
	server, err := p.client.Put(ctx, &s3put.Object{Key: o.Key, Parts: o.Parts, Size: o.Size, CRC32C: o.CRC32C, Tags: o.Tags, Time: o.Time,
		Sent: o.Sent, Again: o.Again})
	p.clock.heard(server)
	if dials := p.client.Stats().Dials; dials != p.dials {
		p.dials = dials
		p.trim()
	}
	if err == nil {
		p.once.Do(p.stored)
		return server, nil
	}
	if rerr := p.renew(ctx, err); rerr == nil {
		return server, classed{err, uploader.ErrExpiredCredentials}
	} else if rerr != errNotRenewed {
		err = classed{fmt.Errorf("%w; %v", err, rerr), uploader.ErrRejected}
	}
	return server, classed{err, class(err)}
}

var errNotRenewed = errors.New("not renewed")

// renew looks for other keys when the server does not know those that were used: a session of which the server ended the certificate
// (the camera has another by now), a file that was replaced. It succeeds when there are others, and says why the IoT endpoint
// gives none.
func (p *putter) renew(ctx context.Context, err error) error {
	var answer *s3put.Error
	if !errors.As(err, &answer) || answer.Code != "InvalidAccessKeyId" || p.keys == nil || time.Since(p.renewed) < unknownKeyPause {
		return errNotRenewed
	}
	p.renewed = time.Now()
	before, _ := p.keys.retrieve(ctx)
	err = p.keys.refresh(ctx)
	if _, iot := p.keys.provider().(*credential.IoT); err != nil && iot {
		return err
	}
	if after, rerr := p.keys.retrieve(ctx); err != nil || rerr != nil || after.AccessKeyID == before.AccessKeyID {
		return errNotRenewed
	}
	return nil
}

// classes pairs the errors of s3put with those of the uploader.
func class(err error) error {
	for _, c := range [...]struct{ from, to error }{
		{s3put.ErrExists, uploader.ErrExists},
		{s3put.ErrClockSkew, uploader.ErrClockSkew},
		{s3put.ErrExpiredCredentials, uploader.ErrExpiredCredentials},
		{credential.ErrNone, uploader.ErrExpiredCredentials},
		{s3put.ErrRejected, uploader.ErrRejected},
		{s3put.ErrNotSent, uploader.ErrNotSent},
	} {
		if errors.Is(err, c.from) {
			return c.to
		}
	}
	return nil
}

// classed is an error with the uploader's class beside it, and the text of the first.
type classed struct{ error, class error }

func (c classed) Error() string { return c.error.Error() }

func (c classed) Unwrap() []error {
	if c.class == nil {
		return []error{c.error}
	}
	return []error{c.error, c.class}
}

// keys are the credentials of a camera: those that the firmware sets, else the configured ones.
type keys struct {
	firmware   credential.Settable
	configured credential.Provider // nil: none
}

func (k *keys) provider() credential.Provider {
	if k.configured == nil || k.firmware.IsSet() {
		return &k.firmware
	}
	return k.configured
}

func (k *keys) retrieve(ctx context.Context) (sigv4.Credentials, error) {
	c, err := k.provider().Retrieve(ctx)
	if err == nil {
		return c, nil
	}
	if k.configured == nil && !k.firmware.IsSet() {
		return c, fmt.Errorf("%w: the firmware has set none, and the configuration has none", credential.ErrNone)
	}
	return c, err
}

func (k *keys) refresh(ctx context.Context) error { return k.provider().Refresh(ctx) }
