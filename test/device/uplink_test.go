// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// full is the stream that the original SDK was measured with: 5.3 Mbit/s as a transport stream, a key frame every 3 s.
var full = encoded{seconds: 60, gop: 75, kbps: 5080, size: "640x360", noise: 60}

// uplink is one row of the table: a bandwidth, or an outage.
type uplink struct {
	name   string
	mbit   float64 // 0: any
	outage time.Duration
	fault  func(*link)
	spool  bool

	original float64 // what the original SDK kept of 60 s, in percent
	possible float64 // what can be kept of 60 s, in percent: by link, ring and spool
	atLeast  float64 // what we must keep, in percent
	lost     int     // or: how many frames may be lost; each GOP is 75 frames, and the ring holds two
	longOnly bool
}

// Frames readable of 60 s at 5.3 Mbit/s, the original's figures as measured on it (4 MB ring). Outages begin at a third of the time. After 10
// s of outage the two whole GOPs recorded last, one of them still growing, fit into the ring; the two before them do not.
var uplinks = []uplink{
	{name: "3 Mbit/s", mbit: 3, original: 0.2, possible: 56, atLeast: 50},
	{name: "4 Mbit/s", mbit: 4, original: 15.3, possible: 75, atLeast: 70},
	{name: "5 Mbit/s", mbit: 5, original: 71.4, possible: 94, atLeast: 90},
	{name: "6 Mbit/s", mbit: 6, original: 95.1, possible: 100},
	{name: "8 Mbit/s", mbit: 8, original: 100, possible: 100},
	{name: "4 Mbit/s, spool", mbit: 4, spool: true, original: 15.3, possible: 100},
	{name: "refused 3 s", outage: 3 * time.Second, fault: (*link).refuse, original: 95, possible: 100},
	{name: "refused 10 s", outage: 10 * time.Second, fault: (*link).refuse, original: 85, possible: 93, lost: 150},
	{name: "refused 10 s, spool", outage: 10 * time.Second, fault: (*link).refuse, spool: true, original: 85, possible: 100},
	{name: "refused 30 s", outage: 30 * time.Second, fault: (*link).refuse, original: 50, possible: 60, lost: 675, longOnly: true},
	{name: "refused 30 s, spool", outage: 30 * time.Second, fault: (*link).refuse, spool: true, original: 50, possible: 100, longOnly: true},
	{name: "black hole 3 s", outage: 3 * time.Second, fault: (*link).hang, original: 100, possible: 100},
	{name: "black hole 10 s", outage: 10 * time.Second, fault: (*link).hang, original: 90.3, possible: 93, lost: 150},
	{name: "black hole 10 s, spool", outage: 10 * time.Second, fault: (*link).hang, spool: true, original: 90.3, possible: 100},
	{name: "black hole 30 s", outage: 30 * time.Second, fault: (*link).hang, original: 60.3, possible: 60, lost: 675, longOnly: true},
	{name: "black hole 30 s, spool", outage: 30 * time.Second, fault: (*link).hang, spool: true, original: 60.3, possible: 100, longOnly: true},
}

// A stream of 5.3 Mbit/s over uplinks that are too slow and over outages. All rows run at the same time: what they cost is bandwidth, and
// the machine has enough. The short form feeds 30 s; what the ring holds at the end is then stored after the stream has ended, so
// the shares are higher than those of the long one.
func TestSlowUplinksAndOutages(t *testing.T) {
	b := build(t, native)
	c := encode(t, full)
	seconds := 30
	if long() {
		seconds = 60
	}
	var mu sync.Mutex
	table := map[string]string{}
	t.Run("rows", func(t *testing.T) {
		for _, row := range uplinks {
			if row.longOnly && !long() {
				continue
			}
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				kept, line := row.run(t, b, c, seconds)
				mu.Lock()
				table[row.name] = line
				mu.Unlock()
				want := row.atLeast
				if want == 0 {
					want = 100 - 100*float64(row.lost)/float64(seconds*25)
				}
				if kept < want-1e-9 {
					t.Errorf("%.1f %% of the frames are readable, want at least %.1f %%", kept, want)
				}
			})
		}
	})
	var out strings.Builder
	fmt.Fprintf(&out, "frames readable in %%, %d s of 5.3 Mbit/s, ring 4 MiB (original and possible: of 60 s)\n%-24s %8s %9s %9s  %s\n", seconds, "uplink", "s3cam", "original", "possible", "")
	for _, row := range uplinks {
		if line, ok := table[row.name]; ok {
			out.WriteString(line)
		}
	}
	t.Log("\n" + out.String())
}

func (row uplink) run(t *testing.T, b built, c *clip, seconds int) (kept float64, line string) {
	s := newStore(t)
	l := newLink(t, s.host)
	l.setRate(int64(row.mbit * 1e6))
	l.setDelay(20 * time.Millisecond)
	const ring = 4 << 20
	d := newDevice(t, s.ca)
	if row.spool {
		d.spool(t, 64<<20)
	}
	fed := seconds * 25
	sc := newScript(t).initialize(ring, region, bucketName, prefix, l.addr).credential(rootKey).start().zero()
	feed{clip: c, frames: fed, speed: 1}.write(sc).finalize()
	p := b.play(t, d.env, sc)
	if row.outage > 0 {
		third := time.Duration(seconds) * time.Second / 3
		down := time.AfterFunc(third, func() { row.fault(l) })
		up := time.AfterFunc(third+row.outage, l.up)
		defer down.Stop()
		defer up.Stop()
	}
	o := p.wait(time.Duration(seconds)*time.Second + 90*time.Second)
	p.gone(90 * time.Second)
	if row.spool { // what is still on flash goes up in the camera's next life
		l.setRate(0)
		next := newScript(t).initialize(ring, region, bucketName, prefix, l.addr).credential(rootKey).start().sleep(5 * time.Second).finalize()
		q := b.play(t, d.env, next)
		again := q.wait(time.Minute)
		again.ok(t)
		q.gone(time.Minute)
	}
	a := inspect(t, s.objects(t, prefix), c)
	if o.video != fed || o.exit != 0 || o.failed > 0 {
		t.Errorf("%d of %d calls, %d failed, exit %d\n%s", o.video, fed, o.failed, o.exit, o.output)
	}
	if o.worst > 500*time.Millisecond {
		t.Errorf("a Put took %v", o.worst)
	}
	if a.frames < fed && o.full == 0 {
		t.Errorf("%d of %d frames are missing and no Put said so", fed-a.frames, fed)
	}
	kept = 100 * float64(a.frames) / float64(fed)
	line = fmt.Sprintf("%-24s %8.1f %9.1f %9.1f  %d segments, %.1f MB sent for %.1f MB stored, longest Put %v\n",
		row.name, kept, row.original, row.possible, len(a.segments), float64(l.sent())/1e6, float64(a.bytes)/1e6, o.worst)
	if t.Failed() {
		t.Logf("%s%s\n%s", line, &a, o.output)
	}
	return kept, line
}
