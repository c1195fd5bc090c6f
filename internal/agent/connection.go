// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
	"github.com/s3cam/s3cam/internal/wire"
	"github.com/s3cam/s3cam/uploader"
)

const (
	helloTimeout = 10 * time.Second // for HELLO and CONFIG; who only connects must not stay
	idleFlush    = time.Second      // an access unit that nothing follows is complete after this
	idleAudio    = 64 << 10         // a larger buffer for audio is given up at once; a frame has 8 KiB at most
	reportEvery  = time.Second
	maxReports   = 32
	maxAsking    = 4                     // answers to STATUS
	drainEvery   = 50 * time.Millisecond // what is left is counted so often while the firmware waits for CLOSED
)

// connection serves one peer: a camera's firmware, or somebody who asks for the status.
type connection struct {
	a   *Agent
	nc  net.Conn
	log *slog.Logger
	in  *wire.Reader

	// mu guards the assembler and what is counted. The reader holds it while a payload is being read, so who does not read frames
	// only tries it.
	mu      sync.Mutex
	asm     assembler
	audio   []byte
	invalid atomic.Uint64 // access units that were too large

	heard atomic.Bool   // a frame was refused, and that was told
	gone  atomic.Bool   // another connection feeds the camera now
	wound chan struct{} // closed when wind has done its work

	fed  atomic.Pointer[camera] // nil before CONFIG
	base uploader.Stats         // of the camera when it was taken over; set before fed

	out reports
}

// serve runs until the peer is done, or ctx ends and the camera is drained, and returns the camera that it fed, if any. Its end without
// CLOSE is no error: firmware may die.
func (c *connection) serve(ctx context.Context) (cam *camera, err error) {
	c.out.init()
	c.wound = make(chan struct{})
	stop := context.AfterFunc(ctx, c.wind)
	var writing sync.WaitGroup
	writing.Go(c.write)
	defer func() {
		c.out.close()
		c.nc.SetWriteDeadline(time.Now().Add(time.Second)) // who does not read does not hold us up
		writing.Wait()
		c.nc.Close()
	}()
	err = c.read(ctx)
	if !stop() {
		<-c.wound
	}
	if errors.Is(err, wire.ErrProtocol) || errors.Is(err, wire.ErrOrder) || errors.Is(err, wire.ErrUnknownField) {
		c.out.fail(wire.CodeProtocol, err.Error())
	}
	if cam = c.fed.Load(); cam != nil {
		cam.mu.Lock()
		if cam.conn == c {
			cam.conn = nil
		}
		cam.mu.Unlock()
	}
	if err == io.EOF || ctx.Err() != nil || c.gone.Load() {
		err = nil
	}
	return cam, err
}

// hangUp makes the reader give up, in the middle of a message too.
func (c *connection) hangUp() { c.nc.SetReadDeadline(time.Unix(1, 0)) }

