// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/aac"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/uploader"
)

// sound is one input of an audio test: an audio frame, or a picture.
type sound struct {
	at    time.Duration
	audio bool
}

// av interleaves 25 pictures and 46.875 audio frames a second for length, with the audio arriving lead earlier than the video
// of the same time (negative: later).
func av(length, lead time.Duration) []sound {
	type arrival struct {
		sound
		arrives time.Duration
	}
	var list []arrival
	for n := range int(length / (40 * time.Millisecond)) {
		at := time.Duration(n) * 40 * time.Millisecond
		list = append(list, arrival{sound{at, false}, at})
	}
	for n := range int(length / audioStep) {
		at := time.Duration(n) * audioStep
		list = append(list, arrival{sound{at, true}, at - lead})
	}
	slices.SortStableFunc(list, func(a, b arrival) int { return cmp.Compare(a.arrives, b.arrives) })
	var out []sound
	for _, a := range list {
		out = append(out, a.sound)
	}
	return out
}

// framesOf splits PES payloads into ADTS frames with their times.
func framesOf(t testing.TB, units []unit) (frames [][]byte, times []time.Time) {
	t.Helper()
	for _, u := range units {
		at := u.pts
		for rest := u.data; len(rest) > 0; {
			h, err := aac.ParseHeader(rest)
			if err != nil {
				t.Fatal(err)
			}
			frames = append(frames, rest[:h.FrameBytes])
			times = append(times, at)
			at = at.Add(audioStep)
			rest = rest[h.FrameBytes:]
		}
	}
	return frames, times
}

func TestAudio(t *testing.T) {
	const length = 9 * time.Second // three segments
	second := time.Second
	for _, tt := range []struct {
		name     string
		config   bool
		in       []sound
		announce []bool // by segment
		lost     int    // audio frames
		exact    bool   // each frame is in the segment of its time
	}{
		{"interleaved", true, av(length, 0), []bool{true, true, true}, 0, true},
		{"audio half a second early", true, av(length, second/2), []bool{true, true, true}, 0, true},
		{"audio two seconds early", true, av(length, 2*second), []bool{true, true, true}, 0, true},
		{"audio half a second late", true, av(length, -second/2), []bool{true, true, true}, 0, false},
		{"not configured, but audio came first", false, av(length, second/2), []bool{true, true, true}, 0, true},
		{"not configured, audio from 1 s on: announced by the next segment", false,
			slices.DeleteFunc(av(length, 0), func(s sound) bool { return s.audio && s.at < second }), []bool{false, true, true}, -1, true},
		{"no audio", false, slices.DeleteFunc(av(length, 0), func(s sound) bool { return s.audio }), []bool{false, false, false}, 0, true},
		{"no audio although configured", true, slices.DeleteFunc(av(length, 0), func(s sound) bool { return s.audio }), []bool{true, true, true}, 0, true},
		{"audio that ends is unlearned after three segments", false,
			slices.DeleteFunc(av(21*second, second/2), func(s sound) bool { return s.audio && s.at > 2*second }),
			[]bool{true, true, true, true, false, false, false}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bucket{t: t}
			u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: tt.config})
			e := &encoder{fps: 25, gop: 75, size: 400}
			sent := map[int]time.Duration{}
			var fed [][]byte
			for _, s := range tt.in {
				if !s.audio {
					mustWrite(t, u, e.next())
					continue
				}
				frame := adts(len(fed), 150+len(fed)%100)
				sent[len(fed)] = s.at
				fed = append(fed, frame)
				if err := u.WriteAudio(uploader.AudioFrame{Data: frame, PTS: s.at}); err != nil {
					t.Fatal(err)
				}
			}
			mustClose(t, u)
			var announced []bool
			var got [][]byte
			all := readAll(t, b.all())
			for i, c := range all {
				announced = append(announced, c.hasAudio)
				if !c.hasAudio && len(c.audio) > 0 {
					t.Errorf("segment %d has audio that it does not announce", i)
				}
				frames, times := framesOf(t, c.audio)
				got = append(got, frames...)
				for k, at := range times {
					n := slices.IndexFunc(fed, func(f []byte) bool { return bytes.Equal(f, frames[k]) })
					if n < 0 {
						t.Fatalf("segment %d has an audio frame that was not fed", i)
					}
					want := epoch.Add(sent[n])
					if at.Sub(want).Abs() > 30*time.Microsecond {
						t.Errorf("audio frame %d plays at %v, want %v", n, at.Sub(epoch), sent[n])
					}
					if tt.exact && (want.Before(c.start.Add(-20*time.Microsecond)) || i+1 < len(all) && !want.Before(all[i+1].start)) {
						t.Errorf("audio frame of %v is in the segment of %v", sent[n], c.start.Sub(epoch))
					}
				}
			}
			if !slices.Equal(announced, tt.announce) {
				t.Errorf("audio announced %v, want %v", announced, tt.announce)
			}
			s := u.Stats()
			lost := int(s.DroppedAudio)
			if tt.lost >= 0 && lost != tt.lost || len(got)+lost != len(fed) || int(s.AudioFrames) != len(fed) {
				t.Errorf("%d audio frames fed, %d stored, %d counted as dropped; want %d dropped", len(fed), len(got), lost, tt.lost)
			}
		})
	}
}

