// SPDX-License-Identifier: Apache-2.0

package push_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/push"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

// bucket is a store in memory. trouble, when set, may answer a Put before it is carried out.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	trouble func(n int, o *uploader.Object) error
	puts    int
	delay   time.Duration
}

func (b *bucket) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	if b.delay > 0 {
		select {
		case <-time.After(b.delay):
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	if b.trouble != nil {
		if err := b.trouble(b.puts, o); err != nil {
			return time.Time{}, err
		}
	}
	if _, ok := b.objects[o.Key]; ok {
		return time.Time{}, uploader.ErrExists
	}
	if b.objects == nil {
		b.objects = map[string][]byte{}
	}
	b.objects[o.Key] = slices.Concat(o.Parts[:]...)
	return time.Now(), nil
}

func (b *bucket) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []string
	for k := range b.objects {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func open(t *testing.T, in push.Input) *push.Source {
	t.Helper()
	s, err := push.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func config(s *push.Source, b uploader.Putter) push.Config {
	return push.Config{Frames: s, ParameterSets: s.ParameterSets(), Start: time.Date(2021, 5, 1, 11, 0, 0, 0, time.UTC),
		Uploader: uploader.Config{Prefix: "cam", Putter: b, Audio: s.Info.Audio}}
}

func frontDoor(t *testing.T) *push.Source {
	clip := simcam.FrontDoor()
	return open(t, push.Input{Video: bytes.NewReader(clip.Video), Audio: bytes.NewReader(clip.Audio)})
}

// The bytes that come out are the bytes that went in, at the right times.
func TestPushKeepsEverything(t *testing.T) {
	var b bucket
	s := frontDoor(t)
	if i := s.Info; i.Format != push.H264 || i.Width != 640 || i.Height != 360 || i.Rate.String() != "15" || i.Assumed || !i.Audio {
		t.Errorf("Info %+v", i)
	}
	r, err := push.Run(t.Context(), config(s, &b))
	if err != nil {
		t.Fatal(err)
	}
	keys := b.keys()
	if len(keys) != 7 || keys[0] != "cam/2021/05/01/11/00/00.ts" || keys[6] != "cam/2021/05/01/11/00/18.ts" {
		t.Errorf("keys %q", keys)
	}
	if r.Stats.Stored.Segments != 7 || r.Stats.Stored.Frames != simcam.Frames || r.Stats.Stored.Duration != 20*time.Second || r.Stats.Dropped().Segments != 0 || len(s.Notes()) > 0 {
		t.Errorf("stats %+v, notes %q", r.Stats, s.Notes())
	}
	var video, audio []byte
	for i, k := range keys {
		a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
		a.Write(b.objects[k])
		if rep := a.Report(); len(rep.Findings) > 0 {
			t.Errorf("%s:\n%s", k, rep.AppendText(nil))
		}
		d := mpegts.NewDemuxer(bytes.NewReader(b.objects[k]))
		for n := 0; ; n++ {
			u, err := d.Next()
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if u.Kind == mpegts.Video {
				video = append(video, stripAUD(u.Data)...)
			} else {
				audio = append(audio, u.Data...)
			}
			if want := int64(1619866800+3*i) * 90000 & (1<<33 - 1); n == 0 && u.Kind == mpegts.Video && u.PTS != want {
				t.Errorf("%s begins at PTS %d, want %d", k, u.PTS, want)
			}
		}
	}
	if clip := simcam.FrontDoor(); !bytes.Equal(video, clip.Video) || !bytes.Equal(audio, clip.Audio) {
		t.Errorf("%d bytes of video and %d of audio came out, %d and %d went in, or others", len(video), len(audio), len(clip.Video), len(clip.Audio))
	}
}

// stripAUD takes away the delimiter that the muxer puts before each picture.
func stripAUD(b []byte) []byte {
	if len(b) > 6 && bytes.Equal(b[:5], []byte{0, 0, 0, 1, 9}) {
		return b[6:]
	}
	return b
}

// What was pushed once is not pushed again, and what is in its way is somebody else's.
func TestPushAgain(t *testing.T) {
	var b bucket
	if _, err := push.Run(t.Context(), config(frontDoor(t), &b)); err != nil {
		t.Fatal(err)
	}
	cfg := config(frontDoor(t), &b)
	cfg.Exists = func(_ context.Context, key string, size int64) bool { return int64(len(b.objects[key])) == size }
	r, err := push.Run(t.Context(), cfg)
	if err != nil || r.Existing != 7 || r.Stats.Stored.Segments != 7 || len(b.keys()) != 7 {
		t.Errorf("the second push: %d were there, %d stored, %d objects, %v; want 7 each", r.Existing, r.Stats.Stored.Segments, len(b.keys()), err)
	}
	// Without asking, the second recording goes beside the first.
	r, err = push.Run(t.Context(), config(frontDoor(t), &b))
	if err != nil || r.Existing != 0 || r.Stats.MovedKeys != 7 || len(b.keys()) != 14 {
		t.Errorf("the third push: %d were there, %d moved, %d objects, %v", r.Existing, r.Stats.MovedKeys, len(b.keys()), err)
	}
}

// At full speed a slow store slows the reading down; a ring of two segments is enough for any length.
func TestPushAtFullSpeedWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bucket{delay: 2 * time.Second}
		cfg := config(frontDoor(t), &b)
		cfg.Uploader.RingBytes = 160 << 10
		r, err := push.Run(t.Context(), cfg)
		if err != nil || r.Stats.Stored.Segments != 7 || r.Stats.Dropped().Segments != 0 {
			t.Errorf("%v, stored %+v, dropped %+v", err, r.Stats.Stored, r.Stats.Dropped())
		}
		if took := time.Since(r.Stats.LastStored).Abs(); took > time.Hour {
			t.Errorf("last stored %v", r.Stats.LastStored)
		}
		if r.Stats.RingHighWater > 160<<10 {
			t.Errorf("the ring held %d bytes", r.Stats.RingHighWater)
		}
	})
}

func TestPushInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bucket
		cfg := config(frontDoor(t), &b)
		cfg.Pace, cfg.Start = push.Realtime, time.Time{}
		began := time.Now()
		var shown []time.Duration
		cfg.Progress = func(p push.Progress) { shown = append(shown, p.Position) }
		r, err := push.Run(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		// The last picture is due 14/15 s after second 19; the audio after it a little later.
		if took := time.Since(began); took < 19900*time.Millisecond || took > 20500*time.Millisecond {
			t.Errorf("20 s of video took %v", took)
		}
		if !r.Start.Equal(began) || b.keys()[0] != "cam/"+began.UTC().Format("2006/01/02/15/04/05")+".ts" {
			t.Errorf("start %v, first key %s; want now", r.Start, b.keys()[0])
		}
		if len(shown) < 50 || !slices.IsSorted(shown) {
			t.Errorf("progress was shown %d times: %v", len(shown), shown)
		}
	})
}

// slow gives frames as a camera does whose clock runs 1 % behind ours.
type slow struct {
	push.Reader
	began time.Time
}

func (s slow) Next() (push.Frame, error) {
	f, err := s.Reader.Next()
	time.Sleep(time.Until(s.began.Add(f.DTS + f.DTS/100)))
	return f, err
}

// The keys of a live input follow this machine's clock, not the camera's.
func TestPushLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bucket
		long := bytes.Repeat(simcam.Workshop().Video, 30) // ten minutes
		s := open(t, push.Input{Video: bytes.NewReader(long)})
		cfg := config(s, &b)
		began := time.Now()
		cfg.Pace, cfg.Frames = push.Live, slow{s, began}
		r, err := push.Run(t.Context(), cfg)
		if err != nil || r.Stats.Dropped().Segments > 0 || !r.Start.Equal(began) {
			t.Fatalf("%v, start %v, dropped %+v", err, r.Start, r.Stats.Dropped())
		}
		keys := b.keys()
		_, first, _ := segment.ParseKey(keys[0])
		_, last, _ := segment.ParseKey(keys[len(keys)-1])
		if d := first.Sub(began).Abs(); d > time.Second {
			t.Errorf("the first key is %s, the time was %v", keys[0], began)
		}
		// 606 s have passed; without following the last key would be 6 s early.
		if d := time.Since(last); d > 5*time.Second || d < 0 {
			t.Errorf("the last key is %s, %v ago", keys[len(keys)-1], d)
		}
	})
}

