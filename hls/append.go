// SPDX-License-Identifier: Apache-2.0

package hls

import (
	"strconv"
	"time"
)

// AppendM3U8 appends the playlist's text to dst and returns the extended slice. uri appends the address of a segment; it
// must write a URI reference (see [AppendPath]) and must not keep s. With a nil uri each segment's URI field is written.
//
// The text is UTF-8 without byte order mark, lines end in LF (RFC 8216bis section 4). Nothing is allocated when dst has
// room and uri allocates nothing; the size is about 27 bytes per segment and its URI, and 43 more for a date.
func (p *Playlist) AppendM3U8(dst []byte, uri func(dst []byte, s *Segment) []byte) []byte {
	version := p.Version
	if version == 0 {
		version = DefaultVersion
	}
	dst = append(dst, "#EXTM3U\n#EXT-X-VERSION:"...)
	dst = strconv.AppendInt(dst, int64(version), 10)
	dst = append(dst, "\n#EXT-X-TARGETDURATION:"...)
	dst = strconv.AppendInt(dst, int64(p.TargetDuration), 10)
	dst = append(dst, "\n#EXT-X-MEDIA-SEQUENCE:"...)
	dst = strconv.AppendInt(dst, p.MediaSequence, 10)
	if p.Type == Live || p.DiscontinuitySequence != 0 {
		dst = append(dst, "\n#EXT-X-DISCONTINUITY-SEQUENCE:"...)
		dst = strconv.AppendInt(dst, p.DiscontinuitySequence, 10)
	}
	if p.Type != Live {
		dst = append(dst, "\n#EXT-X-PLAYLIST-TYPE:"...)
		dst = append(dst, p.Type.String()...)
	}
	if p.Independent {
		dst = append(dst, "\n#EXT-X-INDEPENDENT-SEGMENTS"...)
	}
	if p.HasStart {
		dst = append(dst, "\n#EXT-X-START:TIME-OFFSET="...)
		dst = AppendSeconds(dst, p.StartOffset)
		dst = append(dst, ",PRECISE=YES"...)
	}
	dst = append(dst, '\n')
	for i := range p.Segments {
		s := &p.Segments[i]
		if s.Discontinuity {
			dst = append(dst, "#EXT-X-DISCONTINUITY\n"...)
		}
		if !s.ProgramDateTime.IsZero() {
			dst = append(dst, "#EXT-X-PROGRAM-DATE-TIME:"...)
			dst = AppendDateTime(dst, s.ProgramDateTime)
			dst = append(dst, '\n')
		}
		dst = append(dst, "#EXTINF:"...)
		dst = AppendSeconds(dst, s.Duration)
		dst = append(dst, ',', '\n')
		if uri != nil {
			dst = uri(dst, s)
		} else {
			dst = append(dst, s.URI...)
		}
		dst = append(dst, '\n')
	}
	if p.Ended {
		dst = append(dst, "#EXT-X-ENDLIST\n"...)
	}
	return dst
}

// AppendSeconds appends d in seconds as an exact decimal: no exponent, no trailing zeros, no point when it is whole.
func AppendSeconds(dst []byte, d time.Duration) []byte {
	n := uint64(d)
	if d < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendUint(dst, n/uint64(time.Second), 10)
	rest := n % uint64(time.Second)
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := uint64(time.Second / 10); rest > 0; unit /= 10 {
		dst = append(dst, byte('0'+rest/unit))
		rest %= unit
	}
	return dst
}

// AppendDateTime appends t in UTC as EXT-X-PROGRAM-DATE-TIME wants it (ISO 8601, RFC 8216bis 4.4.4.6), cut off to the
// millisecond. The year must lie in 0..9999.
func AppendDateTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(dst,
		digit(year/1000), digit(year/100), digit(year/10), digit(year), '-',
		digit(int(month)/10), digit(int(month)), '-', digit(day/10), digit(day), 'T',
		digit(hour/10), digit(hour), ':', digit(minute/10), digit(minute), ':', digit(second/10), digit(second), '.',
		digit(ms/100), digit(ms/10), digit(ms), 'Z')
}

func digit(v int) byte { return byte('0' + v%10) }

// AppendPath appends path, such as an object key, as the path of a URI reference: every byte that RFC 3986 does not allow
// in a path is percent-encoded, '/' stays. A relative reference whose first element may hold a ':' needs something with a
// slash before it ("segments/"), or it would read as a scheme.
func AppendPath(dst []byte, path string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(path); i++ {
		if c := path[i]; pathByte(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// pathByte tells whether RFC 3986 section 3.3 lets c stand in a path unescaped. The plus sign is allowed there but is
// read as a space by some servers, so it is escaped too.
func pathByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', ',', ';', '=', ':', '@', '/':
		return true
	}
	return false
}
