// SPDX-License-Identifier: Apache-2.0

package h264

import (
	"fmt"
	"io"
)

// DefaultMaxAccessUnitBytes is the limit of NewScanner for 0. The largest access unit in our footage is under 0.2 MB; 8 MiB is what
// a 4K intra frame at the top of its level may take.
const DefaultMaxAccessUnitBytes = 8 << 20

// Scanner cuts an Annex B byte stream into access units by the rules of 7.4.1.2.3 and 7.4.1.2.4: delimiters, SEI, parameter sets
// and the first slice of the next primary picture begin a new unit; redundant pictures, auxiliary pictures and the end of
// sequence belong to the unit before them. Each field of a frame that is coded as two fields is an access unit of its own.
//
// Where an encoder breaks a rule the scanner does what players do: a slice with first_mb_in_slice 0 begins a picture when the
// current one already has such a slice (encoders that never change idr_pic_id).
//
// An access unit is handed out as soon as the first NAL unit of the next one is recognised, so at the head of a pipe the delay is the
// time until the next frame begins.
type Scanner struct {
	r    io.Reader
	max  int
	buf  []byte // buf[:cap] is the store, buf[au:] is what was read and not yet handed out
	au   int    // where the access unit being gathered begins
	nal  int    // the header byte of the last NAL unit found, -1 before the first
	code int    // where its start code begins, zero_byte included
	scan int    // no start code begins before this and is not yet known

	decided bool // it is known that the last NAL unit belongs to the access unit at au
	prefix  int  // start code of a prefix NAL unit (type 14) whose slice decides, -1 none
	cut     int  // end of the access unit handed out last, where the next one begins; -1 none

	pic      picture
	sets     ParameterSets
	eof      bool
	err      error
	consumed int64 // bytes before buf[0]
	padding  int64 // zero bytes dropped behind the access unit being gathered
	start    int64 // Offset
	skipped  int64
}

// picture is what is known of the primary coded picture of the access unit being gathered.
type picture struct {
	hasVCL    bool
	ended     bool // an end of sequence or stream NAL unit was seen
	head      sliceHeader
	firstSeen uint8 // bit n: colour plane n has a slice with first_mb_in_slice 0
}

// readChunk is how much room a read gets at least.
const readChunk = 32 << 10

// NewScanner returns a Scanner that reads from r. No access unit may be longer than maxAccessUnitBytes (0 =
// DefaultMaxAccessUnitBytes); the buffer grows with the units met and never beyond twice the limit and 64 KiB.
func NewScanner(r io.Reader, maxAccessUnitBytes int) *Scanner {
	if maxAccessUnitBytes <= 0 {
		maxAccessUnitBytes = DefaultMaxAccessUnitBytes
	}
	return &Scanner{r: r, max: maxAccessUnitBytes, nal: -1, prefix: -1, cut: -1}
}

// Next returns the next access unit with its start codes, without zero bytes of padding behind it. It is valid until the next call.
// At the end of the stream the error is io.EOF. ErrTooLarge and ErrNoStartCode tell what is wrong with the input; any other
// error is the reader's (an access unit that was not yet complete is not returned then). Errors are final.
func (s *Scanner) Next() ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	au, err := s.next()
	if err == nil && len(au) > s.max {
		err = s.tooLarge(len(au))
	}
	if err != nil {
		s.err, s.buf = err, nil
		return nil, err
	}
	return au, nil
}

// Offset returns where in the stream the access unit returned last begins.
func (s *Scanner) Offset() int64 { return s.start }

// Skipped returns how many bytes before the first start code were passed over that are not zero padding.
func (s *Scanner) Skipped() int64 { return s.skipped }

// ParameterSets returns the parameter sets seen so far. They belong to the scanner.
func (s *Scanner) ParameterSets() *ParameterSets { return &s.sets }

