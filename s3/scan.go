// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// page is one answer to ListObjectsV2. Keys and folders are spans of buf, so they cost nothing each.
type page struct {
	buf       []byte
	keys      []pageKey
	folders   []span
	truncated bool
	token     string
}

type pageKey struct {
	span
	size int64
}

// span is a piece of page.buf; escaped text is decoded in place when it is used.
type span struct {
	from, to int32
	escaped  bool
}

// text returns the decoded text of s, which stays valid while the page does.
func (p *page) text(s *span) []byte {
	b := p.buf[s.from:s.to]
	if s.escaped {
		b = unescape(b)
		s.to, s.escaped = s.from+int32(len(b)), false
	}
	return b
}

// scan finds the few elements that are needed in buf:
//
//	<ListBucketResult>
//	  <IsTruncated>b</> <NextContinuationToken>s</>
//	  <Contents> <Key>s</> <Size>n</> </>*
//	  <CommonPrefixes> <Prefix>s</> </>*
//	</>
//
// It reports false for everything that is not as S3 writes it: another root, text in unexpected places, CDATA, comments,
// namespace prefixes, unknown entities, elements that do not nest. encoding/xml then decides (decode). Where both accept,
// they agree; scan alone accepts control characters as &#x1;, which S3 sends and XML 1.0 forbids.
func (p *page) scan() bool {
	p.reset()
	s := scanner{b: p.buf}
	s.prolog()
	if name, ok := s.open(); !ok || string(name) != "ListBucketResult" {
		return false
	}
	for {
		name, end, ok := s.next()
		switch {
		case !ok:
			return false
		case end:
			return string(name) == "ListBucketResult" && s.onlySpaceLeft()
		}
		switch string(name) {
		case "Contents":
			ok = p.contents(&s)
		case "CommonPrefixes":
			ok = p.commonPrefixes(&s)
		case "IsTruncated":
			var v span
			v, ok = s.value(name)
			switch string(p.buf[v.from:v.to]) {
			case "true":
				p.truncated = true
			case "false":
				p.truncated = false
			default:
				ok = false
			}
		case "NextContinuationToken":
			var v span
			if v, ok = s.value(name); ok {
				// Decoding in place would spoil the page for encoding/xml.
				p.token = string(unescape(append([]byte(nil), p.buf[v.from:v.to]...)))
			}
		default:
			ok = s.skip(name)
		}
		if !ok {
			return false
		}
	}
}

func (p *page) reset() {
	p.keys, p.folders, p.truncated, p.token = p.keys[:0], p.folders[:0], false, ""
}

func (p *page) contents(s *scanner) bool {
	var k pageKey
	for {
		name, end, ok := s.next()
		switch {
		case !ok:
			return false
		case end:
			if string(name) != "Contents" || k.from == k.to {
				return false
			}
			p.keys = append(p.keys, k)
			return true
		}
		switch string(name) {
		case "Key":
			k.span, ok = s.value(name)
		case "Size":
			var v span
			if v, ok = s.value(name); ok {
				k.size, ok = parseSize(p.buf[v.from:v.to])
			}
		default:
			ok = s.skip(name)
		}
		if !ok {
			return false
		}
	}
}

func (p *page) commonPrefixes(s *scanner) bool {
	var v span
	for {
		name, end, ok := s.next()
		switch {
		case !ok:
			return false
		case end:
			if string(name) != "CommonPrefixes" || v.from == v.to {
				return false
			}
			p.folders = append(p.folders, v)
			return true
		}
		if string(name) == "Prefix" {
			v, ok = s.value(name)
		} else {
			ok = s.skip(name)
		}
		if !ok {
			return false
		}
	}
}

