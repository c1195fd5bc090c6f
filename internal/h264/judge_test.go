// SPDX-License-Identifier: Apache-2.0

package h264_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/h264"
)

// tool skips when an outside judge is not installed.
func tool(t *testing.T, name string) {
	t.Helper()
	if testing.Short() {
		t.Skip("comparison with ffmpeg is left out by -short")
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %s is not installed", name)
	}
}

// output runs a judge. Its exit status does not matter: some streams are broken on purpose.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run()
	return out.String()
}

func streams(t *testing.T) []string {
	t.Helper()
	root := filepath.Dir(media(t, "MANIFEST.md"))
	files, err := filepath.Glob(filepath.Join(root, "*", "*.h264"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d streams, %v", len(files), err)
	}
	return files
}

// TestFootageIsShownInFFmpegsOrder: libavcodec puts the pictures out in the order of our PTS.
func TestFootageIsShownInFFmpegsOrder(t *testing.T) {
	tool(t, "ffprobe")
	for _, path := range streams(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			want := framePositions(t, path)
			if strings.Contains(path, "no-pps-sps") {
				return // nothing can be decoded
			}
			aus, offsets, _ := units(t, path)
			compareOrder(t, times(t, aus, h264.Rate{Num: 25, Den: 1}), offsets, want)
		})
	}
}

// framePositions returns the byte positions of the decoded frames in output order.
func framePositions(t *testing.T, path string) []int64 {
	var pos []int64
	for _, f := range strings.Fields(output(t, "ffprobe", "-v", "quiet", "-show_entries", "frame=pkt_pos", "-of", "csv=p=0", path)) {
		if v, err := strconv.ParseInt(strings.Trim(f, ","), 10, 64); err == nil {
			pos = append(pos, v)
		}
	}
	return pos
}

func compareOrder(t *testing.T, frames []h264.Frame, offsets, want []int64) {
	t.Helper()
	index := make([]int, len(frames))
	for i := range index {
		index[i] = i
	}
	slices.SortFunc(index, func(a, b int) int { return int(frames[a].PTS - frames[b].PTS) })
	if len(want) == 0 || len(want) > len(index) {
		t.Fatalf("%d frames decoded of %d access units", len(want), len(index))
	}
	// Decoders leave out the pictures before the first IDR picture.
	for i, n := range index[len(index)-len(want):] {
		if offsets[n] != want[i] {
			t.Fatalf("shown as number %d: the access unit at byte %d, ffprobe says %d", i, offsets[n], want[i])
		}
	}
}

// TestHeadersAsFFmpegReadsThem compares parameter sets and slice headers with the trace of libavcodec's own reader.
func TestHeadersAsFFmpegReadsThem(t *testing.T) {
	tool(t, "ffmpeg")
	for _, path := range streams(t) {
		if strings.Contains(path, "no-pps-sps") || strings.Contains(path, "vp-sps-pps") || strings.Contains(path, "idr-sps-pps-non-idr") {
			continue // the trace stops at what is broken or missing there
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			compareTrace(t, path)
		})
	}
}

// compareTrace works through a stream's NAL units and ffmpeg's trace of them side by side.
func compareTrace(t *testing.T, path string) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := trace(t, path)
	var sets h264.ParameterSets
	n, compared := 0, 0
	for nal := range h264.NALUnits(b) {
		typ := h264.NALType(nal)
		if typ == h264.TypeSPS || typ == h264.TypePPS {
			if _, err := sets.Add(nal); err != nil {
				t.Fatal(err)
			}
		}
		title := map[int]string{h264.TypeSPS: "Sequence Parameter Set", h264.TypePPS: "Picture Parameter Set",
			h264.TypeSlice: "Slice Header", h264.TypeIDR: "Slice Header"}[typ]
		if title == "" {
			continue
		}
		if n == len(blocks) {
			break // the trace is cut short
		}
		if blocks[n].title != title {
			t.Fatalf("NAL unit %d is type %d, the trace says %s", n, typ, blocks[n].title)
		}
		compareBlock(t, &sets, nal, blocks[n])
		if n++; t.Failed() {
			return
		}
		compared++
	}
	if compared < 8 || n < len(blocks) {
		t.Errorf("%d NAL units compared, %d in the trace", compared, len(blocks))
	}
}

// block is the trace of one NAL unit.
type block struct {
	title  string
	fields map[string]int64
	mmco5  bool
}

