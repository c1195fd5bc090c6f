// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"context"
	"crypto/x509"
	"errors"
	"hash/crc32"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/uploader"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// body is what a segment is, as far as the auditor cares.
type body struct {
	size int
	crc  uint32
}

// ledger is what a camera knows: it stands between the uploader and the Putter of the product and writes down what goes by.
type ledger struct {
	inner uploader.Putter

	mu     sync.Mutex
	tried  map[string]map[body]bool // everything that was ever on its way, by key
	acked  map[string]body          // Put returned nil
	stored map[string]bool          // OnStored was called
	drops  map[string]int           // frames of each OnDrop, by key
	errs   map[string]int
	refuse map[string]int // what ErrRejected said: it tells an operator to do something, so a fault that passes should not
}

func newLedger(p uploader.Putter) *ledger {
	return &ledger{inner: p, tried: map[string]map[body]bool{}, acked: map[string]body{}, stored: map[string]bool{}, drops: map[string]int{}, errs: map[string]int{}, refuse: map[string]int{}}
}

func (l *ledger) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	b := body{o.Size, crc32.Update(crc32.Checksum(o.Parts[0], castagnoli), castagnoli, o.Parts[1])}
	l.mu.Lock()
	if l.tried[o.Key] == nil {
		l.tried[o.Key] = map[body]bool{}
	}
	l.tried[o.Key][b] = true
	l.mu.Unlock()
	at, err := l.inner.Put(ctx, o)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.acked[o.Key] = b
	} else {
		l.errs[class(err)]++
		if errors.Is(err, uploader.ErrRejected) {
			_, said, _ := strings.Cut(err.Error(), ".ts\": ")
			l.refuse[said]++
		}
	}
	return at, err
}

// class names an error for the report.
func crcOf(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

func class(err error) string {
	for name, e := range map[string]error{"exists": uploader.ErrExists, "clock": uploader.ErrClockSkew, "rejected": uploader.ErrRejected, "not sent": uploader.ErrNotSent,
		"timeout": context.DeadlineExceeded, "canceled": context.Canceled} {
		if errors.Is(err, e) {
			return name
		}
	}
	return "other"
}

// camera is a program with the uploader library, its uplink and its wrong clock.
type camera struct {
	name  string
	up    *uploader.Uploader
	book  *ledger
	link  *link
	front *front // nil: straight to the store
	step  atomic.Int64
	fed   int64 // pictures
}

func (c *camera) now() time.Time { return time.Now().Add(time.Duration(c.step.Load())) }

// cameraKind says how a camera is joined to the store.
type cameraKind struct {
	name   string
	sdk    bool // package s3 by the standalone server's Putter; else internal/s3put, the agent's
	secure bool // over TLS
	front  bool // through a front; straight to the store otherwise
	ring   int  // bytes; small ones have to drop in an outage of some seconds
}

// put is the agent's client as a Putter.
type put struct{ c *s3put.Client }

func (p put) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	at, err := p.c.Put(ctx, &s3put.Object{Key: o.Key, Parts: o.Parts, Size: o.Size, CRC32C: o.CRC32C, Tags: o.Tags, Time: o.Time, Sent: o.Sent, Again: o.Again})
	for from, to := range map[error]error{s3put.ErrExists: uploader.ErrExists, s3put.ErrClockSkew: uploader.ErrClockSkew,
		s3put.ErrExpiredCredentials: uploader.ErrExpiredCredentials, s3put.ErrRejected: uploader.ErrRejected, s3put.ErrNotSent: uploader.ErrNotSent} {
		if errors.Is(err, from) {
			return at, errors.Join(to, err)
		}
	}
	return at, err
}

func newCamera(t testing.TB, k cameraKind, l *link, f *front, roots *x509.CertPool) *camera {
	t.Helper()
	c := &camera{name: k.name, link: l, front: f}
	scheme := "http://"
	if k.secure {
		scheme = "https://"
	}
	if k.sdk {
		client, err := s3.New(s3.Config{Endpoint: scheme + l.addr(), Region: region, Bucket: bucket, PathStyle: true, RootCAs: roots, Now: c.now,
			Credentials: s3.Static(accessKey, secretKey, ""), TryTimeout: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		c.book = newLedger(standalone.NewPutter(client))
	} else {
		client, err := s3put.New(s3put.Config{Endpoint: scheme + l.addr(), Region: region, Bucket: bucket, PathStyle: true, RootCAs: roots, Now: c.now,
			StallTimeout: 3 * time.Second,
			Credentials: func(context.Context) (sigv4.Credentials, error) {
				return sigv4.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		c.book = newLedger(put{client})
	}
	var err error
	c.up, err = uploader.New(uploader.Config{
		Prefix: k.name, SegmentDuration: time.Second, RingBytes: k.ring, Putter: c.book, Now: c.now, Audio: true,
		RetryMax: time.Second, RejectedMax: time.Second, MinTimeout: 3 * time.Second, MaxTimeout: 10 * time.Second,
		OnStored: func(s uploader.Stored) { c.book.mu.Lock(); c.book.stored[s.Key] = true; c.book.mu.Unlock() },
		OnDrop:   func(d uploader.Drop) { c.book.mu.Lock(); c.book.drops[d.Key] += d.Frames; c.book.mu.Unlock() },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// film feeds the camera in real time, by a clock that does not step, until ctx ends.
func (c *camera) film(ctx context.Context) error {
	reel, err := simcam.FrontDoor().Recording(0)
	if err != nil {
		return err
	}
	began := time.Now()
	for {
		u, err := reel.Next()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(began.Add(u.At))):
		}
		if !u.Video {
			err = c.up.WriteAudio(uploader.AudioFrame{Data: u.Data, PTS: u.At})
		} else if err = c.up.WriteVideo(uploader.AccessUnit{Data: u.Data, PTS: u.At, DTS: u.At}); err == nil || errors.Is(err, uploader.ErrTooLarge) {
			c.fed++
		}
		if err != nil && !errors.Is(err, uploader.ErrTooLarge) {
			return err
		}
	}
}

// kinds are the cameras of a run, besides the agent.
var kinds = []cameraKind{
	{name: "sdk-straight", sdk: true, ring: 512 << 10},
	{name: "sdk-tls", sdk: true, secure: true, front: true, ring: 96 << 10},
	{name: "put-plain", front: true, ring: 96 << 10},
	{name: "put-tls", secure: true, front: true, ring: 512 << 10},
}
