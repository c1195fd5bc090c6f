// SPDX-License-Identifier: Apache-2.0

package uploader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/mpegts"
)

// Uploader records one camera. All methods may be called concurrently, with the remark at WriteVideo. Use [New].
type Uploader struct {
	cfg Config
	log *slog.Logger

	ctx      context.Context // of the uploads: ends when the context of Close does
	cancel   context.CancelFunc
	wake     chan struct{} // something changed for the worker; holds one
	finished chan struct{} // closed by the worker when it has ended and closeErr is set
	closeErr error
	phase    time.Duration // delay of each upload, see Config.UploadJitter

	// spoolGate is held during each call of the spool. Who needs it and mu takes it first; the frame path never does.
	spoolGate gate
	spoolWake chan struct{} // something changed for the goroutine of the spool; holds one

	// mu guards what follows. It is held for the copying of one picture at most (and for moving ring content when the oldest
	// upload in flight is overtaken), never during a Put, a call of the spool, a callback or a log call.
	mu      sync.Mutex
	closing bool
	events  []event // to be reported after unlocking

	params      h264.ParameterSets
	sets        []byte // all of params, Annex B
	setsPending bool   // some came without a picture and must precede the next one
	sawIDR      bool
	badSets     bool // reported
	gap         bool // pictures were lost on the way here: wait for an IDR
	headBuf     []byte
	parts       [5][]byte // of the picture that is being written
	scratch     []byte    // tables, or one audio PES

	clock       wallClock
	time        timeline
	mux         *mpegts.Muxer
	ring        ring
	queue       []entry // complete segments, oldest first, in the order of the ring
	open        entry   // behind them, when isOpen
	isOpen      bool
	lastWrite   time.Time // of video, for idle
	lost        error     // why the open segment was dropped, until the next one starts
	lastKey     int64     // the highest second in use
	nextSeq     uint64
	inflight    uint64  // seq of the live segment that is being uploaded, 0 = none
	flight      *flight // the upload, also of an item of the spool
	spooling    uint64  // seq of the segment that is being put into the spool, 0 = none
	tags        string
	maybeStored bool      // an upload ended without a clear answer
	onTime      time.Time // the upload in flight is as fast as expected until then

	hold           heldAudio
	hasAudio       bool // audio came lately
	silentSegments int
	lastAudio      int64 // ticks of the last frame written
	wroteAudio     bool

	spool spoolState
	back  backfillState
	retry retryState
	stats Stats // without what snapshot adds
}

// entry is one segment in the ring.
type entry struct {
	seq        uint64
	pos, n     int
	tapped     int // of its n bytes, given to newer footage while it was being sent; pos is behind them
	crc        uint32
	key        int64 // Unix second in its name
	nextKey    int64 // that of the segment after it had first, 0 when there is none yet
	start, end int64 // ticks: PTS of the first picture, and when the last one stops being shown
	startDTS   int64
	rawStart   time.Duration
	frames     int
	audio      bool // the tables announce it
	hasSound   bool // and there is some
	follows    bool // directly on the segment before

	tags       string
	sealedAt   time.Time
	notBefore  time.Time // the next try
	attempts   int
	rejects    int
	maybe      bool // a try ended without a clear answer: the object may be stored
	fixedClock bool // tried again at once after the clock was set
	fixedCreds bool // tried again at once after the credentials were renewed
}

func (e *entry) duration() time.Duration { return durationOf(e.end - e.start) }

func (e *entry) counts() Counts {
	return Counts{Segments: 1, Frames: int64(e.frames), Bytes: int64(e.n), Duration: e.duration()}
}

// New checks the configuration, all of it, and starts the upload worker. The Uploader must be ended with Close, which frees the ring.
func New(cfg Config) (*Uploader, error) {
	cfg, params, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r, err := newRing(cfg.RingBytes)
	if err != nil {
		return nil, fmt.Errorf("uploader: ring of %d bytes: %w", cfg.RingBytes, err)
	}
	u := &Uploader{
		cfg:       cfg,
		log:       cfg.Logger,
		wake:      make(chan struct{}, 1),
		spoolWake: make(chan struct{}, 1),
		spoolGate: make(gate, 1),
		finished:  make(chan struct{}),
		params:    params,
		sets:      params.Append(nil),
		clock:     wallClock{now: cfg.Now, steady: steady(), offset: cfg.ClockOffset, movable: cfg.Epoch.IsZero()},
		time:      newTimeline(cfg.Epoch),
		mux:       mpegts.NewMuxer(),
		ring:      r,
		queue:     make([]entry, 0, 16),
		lastKey:   -1,
		tags:      cfg.Tags,
		hasAudio:  cfg.Audio,
	}
	u.scratch = make([]byte, 0, max(u.mux.AudioBytes(maxADTSBytes), 2*mpegts.PacketSize))
	if cfg.UploadJitter > 0 {
		u.phase = rand.N(cfg.UploadJitter)
	}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	go u.run()
	return u, nil
}

