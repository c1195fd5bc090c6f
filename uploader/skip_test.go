// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// Pictures were lost before they came: what refers to them is dropped, the segment goes on at the next IDR, and sound goes on.
func TestSkip(t *testing.T) {
	for _, tt := range []struct {
		name    string
		gop     int
		at      int // pictures before the loss
		lost    int
		stored  []int // pictures of each segment of 3 s
		dropped int64
	}{
		{"in the middle of a GOP", 25, 30, 3, []int{75 - 20, 75}, 17},
		{"the rest of a segment", 75, 30, 3, []int{30, 75}, 42},
		{"an IDR", 25, 25, 1, []int{50, 75}, 24},
		{"whole GOPs", 25, 20, 40, []int{20, 75}, 15},
		{"the last picture of a GOP: nothing refers to it", 25, 24, 1, []int{74, 75}, 0},
		{"before the first picture", 25, 0, 5, []int{75, 50}, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bucket{t: t}
			u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: true})
			e := &encoder{fps: 25, gop: tt.gop, size: 500}
			sound := 0
			for n := range 150 {
				if n == tt.at {
					u.Skip(tt.lost)
					u.Skip(0)
				}
				if au := e.next(); n < tt.at || n >= tt.at+tt.lost {
					mustWrite(t, u, au)
				}
				for ; time.Duration(sound)*audioStep < e.time(n+1); sound++ {
					if err := u.WriteAudio(uploader.AudioFrame{Data: adts(sound, 100), PTS: time.Duration(sound) * audioStep}); err != nil {
						t.Fatal(err)
					}
				}
			}
			mustClose(t, u)
			s := u.Stats()
			if s.Skipped != int64(tt.lost) || s.DroppedBeforeIDR != tt.dropped {
				t.Errorf("%d skipped, %d dropped; want %d, %d", s.Skipped, s.DroppedBeforeIDR, tt.lost, tt.dropped)
			}
			all := readAll(t, b.all())
			if len(all) != 2 {
				t.Fatalf("%d segments, want 2", len(all))
			}
			for i, c := range all {
				if len(c.video) != tt.stored[i] {
					t.Errorf("segment %d has %d pictures, want %d", i, len(c.video), tt.stored[i])
				}
				for k, v := range c.video[1:] {
					if gap := v.dts.Sub(c.video[k].dts); gap > 50*time.Millisecond && !v.random {
						t.Errorf("segment %d goes on with a picture without its reference, %v after the one before", i, gap)
					}
				}
				frames, _ := framesOf(t, c.audio)
				if tt.at > 0 && len(frames) < 139 {
					t.Errorf("segment %d has %d frames of sound, want all", i, len(frames))
				}
			}
		})
	}
}

func TestBucketRoot(t *testing.T) {
	if _, err := uploader.New(uploader.Config{Putter: &bucket{t: t}, Prefix: "cam", BucketRoot: true}); err == nil || !strings.Contains(err.Error(), "BucketRoot") {
		t.Errorf("New with a prefix and BucketRoot = %v", err)
	}
	if _, err := uploader.New(uploader.Config{Putter: &bucket{t: t}}); err == nil {
		t.Error("New without a prefix gives no error")
	}
	f := &flash{t: t}
	b := &bucket{t: t}
	u, err := uploader.New(uploader.Config{Putter: b, BucketRoot: true, Epoch: epoch, Spool: f, UploadJitter: -1})
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, u, (&encoder{fps: 25, gop: 25, size: 50}).next())
	mustClose(t, u)
	if got, want := b.all()[0].key, "2026/03/09/04/05/06.ts"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
}
