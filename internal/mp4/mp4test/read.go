// SPDX-License-Identifier: Apache-2.0

// Package mp4test reads fragmented MP4 files back, strictly: what does not fit is an error. It knows nothing of how package mp4
// writes them. Only tests import it.
package mp4test

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sample is one picture or frame of sound.
type Sample struct {
	DTS, PTS int64 // in the track's timescale, without the edit list
	Duration int64
	Sync     bool
	Data     []byte
}

// Track is one track.
type Track struct {
	ID        uint32
	Handler   string // vide or soun
	Entry     string // avc1, avc3, mp4a
	Timescale uint32
	MediaTime int64  // of the edit list
	Config    []byte // avcC or esds
	Width     uint32
	Height    uint32
	Samples   []Sample
	trex      defaults
	next      int64
}

// File is a file that was read.
type File struct {
	Duration  uint64 // mehd, 0 when there is none
	Tracks    []*Track
	Fragments int
	Index     []Point // of mfra
	moofs     map[uint64]bool
}

// Point is an entry of mfra.
type Point struct{ Time, Offset uint64 }

type defaults struct{ duration, size, flags uint32 }

// Video gives the track of pictures, Sound that of sound or nil.
func (f *File) Video() *Track { return f.track("vide") }

// Sound is described at Video.
func (f *File) Sound() *Track { return f.track("soun") }

func (f *File) track(handler string) *Track {
	for _, t := range f.Tracks {
		if t.Handler == handler {
			return t
		}
	}
	return nil
}

type box struct {
	typ  string
	at   int // of the box in the file
	body []byte
}

func boxes(b []byte, at int) (list []box, err error) {
	for off := 0; off < len(b); {
		if len(b)-off < 8 {
			return nil, fmt.Errorf("%d bytes at %d are no box", len(b)-off, at+off)
		}
		size := int(binary.BigEndian.Uint32(b[off:]))
		if size < 8 || size > len(b)-off {
			return nil, fmt.Errorf("box %q at %d has size %d, there are %d bytes", b[off+4:off+8], at+off, size, len(b)-off)
		}
		list = append(list, box{string(b[off+4 : off+8]), at + off, b[off+8 : off+size]})
		off += size
	}
	return list, nil
}

func (b box) children(skip int) ([]box, error) {
	if len(b.body) < skip {
		return nil, fmt.Errorf("box %s is too short", b.typ)
	}
	return boxes(b.body[skip:], b.at+8+skip)
}

func find(list []box, typ string) (box, error) {
	for _, b := range list {
		if b.typ == typ {
			return b, nil
		}
	}
	return box{}, fmt.Errorf("no box %s", typ)
}

// path walks down, leaving out the head of full boxes where a name says so ("stsd+8").
func path(b box, names ...string) (box, error) {
	skip := 0
	for _, name := range names {
		next := 0
		if n := len(name); n > 4 {
			fmt.Sscanf(name[4:], "+%d", &next)
			name = name[:4]
		}
		list, err := b.children(skip)
		if err != nil {
			return b, err
		}
		if b, err = find(list, name); err != nil {
			return b, err
		}
		skip = next
	}
	return b, nil
}

// Read reads a whole file.
func Read(b []byte) (f *File, err error) {
	defer func() {
		if p := recover(); p != nil { // an index beyond a box that is too short
			err = fmt.Errorf("broken box: %v", p)
		}
	}()
	top, err := boxes(b, 0)
	if err != nil {
		return nil, err
	}
	if len(top) < 2 || top[0].typ != "ftyp" || top[1].typ != "moov" {
		return nil, errors.New("the file does not begin with ftyp and moov")
	}
	f = &File{moofs: map[uint64]bool{}}
	if err := f.moov(top[1]); err != nil {
		return nil, err
	}
	for i := 2; i < len(top); i++ {
		switch top[i].typ {
		case "moof":
			if i+1 == len(top) || top[i+1].typ != "mdat" {
				return nil, errors.New("moof without mdat")
			}
			if err := f.moof(b, top[i], top[i+1]); err != nil {
				return nil, fmt.Errorf("fragment %d: %w", f.Fragments, err)
			}
			i++
		case "mfra":
			if err := f.mfra(top[i], len(b)); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("box %s at the top", top[i].typ)
		}
	}
	return f, nil
}