// wind ends the connection because the agent ends. The camera is drained first: firmware counts as lost what is not settled when
// the connection ends, and then starts another agent, which may cost this one its life (docs/ref/wire.md). Frames that come meanwhile are
// read, so that the firmware does not think that we hang, and refused.
func (c *connection) wind() {
	defer close(c.wound)
	defer c.hangUp()
	cam := c.cam()
	if cam == nil || c.gone.Load() {
		return
	}
	for range 20 { // a message that is being read is waited for, but not long: its sender may stand still
		if c.mu.TryLock() {
			c.emit()
			c.mu.Unlock()
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.a.failed.set(c.a.end(c.a.lastDrain(), cam))
	n := c.counters()
	c.out.reply(wire.AppendCounters(nil, wire.TypeCounters, &n))
}

// cutOff takes the camera away from this connection, which may be nil: when it returns, no frame of it comes any more.
func (c *connection) cutOff() {
	if c == nil {
		return
	}
	const why = "another process has connected as this camera"
	c.log.Warn("cut off: " + why)
	c.gone.Store(true)
	c.out.fail(wire.CodeBusy, why)
	c.hangUp()
	c.mu.Lock() // the reader is between messages now, or gives the present one up
	defer c.mu.Unlock()
	c.asm.take()
}

// cam is the camera that this connection feeds, nil before CONFIG.
func (c *connection) cam() *camera { return c.fed.Load() }

// errDone ends a connection that has nothing more to say.
var errDone = errors.New("done")

func (c *connection) read(ctx context.Context) error {
	var order wire.Order
	c.nc.SetReadDeadline(time.Now().Add(helloTimeout))
	for {
		m, err := c.in.Next()
		if err != nil {
			c.flushVideo()
			return err
		}
		if err := order.Next(m.Type); err != nil {
			return err
		}
		if err := c.handle(ctx, &m); err != nil {
			if err == errDone {
				return nil
			}
			return err
		}
	}
}

func (c *connection) handle(ctx context.Context, m *wire.Message) error {
	switch m.Type {
	case wire.TypeVideo:
		return c.video(m)
	case wire.TypeAudio:
		return c.sound(m)
	case wire.TypeHello:
		return c.hello(m.Payload)
	case wire.TypeConfig:
		return c.config(ctx, m.Payload)
	case wire.TypeStatus:
		if err := wire.ParseBare(m.Type, m.Payload); err != nil {
			return err
		}
		c.out.status(c.a.status(wantsText(m.Payload)))
		return nil
	case wire.TypeCredentials:
		k, err := wire.ParseCredentials(m.Payload)
		if err != nil {
			return err
		}
		err = c.cam().setCredentials(sigv4.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: sigv4.Secret(k.SecretAccessKey),
			SessionToken: sigv4.Secret(k.SessionToken)})
		if err != nil {
			c.complain(wire.CodeCredentials, fmt.Errorf("credentials of the firmware: %w; the ones before stay in use", err))
		}
		return nil
	case wire.TypeTags:
		tags, err := wire.ParseTags(m.Payload)
		if err != nil {
			return err
		}
		if err := c.cam().up.SetTags(tags); err != nil {
			c.complain(wire.CodeConfig, fmt.Errorf("%w; the ones before stay in use", err))
		}
		return nil
	case wire.TypeStart:
		if err := wire.ParseBare(m.Type, m.Payload); err != nil {
			return err
		}
		c.cam().start()
		return nil
	case wire.TypeFlush:
		if err := wire.ParseBare(m.Type, m.Payload); err != nil {
			return err
		}
		c.flushVideo()
		if err := c.cam().up.Flush(); err != nil {
			c.complain(wire.CodeInternal, err)
		}
		return nil
	case wire.TypeClose:
		return c.close(m.Payload)
	}
	return fmt.Errorf("%w: %v is no message of a camera", wire.ErrProtocol, m.Type)
}

func (c *connection) hello(p []byte) error {
	h, err := wire.ParseHello(p)
	if err != nil {
		return err
	}
	version, err := wire.Negotiate(h)
	if err != nil {
		c.out.fail(wire.CodeVersion, err.Error())
		return err
	}
	c.log = c.log.With("client", h.Client)
	c.log.Debug("connected", "pid", h.PID, "version", version)
	c.out.reply(wire.AppendHelloReply(nil, wire.HelloReply{Version: version, Agent: "s3cam-agent " + c.a.build.Version}))
	return nil
}

// config finds or makes the camera.
func (c *connection) config(ctx context.Context, p []byte) error {
	w, err := wire.ParseConfig(p)
	if err == nil {
		var cam *camera
		if cam, err = c.a.attach(ctx, c, w); err == nil {
			c.base = cam.up.Stats()
			c.fed.Store(cam)
			c.nc.SetReadDeadline(time.Time{})
			if ctx.Err() != nil || c.gone.Load() { // that came while the camera was made
				c.hangUp()
			}
			c.out.reply(wire.AppendReady(nil))
			return nil
		}
	}
	code := wire.CodeConfig
	if errors.Is(err, errBusy) {
		code = wire.CodeBusy
	}
	c.out.fail(code, err.Error())
	return fmt.Errorf("settings refused: %v", err) // its own ERROR is on its way
}

// video takes one message. Its payload is read straight into the access unit's buffer.
func (c *connection) video(m *wire.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asm.pending(m.Time) {
		c.emit()
	}
	place := c.asm.room(m.Time, m.Size)
	if place == nil {
		c.asm.take()
		c.invalid.Add(1)
		c.cam().up.Skip(1)
		c.complainOnce(fmt.Errorf("an access unit of more than %d MiB; parts of one access unit have the same timestamp, different ones must not", MaxAccessUnit>>20))
		return nil
	}
	if err := c.in.Media(place); err != nil {
		if err == wire.ErrVoid {
			return nil // the sender counts it into the next message's lost
		}
		return err
	}
	if m.Lost > 0 {
		c.emit() // parts that came before the hole
		copy(c.asm.room(m.Time, m.Size), place)
		c.cam().up.Skip(int(m.Lost))
	}
	c.asm.took(m.Size, c.a.now())
	return nil
}

// emit hands the access unit to the uploader. mu is held.
func (c *connection) emit() {
	data, pts := c.asm.take()
	if len(data) == 0 || c.gone.Load() {
		return
	}
	c.cam().sawFrame()
	if err := c.cam().up.WriteVideo(uploader.AccessUnit{Data: data, PTS: pts, DTS: pts}); err != nil {
		c.complainOnce(err)
		return
	}
	c.heard.Store(false)
}

// flushVideo emits what waits for the next message.
func (c *connection) flushVideo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cam() != nil {
		c.emit()
	}
}

