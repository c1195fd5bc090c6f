// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
)

// rest reads all that d has.
func rest(t testing.TB, d *mpegts.Demuxer) (units []mpegts.Unit, end error) {
	t.Helper()
	for {
		u, err := d.Next()
		if errors.As(err, new(*mpegts.UnsupportedError)) {
			continue
		}
		if err != nil {
			return units, err
		}
		u.Data = bytes.Clone(u.Data)
		units = append(units, u)
	}
}

// One Demuxer that is reset from input to input, also in the middle of one, says of each what a new one says.
func TestResetDemuxerIsLikeANewOne(t *testing.T) {
	ts, _, _ := sample(t)
	inputs := map[string][]byte{
		"whole":              ts,
		"nothing":            nil,
		"cut":                ts[:len(ts)/2+7],
		"garbage":            bytes.Repeat([]byte{0xAB, 0x00, 0x47, 0x11}, 500),
		"garbage in front":   append(bytes.Repeat([]byte{1}, 300), ts...),
		"only the tables":    ts[:376],
		"a packet is lost":   append(bytes.Clone(ts[:188*4]), ts[188*5:]...),
		"less than a packet": ts[:100],
	}
	reused := mpegts.NewDemuxer(nil)
	for range 3 { // in different orders
		for name, in := range inputs {
			wantUnits, wantEnd := rest(t, mpegts.NewDemuxer(bytes.NewReader(in)))
			reused.ResetBytes(ts)
			if _, err := reused.Next(); err != nil {
				t.Fatal(err)
			}
			reused.ResetBytes(in)
			units, end := rest(t, reused)
			if end != wantEnd && !(errors.Is(end, io.EOF) && errors.Is(wantEnd, io.EOF)) || len(units) != len(wantUnits) {
				t.Fatalf("%s: %d units and %v, want %d and %v", name, len(units), end, len(wantUnits), wantEnd)
			}
			for i := range units {
				if a, b := units[i], wantUnits[i]; !bytes.Equal(a.Data, b.Data) || a.PTS != b.PTS || a.Damaged != b.Damaged || a.Discontinuity != b.Discontinuity || a.Offset != b.Offset {
					t.Errorf("%s: unit %d is %v, want %v", name, i, a, b)
				}
			}
		}
	}
}

func TestResetDemuxerAllocatesNothing(t *testing.T) {
	ts, _, _ := sample(t)
	d := mpegts.NewDemuxer(nil)
	all := func() {
		d.ResetBytes(ts)
		for {
			if _, err := d.Next(); err != nil {
				return
			}
		}
	}
	all()
	if n := testing.AllocsPerRun(50, all); n > 0 {
		t.Errorf("%v allocations for a segment", n)
	}
}
