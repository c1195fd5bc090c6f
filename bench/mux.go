// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/asticode/go-astits"
	"github.com/s3cam/s3cam/mpegts"
)

// segmentTicks is the length of the segments that every muxer makes: 3 s.
const segmentTicks = 3 * 90000

// muxers are the candidates that run in this process: each writes the whole input once and returns the bytes written.
var muxers = map[string]func(in *input, dst []byte) int{ //nolint:gochecknoglobals // a table
	"memcpy": muxCopy,
	"s3cam":  muxS3cam,
	"astits": muxAstits,
}

func muxCopy(in *input, dst []byte) int {
	total, n := 0, 0
	for i := range in.frames {
		d := in.frames[i].data
		if n+len(d) > len(dst) {
			n = 0
		}
		n += copy(dst[n:], d)
		total += len(d)
	}
	return total
}

// cut tells whether a new segment begins with this frame.
func cut(f *frame, began *int64, any *bool) bool {
	if f.audio || !f.idr || (*any && f.pts-*began < segmentTicks) {
		return false
	}
	*began, *any = f.pts, true
	return true
}

func muxS3cam(in *input, dst []byte) int {
	m := mpegts.NewMuxer()
	m.SetAudio(true)
	var (
		began int64
		open  bool
		total int
		parts [1][]byte
		vf    mpegts.VideoFrame
		err   error
	)
	out := dst[:0]
	for i := range in.frames {
		f := &in.frames[i]
		if cut(f, &began, &open) {
			out = m.FlushAudio(out)
			total += len(out)
			out = m.AppendTables(dst[:0])
		}
		if f.audio {
			if out, err = m.AppendAudio(out, f.data, f.pts); err != nil {
				panic(err)
			}
			continue
		}
		parts[0] = f.data
		vf = mpegts.VideoFrame{Parts: parts[:], PTS: f.pts, DTS: f.pts, RandomAccess: f.idr}
		out = m.AppendVideo(out, &vf)
	}
	out = m.FlushAudio(out)
	return total + len(out)
}

// muxAstits packs AAC to at most 2930 bytes per PES, as the leanest use of that library.
func muxAstits(in *input, dst []byte) int {
	var (
		began int64
		open  bool
		total int
		pack  []byte
		at    int64
		m     *astits.Muxer
	)
	buf := bytes.NewBuffer(dst[:0])
	write := func(pid uint16, id uint8, data []byte, pts int64, idr bool) {
		af := &astits.PacketAdaptationField{RandomAccessIndicator: idr}
		if pid == 0x100 {
			af.HasPCR, af.PCR = true, &astits.ClockReference{Base: pts}
		}
		_, err := m.WriteData(&astits.MuxerData{PID: pid, AdaptationField: af, PES: &astits.PESData{Data: data, Header: &astits.PESHeader{
			StreamID: id, OptionalHeader: &astits.PESOptionalHeader{MarkerBits: 2, PTSDTSIndicator: astits.PTSDTSIndicatorOnlyPTS, PTS: &astits.ClockReference{Base: pts}}}}})
		if err != nil {
			panic(fmt.Sprint("astits: ", err))
		}
	}
	flush := func() {
		if len(pack) > 0 {
			write(0x101, 0xC0, pack, at, true)
			pack = pack[:0]
		}
	}
	aud := []byte{0, 0, 0, 1, 9, 0xF0}
	var joined []byte
	for i := range in.frames {
		f := &in.frames[i]
		if cut(f, &began, &open) {
			if m != nil {
				flush()
			}
			total += buf.Len()
			buf = bytes.NewBuffer(dst[:0])
			m = astits.NewMuxer(context.Background(), buf, astits.MuxerOptTablesRetransmitPeriod(1<<30))
			m.AddElementaryStream(astits.PMTElementaryStream{ElementaryPID: 0x100, StreamType: astits.StreamTypeH264Video})
			m.AddElementaryStream(astits.PMTElementaryStream{ElementaryPID: 0x101, StreamType: astits.StreamTypeAACAudio})
			m.SetPCRPID(0x100)
			if _, err := m.WriteTables(); err != nil {
				panic(err)
			}
		}
		if f.audio {
			if len(pack)+len(f.data) > 2930 {
				flush()
			}
			if len(pack) == 0 {
				at = f.pts
			}
			pack = append(pack, f.data...)
			continue
		}
		joined = append(append(joined[:0], aud...), f.data...)
		write(0x100, 0xE0, joined, f.pts, f.idr)
	}
	flush()
	return total + buf.Len()
}