// trace returns ffmpeg's reading of all parameter sets and slice headers.
func trace(t *testing.T, path string) []block {
	var blocks []block
	started := false
	out := output(t, "ffmpeg", "-nostdin", "-hide_banner", "-v", "info", "-i", path, "-c", "copy", "-copyinkf", "-bsf:v", "trace_headers", "-f", "null", "-")
	for sc := bufio.NewScanner(strings.NewReader(out)); sc.Scan(); {
		_, line, ok := strings.Cut(sc.Text(), "[trace_headers @ ")
		if !ok {
			continue
		}
		_, line, _ = strings.Cut(line, "] ")
		if strings.HasPrefix(line, "Packet:") {
			started = true // before that it is the extradata
		}
		f := strings.Fields(line)
		switch {
		case !started:
		case len(f) >= 5 && f[len(f)-2] == "=" && len(blocks) > 0:
			v, err := strconv.ParseInt(f[len(f)-1], 10, 64)
			if err != nil {
				continue
			}
			last := &blocks[len(blocks)-1]
			if strings.HasPrefix(f[1], "memory_management_control_operation") && v == 5 {
				last.mmco5 = true
			}
			last.fields[f[1]] = v
		case !strings.ContainsAny(line, "=:,"):
			blocks = append(blocks, block{title: strings.TrimSpace(line), fields: map[string]int64{}})
		}
	}
	return slices.DeleteFunc(blocks, func(b block) bool {
		return b.title != "Sequence Parameter Set" && b.title != "Picture Parameter Set" && b.title != "Slice Header"
	})
}

func compareBlock(t *testing.T, sets *h264.ParameterSets, nal []byte, b block) {
	t.Helper()
	f := b.fields
	flag := func(v bool) int64 {
		if v {
			return 1
		}
		return 0
	}
	want, got := map[string]int64{}, map[string]int64{}
	add := func(name string, v int64) { // only what the NAL unit holds
		if w, ok := f[name]; ok {
			want[name], got[name] = w, v
		}
	}
	switch b.title {
	case "Sequence Parameter Set":
		s, err := h264.ParseSPS(nal)
		if err != nil {
			t.Fatal(err)
		}
		add("profile_idc", int64(s.ProfileIDC))
		add("level_idc", int64(s.LevelIDC))
		add("seq_parameter_set_id", int64(s.ID))
		add("chroma_format_idc", int64(s.ChromaFormat))
		add("bit_depth_luma_minus8", int64(s.BitDepthLuma-8))
		add("log2_max_frame_num_minus4", int64(s.Log2MaxFrameNum)-4)
		add("pic_order_cnt_type", int64(s.POCType))
		add("log2_max_pic_order_cnt_lsb_minus4", int64(s.Log2MaxPOCLsb)-4)
		add("max_num_ref_frames", int64(s.MaxNumRefFrames))
		add("gaps_in_frame_num_allowed_flag", flag(s.GapsInFrameNumAllowed))
		add("pic_width_in_mbs_minus1", int64(s.CodedWidth/16-1))
		add("frame_mbs_only_flag", flag(s.FrameMbsOnly))
		add("num_units_in_tick", int64(s.NumUnitsInTick))
		add("time_scale", int64(s.TimeScale))
		add("fixed_frame_rate_flag", flag(s.FixedFrameRate))
		add("bitstream_restriction_flag", flag(s.BitstreamRestriction))
		add("max_num_reorder_frames", int64(s.MaxNumReorder))
		add("max_dec_frame_buffering", int64(s.MaxDecFrameBuffering))
	case "Picture Parameter Set":
		p, err := h264.ParsePPS(nal)
		if err != nil {
			t.Fatal(err)
		}
		add("pic_parameter_set_id", int64(p.ID))
		add("seq_parameter_set_id", int64(p.SPSID))
		add("entropy_coding_mode_flag", flag(p.CABAC))
	default:
		h, err := h264.ReadSlice(sets, nal)
		if err != nil || !h.Complete {
			t.Fatalf("slice header: %v", err)
		}
		add("first_mb_in_slice", int64(h.FirstMB))
		want["slice_type"], got["slice_type"] = f["slice_type"]%5, int64(h.SliceType)
		add("pic_parameter_set_id", int64(h.PPSID))
		add("frame_num", int64(h.FrameNum))
		add("field_pic_flag", flag(h.Field))
		add("bottom_field_flag", flag(h.Bottom))
		add("idr_pic_id", int64(h.IDRPicID))
		add("pic_order_cnt_lsb", int64(h.POCLsb))
		add("delta_pic_order_cnt_bottom", int64(h.DeltaPOCBottom))
		add("delta_pic_order_cnt[0]", int64(h.DeltaPOC[0]))
		want["mmco5"], got["mmco5"] = flag(b.mmco5), flag(h.MMCO5)
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: %s = %d, ffmpeg reads %d", b.title, name, got[name], w)
		}
	}
}