// idle emits an access unit that nothing has followed for a while. It does not wait for a reader in the middle of a payload.
func (c *connection) idle() {
	if c.mu.TryLock() {
		if c.cam() != nil && len(c.asm.buf) > 0 && c.a.now().Sub(c.asm.since) >= idleFlush {
			c.emit()
		}
		c.mu.Unlock()
	}
}

func (c *connection) sound(m *wire.Message) error {
	if cap(c.audio) < m.Size || cap(c.audio) > idleAudio {
		c.audio = make([]byte, max(m.Size, 4<<10))
	}
	data := c.audio[:m.Size]
	if err := c.in.Media(data); err != nil {
		if err == wire.ErrVoid {
			return nil
		}
		return err
	}
	if c.gone.Load() {
		return nil
	}
	if err := c.cam().up.WriteAudio(uploader.AudioFrame{Data: data, PTS: m.PTS()}); err != nil {
		c.complainOnce(err)
	}
	return nil
}

// complain tells the firmware and the log.
func (c *connection) complain(code wire.Code, err error) {
	c.cam().log.Warn("trouble with what the firmware sends", "error", err)
	c.out.fail(code, err.Error())
}

// complainOnce tells of frames that cannot be taken, until one can.
func (c *connection) complainOnce(err error) {
	if !errors.Is(err, uploader.ErrClosed) && !c.heard.Swap(true) {
		c.complain(wire.CodeStream, err)
	}
}

// close answers CLOSED when all is stored or the firmware's patience ends. What is left then the agent goes on with, and the camera
// stays for firmware that comes back (Agent.left). Without START nothing will ever be stored, and nothing is waited for.
func (c *connection) close(p []byte) error {
	patience, err := wire.ParseClose(p)
	if err != nil {
		return err
	}
	c.flushVideo()
	cam := c.cam()
	_ = cam.up.Flush()
	cam.up.Retry() // no pause between tries is of use now
	timer := time.NewTimer(patience)
	defer timer.Stop()
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for waiting := cam.put.started.Load(); waiting && !cam.drained() && !c.gone.Load(); {
		select {
		case <-tick.C:
		case <-cam.closed: // the agent ends
			waiting = false
		case <-timer.C:
			waiting = false
		}
	}
	cam.mu.Lock()
	cam.parted = cam.conn == c
	cam.mu.Unlock()
	n := c.counters()
	c.out.reply(wire.AppendCounters(nil, wire.TypeClosed, &n))
	return errDone
}

