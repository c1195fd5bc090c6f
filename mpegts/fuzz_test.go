// SPDX-License-Identifier: Apache-2.0

package mpegts_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/s3cam/s3cam/mpegts"
)

// seedStreams are whole small streams and the damaged ones that the tests know.
func seedStreams(f *testing.F) {
	clean := cleanSegment(f)
	f.Add(clean[:188*8])
	f.Add(clean[188*10 : 188*14])
	f.Add(clean[:188*8+50])
	f.Add(append([]byte("garbage"), clean[:188*7]...))
	f.Add(edit(clean[:188*8], func(n int, p []byte) []byte { return append([]byte{0, 1, 2, 3}, p...) }))
	f.Add(edit(clean[:188*8], func(n int, p []byte) []byte { return append(p, p...) }))
	f.Add(append(pat(0, 0, 0x10, 1, 0x20, 2, 0x30), pmt(0x20, 0, 0, 0x100, 0x24, 0x100, 0x11, 0x101)...))
	f.Add(append(bytes.Clone(clean[:188*4]), pmt(0x1000, 1, 2, 0x101, 0x1B, 0x101, 0x0F, 0x100)...))
}

func FuzzDemuxer(f *testing.F) {
	seedStreams(f)
	f.Fuzz(func(t *testing.T, ts []byte) {
		d := mpegts.NewDemuxer(bytes.NewReader(ts))
		content, units := 0, 0
		for calls := 0; ; calls++ {
			if calls > len(ts)/188+100 {
				t.Fatal("more results than packets")
			}
			u, err := d.Next()
			var unsupported *mpegts.UnsupportedError
			if errors.As(err, &unsupported) {
				continue
			}
			if err != nil {
				if err != io.EOF && !errors.Is(err, mpegts.ErrNoProgram) {
					t.Fatalf("ended with %v", err)
				}
				break
			}
			if len(u.Data) == 0 || u.PTS>>33 != 0 || u.DTS>>33 != 0 || u.HasDTS && !u.HasPTS || u.Kind == mpegts.Other || ts[u.Offset] != 0x47 {
				t.Fatalf("unit %+v", u)
			}
			content += len(u.Data)
			units++
		}
		if content > len(ts) || d.Skipped() > int64(len(ts)) {
			t.Fatalf("%d bytes out of %d, %d skipped", content, len(ts), d.Skipped())
		}
		mpegts.FirstPTS(ts)
	})
}

func FuzzAnalyzer(f *testing.F) {
	seedStreams(f)
	f.Fuzz(func(t *testing.T, ts []byte) {
		once := analyze(t, ts, mpegts.AnalyzerOptions{})
		a := mpegts.NewAnalyzer(mpegts.AnalyzerOptions{})
		for rest := ts; len(rest) > 0; {
			n := min(len(rest), 61)
			if _, err := a.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if got, want := fmt.Sprintf("%+v", a.Report()), fmt.Sprintf("%+v", once); got != want {
			t.Fatalf("in pieces:\n%s\nat once:\n%s", got, want)
		}
		if once.Bytes != int64(len(ts)) || once.SkippedBytes < 0 || once.SkippedBytes > once.Bytes || once.Packets*188 > once.Bytes {
			t.Fatalf("%+v", once)
		}
		if int64(len(once.Findings)) > once.Errors+once.Warnings+once.Infos {
			t.Fatalf("%d findings, counted %d", len(once.Findings), once.Errors+once.Warnings+once.Infos)
		}
		once.AppendText(nil)
		analyze(t, ts, mpegts.AnalyzerOptions{Stream: true})
	})
}

// FuzzMuxRoundTrip makes frames out of the input: a few bytes say how each is cut and timed, the rest is content. What the Muxer
// writes must come out of the Demuxer again, and neither it nor the Analyzer may find packets wrong.
func FuzzMuxRoundTrip(f *testing.F) {
	f.Add([]byte{0, 10, 1, 200, 30, 3, 90, 0, 7, 255, 255, 255})
	f.Add(bytes.Repeat([]byte{9, 0, 0, 1, 0x47, 0xFF}, 100))
	f.Fuzz(func(t *testing.T, in []byte) {
		m := mpegts.NewMuxer()
		m.SetAudio(true)
		ts := m.AppendTables(nil)
		var video [][]byte
		var audio []byte
		dts := int64(1<<33 - 100000)
		for len(in) >= 6 {
			op, size, at, step := in[0], int(in[1])*int(in[5])/4, int(in[2]), int64(binary.BigEndian.Uint16(in[3:]))
			in = in[6:]
			data := bytes.Repeat(append([]byte{op, byte(step)}, in...), 1+size/(len(in)+2))[:max(1, size)]
			dts += 1 + step
			if op&1 == 0 {
				var err error
				frame := adts(8+size%8000, op)
				ts, err = m.AppendAudio(ts, frame, dts)
				ts = must(t, ts, err)
				audio = append(audio, frame...)
			}
			vf := mpegts.VideoFrame{Parts: [][]byte{data[:at%len(data)], nil, data[at%len(data):]}, DTS: dts, PTS: dts + int64(op)*10, HasAUD: op&2 == 0}
			if !vf.HasAUD {
				data = append(bytes.Clone(aud), data...)
			}
			video = append(video, data)
			before, want := len(ts), m.VideoBytes(&vf)
			if ts = m.AppendVideo(ts, &vf); len(ts)-before != want {
				t.Fatalf("appended %d bytes, VideoBytes said %d", len(ts)-before, want)
			}
			if op&4 == 0 {
				ts = m.AppendTables(m.FlushAudio(ts))
			}
		}
		ts = m.FlushAudio(ts)
		parsePES(t, parsePackets(t, ts))
		units, refused, err := demux(t, bytes.NewReader(ts))
		if err != io.EOF || refused != nil {
			t.Fatalf("demux ended with %v, %v", err, refused)
		}
		if !bytes.Equal(join(units, mpegts.Audio), audio) {
			t.Fatal("audio differs")
		}
		n := 0
		for _, u := range units {
			if u.Damaged {
				t.Fatalf("unit %+v", u.Unit)
			}
			if u.Kind == mpegts.Video {
				if !bytes.Equal(u.data, video[n]) {
					t.Fatalf("picture %d differs", n)
				}
				n++
			}
		}
		if n != len(video) {
			t.Fatalf("%d pictures, want %d", n, len(video))
		}
		if len(video) == 0 {
			return
		}
		for _, found := range analyze(t, ts, mpegts.AnalyzerOptions{}).Findings {
			switch found.Code {
			case mpegts.CodeSync, mpegts.CodePartialPacket, mpegts.CodeAdaptation, mpegts.CodeContinuity, mpegts.CodeCRC, mpegts.CodeSection, mpegts.CodePESHeader,
				mpegts.CodePESLength, mpegts.CodePESStart, mpegts.CodePCRMissing, mpegts.CodePCROrder, mpegts.CodeADTS, mpegts.CodeDTSOrder:
				t.Fatalf("%+v", found)
			}
		}
	})
}
