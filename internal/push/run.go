// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// Reader gives frames in the order of DTS, at the end io.EOF; *[Source] is one.
type Reader interface {
	Next() (Frame, error)
}

// Limits of patience.
const (
	DefaultDrainTimeout = 10 * time.Second // of Config.DrainTimeout
	// StallTimeout ends a push whose segments nobody has taken for this long: at once for --speed max, at the end of the
	// input in real time, since until then a camera would go on too.
	StallTimeout = time.Minute

	progressEvery = 200 * time.Millisecond
	// slack is room in the ring for what belongs to a picture besides its bytes: tables, headers, held audio.
	slack = 96 << 10
)

// Pace says when frames are taken from the input.
type Pace int

// The paces.
const (
	// Max takes frames as fast as segments are stored.
	Max Pace = iota
	// Realtime takes a frame when its time has come, and drops the oldest segments when the ring cannot hold them.
	Realtime
	// Live takes frames as they come, from an input that is itself in real time, such as a camera's stream through a pipe.
	// Their times follow the clock of this machine, however the camera's own runs. Drops as Realtime does.
	Live
)

// Config says what is pushed where.
type Config struct {
	Frames        Reader
	ParameterSets []byte // from [Source.ParameterSets]

	// Uploader says how and where: Prefix and Putter are required; Epoch, ParameterSets, UploadJitter and Now are set here.
	Uploader uploader.Config
	Start    time.Time // of the first picture; zero: now. Not with Live
	Pace     Pace

	// Exists tells whether the object that is in a segment's place is that very segment, of an earlier push of the same
	// input. It then counts as stored. nil: never.
	Exists func(ctx context.Context, key string, size int64) bool

	DrainTimeout time.Duration    // for what is held when ctx ends or the input breaks; default DefaultDrainTimeout
	Progress     func(Progress)   // called now and then, and at the end, from the goroutine of Run
	Now          func() time.Time // default time.Now; waiting uses the timers of package time
}

// Progress is how far a push has come.
type Progress struct {
	Position time.Duration // of the newest frame, from the start
	Existing int64         // segments that were there already
	Stats    uploader.Stats
}

// Result is what became of a push.
type Result struct {
	Progress
	Start   time.Time
	Skipped int64 // frames that the uploader refused as broken
	Problem error // the first reason for that
}

// Run pushes until the input ends, then waits until everything is stored. A result with drops in its Stats is no error.
// An error is ctx's own, one of the input (see [ErrInput]), or what the store said when it takes nothing. When ctx ends
// during a read of Frames that does not return, that read is left behind.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.DrainTimeout <= 0 {
		cfg.DrainTimeout = DefaultDrainTimeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &runner{cfg: cfg, began: cfg.Now(), ctx: ctx, freed: make(chan struct{}, 1)}
	r.watch = &watch{inner: cfg.Uploader.Putter, exists: cfg.Exists, now: cfg.Now, patient: cfg.Pace != Max, abort: cancel}
	r.result.Start = cfg.Start
	if r.result.Start.IsZero() || cfg.Pace == Live {
		r.result.Start = r.began
	}
	if err := r.open(); err != nil {
		return r.result, err
	}
	err := r.feed()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	err = r.close(err)
	r.report(true)
	return r.result, err
}

type runner struct {
	cfg    Config
	ctx    context.Context
	up     *uploader.Uploader
	watch  *watch
	freed  chan struct{} // a segment left the ring
	result Result

	began    time.Time
	first    time.Duration // DTS of the first frame
	started  bool
	reported time.Time
}

func (r *runner) open() (err error) {
	c := r.cfg.Uploader
	c.Putter, c.Epoch, c.ParameterSets, c.Now, c.UploadJitter = r.watch, r.result.Start, r.cfg.ParameterSets, r.cfg.Now, -1
	if r.cfg.Pace == Live {
		c.Epoch = time.Time{} // the uploader ties the frames to the clock
	}
	stored, dropped := c.OnStored, c.OnDrop
	c.OnStored = func(s uploader.Stored) {
		r.wake()
		if stored != nil {
			stored(s)
		}
	}
	c.OnDrop = func(d uploader.Drop) {
		r.wake()
		if dropped != nil {
			dropped(d)
		}
	}
	r.up, err = uploader.New(c)
	return err
}