func (f *File) moov(moov box) error {
	list, err := moov.children(0)
	if err != nil {
		return err
	}
	for _, b := range list {
		if b.typ == "trak" {
			t, err := trak(b)
			if err != nil {
				return err
			}
			f.Tracks = append(f.Tracks, t)
		}
	}
	mvex, err := find(list, "mvex")
	if err != nil {
		return err
	}
	if list, err = mvex.children(0); err != nil {
		return err
	}
	for _, b := range list {
		switch b.typ {
		case "mehd":
			f.Duration = binary.BigEndian.Uint64(b.body[4:])
		case "trex":
			for _, t := range f.Tracks {
				if t.ID == binary.BigEndian.Uint32(b.body[4:]) {
					t.trex = defaults{binary.BigEndian.Uint32(b.body[12:]), binary.BigEndian.Uint32(b.body[16:]), binary.BigEndian.Uint32(b.body[20:])}
				}
			}
		}
	}
	return nil
}

func trak(b box) (*Track, error) {
	t := &Track{}
	tkhd, err := path(b, "tkhd")
	if err != nil {
		return nil, err
	}
	at := map[byte]int{0: 12, 1: 20}[tkhd.body[0]]
	t.ID = binary.BigEndian.Uint32(tkhd.body[at:])
	t.Width = binary.BigEndian.Uint32(tkhd.body[len(tkhd.body)-8:])
	t.Height = binary.BigEndian.Uint32(tkhd.body[len(tkhd.body)-4:])
	if elst, err := path(b, "edts", "elst"); err == nil {
		if elst.body[0] != 1 || binary.BigEndian.Uint32(elst.body[4:]) != 1 {
			return nil, errors.New("not one edit")
		}
		t.MediaTime = int64(binary.BigEndian.Uint64(elst.body[16:]))
	}
	mdhd, err := path(b, "mdia", "mdhd")
	if err != nil {
		return nil, err
	}
	t.Timescale = binary.BigEndian.Uint32(mdhd.body[map[byte]int{0: 12, 1: 20}[mdhd.body[0]]:])
	hdlr, err := path(b, "mdia", "hdlr")
	if err != nil {
		return nil, err
	}
	t.Handler = string(hdlr.body[8:12])
	stsd, err := path(b, "mdia", "minf", "stbl", "stsd")
	if err != nil {
		return nil, err
	}
	entries, err := stsd.children(8)
	if err != nil || len(entries) != 1 {
		return nil, fmt.Errorf("%d sample entries, %v", len(entries), err)
	}
	t.Entry = entries[0].typ
	skip, config := 78, "avcC"
	if t.Handler == "soun" {
		skip, config = 28, "esds"
	}
	inner, err := entries[0].children(skip)
	if err != nil {
		return nil, err
	}
	c, err := find(inner, config)
	t.Config = c.body
	return t, err
}

func (f *File) moof(file []byte, moof, mdat box) error {
	f.moofs[uint64(moof.at)] = true
	f.Fragments++
	mfhd, err := path(moof, "mfhd")
	if err != nil {
		return err
	}
	if n := binary.BigEndian.Uint32(mfhd.body[4:]); int(n) != f.Fragments {
		return fmt.Errorf("sequence number %d", n)
	}
	list, err := moof.children(0)
	if err != nil {
		return err
	}
	used := mdat.at + 8
	for _, b := range list {
		if b.typ != "traf" {
			continue
		}
		if used, err = f.traf(file, b, moof.at, used); err != nil {
			return err
		}
	}
	if end := mdat.at + 8 + len(mdat.body); used != end {
		return fmt.Errorf("samples end at %d, mdat at %d", used, end)
	}
	return nil
}

