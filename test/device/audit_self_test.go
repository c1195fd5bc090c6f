// SPDX-License-Identifier: Apache-2.0

package device_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// memory is a Putter that keeps everything.
type memory struct {
	mu      sync.Mutex
	objects []object
}

func (m *memory) Put(_ context.Context, o *uploader.Object) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects = append(m.objects, object{o.Key, append(bytes.Clone(o.Parts[0]), o.Parts[1]...)})
	return time.Time{}, nil
}

// fakeT notes whether a check failed.
type fakeT struct {
	testing.TB
	failed int
	said   strings.Builder
}

func (f *fakeT) Helper()                           {}
func (f *fakeT) Errorf(format string, args ...any) { f.failed++; f.said.WriteString(format) }

// The judge itself: it has nothing to say about what the uploader makes of real footage, and sees each thing that can be wrong.
func TestAudit(t *testing.T) {
	t.Parallel()
	need(t, "ffmpeg")
	c := encode(t, small)
	m := &memory{}
	u, err := uploader.New(uploader.Config{Prefix: prefix, Putter: m, Epoch: time.Unix(1_800_000_000, 0), SegmentDuration: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 250 {
		at := time.Duration(c.at(n)) * time.Microsecond
		if err := u.WriteVideo(uploader.AccessUnit{Data: c.units[n%len(c.units)].data, PTS: at, DTS: at}); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	a := inspect(t, m.objects, c)
	a.decodes(t)
	if a.frames != 250 || len(a.segments) != 5 || len(a.holes) != 0 {
		t.Errorf("%d pictures, want 250\n%s", a.frames, &a)
	}
	change := func(name string, want bool, edit func(o []object) []object) {
		f := &fakeT{TB: t}
		var objects []object
		for _, o := range m.objects {
			objects = append(objects, object{o.key, bytes.Clone(o.data)})
		}
		a := inspect(f, edit(objects), c)
		if (f.failed > 0) != want {
			t.Errorf("%s: %d failures: %s", name, f.failed, f.said.String())
		}
		if !want && len(a.holes) != 1 {
			t.Errorf("%s: holes %v, want one", name, a.holes)
		}
	}
	change("a segment is missing", false, func(o []object) []object { return append(o[:1:1], o[2:]...) })
	change("a partial packet", true, func(o []object) []object { o[1].data = o[1].data[:len(o[1].data)-100]; return o })
	change("packets are missing", true, func(o []object) []object {
		o[1].data = append(o[1].data[:188*40:188*40], o[1].data[188*44:]...)
		return o
	})
	change("a byte of a picture is wrong", true, func(o []object) []object { o[1].data[188*40+100] ^= 1; return o })
	change("a segment under the wrong key", true, func(o []object) []object { o[1].key = o[4].key; return o })
	change("the same segment twice", true, func(o []object) []object { return append(o, o[4]) })
	change("an object of garbage", true, func(o []object) []object { o[2].data = bytes.Repeat([]byte{7}, 188*10); return o })
}

// small is a stream that costs little: many tests run at the same time.
var small = encoded{seconds: 12, gop: 25, kbps: 400, size: "320x240", noise: 10}