// counters is the state since this connection was accepted.
func (c *connection) counters() wire.Counters {
	st, b := c.cam().up.Stats(), &c.base
	less := func(now, then int64) uint64 { return uint64(max(0, now-then)) }
	dropped, droppedThen := st.Dropped(), b.Dropped()
	n := wire.Counters{
		VideoFrames:     less(st.VideoFrames, b.VideoFrames) + c.invalid.Load(),
		AudioFrames:     less(st.AudioFrames, b.AudioFrames),
		StoredSegments:  less(st.Stored.Segments+st.Backfilled.Segments, b.Stored.Segments+b.Backfilled.Segments),
		StoredFrames:    less(st.Stored.Frames+st.Backfilled.Frames, b.Stored.Frames+b.Backfilled.Frames),
		StoredBytes:     less(st.Stored.Bytes+st.Backfilled.Bytes, b.Stored.Bytes+b.Backfilled.Bytes),
		DroppedSegments: less(dropped.Segments, droppedThen.Segments),
		DroppedFrames:   less(dropped.Frames+st.DroppedBeforeIDR, droppedThen.Frames+b.DroppedBeforeIDR) + c.invalid.Load(),
		PendingSegments: uint64(st.Pending.Segments),
		PendingBytes:    uint64(st.Pending.Bytes),
		RingBytes:       uint64(st.RingBytes),
		RingUsed:        uint64(st.RingUsed),
		UploadsFailed:   less(st.Attempts-st.Stored.Segments-st.Backfilled.Segments, b.Attempts-b.Stored.Segments-b.Backfilled.Segments),
		ClockOffset:     st.ClockOffset,
		SpooledSegments: uint64(st.SpoolPending.Segments),
		SpoolBytes:      uint64(st.SpoolPending.Bytes),
	}
	if st.Uploading && n.UploadsFailed > 0 {
		n.UploadsFailed-- // the one under way
	}
	n.Settled = n.VideoFrames - min(n.VideoFrames, uint64(st.Open.Frames+st.Pending.Frames))
	if st.Failures > 0 {
		n.LastError = c.cam().code()
	}
	return n
}

func (c *connection) dropped(d uploader.Drop) {
	c.out.drop(wire.Drop{Reason: reason(d.Reason), Frames: uint64(d.Frames), Bytes: uint64(d.Bytes), Duration: d.Duration, Start: d.Start, Key: d.Key})
}

func (c *connection) trouble(err error) { c.out.fail(code(err), err.Error()) }

func (c *connection) wake() { c.out.signal() }

func reason(r uploader.DropReason) wire.Reason {
	switch r {
	case uploader.DropRingFull:
		return wire.ReasonRingFull
	case uploader.DropTooLarge:
		return wire.ReasonTooLarge
	case uploader.DropCollision:
		return wire.ReasonKeyExists
	case uploader.DropClosed:
		return wire.ReasonClosed
	case uploader.DropSpoolFull:
		return wire.ReasonSpoolFull
	case uploader.DropSpoolCorrupt:
		return wire.ReasonSpoolFailed
	}
	return wire.ReasonUnknown
}

// code says what kind of thing went wrong with an upload.
func code(err error) wire.Code {
	switch {
	case err == nil:
		return wire.CodeNone
	case errors.Is(err, uploader.ErrExpiredCredentials):
		return wire.CodeCredentials
	case errors.Is(err, uploader.ErrClockSkew):
		return wire.CodeClock
	case errors.Is(err, uploader.ErrRejected):
		return wire.CodeRejected
	case errors.Is(err, uploader.ErrAccessUnit), errors.Is(err, uploader.ErrAudioFrame), errors.Is(err, uploader.ErrTime),
		errors.Is(err, uploader.ErrTooLarge):
		return wire.CodeStream
	}
	return wire.CodeNetwork
}
