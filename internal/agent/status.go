// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/wire"
	"github.com/s3cam/s3cam/uploader"
)

// textWanted is a field of STATUS that asks for text instead of JSON; agents that do not know it leave it out (docs/ref/wire.md).
const textWanted = 0x80

func wantsText(p []byte) bool { return len(p) >= 3 && p[0] == textWanted }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// status describes the agent and its cameras, for people or as JSON.
func (a *Agent) status(text bool) string {
	now := a.now()
	cams := a.cameraList()
	for i := range cams { // by name; slices.SortFunc would cost 7 KB of flash
		for j := i; j > 0 && cams[j].cfg.label() < cams[j-1].cfg.label(); j-- {
			cams[j], cams[j-1] = cams[j-1], cams[j]
		}
	}
	troubles := a.streamTroubles()
	healthy := len(troubles) == 0
	var whys []string
	for _, c := range cams {
		why := c.unhealthy(a.cfg.Unhealthy)
		healthy = healthy && why == ""
		whys = append(whys, why)
	}
	if text {
		var b strings.Builder
		fmt.Fprintf(&b, "%s: s3cam-agent %s, up %v, %d cameras\n", word(healthy), a.build.Version, now.Sub(a.start).Round(time.Second), len(cams))
		for _, t := range troubles {
			fmt.Fprintf(&b, "\ninput: %s\n", t)
		}
		for i, c := range cams {
			c.describe(&b, whys[i])
		}
		return b.String()
	}
	var j object
	j.open()
	j.text("status", word(healthy))
	j.text("version", a.build.Version)
	j.number("uptime_s", int64(now.Sub(a.start)/time.Second))
	j.list("problems", len(troubles), func(i int) { j.value(troubles[i]) })
	j.list("cameras", len(cams), func(i int) { cams[i].encode(&j, whys[i]) })
	j.shut()
	return string(j.b) + "\n"
}

func word(healthy bool) string {
	if healthy {
		return "healthy"
	}
	return "unhealthy"
}

func (c *camera) describe(b *strings.Builder, why string) {
	st := c.up.Stats()
	c.mu.Lock()
	connected := c.conn != nil || c.cfg.Input != ""
	c.mu.Unlock()
	state := word(why == "")
	if why != "" {
		state += ", " + why
	}
	fmt.Fprintf(b, "\n%s: %s\n", c.cfg.label(), state)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("into", "%s/%s", c.cfg.Bucket, c.cfg.Prefix)
	if !connected {
		row("firmware", "not connected")
	}
	row("received", "%d pictures, %d audio frames", st.VideoFrames, st.AudioFrames)
	row("stored", "%s", amount(st.Stored))
	if st.LastKey != "" {
		row("last", "%s at %s", st.LastKey, clock(st.LastStored))
	}
	row("waiting", "%s; ring %d of %d KiB", amount(st.Pending), st.RingUsed>>10, st.RingBytes>>10)
	if c.spool != nil && c.spool.problem() == nil {
		row("spool", "%s waiting, %s sent later", amount(st.SpoolPending), amount(st.Backfilled))
	}
	if d := st.Dropped(); d.Segments > 0 || st.DroppedBeforeIDR > 0 || st.Skipped > 0 {
		row("lost", "%s, %d pictures between segments, %d on the way from the firmware", amount(d), st.DroppedBeforeIDR, st.Skipped)
	}
	if st.Throughput > 0 {
		row("uplink", "%.1f Mbit/s in the last uploads", float64(st.Throughput)*8/1e6)
	}
	if st.ClockOffset != 0 {
		row("clock", "the device is %v off", (-st.ClockOffset).Round(time.Second))
	}
	if st.LastError != "" {
		row("error", "%s at %s (%d failures since the last success)", st.LastError, clock(st.LastErrorAt), st.Failures)
	}
}

func amount(n uploader.Counts) string {
	return fmt.Sprintf("%d segments, %.1f MB, %v", n.Segments, float64(n.Bytes)/1e6, n.Duration.Round(100*time.Millisecond))
}