// SetTags sets the x-amz-tagging value (key=value&key=value, percent-encoded, see S3's object tagging; empty for none) of the
// segments that are completed from now on, the open one included. It is checked at once: ErrTags.
func (u *Uploader) SetTags(tags string) error {
	if err := checkTags(tags); err != nil {
		return fmt.Errorf("uploader: %w", err)
	}
	u.mu.Lock()
	u.tags = tags
	u.mu.Unlock()
	return nil
}

// ClockOffset is what to add to Config.Now to get the present time, as far as known.
func (u *Uploader) ClockOffset() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.clock.offset
}

// Retry ends all waiting for another try: something that made uploads fail (credentials, the network) has just been mended.
func (u *Uploader) Retry() {
	u.mu.Lock()
	u.retry.notBefore, u.retry.failures, u.retry.timeouts, u.retry.reported = time.Time{}, 0, 0, false
	for i := range u.queue {
		u.queue[i].notBefore = time.Time{}
		u.queue[i].rejects = 0
	}
	u.back.notBefore, u.back.rejects, u.spool.notBefore = time.Time{}, 0, time.Time{}
	u.mu.Unlock()
	u.signal()
}

// Skip says that n pictures are missing before the next WriteVideo: they were lost on the way here. What follows would decode
// wrongly, so it is dropped and counted (Stats.DroppedBeforeIDR) up to the next IDR; n itself is counted in Stats.Skipped. The open segment
// goes on at that IDR, unless that one starts the next segment anyway: its timestamps show the hole, players hold the last
// picture, and sound goes on.
func (u *Uploader) Skip(n int) {
	if n <= 0 {
		return
	}
	u.mu.Lock()
	u.stats.Skipped += int64(n)
	u.gap = true
	u.mu.Unlock()
}

// Flush completes the open segment now, so that what was written so far is uploaded without waiting for the next IDR: for a stream that
// is going to pause. Pictures that come after it are dropped until an IDR in a later second. It does not wait for the upload. Without
// an open segment it does nothing.
func (u *Uploader) Flush() error {
	u.mu.Lock()
	var err error
	if u.closing {
		err = ErrClosed
	} else {
		u.sealAll()
	}
	u.unlock()
	return err
}

// Close ends the recording: nothing more is accepted, the open segment is completed, and the worker uploads until everything is
// stored or ctx ends. What is left then goes into the spool, if there is one, which takes as long as it takes. It returns when all goroutines have ended and the ring is freed.
//
// The error wraps ErrNotStored and says how much when something was dropped, and the last failure; ErrNoIDR or ErrNoParameterSets when pictures came
// but none could start a segment. Close may be called again and by several goroutines: all get the same error, after the
// first context has ended at the latest.
func (u *Uploader) Close(ctx context.Context) error {
	u.mu.Lock()
	if !u.closing {
		u.sealAll()
		u.popAudio(len(u.hold.frames)) // there is no segment for it: counted
		u.closing = true
		for i := range u.queue {
			if u.queue[i].attempts == 0 {
				u.queue[i].notBefore = time.Time{} // no need to spread
			}
		}
	}
	u.unlock()
	u.signal()
	stop := context.AfterFunc(ctx, u.cancel)
	defer stop()
	<-u.finished
	return u.closeErr
}

// sealAll completes the open segment with all audio that waits for video.
func (u *Uploader) sealAll() {
	if u.isOpen {
		u.releaseAudio(1<<63 - 1)
	}
	if u.isOpen {
		u.seal()
	}
}

// finish runs on the worker when it ends, and frees everything. It sets closeErr.
func (u *Uploader) finish() {
	u.mu.Lock()
	u.closing = true
	for i := range u.queue {
		u.stats.DroppedClosed.add(u.queue[i].counts())
		u.dropped(&u.queue[i], DropClosed)
	}
	u.queue = nil
	release(u.ring.buf)
	u.ring = ring{}
	var errs []error
	switch {
	case u.stats.Begun > 0 || u.stats.VideoFrames == 0:
	case u.sawIDR:
		errs = append(errs, fmt.Errorf("%w: %d pictures dropped", ErrNoParameterSets, u.stats.VideoFrames))
	default:
		errs = append(errs, fmt.Errorf("%w: %d pictures dropped", ErrNoIDR, u.stats.VideoFrames))
	}
	if lost := u.stats.DroppedClosed; lost.Segments > 0 {
		err := fmt.Errorf("%w: %d segments of %d bytes and %v dropped", ErrNotStored, lost.Segments, lost.Bytes,
			lost.Duration.Round(time.Millisecond))
		if u.retry.lastErr != nil {
			err = fmt.Errorf("%w; last failure: %w", err, u.retry.lastErr)
		}
		errs = append(errs, err)
	}
	u.closeErr = errors.Join(errs...)
	u.unlock()
	u.cancel()
}

// signal tells the worker, and the goroutine of the spool, to look again.
func (u *Uploader) signal() {
	if u.cfg.Spool != nil {
		u.signalSpool()
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}