func (r *runner) wake() {
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// feed writes frame by frame until the input ends (io.EOF) or something else does.
func (r *runner) feed() error {
	input := newPump(r.cfg.Frames)
	defer input.stop()
	for {
		f, err := input.next(r.ctx)
		if err != nil {
			return err
		}
		if !r.started {
			r.started, r.first = true, f.DTS
			if r.cfg.Pace != Max {
				r.began = r.cfg.Now()
			}
			if r.cfg.Pace == Live {
				r.result.Start = r.began
			}
		}
		if err := r.wait(f); err != nil {
			return err
		}
		if err := r.write(f); err != nil {
			return err
		}
		r.result.Position = max(r.result.Position, f.PTS)
		r.report(false)
	}
}

// wait holds a frame back until its time has come, or until the ring has room for it.
func (r *runner) wait(f Frame) error {
	if r.cfg.Pace == Live {
		return context.Cause(r.ctx)
	}
	if r.cfg.Pace == Realtime {
		d := r.began.Add(f.DTS - r.first).Sub(r.cfg.Now())
		if d <= 0 {
			return context.Cause(r.ctx)
		}
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
	for {
		s := r.up.Stats()
		if s.Pending.Segments == 0 || s.RingUsed+len(f.Data)+len(f.Data)/32+slack <= s.RingBytes {
			return context.Cause(r.ctx)
		}
		select {
		case <-r.freed:
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
	}
}

func (r *runner) write(f Frame) error {
	var err error
	if f.Video {
		err = r.up.WriteVideo(uploader.AccessUnit{Data: f.Data, PTS: f.PTS, DTS: f.DTS})
	} else {
		err = r.up.WriteAudio(uploader.AudioFrame{Data: f.Data, PTS: f.PTS})
	}
	switch {
	case errors.Is(err, uploader.ErrAccessUnit), errors.Is(err, uploader.ErrAudioFrame):
		r.result.Skipped++
		if r.result.Problem == nil {
			r.result.Problem = err
		}
		return nil
	case errors.Is(err, uploader.ErrTooLarge): // counted as dropped
		return nil
	}
	return err
}

// close stores what is held. reason is why the input ended early, nil at its end.
func (r *runner) close(reason error) error {
	ctx := r.ctx
	switch {
	case r.watch.gaveUp():
		done, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel() // the store takes nothing, so there is nothing to wait for
		ctx = done
	case reason != nil:
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.DrainTimeout)
		defer cancel()
		ctx = drain
	}
	r.watch.closing()
	err := r.up.Close(ctx)
	switch cause := context.Cause(r.ctx); {
	case reason == nil && cause != nil:
		return cause
	case reason != nil:
		return reason
	case errors.Is(err, uploader.ErrNoIDR):
		return badInput("set the camera's encoder to send key frames (IDR), best each 1 to 4 seconds",
			"the video has no IDR picture, and a segment can only begin at one")
	case errors.Is(err, uploader.ErrNoParameterSets):
		return badInput("record with the camera's parameter sets in the stream", "the video has no parameter sets (SPS and PPS), so nothing can decode it")
	case errors.Is(err, uploader.ErrNotStored):
		return nil // the counters say how much
	case err != nil:
		return err
	}
	if s := r.up.Stats(); s.Begun == 0 {
		if r.result.Problem != nil {
			return badInput("", "nothing of the video could be used: %v", r.result.Problem)
		}
		return badInput("", "there is no picture in the input")
	}
	return nil
}

func (r *runner) report(last bool) {
	now := r.cfg.Now()
	if !last && (r.cfg.Progress == nil || now.Sub(r.reported) < progressEvery) {
		return
	}
	r.reported = now
	r.result.Existing = r.watch.existing()
	r.result.Stats = r.up.Stats()
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.result.Progress)
	}
}

// pump reads frames on a goroutine of its own, one at a time and only when asked, so that a read that blocks for ever does
// not keep an interrupted push from ending.
type pump struct {
	ask chan struct{}
	got chan frameOrError
}

type frameOrError struct {
	frame Frame
	err   error
}

func newPump(from Reader) *pump {
	p := &pump{ask: make(chan struct{}), got: make(chan frameOrError, 1)}
	go func() {
		for range p.ask {
			f, err := from.Next()
			p.got <- frameOrError{f, err}
		}
	}()
	return p
}

func (p *pump) next(ctx context.Context) (Frame, error) {
	if err := context.Cause(ctx); err != nil {
		return Frame{}, err
	}
	p.ask <- struct{}{}
	select {
	case g := <-p.got:
		return g.frame, g.err
	case <-ctx.Done():
		return Frame{}, context.Cause(ctx)
	}
}

func (p *pump) stop() { close(p.ask) }

var errStalled = fmt.Errorf("nothing was stored for %v", StallTimeout)
