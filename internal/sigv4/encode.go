// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"cmp"
	"slices"
	"time"
)

const upperHex = "0123456789ABCDEF"

const lowerHex = "0123456789abcdef"

// unreserved reports RFC 3986's unreserved characters, the only ones that SigV4 leaves as they are.
func unreserved(c byte) bool {
	return c-'a' < 26 || c-'A' < 26 || c-'0' < 10 || c == '-' || c == '.' || c == '_' || c == '~'
}

// AppendPath appends the URI-encoded path: unreserved characters and '/' stay, each other byte becomes %XX. Nothing is
// normalised, so "a//b" and "a/../b" name the keys that they spell.
func AppendPath(dst []byte, path string) []byte { return appendEncoded(dst, path, true) }

// AppendQueryValue appends s URI-encoded for a query: as [AppendPath], but '/' is encoded too and a space is %20.
func AppendQueryValue(dst []byte, s string) []byte { return appendEncoded(dst, s, false) }

func appendEncoded(dst []byte, s string, keepSlash bool) []byte {
	done := 0 // s[:done] is appended
	for i := 0; i < len(s); i++ {
		c := s[i]
		if unreserved(c) || (c == '/' && keepSlash) {
			continue
		}
		dst = append(dst, s[done:i]...)
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		done = i + 1
	}
	return append(dst, s[done:]...)
}

// Param is one query parameter, not encoded.
type Param struct{ Name, Value string }

// AppendQuery appends the canonical query string of params: encoded, sorted by name and then by value, every name with
// '='. The same text is right on the wire. params is sorted in place.
func AppendQuery(dst []byte, params []Param) []byte {
	slices.SortStableFunc(params, func(a, b Param) int {
		// The order is that of the encoded text, which differs from the plain one where a byte is encoded.
		if c := compareEncoded(a.Name, b.Name); c != 0 {
			return c
		}
		return compareEncoded(a.Value, b.Value)
	})
	for i, p := range params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = AppendQueryValue(dst, p.Name)
		dst = append(dst, '=')
		dst = AppendQueryValue(dst, p.Value)
	}
	return dst
}

func compareEncoded(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		ua, ub := unreserved(a[i]), unreserved(b[i])
		switch {
		case ua && ub, !ua && !ub:
			return cmp.Compare(a[i], b[i])
		case ua: // '%' sorts before every unreserved character
			return 1
		default:
			return -1
		}
	}
	return cmp.Compare(len(a), len(b))
}

// AppendTime appends t in UTC as SigV4 writes it, "20130524T000000Z". The year must lie in 0..9999.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	hour, minute, second := t.Clock()
	dst = appendDate(dst, t)
	dst = append(dst, 'T')
	dst = append2(append2(append2(dst, hour), minute), second)
	return append(dst, 'Z')
}

// appendDate appends the day of t, which is in UTC, as "20130524".
func appendDate(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	return append2(append2(append2(append2(dst, year/100), year%100), int(month)), day)
}

func append2(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }

// appendHex appends b in lower-case hexadecimal digits.
func appendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, lowerHex[c>>4], lowerHex[c&15])
	}
	return dst
}
