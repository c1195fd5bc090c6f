// SPDX-License-Identifier: Apache-2.0

package clip_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// packets gives PTS and DTS in seconds, as ffprobe reads them with the edit list applied, and the size of each packet.
func packets(t *testing.T, path, stream string) (pts, dts []float64) {
	t.Helper()
	need(t, "ffprobe")
	out, said := tool(t, "ffprobe", "-v", "warning", "-select_streams", stream, "-show_entries", "packet=pts_time,dts_time", "-of", "csv=p=0", path)
	if said != "" {
		t.Errorf("ffprobe: %s", said)
	}
	for _, line := range strings.Fields(out) {
		f := strings.Split(strings.Trim(line, ","), ",")
		for i, list := range []*[]float64{&pts, &dts} {
			v, err := strconv.ParseFloat(f[i], 64)
			if err != nil {
				t.Fatalf("ffprobe says %q", line)
			}
			*list = append(*list, v)
		}
	}
	return pts, dts
}

// A minute with B pictures, several slices and short GOPs, cut at any place, decodes to the pictures of the source in that place,
// without a word from ffmpeg, and each is shown when it was in the segments.
func TestCutClipDecodesAsTheSource(t *testing.T) {
	need(t, "ffmpeg", "ffprobe")
	video, audio := synthetic(t, 60, "320x180", "keyint=50:min-keyint=12:bframes=3:b-pyramid=normal:slices=3:open-gop=0")
	var s store
	s.record(t, morning(), 3*time.Second, video, audio, "25")
	source := decoded(t, write(t, "source.h264", video), "0:v")
	for _, tt := range []struct{ from, to float64 }{{0, 60}, {7.3, 31.9}, {44, 44.1}, {58.5, 70}} {
		file, c, res := mp4(t, s.config(morning().Add(seconds(tt.from)), morning().Add(seconds(tt.to))))
		got := decoded(t, file, "0:v")
		first := int(c.Start().Sub(morning()).Seconds()*25 + 0.5)
		count := int(c.End().Sub(c.Start()).Seconds()*25 + 0.5)
		if len(got) != count || int64(count) != res.Pictures || !slices.Equal(got, source[first:first+count]) {
			t.Errorf("%v to %v: %d pictures from picture %d on, want %d; or they differ", tt.from, tt.to, len(got), first, count)
		}
		if float64(first) > tt.from*25 || float64(first+count) < min(tt.to, 60)*25 {
			t.Errorf("%v to %v: got %v to %v", tt.from, tt.to, c.Start(), c.End())
		}
		pts, dts := packets(t, file, "v")
		slices.Sort(pts)
		for i := range pts {
			if off := pts[i] - float64(i)/25; off > 1e-5 || off < -1e-5 {
				t.Fatalf("%v to %v: picture %d is shown at %v", tt.from, tt.to, i, pts[i])
			}
			if i > 0 && dts[i] <= dts[i-1] {
				t.Fatalf("%v to %v: DTS %v after %v", tt.from, tt.to, dts[i], dts[i-1])
			}
		}
		sound, _ := packets(t, file, "a")
		if want := float64(count) / 25 * 44100 / 1024; float64(len(sound)) < want-3 || float64(len(sound)) > want+3 || sound[0] > 0.03 || sound[0] < -0.03 {
			t.Errorf("%v to %v: %d frames of sound from %v on, want some %.0f", tt.from, tt.to, len(sound), sound[0], want)
		}
		if _, said := ffmpeg(t, "-i", file, "-f", "null", "-"); said != "" {
			t.Errorf("%v to %v: ffmpeg says %s", tt.from, tt.to, said)
		}
		out, _ := tool(t, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file)
		if d, _ := strconv.ParseFloat(strings.TrimSpace(out), 64); d < float64(count)/25-0.03 || d > float64(count)/25+0.06 {
			t.Errorf("%v to %v: ffprobe says it lasts %v s, want %v", tt.from, tt.to, d, float64(count)/25)
		}
	}
}

// A camera that is switched to another size, and back, and one that was away: every picture decodes, in its size and at its time.
func TestChangesAndGapsDecode(t *testing.T) {
	need(t, "ffmpeg", "ffprobe")
	small, audio := synthetic(t, 6, "320x180", "keyint=25:bframes=2")
	large, _ := synthetic(t, 6, "640x360", "keyint=25:bframes=0")
	var want []string
	for _, v := range [][]byte{small, large, small} {
		want = append(want, decoded(t, write(t, "x.h264", v), "0:v")...)
	}
	for _, last := range []bool{true, false} { // the change comes back before the end, or it does not
		var s store
		s.record(t, morning(), 3*time.Second, small, audio, "25")
		s.record(t, morning().Add(6*time.Second), 3*time.Second, large, audio, "25")
		end, n := 12.0, 300
		if last {
			s.record(t, morning().Add(100*time.Second), 3*time.Second, small, audio, "25") // after a gap
			end, n = 106, 450
		}
		file, c, res := mp4(t, s.config(morning(), morning().Add(time.Hour)))
		if got := decoded(t, file, "0:v"); !slices.Equal(got, want[:n]) {
			t.Errorf("%d pictures, want %d, or they differ", len(got), n)
		}
		if d := c.End().Sub(c.Start()).Seconds(); d < end-0.001 || d > end+0.001 {
			t.Errorf("lasts %v, want %v", d, end)
		}
		pts, _ := packets(t, file, "v")
		slices.Sort(pts)
		for i, at := range pts {
			want := float64(i) / 25
			if i >= 300 {
				want += 88
			}
			if off := at - want; off > 1e-5 || off < -1e-5 {
				t.Fatalf("picture %d is shown at %v, want %v (%+v)", i, at, want, res)
			}
		}
	}
}

// The same file for the same footage: nothing of a clip depends on when or how it is made.
func TestClipIsReproducible(t *testing.T) {
	need(t, "ffmpeg")
	video, audio := synthetic(t, 6, "320x180", "keyint=25")
	var s store
	s.record(t, morning(), 3*time.Second, video, audio, "25")
	a, _, _ := mp4(t, s.config(morning(), morning().Add(time.Minute)))
	b, _, _ := mp4(t, s.config(morning(), morning().Add(time.Minute)))
	if !bytes.Equal(read(t, a), read(t, b)) {
		t.Error("two clips of the same range differ")
	}
}