func (c *camera) encode(j *object, why string) {
	st := c.up.Stats()
	c.mu.Lock()
	connected := c.conn != nil || c.cfg.Input != ""
	c.mu.Unlock()
	dropped := st.Dropped()
	j.open()
	j.text("name", c.cfg.label())
	j.text("bucket", c.cfg.Bucket)
	j.text("prefix", c.cfg.Prefix)
	j.text("status", word(why == ""))
	j.text("problem", why)
	j.flag("connected", connected)
	j.flag("started", c.put.started.Load())
	j.number("video_frames", st.VideoFrames)
	j.number("audio_frames", st.AudioFrames)
	for _, n := range []struct {
		name string
		c    uploader.Counts
	}{{"stored", st.Stored}, {"pending", st.Pending}, {"dropped", dropped}, {"spooled", st.SpoolPending}, {"backfilled", st.Backfilled}} {
		j.number(n.name+"_segments", n.c.Segments)
		j.number(n.name+"_frames", n.c.Frames)
		j.number(n.name+"_bytes", n.c.Bytes)
	}
	j.number("skipped_frames", st.Skipped)
	j.number("dropped_before_idr", st.DroppedBeforeIDR)
	j.number("ring_bytes", int64(st.RingBytes))
	j.number("ring_used", int64(st.RingUsed))
	j.number("ring_high_water", int64(st.RingHighWater))
	j.number("attempts", st.Attempts)
	j.number("retries", st.Retries)
	j.number("failures", int64(st.Failures))
	j.number("throughput_bytes_per_s", st.Throughput)
	j.number("clock_offset_ms", int64(st.ClockOffset/time.Millisecond))
	j.flag("clock_known", st.ClockKnown)
	j.text("last_key", st.LastKey)
	j.time("last_stored", st.LastStored)
	j.text("last_error", st.LastError)
	j.time("last_error_at", st.LastErrorAt)
	j.shut()
}

// object writes JSON (RFC 8259) by hand: encoding/json would cost 200 KB of flash.
type object struct {
	b     []byte
	comma bool
}

func (j *object) sep() {
	if j.comma {
		j.b = append(j.b, ',')
	}
	j.comma = true
}

func (j *object) open()            { j.sep(); j.b = append(j.b, '{'); j.comma = false }
func (j *object) shut()            { j.b = append(j.b, '}'); j.comma = true }
func (j *object) key(name string)  { j.sep(); j.quote(name); j.b = append(j.b, ':') }
func (j *object) value(s string)   { j.sep(); j.quote(s) }
func (j *object) text(k, s string) { j.key(k); j.quote(s) }
func (j *object) number(k string, n int64) {
	j.key(k)
	j.b = strconv.AppendInt(j.b, n, 10)
}

func (j *object) flag(k string, v bool) {
	j.key(k)
	j.b = strconv.AppendBool(j.b, v)
}

func (j *object) time(k string, t time.Time) {
	j.key(k)
	if t.IsZero() {
		j.b = append(j.b, "null"...)
	} else {
		j.quote(t.UTC().Format(time.RFC3339))
	}
}

func (j *object) list(k string, n int, item func(i int)) {
	j.key(k)
	j.b = append(j.b, '[')
	j.comma = false
	for i := range n {
		item(i)
	}
	j.b = append(j.b, ']')
	j.comma = true
}

func (j *object) quote(s string) {
	j.b = append(j.b, '"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			j.b = append(j.b, '\\', byte(r))
		case r < 0x20 || r == 0x7f:
			j.b = fmt.Appendf(j.b, `\u%04x`, r)
		default:
			j.b = append(j.b, string(r)...)
		}
	}
	j.b = append(j.b, '"')
}

// ErrUnhealthy is returned by [AskStatus] with the status of an agent that needs care.
var ErrUnhealthy = errors.New("the agent or one of its cameras is unhealthy")

// AskStatus asks the agent that listens at socket, and writes what it says to w.
func AskStatus(ctx context.Context, socket string, asJSON bool, w io.Writer) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return hint.With(fmt.Errorf("no agent at %s: %w", socket, err),
			"name its socket with --socket PATH; an agent that firmware has started has none, the C library tells its counters")
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	b, err := wire.AppendHello(nil, wire.Hello{Client: "s3cam-agent status"})
	if err != nil {
		return err
	}
	if asJSON {
		b = wire.AppendStatus(b)
	} else {
		b = wire.Header{Type: wire.TypeStatus, Length: 5}.Append(b)
		b = append(b, textWanted, 1, 0, 1, wire.Whole)
	}
	if _, err := nc.Write(b); err != nil {
		return fmt.Errorf("ask %s: %w", socket, err)
	}
	in := wire.NewReplyReader(nc)
	for {
		m, err := in.Next()
		if err != nil {
			return fmt.Errorf("answer of %s: %w", socket, err)
		}
		switch m.Type {
		case wire.TypeError:
			code, text, err := wire.ParseError(m.Payload)
			if err != nil {
				return err
			}
			return fmt.Errorf("the agent says: %s (code %d)", text, code)
		case wire.TypeStatusText:
			text := string(m.Payload)
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
			if strings.HasPrefix(text, "unhealthy") || strings.HasPrefix(text, `{"status":"unhealthy"`) {
				return ErrUnhealthy
			}
			return nil
		}
	}
}
