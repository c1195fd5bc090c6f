// SPDX-License-Identifier: Apache-2.0

package mp4

import (
	"encoding/binary"
	"math"
	"time"
)

// builder appends boxes. A box is its size in 32 bits, its type, its content (14496-12 4.2); a full box has version and
// flags in front of the content.
type builder struct{ b []byte }

func (w *builder) u8(v byte)    { w.b = append(w.b, v) }
func (w *builder) u16(v uint16) { w.b = binary.BigEndian.AppendUint16(w.b, v) }
func (w *builder) u32(v uint32) { w.b = binary.BigEndian.AppendUint32(w.b, v) }
func (w *builder) u64(v uint64) { w.b = binary.BigEndian.AppendUint64(w.b, v) }
func (w *builder) str(s string) { w.b = append(w.b, s...) }
func (w *builder) zeros(n int) {
	for range n {
		w.b = append(w.b, 0)
	}
}

// begin opens a box; end of its result closes it.
func (w *builder) begin(typ string) (at int) {
	at = len(w.b)
	w.u32(0)
	w.str(typ)
	return at
}

func (w *builder) beginFull(typ string, version byte, flags uint32) (at int) {
	at = w.begin(typ)
	w.u32(uint32(version)<<24 | flags)
	return at
}

func (w *builder) end(at int) { binary.BigEndian.PutUint32(w.b[at:], uint32(len(w.b)-at)) }

// time appends a duration or time in 32 bits for version 0, else in 64.
func (w *builder) time(version byte, v uint64) {
	if version == 0 {
		w.u32(uint32(v))
	} else {
		w.u64(v)
	}
}

// matrix is the one that changes nothing.
func (w *builder) matrix() {
	for _, v := range [...]uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000} {
		w.u32(v)
	}
}

// since1904 is the clock of creation times.
func since1904(t time.Time) uint64 {
	const to1970 = 2082844800
	if t.IsZero() {
		return 0
	}
	return uint64(max(0, t.Unix()+to1970))
}

// Track ids.
const (
	videoTrack = 1
	audioTrack = 2
)

// Sample flags (14496-12 8.8.3.1): depends_on and is_non_sync_sample.
const (
	flagsIDR   = 0x02000000 // depends on no other picture
	flagsOther = 0x01010000 // depends on others, and is no sync sample
)

// appendHeader appends ftyp and moov.
func (w *builder) appendHeader(h *Header, s *sets, sound [2]byte) {
	at := w.begin("ftyp")
	w.str("iso6") // tfdt and default-base-is-moof
	w.u32(0)
	w.str("iso6isommp42avc1")
	w.end(at)
	moov := w.begin("moov")
	created, duration := since1904(h.Created), uint64(max(0, h.Duration))
	var version byte
	if created > math.MaxUint32 || duration > math.MaxUint32 {
		version = 1
	}
	at = w.beginFull("mvhd", version, 0)
	w.time(version, created)
	w.time(version, created)
	w.u32(Timescale)
	w.time(version, duration)
	w.u32(0x10000) // rate 1
	w.u16(0x100)   // volume 1
	w.zeros(10)
	w.matrix()
	w.zeros(24)
	w.u32(audioTrack + 1) // next_track_ID
	w.end(at)
	w.video(h, s, version, created, duration)
	if h.Audio != nil {
		w.audio(h, sound, version, created, duration)
	}
	mvex := w.begin("mvex")
	if duration > 0 {
		at = w.beginFull("mehd", 1, 0)
		w.u64(duration)
		w.end(at)
	}
	w.trex(videoTrack, 0, flagsOther)
	if h.Audio != nil {
		w.trex(audioTrack, frameSamples, flagsIDR)
	}
	w.end(mvex)
	w.end(moov)
}

func (w *builder) trex(track, duration, flags uint32) {
	at := w.beginFull("trex", 0, 0)
	w.u32(track)
	w.u32(1) // sample description
	w.u32(duration)
	w.u32(0)
	w.u32(flags)
	w.end(at)
}

// tkhd appends the track header; width and height are 16.16 fixed point.
func (w *builder) tkhd(track uint32, version byte, created, duration uint64, volume uint16, width, height uint32) {
	at := w.beginFull("tkhd", version, 3) // enabled, in the movie
	w.time(version, created)
	w.time(version, created)
	w.u32(track)
	w.u32(0)
	w.time(version, duration)
	w.zeros(8)
	w.u16(0) // layer
	w.u16(0) // alternate group
	w.u16(volume)
	w.u16(0)
	w.matrix()
	w.u32(width)
	w.u32(height)
	w.end(at)
}

// edts maps the start of the movie to mediaTime of the track. The length 0 stands for all that follows (14496-12 8.6.6.1).
func (w *builder) edts(mediaTime int64) {
	if mediaTime == 0 {
		return
	}
	edts := w.begin("edts")
	at := w.beginFull("elst", 1, 0)
	w.u32(1)
	w.u64(0)
	w.u64(uint64(mediaTime))
	w.u32(0x10000) // rate 1
	w.end(at)
	w.end(edts)
}

// media appends mdhd and hdlr, and opens minf with its dinf; mdhd's duration is that of the samples in moov: none.
func (w *builder) media(version byte, created uint64, timescale uint32, handler, name string) {
	at := w.beginFull("mdhd", version, 0)
	w.time(version, created)
	w.time(version, created)
	w.u32(timescale)
	w.time(version, 0)
	w.u16(0x55C4) // "und", the language is not known
	w.u16(0)
	w.end(at)
	at = w.beginFull("hdlr", 0, 0)
	w.u32(0)
	w.str(handler)
	w.zeros(12)
	w.str(name)
	w.u8(0)
	w.end(at)
}

