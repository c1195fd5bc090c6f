// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

// The device clock in all the ways in which it can be wrong, on a server that refuses signatures more than 15 min off: footage lands
// under the right keys, which rise, nothing is stored twice or lost, and a refusal is mended with the next try.
func TestClocks(t *testing.T) {
	const year = 365 * 24 * time.Hour
	type step struct{ at, by time.Duration }
	for _, tt := range []struct {
		name    string
		wrong   time.Duration // at boot
		steps   []step        // of the device clock
		ppm     int64         // it drifts by
		down    time.Duration // no network until then
		cut     time.Duration // connections break after the body until then: it may be stored, for all the device knows
		refused int           // tries, exactly
		within  time.Duration // of the true time, all segments
	}{
		{"right", 0, nil, 0, 0, 0, 0, time.Millisecond},
		{"1970 at boot", -56 * year, nil, 0, 0, 0, 1, 1100 * time.Millisecond},
		{"1970 at boot, no network for a minute", -56 * year, nil, 0, time.Minute, 0, 1, 1100 * time.Millisecond},
		{"1970 at boot, NTP sets it before the network lets the first segment through", -56 * year, []step{{10 * time.Second, 56 * year}}, 0, 30 * time.Second, 0, 0, 600 * time.Millisecond},
		{"1970 at boot, NTP sets it while the first segment is open", -56 * year, []step{{time.Second, 56 * year}}, 0, 0, 0, 0, 600 * time.Millisecond},
		{"14 years ahead", 14 * year, nil, 0, 0, 0, 1, 1100 * time.Millisecond},
		{"14 years ahead, and the first connections break after the body", 14 * year, nil, 0, 0, 8 * time.Second, 1, 1100 * time.Millisecond},
		{"14 years ahead, NTP sets it", 14 * year, []step{{10 * time.Second, -14 * year}}, 0, 30 * time.Second, 0, 0, 600 * time.Millisecond},
		{"20 minutes behind", -20 * time.Minute, nil, 0, 0, 0, 1, 1100 * time.Millisecond},
		{"20 minutes ahead", 20 * time.Minute, nil, 0, 20 * time.Second, 0, 1, 1100 * time.Millisecond},
		{"9 s ahead, while the first segment is open", 9 * time.Second, []step{{time.Second, -9 * time.Second}}, 0, 0, 0, 0, 600 * time.Millisecond},
		{"9 s behind, while the first segment is open", -9 * time.Second, []step{{time.Second, 9 * time.Second}}, 0, 0, 0, 0, 600 * time.Millisecond},
		{"right at boot, set an hour ahead and back before the first answer", 0, []step{{5 * time.Second, time.Hour}, {12 * time.Second, -time.Hour}}, 0, 30 * time.Second, 0, 0, 600 * time.Millisecond},
		{"right at boot, set wrong before the first answer", 0, []step{{5 * time.Second, time.Hour}}, 0, 30 * time.Second, 0, 1, 1100 * time.Millisecond},
		{"a day ahead in mid-run", 0, []step{{20*time.Second + 10*time.Millisecond, 24 * time.Hour}}, 0, 0, 0, 0, time.Millisecond},
		{"a day back in mid-run", 0, []step{{20*time.Second + 10*time.Millisecond, -24 * time.Hour}}, 0, 0, 0, 0, time.Millisecond},
		{"to 1970 and back in mid-run", 0, []step{{20*time.Second + 10*time.Millisecond, -56 * year}, {40 * time.Second, 56 * year}}, 0, 0, 0, 0, time.Millisecond},
		{"1970 at boot, set right after the first answer", -56 * year, []step{{20*time.Second + 10*time.Millisecond, 56 * year}}, 0, 0, 0, 1, 1100 * time.Millisecond},
		{"steps of 3 s, both ways, again and again", 0, []step{{10 * time.Second, 3 * time.Second}, {20 * time.Second, -3 * time.Second}, {30 * time.Second, 3 * time.Second}, {40 * time.Second, -3 * time.Second}}, 0, 0, 0, 0, time.Millisecond},
		{"drifts by 500 ppm", 0, nil, 500, 0, 0, 0, 3 * time.Second},
		{"drifts by -500 ppm", 0, nil, -500, 0, 0, 0, 3 * time.Second},
	} {
		for _, withSpool := range []bool{false, true} {
			name := tt.name
			if withSpool {
				name += ", with a spool"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					clock := func() time.Time {
						at := time.Since(begin)
						wrong := tt.wrong + at/1000*time.Duration(tt.ppm)/1000
						for _, s := range tt.steps {
							if at >= s.at {
								wrong += s.by
							}
						}
						return now().Round(0).Add(wrong)
					}
					refused := 0
					b := &bucket{t: t, server: now}
					b.before = func(_ context.Context, o *uploader.Object, _ int) error {
						switch at := time.Since(begin); {
						case at < tt.down:
							return uploader.ErrNotSent
						case at < tt.cut:
							return errors.New("connection reset")
						case o.Time.Sub(now()).Abs() > 15*time.Minute:
							refused++
							return uploader.ErrClockSkew
						}
						return nil
					}
					up := &networked{bucket: b, up: func() bool { return time.Since(begin) >= max(tt.down, tt.cut) }}
					cfg := uploader.Config{Putter: up, Now: clock, Audio: true}
					if withSpool {
						cfg.Spool, cfg.RingBytes = &flash{t: t}, 120_000
					}
					length := 2 * time.Minute
					if tt.ppm != 0 {
						length = 100 * time.Minute
					}
					c := &camera{encoder: encoder{fps: 5, gop: 15, size: 1500}, zero: time.Hour, audio: tt.ppm == 0}
					start := now()
					u := mustNew(t, cfg)
					c.play(t, u, length)
					time.Sleep(30 * time.Second)
					mustClose(t, u)
					s := u.Stats()
					objects := b.all()
					slices.SortFunc(objects, func(a, b stored) int { return slices.Compare([]byte(a.key), []byte(b.key)) })
					analyze(t, objects)
					n := 0
					for _, seg := range readAll(t, objects) {
						if d := seg.video[0].pts.Sub(start.Add(time.Duration(n) * 200 * time.Millisecond)); d.Abs() > tt.within {
							t.Errorf("%s is %v from the true time, want %v at most", segment.Key("cam", seg.start), d, tt.within)
						}
						n += len(seg.video)
					}
					if int64(n) != s.VideoFrames || s.Dropped().Segments != 0 {
						t.Errorf("%d of %d pictures are stored, dropped %+v", n, s.VideoFrames, s.Dropped())
					}
					if refused != tt.refused {
						t.Errorf("%d tries are refused, want %d", refused, tt.refused)
					}
					if withSpool && tt.down > 0 && s.Spooled.Segments == 0 {
						t.Error("nothing was spooled")
					}
				})
			})
		}
	}
}

// analyze fails the test when a strict analyzer finds an error in an object, or a packet says that the clock jumped: moved footage is
// as continuous as it was.
func analyze(t *testing.T, objects []stored) {
	t.Helper()
	for _, o := range objects {
		a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
		if _, err := a.Write(o.data); err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Report().Findings {
			if f.Severity == mpegts.Error {
				t.Errorf("%s: %s at packet %d: %s", o.key, f.Code, f.Packet, f.Message)
			}
		}
		for i := 0; i+mpegts.PacketSize <= len(o.data); i += mpegts.PacketSize {
			if p := o.data[i:]; p[3]&0x20 != 0 && p[4] > 0 && p[5]&0x80 != 0 && i > 3*mpegts.PacketSize {
				t.Errorf("%s: packet %d has a discontinuity_indicator", o.key, i/mpegts.PacketSize)
			}
		}
	}
}