// An outage of 10 s in the middle: refused connections, 503, cut uploads. What the ring holds is stored afterwards.
func TestOutageInRealTime(t *testing.T) {
	for name, failure := range map[string]error{"refused": uploader.ErrNotSent, "rejected": uploader.ErrRejected, "cut": errors.New("connection reset")} {
		for _, ring := range []int{4 << 20, 90 << 10} {
			t.Run(fmt.Sprintf("%s with a ring of %d kB", name, ring>>10), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					b := bucket{trouble: func(int, *uploader.Object) error {
						if at := time.Since(began); at > 5*time.Second && at < 15*time.Second {
							return failure
						}
						return nil
					}}
					cfg := config(frontDoor(t), &b)
					cfg.Pace, cfg.Uploader.RingBytes = push.Realtime, ring
					r, err := push.Run(t.Context(), cfg)
					if err != nil {
						t.Fatal(err)
					}
					stored, dropped := r.Stats.Stored.Segments, r.Stats.Dropped().Segments
					if stored+dropped != 7 || int(stored) != len(b.keys()) || (ring == 4<<20) != (dropped == 0) {
						t.Errorf("%d stored (%d objects), %d dropped of 7", stored, len(b.keys()), dropped)
					}
				})
			})
		}
	}
}

// A person at a terminal learns soon that nothing works; a camera would try for ever.
func TestPushGivesUp(t *testing.T) {
	other := errors.New("503 SlowDown")
	tests := []struct {
		name     string
		realtime bool
		failure  error
		from     time.Duration // after the start
		within   time.Duration
		stored   bool
	}{
		{"wrong credentials, at full speed", false, fmt.Errorf("%w: AccessDenied", uploader.ErrRejected), 0, time.Second, false},
		{"wrong credentials, in real time", true, fmt.Errorf("%w: AccessDenied", uploader.ErrRejected), 0, 5 * time.Second, false},
		{"nothing listens", false, fmt.Errorf("%w: refused", uploader.ErrNotSent), 0, 10 * time.Second, false},
		{"a store that never recovers, at full speed", false, other, 0, 3 * time.Minute, false},
		{"a store that goes away for good in real time", true, other, 5 * time.Second, 3 * time.Minute, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				b := bucket{trouble: func(int, *uploader.Object) error {
					if time.Since(began) >= tt.from {
						return tt.failure
					}
					return nil
				}}
				cfg := config(frontDoor(t), &b)
				if tt.realtime {
					cfg.Pace = push.Realtime
				}
				_, err := push.Run(t.Context(), cfg)
				if took := time.Since(began); !errors.Is(err, tt.failure) || took > tt.within {
					t.Errorf("after %v: %v; want %v within %v", took, err, tt.failure, tt.within)
				}
				if (len(b.keys()) > 0) != tt.stored {
					t.Errorf("stored %q", b.keys())
				}
			})
		})
	}
}

// stuck is an input that gives what it has and then blocks, as a pipe does.
type stuck struct {
	io.Reader
	release chan struct{}
}

func (s stuck) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	if err == io.EOF {
		<-s.release
	}
	return n, err
}

func TestInterruptStoresWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bucket
		in := stuck{bytes.NewReader(simcam.Workshop().Video), make(chan struct{})}
		cfg := config(open(t, push.Input{Video: in}), &b)
		ctx, cancel := context.WithCancel(t.Context())
		cfg.Pace = push.Realtime
		time.AfterFunc(30*time.Second, cancel)
		r, err := push.Run(ctx, cfg)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want context.Canceled", err)
		}
		// All but the picture that the scanner could not know to be complete.
		if n := r.Stats.Stored.Frames; n != simcam.Frames-1 || len(b.keys()) != 7 {
			t.Errorf("%d pictures in %d segments are stored, want %d in 7", n, len(b.keys()), simcam.Frames-1)
		}
		close(in.release)
	})
}

func TestInputsThatCannotWork(t *testing.T) {
	clip := simcam.Workshop().Video
	idr := bytes.Index(clip, []byte{0, 0, 1, 0x65})
	tests := []struct {
		name string
		in   []byte
		says string
	}{
		{"nothing", nil, "empty"},
		{"text", []byte("hello, I am a text file and no video"), "neither"},
		{"no parameter sets", withoutSets(clip), "parameter sets"},
		{"a start code and nothing else", []byte{0, 0, 0, 1, 0x67}, "neither"},
		{"parameter sets alone", clip[:idr], "no picture"},
		{"no IDR", withoutIDR(clip), "IDR"},
		{"a transport stream without tables", bytes.Repeat(append([]byte{0x47, 0x1f, 0xff, 0x10}, make([]byte, 184)...), 20), "no program"},
		{"noise that looks like packets", noise(), "no program"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b bucket
			s, err := push.Open(push.Input{Video: bytes.NewReader(tt.in)})
			if err == nil {
				_, err = push.Run(t.Context(), config(s, &b))
			}
			if !errors.Is(err, push.ErrInput) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v; want ErrInput with %q", err, tt.says)
			}
			if len(b.keys()) > 0 {
				t.Errorf("stored %q", b.keys())
			}
		})
	}
}

// withoutIDR turns the IDR pictures of a stream into something else, keeping its parameter sets.
func withoutIDR(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte{0, 0, 1, 0x65}, []byte{0, 0, 1, 0x6c})
}

// withoutSets turns the parameter sets of a stream into units that nobody knows.
func withoutSets(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte{0, 0, 1, 0x67}, []byte{0, 0, 1, 0x78})
	return bytes.ReplaceAll(b, []byte{0, 0, 1, 0x68}, []byte{0, 0, 1, 0x78})
}

func noise() []byte {
	b := make([]byte, 188*40)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
		if i%188 == 0 {
			b[i] = 0x47
		}
	}
	return b
}

// A failure now and then does not end a push at full speed whose input is slow, though little is stored in a minute.
func TestRareSegmentsMayFailOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bucket{trouble: func(n int, _ *uploader.Object) error {
			if n%2 == 1 {
				return errors.New("503 SlowDown")
			}
			return nil
		}}
		s := open(t, push.Input{Video: bytes.NewReader(bytes.Repeat(simcam.Workshop().Video, 20))})
		cfg := config(s, &b)
		cfg.Frames, cfg.Uploader.SegmentDuration, cfg.Uploader.RingBytes = slow{s, time.Now()}, time.Minute, 32<<20
		r, err := push.Run(t.Context(), cfg)
		if err != nil || r.Stats.Dropped().Segments != 0 || len(b.keys()) < 6 {
			t.Errorf("%v, %d dropped, stored %q", err, r.Stats.Dropped().Segments, b.keys())
		}
	})
}

// An audio input that is none is said at the beginning, and as such.
func TestAudioThatIsNone(t *testing.T) {
	for name, data := range map[string]string{"empty": "", "text": "root:x:0:0:root:/root:/bin/bash\n", "half a frame": string(simcam.FrontDoor().Audio[:20])} {
		_, err := push.Open(push.Input{Video: bytes.NewReader(simcam.Workshop().Video), Audio: strings.NewReader(data)})
		if !errors.Is(err, push.ErrAudio) || !errors.Is(err, push.ErrInput) || hint.Of(err) == "" {
			t.Errorf("%s: %v; want ErrAudio and ErrInput with a hint", name, err)
		}
	}
}