func TestAudioThatFitsNowhereIsDroppedAndCounted(t *testing.T) {
	write := func(u *uploader.Uploader, n int, at time.Duration) {
		t.Helper()
		if err := u.WriteAudio(uploader.AudioFrame{Data: adts(n, 100), PTS: at}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		feed    func(u *uploader.Uploader, e *encoder)
		dropped int64
		stored  int
	}{
		{"before the first picture", func(u *uploader.Uploader, e *encoder) {
			e.n = 50
			e.gop = 50
			write(u, 0, time.Second)
			write(u, 1, 1999*time.Millisecond)
			write(u, 2, 2*time.Second)
			mustWrite(t, u, e.next())
			mustWrite(t, u, e.next())
		}, 2, 1},
		{"no video at all: the hold is bounded", func(u *uploader.Uploader, e *encoder) {
			for n := range 2000 {
				write(u, n, time.Duration(n)*audioStep)
			}
		}, 2000, 0},
		{"on another clock than the video", func(u *uploader.Uploader, e *encoder) {
			mustWrite(t, u, e.next())
			for n := range 100 {
				write(u, n, time.Hour+time.Duration(n)*audioStep)
				mustWrite(t, u, e.next())
			}
		}, 100, 0},
		{"time that goes back", func(u *uploader.Uploader, e *encoder) {
			for range 20 {
				mustWrite(t, u, e.next())
			}
			write(u, 0, 100*time.Millisecond)
			write(u, 1, 100*time.Millisecond)
			write(u, 2, 50*time.Millisecond)
			write(u, 3, 130*time.Millisecond)
		}, 2, 2},
		{"video that stops: audio goes on for ten seconds", func(u *uploader.Uploader, e *encoder) {
			for range 25 {
				mustWrite(t, u, e.next())
			}
			for n := range 47 * 20 {
				write(u, n, time.Duration(n)*audioStep)
			}
		}, 426, 514},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &bucket{t: t}
			u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: true, RingBytes: 1 << 20})
			e := &encoder{fps: 25, gop: 75, size: 400}
			tt.feed(u, e)
			_ = u.Close(t.Context())
			stored := 0
			for _, c := range readAll(t, b.all()) {
				frames, _ := framesOf(t, c.audio)
				stored += len(frames)
			}
			s := u.Stats()
			if stored != tt.stored || s.DroppedAudio != tt.dropped || s.AudioFrames-s.DroppedAudio != int64(stored) {
				t.Errorf("%d stored of %d, %d counted as dropped; want %d stored, %d dropped", stored, s.AudioFrames, s.DroppedAudio, tt.stored, tt.dropped)
			}
		})
	}
}

// Several ADTS frames in one call get their own times.
func TestSeveralADTSFramesInOneCall(t *testing.T) {
	b := &bucket{t: t}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: true})
	e := &encoder{fps: 25, gop: 75, size: 400}
	mustWrite(t, u, e.next())
	pack := join(adts(0, 300), adts(1, 20), adts(2, 700), adts(3, 100))
	if err := u.WriteAudio(uploader.AudioFrame{Data: pack, PTS: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		mustWrite(t, u, e.next())
	}
	mustClose(t, u)
	frames, times := framesOf(t, readAll(t, b.all())[0].audio)
	if !bytes.Equal(join(frames...), pack) {
		t.Error("the frames are not the ones fed")
	}
	for i, at := range times {
		if want := epoch.Add(10*time.Millisecond + time.Duration(i)*audioStep); at.Sub(want).Abs() > 30*time.Microsecond {
			t.Errorf("frame %d at %v, want %v", i, at, want)
		}
	}
}

// Sound that stops in the middle of a segment is written while its time has not passed (ISO/IEC 13818-1 2.4.2), not at the end.
func TestAudioThatStopsIsNotWrittenLate(t *testing.T) {
	b := &bucket{t: t}
	u := mustNew(t, uploader.Config{Putter: b, Epoch: epoch, Audio: true})
	e := &encoder{fps: 25, gop: 75, size: 400}
	for i, s := range av(9*time.Second, 0) {
		if !s.audio {
			mustWrite(t, u, e.next())
		} else if s.at < 3500*time.Millisecond {
			if err := u.WriteAudio(uploader.AudioFrame{Data: adts(i, 150), PTS: s.at}); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustClose(t, u)
	for _, o := range b.all() {
		an := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
		an.Write(o.data)
		for _, f := range an.Report().Findings {
			if f.Code == "pcr_late" {
				t.Errorf("%s: packet %d: %s", o.key, f.Packet, f.Message)
			}
		}
	}
}