// traf reads the samples of a track, which begin at `at` in the file, and gives where they end.
func (f *File) traf(file []byte, traf box, moof, at int) (int, error) {
	tfhd, err := path(traf, "tfhd")
	if err != nil {
		return 0, err
	}
	var t *Track
	for _, x := range f.Tracks {
		if x.ID == binary.BigEndian.Uint32(tfhd.body[4:]) {
			t = x
		}
	}
	if t == nil || binary.BigEndian.Uint32(tfhd.body) != 0x020000 {
		return 0, errors.New("tfhd: no such track, or other flags than default-base-is-moof")
	}
	tfdt, err := path(traf, "tfdt")
	if err != nil {
		return 0, err
	}
	dts := int64(binary.BigEndian.Uint64(tfdt.body[4:]))
	if dts < t.next {
		return 0, fmt.Errorf("track %d goes back from %d to %d", t.ID, t.next, dts)
	}
	trun, err := path(traf, "trun")
	if err != nil {
		return 0, err
	}
	b := trun.body
	flags := binary.BigEndian.Uint32(b) & 0xFFFFFF
	n := int(binary.BigEndian.Uint32(b[4:]))
	if got := moof + int(binary.BigEndian.Uint32(b[8:])); got != at {
		return 0, fmt.Errorf("track %d: data at %d, want %d", t.ID, got, at)
	}
	b = b[12:]
	u32 := func(flag uint32, def uint32) uint32 {
		if flags&flag == 0 {
			return def
		}
		v := binary.BigEndian.Uint32(b)
		b = b[4:]
		return v
	}
	first := u32(4, t.trex.flags)
	for i := range n {
		s := Sample{DTS: dts}
		s.Duration = int64(u32(0x100, t.trex.duration))
		size := int(u32(0x200, t.trex.size))
		def := t.trex.flags
		if i == 0 {
			def = first
		}
		s.Sync = u32(0x400, def)&0x10000 == 0
		s.PTS = dts + int64(int32(u32(0x800, 0)))
		if size > len(file)-at {
			return 0, errors.New("sample beyond the file")
		}
		s.Data = file[at : at+size]
		at += size
		dts += s.Duration
		t.Samples = append(t.Samples, s)
	}
	if len(b) > 0 {
		return 0, fmt.Errorf("%d bytes left in trun", len(b))
	}
	t.next = dts
	return at, nil
}

func (f *File) mfra(mfra box, total int) error {
	tfra, err := path(mfra, "tfra")
	if err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(tfra.body[12:]))
	for i := range n {
		e := tfra.body[16+19*i:]
		p := Point{binary.BigEndian.Uint64(e), binary.BigEndian.Uint64(e[8:])}
		if !f.moofs[p.Offset] {
			return fmt.Errorf("mfra: no moof at %d", p.Offset)
		}
		f.Index = append(f.Index, p)
	}
	mfro, err := path(mfra, "mfro")
	if err != nil {
		return err
	}
	if size := int(binary.BigEndian.Uint32(mfro.body[4:])); mfra.at+size != total {
		return fmt.Errorf("mfro says %d, mfra has %d", size, total-mfra.at)
	}
	return nil
}

// NALUnits takes a video sample apart.
func NALUnits(sample []byte) (list [][]byte, err error) {
	for len(sample) > 0 {
		if len(sample) < 4 {
			return nil, errors.New("length is cut")
		}
		n := int(binary.BigEndian.Uint32(sample))
		if n == 0 || n > len(sample)-4 {
			return nil, fmt.Errorf("NAL unit of %d bytes, %d are there", n, len(sample)-4)
		}
		list = append(list, sample[4:4+n])
		sample = sample[4+n:]
	}
	return list, nil
}