func (s *Scanner) next() ([]byte, error) {
	if s.cut >= 0 {
		s.au, s.cut = s.cut, -1
		s.consumed, s.padding = s.consumed+s.padding, 0
	}
	for {
		if s.nal >= 0 && !s.decided {
			if at, ok := s.decide(); ok {
				return s.hand(at), nil
			}
		}
		if at := s.findStartCode(); at >= 0 {
			if s.nal < 0 {
				s.first(at)
			} else {
				s.endNAL(at)
			}
			s.nal, s.scan, s.decided = at+3, at+3, false
			s.code = at
			if at > s.au && s.buf[at-1] == 0 {
				s.code--
			}
			continue
		}
		if s.eof {
			return s.last()
		}
		if err := s.read(); err != nil {
			return nil, err
		}
	}
}

// findStartCode looks for the next start code whose NAL header byte is there too.
func (s *Scanner) findStartCode() int {
	i := indexStartCode(s.buf[s.scan:])
	if i < 0 {
		s.scan = max(s.scan, len(s.buf)-2)
		return -1
	}
	if s.scan += i; s.scan+3 >= len(s.buf) {
		return -1
	}
	return s.scan
}

// first notes what precedes the first start code of the stream.
func (s *Scanner) first(at int) {
	s.au = at
	for s.au > 0 && s.buf[s.au-1] == 0 {
		s.au--
	}
	s.skipped += int64(s.au)
	s.au = max(s.au, at-1)
}

// endNAL takes what is needed from a NAL unit that is complete now: parameter sets, because slices are read with them.
// A broken set is none: slices that need it are told apart without it.
func (s *Scanner) endNAL(end int) {
	if typ := s.buf[s.nal] & 0x1f; typ == TypeSPS || typ == TypePPS {
		_, _ = s.sets.Add(s.buf[s.nal:end])
	}
}

// decide finds out whether the last NAL unit belongs to the current access unit. It reports true and where to cut when it begins
// the next one, and leaves decided false while too little of a slice header is there.
func (s *Scanner) decide() (cut int, ok bool) {
	typ := int(s.buf[s.nal] & 0x1f)
	p := &s.pic
	switch {
	case p.ended && typ != TypeEndOfStream && typ != TypeFiller && typ != 0:
		return s.begin(s.code), true
	case typ == TypeSlice || typ == TypeIDR || typ == TypePartitionA:
		return s.decideSlice()
	case typ >= TypeSEI && typ <= TypeAUD || typ >= 15 && typ <= 18:
		if p.hasVCL {
			return s.begin(s.code), true
		}
	case typ == TypePrefix:
		s.prefix = s.code // goes with the slice behind it
		s.decided = true
		return 0, false
	case typ == TypeEndOfSeq || typ == TypeEndOfStream:
		p.ended = true
	}
	s.decided, s.prefix = true, -1
	return 0, false
}

func (s *Scanner) decideSlice() (cut int, ok bool) {
	var h sliceHeader
	var r bitReader
	// The head of the next NAL unit, or zero bytes that may belong to its start code, must not be read as part of this one: whether they are
	// there yet is an accident of reading.
	b := s.buf[s.nal:min(len(s.buf), s.nal+maxSliceProbe)]
	if end := indexStartCode(b); end >= 0 {
		b = b[:end]
	}
	err := s.sets.parseSlice(trimZeros(b), &h, &r)
	if err != nil && !s.sliceComplete() {
		return 0, false
	}
	at := s.code
	if s.prefix >= 0 {
		at = s.prefix
	}
	s.decided, s.prefix = true, -1
	p := &s.pic
	plane := uint8(1) << h.colourPlane
	isNew := false
	switch {
	case !p.hasVCL, h.redundant > 0:
	case err != nil: // an unreadable slice stays with the picture before it
	default:
		isNew = h.firstOfNew(&p.head) || h.firstMB == 0 && p.firstSeen&plane != 0
	}
	if isNew {
		s.begin(at)
		s.decided = true
	}
	if h.redundant == 0 {
		if !p.hasVCL {
			p.hasVCL, p.head = true, h
		}
		if err == nil && h.firstMB == 0 {
			p.firstSeen |= plane
		}
	}
	return at, isNew
}