// TestTimesOfAnEncoder: libx264's own PTS and DTS, read back from the container, are what its elementary stream says.
func TestTimesOfAnEncoder(t *testing.T) {
	tool(t, "ffmpeg")
	tool(t, "ffprobe")
	if !strings.Contains(output(t, "ffmpeg", "-hide_banner", "-encoders"), "libx264 ") {
		t.Skip("SKIPPED, NOT TESTED: ffmpeg has no libx264")
	}
	tests := []struct{ name, args string }{
		{"three B pictures, pyramid", "-bf 3"},
		{"sixteen B pictures", "-bf 16 -x264-params b-pyramid=normal:b-adapt=0:keyint=60"},
		{"one B picture at the NTSC rate", "-bf 1 -r 30000/1001"},
		{"strict pyramid", "-bf 5 -x264-params b-pyramid=strict:b-adapt=2"},
		{"open groups of pictures", "-bf 3 -x264-params open-gop=1:keyint=24"},
		{"interlaced, MBAFF", "-bf 3 -flags +ildct+ilme -x264-params tff=1"},
		{"no B pictures", "-bf 0"},
		{"eight slices", "-x264-params slices=8:bframes=2"},
		{"intra refresh", "-x264-params intra-refresh=1:keyint=30"},
		{"delimiters and buffering SEI", "-b:v 300k -maxrate 300k -bufsize 300k -x264-params nal-hrd=cbr:aud=1:bframes=3"},
		{"high 4:4:4", "-pix_fmt yuv444p -bf 3"},
		{"weighted prediction over a fade, many references", "-vf fade=in:0:40 -refs 8 -bf 2 -x264-params weightp=2:weightb=1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file, es := filepath.Join(dir, "x.mp4"), filepath.Join(dir, "x.h264")
			args := []string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=96x80:r=25:d=3", "-threads", "1", "-c:v", "libx264", "-preset", "veryfast"}
			args = append(args, strings.Fields(tt.args)...)
			if out := output(t, "ffmpeg", append(args, "-video_track_timescale", "90000", file)...); out != "" {
				t.Fatal(out)
			}
			if out := output(t, "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-c", "copy", es); out != "" {
				t.Fatal(out)
			}
			var pts, dts []int64
			for _, f := range strings.Fields(output(t, "ffprobe", "-v", "error", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", file)) {
				var p, d int64
				if _, err := fmt.Sscanf(f, "%d,%d", &p, &d); err != nil {
					t.Fatal(f, err)
				}
				pts, dts = append(pts, p), append(dts, d)
			}
			aus, _, _ := units(t, es)
			frames := times(t, aus, h264.Rate{})
			if len(frames) != len(pts) || len(pts) < 60 {
				t.Fatalf("%d frames, %d packets", len(frames), len(pts))
			}
			for i, f := range frames {
				if f.PTS-frames[0].PTS != pts[i]-pts[0] || f.DTS-frames[0].DTS != dts[i]-dts[0] || f.PTS-f.DTS != pts[i]-dts[i] {
					t.Fatalf("frame %d: PTS %d, DTS %d, in the container %d, %d", i, f.PTS, f.DTS, pts[i]-pts[0], dts[i]-pts[0])
				}
			}
			compareTrace(t, es)
		})
	}
}

// TestTimesOfATransportStream: the same for a segment with B pictures that another packager made.
func TestTimesOfATransportStream(t *testing.T) {
	tool(t, "ffmpeg")
	tool(t, "ffprobe")
	file := media(t, "ts_reference/shaka_bframes_1.ts")
	es := filepath.Join(t.TempDir(), "x.h264")
	if out := output(t, "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-c:v", "copy", "-an", es); out != "" {
		t.Log(out)
	}
	aus, _, _ := units(t, es)
	frames := times(t, aus, h264.Rate{Num: 25, Den: 1})
	n := 0
	for _, line := range strings.Fields(output(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", file)) {
		var p, d int64
		if _, err := fmt.Sscanf(line, "%d,%d", &p, &d); err != nil {
			continue
		}
		if n < len(frames) && (frames[n].PTS != p || frames[n].DTS != d) {
			t.Fatalf("frame %d: PTS %d, DTS %d, in the file %d, %d", n, frames[n].PTS, frames[n].DTS, p, d)
		}
		n++
	}
	if n != len(frames) || n != 144 {
		t.Errorf("%d packets, %d frames, want 144", n, len(frames))
	}
}
