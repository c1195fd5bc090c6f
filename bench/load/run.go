// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"time"

	"github.com/s3cam/s3cam/s3"
)

// Result is what a run measured. Figures of CPU are cores: seconds of CPU per second.
type Result struct {
	Config Config
	Body   int // bytes of a segment, in whole packets

	Put, Playlist, Segment *Latency
	Stored                 int   // segments that were acknowledged
	Retries                int64 // of PUTs and of the auditor's requests
	Dropped                int   // segments that cameras had no room for

	Ran                    time.Duration // cameras and viewers together
	CPU, SelfCPU, OtherCPU float64       // of the server, of cameras and viewers, of everything else on the machine
	DiskWait               float64       // processors that were idle with the disk busy
	PeakRSS                int64         // of the server, bytes
	LoadAverage            string        // of the machine, before and after

	Troubles map[string]int // by kind; empty when all is well
	First    []error        // the first ten of them
}

// Run runs a fleet and returns what came of it. An error means that it could not run; what went wrong under load is in the Result.
func Run(ctx context.Context, cfg Config) (res *Result, err error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	body, err := makeBody(ctx, cfg.Segment, cfg.Body)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cfg.Dir, "s3cam-load-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	before := loadAverage()
	srv, err := start(ctx, cfg.S3cam, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()

	sum := &sums{kinds: map[string]int{}}
	f := fleet{cfg: cfg, sum: sum}
	if err := f.cameras(srv.store, body); err != nil {
		return nil, err
	}
	shooting, stopCameras := context.WithCancel(ctx)
	defer stopCameras()
	var cameras, others sync.WaitGroup
	for _, c := range f.all {
		cameras.Go(func() { c.run(shooting) })
	}
	defer cameras.Wait()
	defer stopCameras()
	if err := f.recorded(ctx, liveEdge+1); err != nil {
		return nil, err
	}

	watching, stopViewers := context.WithCancel(ctx)
	defer stopViewers()
	from, began := srv.used(), time.Now()
	viewers := make([]*viewer, cfg.Viewers)
	for i := range viewers {
		viewers[i] = newViewer(srv.web, f.all[i%len(f.all)], sum, cfg.Segment*time.Duration(i)/time.Duration(cfg.Viewers))
		others.Go(func() { viewers[i].run(watching) })
	}
	others.Go(func() { f.auditing(watching) })
	f.progress(ctx, srv)
	to, ran := srv.used(), time.Since(began)
	stopViewers()
	others.Wait()
	stopCameras()
	cameras.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	res = &Result{
		Config: cfg, Body: len(body), Put: &sum.put, Playlist: &sum.playlist, Segment: &sum.segment,
		Ran: ran, PeakRSS: srv.peakRSS(), LoadAverage: before + " " + loadAverage(),
	}
	for _, c := range f.all {
		c.audit(ctx, time.Now().Add(time.Hour), false)
		res.Stored += len(c.stored)
		res.Dropped += c.dropped
		res.Retries += c.client.Stats().Retries
	}
	for _, v := range viewers {
		v.judge()
	}
	cores := func(d time.Duration) float64 { return d.Seconds() / ran.Seconds() }
	res.CPU, res.SelfCPU, res.DiskWait = cores(to.server-from.server), cores(to.self-from.self), cores(to.wait-from.wait)
	res.OtherCPU = max(0, cores(to.all-from.all)-res.CPU-res.SelfCPU)
	res.Troubles, res.First = sum.kinds, sum.first
	return res, nil
}

// fleet is all cameras and their auditor.
type fleet struct {
	cfg Config
	sum *sums
	all []*camera
}

// cameras makes them, with a connection each, spread over a segment's length.
func (f *fleet) cameras(store string, body []byte) error {
	crc := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	began := time.Now().Truncate(time.Second).Add(time.Second)
	for i := range f.cfg.Cameras {
		client, err := s3.New(s3.Config{
			Endpoint: store, Region: region, Bucket: bucket, PathStyle: true, Credentials: s3.Static(accessKey, secretKey, ""),
		})
		if err != nil {
			return err
		}
		f.all = append(f.all, &camera{
			id: fmt.Sprintf("cam%04d", i), client: client, body: body, crc: crc, length: f.cfg.Segment, sum: f.sum, unclear: map[time.Time]bool{},
			began: began.Add(f.cfg.Segment * time.Duration(i) / time.Duration(f.cfg.Cameras)),
		})
	}
	return nil
}

// recorded waits until each camera has stored n segments.
func (f *fleet) recorded(ctx context.Context, n int) error {
	deadline := time.Now().Add(time.Duration(n)*f.cfg.Segment + time.Minute)
	for _, c := range f.all {
		for {
			if c.count() >= n {
				break
			}
			if time.Now().After(deadline) {
				_, first := f.sum.total()
				return fmt.Errorf("%s has not stored %d segments in time\n%w", c.id, n, first)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// auditing checks and deletes what is older than Keep until ctx ends.
func (f *fleet) auditing(ctx context.Context) {
	round := max(f.cfg.Keep/4, time.Second) // for all cameras once
	timer := time.NewTicker(round / time.Duration(len(f.all)))
	defer timer.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		f.all[i%len(f.all)].audit(context.WithoutCancel(ctx), time.Now().Add(-f.cfg.Keep), true)
	}
}

// progress waits for the run's length and tells every ten seconds how it goes.
func (f *fleet) progress(ctx context.Context, srv *server) {
	end := time.NewTimer(f.cfg.For)
	defer end.Stop()
	tell := time.NewTicker(10 * time.Second)
	defer tell.Stop()
	last, at := srv.used(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case now := <-tell.C:
			u, s := srv.used(), now.Sub(at).Seconds()
			troubles, _ := f.sum.total()
			fmt.Fprintf(f.cfg.Log, "  %s: %d segments stored, %d playlists, %d segments played, %d troubles; cores: server %.2f, fleet %.2f, all %.2f\n",
				now.Format(time.TimeOnly), f.sum.put.Count(), f.sum.playlist.Count(), f.sum.segment.Count(), troubles,
				(u.server-last.server).Seconds()/s, (u.self-last.self).Seconds()/s, (u.all-last.all).Seconds()/s)
			last, at = u, now
		}
	}
}