// maxSliceProbe is more than a slice header up to redundant_pic_cnt can take: eight Exp-Golomb codes and three fixed fields.
const maxSliceProbe = 128

// sliceComplete reports whether waiting for more data cannot change what the last NAL unit says.
func (s *Scanner) sliceComplete() bool {
	return s.eof || len(s.buf)-s.nal >= maxSliceProbe || indexStartCode(s.buf[s.nal:]) >= 0
}

// begin starts the next access unit at a cut. The NAL unit at hand is decided on again, as a part of that unit.
func (s *Scanner) begin(at int) int {
	s.pic = picture{}
	s.decided, s.prefix = false, -1
	return at
}

func (s *Scanner) hand(cut int) []byte {
	s.cut = cut
	s.start = s.consumed + int64(s.au)
	return trimZeros(s.buf[s.au:cut])
}

// last returns what is left at the end of the stream.
func (s *Scanner) last() ([]byte, error) {
	if s.nal < 0 {
		n := s.consumed + int64(len(s.buf)) + s.padding
		if s.skipped += int64(len(trimZeros(s.buf))); s.skipped == 0 {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("%d bytes: %w", n, ErrNoStartCode)
	}
	rest := s.buf[s.au:]
	if n := len(rest); n >= 3 && rest[n-1] == 1 && rest[n-2]|rest[n-3] == 0 {
		rest = rest[:n-3] // a start code with nothing behind it
	}
	if rest = trimZeros(rest); len(rest) == 0 {
		return nil, io.EOF
	}
	s.start = s.consumed + int64(s.au)
	s.buf = s.buf[:s.au+len(rest)]
	s.cut, s.scan = len(s.buf), len(s.buf)
	return rest, nil
}

func (s *Scanner) tooLarge(size int) error {
	return fmt.Errorf("access unit at byte %d: %d bytes or more, limit %d: %w", s.consumed+int64(s.au), size, s.max, ErrTooLarge)
}

// read makes room and reads once.
func (s *Scanner) read() error {
	s.dropPadding()
	if held := len(s.buf) - s.au; held > s.max+readChunk/2 {
		if s.nal < 0 {
			return fmt.Errorf("%d bytes: %w", s.consumed+int64(len(s.buf)), ErrNoStartCode)
		}
		return s.tooLarge(held)
	}
	if cap(s.buf)-len(s.buf) < readChunk/2 {
		s.makeRoom()
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		if n < 0 || n > cap(s.buf)-len(s.buf) {
			return fmt.Errorf("reader returned an impossible count %d", n)
		}
		s.buf = s.buf[:len(s.buf)+n]
		if err == io.EOF {
			s.eof = true
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// dropPadding takes long zero padding out of the end of the buffer, all but the zero bytes that may belong to a start code, so
// that any amount of it needs no memory. Three zero bytes never occur within a NAL unit.
func (s *Scanner) dropPadding() {
	n := len(s.buf)
	for n > 0 && s.buf[n-1] == 0 && n > max(s.nal, 0) {
		n--
	}
	if zeros := len(s.buf) - n; zeros >= readChunk/4 {
		s.padding += int64(zeros - 3)
		s.buf = s.buf[:n+3]
		s.scan = min(s.scan, n+1)
	}
}

// makeRoom moves the unfinished access unit to the front, into a larger buffer when it takes up more than half of this one.
func (s *Scanner) makeRoom() {
	held := s.buf[s.au:]
	to := s.buf[:0]
	if len(held) > cap(s.buf)/2 || cap(s.buf) < 2*readChunk {
		to = make([]byte, 0, max(2*readChunk, min(2*cap(s.buf), 2*s.max+2*readChunk)))
	}
	s.buf = append(to, held...)
	s.consumed += int64(s.au)
	s.nal = max(s.nal-s.au, -1)
	s.code -= s.au
	s.scan -= s.au
	if s.prefix >= 0 {
		s.prefix -= s.au
	}
	s.au = 0
}