// parseSize reads 1 to 18 digits.
func parseSize(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

// decode reads buf with encoding/xml, for answers that scan does not understand. It costs some 40 times as much.
func (p *page) decode() error {
	p.reset()
	var doc struct {
		XMLName               xml.Name
		IsTruncated           bool
		NextContinuationToken string
		Contents              []struct {
			Key  string
			Size int64
		}
		CommonPrefixes []struct{ Prefix string }
	}
	if err := xml.Unmarshal(p.buf, &doc); err == io.EOF {
		return fmt.Errorf("%w: no XML in it", errMalformedPage)
	} else if err != nil {
		return fmt.Errorf("%w: %w", errMalformedPage, err)
	}
	if doc.XMLName.Local != "ListBucketResult" {
		return fmt.Errorf("%w: root element %.40q", errMalformedPage, doc.XMLName.Local)
	}
	p.truncated, p.token = doc.IsTruncated, doc.NextContinuationToken
	p.buf = p.buf[:0]
	add := func(text string) (span, error) {
		if text == "" {
			return span{}, fmt.Errorf("%w: empty key", errMalformedPage)
		}
		from := len(p.buf)
		p.buf = append(p.buf, text...)
		return span{from: int32(from), to: int32(len(p.buf))}, nil
	}
	for _, o := range doc.Contents {
		s, err := add(o.Key)
		if err != nil || o.Size < 0 {
			return errMalformedPage
		}
		p.keys = append(p.keys, pageKey{s, o.Size})
	}
	for _, f := range doc.CommonPrefixes {
		s, err := add(f.Prefix)
		if err != nil {
			return err
		}
		p.folders = append(p.folders, s)
	}
	return nil
}

// scanner reads the subset of XML that S3 writes.
type scanner struct {
	b []byte
	i int // next byte
}

// maxDepth bounds the nesting inside a skipped element.
const maxDepth = 16

// prolog skips a byte order mark, white space and one XML declaration.
func (s *scanner) prolog() {
	if bytes.HasPrefix(s.b, []byte("\xef\xbb\xbf")) {
		s.i = 3
	}
	s.space()
	if rest := s.b[s.i:]; bytes.HasPrefix(rest, []byte("<?xml ")) {
		// encoding/xml refuses other encodings, so this must.
		if end := bytes.Index(rest, []byte("?>")); end > 0 && !bytes.Contains(rest[:end], []byte("encoding")) ||
			end > 0 && bytes.Contains(bytes.ToLower(rest[:end]), []byte("utf-8")) {
			s.i += end + len("?>")
			s.space()
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (s *scanner) space() {
	for s.i < len(s.b) && isSpace(s.b[s.i]) {
		s.i++
	}
}

func (s *scanner) onlySpaceLeft() bool {
	s.space()
	return s.i == len(s.b)
}

// nameChars is the set of bytes of the names that are accepted: letters, digits and - . _ (one bit per ASCII character).
var nameChars = [4]uint32{0, 0x03ff6000, 0x87fffffe, 0x07fffffe}

// name reads an element or attribute name; empty means that there is none.
func (s *scanner) name() []byte {
	b, i := s.b, s.i
	for i < len(b) && b[i] < 128 && nameChars[b[i]>>5]>>(b[i]&31)&1 != 0 {
		i++
	}
	from := s.i
	s.i = i
	if from < s.i && (s.b[from]-'0' < 10 || s.b[from] == '-' || s.b[from] == '.') {
		s.i = from // these do not begin a name
	}
	return s.b[from:s.i]
}

// open reads a start tag. Empty-element tags are not accepted here.
func (s *scanner) open() ([]byte, bool) {
	name, end, empty, ok := s.tag()
	return name, ok && !end && !empty
}

// next skips white space and reads the next start or end tag; an empty-element tag is only skipped.
func (s *scanner) next() (name []byte, end, ok bool) {
	for {
		s.space()
		name, end, empty, ok := s.tag()
		if !ok || !empty {
			return name, end, ok
		}
		switch string(name) {
		case "Contents", "CommonPrefixes", "IsTruncated", "Key", "Size", "Prefix", "NextContinuationToken":
			return nil, false, false // let encoding/xml say what an empty one means
		}
	}
}

// tag reads one tag, attributes included.
func (s *scanner) tag() (name []byte, end, empty, ok bool) {
	if s.i+1 >= len(s.b) || s.b[s.i] != '<' {
		return nil, false, false, false
	}
	s.i++
	if s.b[s.i] == '/' {
		end = true
		s.i++
	}
	name = s.name()
	if len(name) == 0 {
		return nil, false, false, false
	}
	if s.i < len(s.b) && s.b[s.i] == '>' {
		s.i++
		return name, end, false, true
	}
	for {
		had := s.i
		s.space()
		if s.i >= len(s.b) {
			return nil, false, false, false
		}
		switch {
		case s.b[s.i] == '>':
			s.i++
			return name, end, false, true
		case end:
			return nil, false, false, false
		case s.b[s.i] == '/':
			if s.i+1 >= len(s.b) || s.b[s.i+1] != '>' {
				return nil, false, false, false
			}
			s.i += 2
			return name, false, true, true
		case had == s.i || !s.attribute():
			return nil, false, false, false
		}
	}
}

// attribute skips name="value"; the name may have one prefix.
func (s *scanner) attribute() bool {
	if len(s.name()) == 0 {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == ':' {
		s.i++
		if len(s.name()) == 0 {
			return false
		}
	}
	if s.i+1 >= len(s.b) || s.b[s.i] != '=' || (s.b[s.i+1] != '"' && s.b[s.i+1] != '\'') {
		return false
	}
	quote := s.b[s.i+1]
	value := s.b[s.i+2:]
	n := bytes.IndexByte(value, quote)
	if n < 0 || bytes.ContainsAny(value[:n], "<&") {
		return false
	}
	s.i += 2 + n + 1
	return true
}

// value reads the text up to the end tag of name, which must be next: no other element inside.
func (s *scanner) value(name []byte) (span, bool) {
	from := s.i
	n := bytes.IndexByte(s.b[from:], '<')
	if n < 0 {
		return span{}, false
	}
	text := s.b[from : from+n]
	s.i += n
	if !s.close(name) {
		return span{}, false
	}
	v := span{from: int32(from), to: int32(from + n)}
	if bytes.IndexByte(text, '&') >= 0 {
		v.escaped = true
		if !validEntities(text) {
			return span{}, false
		}
	}
	// XML turns a raw carriage return into a newline; nobody writes one.
	return v, bytes.IndexByte(text, '\r') < 0
}

// close reads "</name>" as S3 writes it, without white space.
func (s *scanner) close(name []byte) bool {
	b := s.b[s.i:]
	n := len(name)
	if len(b) < n+3 || b[0] != '<' || b[1] != '/' || string(b[2:2+n]) != string(name) || b[2+n] != '>' {
		return false
	}
	s.i += n + 3
	return true
}

// skip passes over the element whose start tag was name, whatever it holds, and checks that its tags nest.
func (s *scanner) skip(name []byte) bool {
	n := bytes.IndexByte(s.b[s.i:], '<')
	if n < 0 {
		return false
	}
	s.i += n
	return s.close(name) || s.skipNested(name) // mostly just text
}

func (s *scanner) skipNested(name []byte) bool {
	var open [maxDepth][]byte
	open[0] = name
	for depth := 1; ; {
		name, end, empty, ok := s.tag()
		switch {
		case !ok:
			return false
		case empty:
		case end:
			depth--
			if string(name) != string(open[depth]) {
				return false
			}
			if depth == 0 {
				return true
			}
		case depth == maxDepth:
			return false
		default:
			open[depth] = name
			depth++
		}
		n := bytes.IndexByte(s.b[s.i:], '<')
		if n < 0 {
			return false
		}
		s.i += n
	}
}

// validEntities reports whether unescape understands every entity of b.
func validEntities(b []byte) bool {
	for {
		n := bytes.IndexByte(b, '&')
		if n < 0 {
			return true
		}
		b = b[n:]
		_, used := entity(b)
		if used == 0 {
			return false
		}
		b = b[used:]
	}
}

// unescape decodes the entities of b in place and returns the shorter text. validEntities must hold.
func unescape(b []byte) []byte {
	from := bytes.IndexByte(b, '&')
	if from < 0 {
		return b
	}
	to := from
	for from < len(b) {
		if b[from] != '&' {
			b[to] = b[from]
			from++
			to++
			continue
		}
		r, used := entity(b[from:])
		if used == 0 { // cannot happen after validEntities
			used, r = 1, '&'
		}
		from += used
		to += utf8.EncodeRune(b[to:from], r) // an entity is never shorter than what it stands for
	}
	return b[:to]
}

// entity decodes the entity at the start of b and returns its length, 0 if it is not one of XML's five or a valid
// character number.
func entity(b []byte) (r rune, used int) {
	n := bytes.IndexByte(b[:min(len(b), 12)], ';')
	if n < 0 {
		return 0, 0
	}
	switch name := string(b[1:n]); name {
	case "amp":
		r = '&'
	case "lt":
		r = '<'
	case "gt":
		r = '>'
	case "quot":
		r = '"'
	case "apos":
		r = '\''
	default:
		if len(name) < 2 || name[0] != '#' {
			return 0, 0
		}
		base, digits := 10, name[1:]
		if digits[0] == 'x' {
			base, digits = 16, digits[1:]
		}
		v, err := strconv.ParseUint(digits, base, 32)
		if err != nil || v == 0 || v > utf8.MaxRune || !utf8.ValidRune(rune(v)) || v == 0xfffe || v == 0xffff {
			return 0, 0
		}
		r = rune(v)
	}
	return r, n + 1
}