func (w *builder) dinf() {
	dinf := w.begin("dinf")
	dref := w.beginFull("dref", 0, 0)
	w.u32(1)
	at := w.beginFull("url ", 0, 1) // in this file
	w.end(at)
	w.end(dref)
	w.end(dinf)
}

// emptyTables appends the sample tables, which moov has none of.
func (w *builder) emptyTables() {
	for _, typ := range [...]string{"stts", "stsc", "stsz", "stco"} {
		at := w.beginFull(typ, 0, 0)
		if typ == "stsz" {
			w.u32(0)
		}
		w.u32(0)
		w.end(at)
	}
}

func (w *builder) video(h *Header, s *sets, version byte, created, duration uint64) {
	sps := &s.first
	trak := w.begin("trak")
	width, height := uint64(sps.Width)<<16, uint64(sps.Height)<<16
	square := sps.SARWidth <= 0 || sps.SARHeight <= 0 || sps.SARWidth == sps.SARHeight
	if !square {
		width = width * uint64(sps.SARWidth) / uint64(sps.SARHeight)
	}
	w.tkhd(videoTrack, version, created, duration, 0, uint32(min(width, math.MaxUint32)), uint32(height))
	w.edts(h.VideoDelay)
	mdia := w.begin("mdia")
	w.media(version, created, Timescale, "vide", "Video")
	minf := w.begin("minf")
	at := w.beginFull("vmhd", 0, 1)
	w.zeros(8)
	w.end(at)
	w.dinf()
	stbl := w.begin("stbl")
	stsd := w.beginFull("stsd", 0, 0)
	w.u32(1)
	typ := "avc1"
	if h.InBand {
		typ = "avc3"
	}
	entry := w.begin(typ)
	w.zeros(6)
	w.u16(1) // data reference
	w.zeros(16)
	w.u16(uint16(min(sps.Width, math.MaxUint16)))
	w.u16(uint16(min(sps.Height, math.MaxUint16)))
	w.u32(72 << 16) // dpi
	w.u32(72 << 16)
	w.u32(0)
	w.u16(1) // frame count
	w.zeros(32)
	w.u16(24)
	w.u16(0xFFFF)
	w.avcC(s)
	if !square {
		at = w.begin("pasp")
		w.u32(uint32(sps.SARWidth))
		w.u32(uint32(sps.SARHeight))
		w.end(at)
	}
	w.end(entry)
	w.end(stsd)
	w.emptyTables()
	w.end(stbl)
	w.end(minf)
	w.end(mdia)
	w.end(trak)
}

// avcC appends the decoder configuration record (14496-15 5.3.3.1).
func (w *builder) avcC(s *sets) {
	at := w.begin("avcC")
	w.u8(1)
	w.b = append(w.b, s.sps[0][1:4]...) // profile, compatibility, level
	w.u8(0xFC | (lengthBytes - 1))
	w.u8(0xE0 | byte(len(s.sps)))
	for _, nal := range s.sps {
		w.u16(uint16(len(nal)))
		w.b = append(w.b, nal...)
	}
	w.u8(byte(len(s.pps)))
	for _, nal := range s.pps {
		w.u16(uint16(len(nal)))
		w.b = append(w.b, nal...)
	}
	switch s.first.ProfileIDC {
	case 100, 110, 122, 144, 244:
		w.u8(0xFC | (byte(s.first.ChromaFormat) & 3))
		w.u8(0xF8 | (byte(s.first.BitDepthLuma-8) & 7))
		w.u8(0xF8 | (byte(s.first.BitDepthChroma-8) & 7))
		w.u8(0)
	}
	w.end(at)
}

func (w *builder) audio(h *Header, config [2]byte, version byte, created, duration uint64) {
	trak := w.begin("trak")
	w.tkhd(audioTrack, version, created, duration, 0x100, 0, 0)
	w.edts(h.AudioSkip)
	mdia := w.begin("mdia")
	w.media(version, created, uint32(h.Audio.SampleRate), "soun", "Sound")
	minf := w.begin("minf")
	at := w.beginFull("smhd", 0, 0)
	w.u32(0)
	w.end(at)
	w.dinf()
	stbl := w.begin("stbl")
	stsd := w.beginFull("stsd", 0, 0)
	w.u32(1)
	entry := w.begin("mp4a")
	w.zeros(6)
	w.u16(1)
	w.zeros(8)
	w.u16(uint16(h.Audio.Channels))
	w.u16(16)
	w.u32(0)
	w.u32(uint32(min(h.Audio.SampleRate, math.MaxUint16)) << 16)
	// ES_Descriptor 3 { DecoderConfigDescriptor 4 { DecoderSpecificInfo 5 }, SLConfigDescriptor 6 } (14496-1 7.2.6, 14496-14 3.1)
	at = w.beginFull("esds", 0, 0)
	w.b = append(w.b, 3, 25, 0, 0, 0)
	w.b = append(w.b, 4, 17, 0x40, 5<<2|1) // MPEG-4 audio, audio stream
	w.zeros(11)                            // buffer size and bit rates are not known
	w.b = append(w.b, 5, 2, config[0], config[1])
	w.b = append(w.b, 6, 1, 2)
	w.end(at)
	w.end(entry)
	w.end(stsd)
	w.emptyTables()
	w.end(stbl)
	w.end(minf)
	w.end(mdia)
	w.end(trak)
}
