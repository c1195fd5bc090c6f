// SPDX-License-Identifier: Apache-2.0

package segment

import (
	"strings"
	"time"
)

// MaxKeyBytes is S3's limit for the length of an object key in UTF-8 bytes.
const MaxKeyBytes = 1024

// Suffix ends every segment key.
const Suffix = ".ts"

// stampLen is the length of "YYYY/MM/DD/hh/mm/ss", the part of a key between the prefix and Suffix.
const stampLen = len("2006/01/02/15/04/05")

// Key returns the object key of the segment of camera prefix whose first frame starts at start, floored to the second.
// The prefix must have passed [CheckPrefix] and the year must lie in 0..9999; see [AppendKey] to avoid the allocation.
func Key(prefix string, start time.Time) string {
	return string(AppendKey(make([]byte, 0, len(prefix)+1+stampLen+len(Suffix)), prefix, start))
}

// AppendKey appends [Key] to dst and returns the extended slice.
func AppendKey(dst []byte, prefix string, start time.Time) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, '/')
	dst = appendStamp(dst, start)
	return append(dst, Suffix...)
}

func appendStamp(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, byte('0'+year/1000%10), byte('0'+year/100%10))
	dst = append2(dst, year%100)
	for _, v := range [...]int{int(month), day, hour, minute, second} {
		dst = append(dst, '/')
		dst = append2(dst, v)
	}
	return dst
}

func append2(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }

// ParseKey splits a segment key into its camera prefix and start (whole second, UTC). It reports false for every other
// object: a wrong suffix, a date that does not exist, a missing or unacceptable prefix. It allocates nothing.
//
// Key(ParseKey(k)) == k for each key that it accepts.
func ParseKey[K string | []byte](key K) (prefix K, start time.Time, ok bool) {
	stampAt := len(key) - len(Suffix) - stampLen
	if stampAt < 2 || len(key) > MaxKeyBytes || string(key[len(key)-len(Suffix):]) != Suffix || key[stampAt-1] != '/' {
		return prefix, time.Time{}, false
	}
	s := key[stampAt : stampAt+stampLen]
	var v [7]int // year in two halves, then month, day, hour, minute, second
	for i, at := range [...]int{0, 2, 5, 8, 11, 14, 17} {
		hi, lo := s[at]-'0', s[at+1]-'0'
		if hi > 9 || lo > 9 || (i >= 2 && s[at-1] != '/') {
			return prefix, time.Time{}, false
		}
		v[i] = int(hi)*10 + int(lo)
	}
	year := v[0]*100 + v[1]
	start = time.Date(year, time.Month(v[2]), v[3], v[4], v[5], v[6], 0, time.UTC)
	// time.Date normalises, so a date that does not exist comes back as another one.
	if y, m, d := start.Date(); y != year || int(m) != v[2] || d != v[3] || v[4] > 23 || v[5] > 59 || v[6] > 59 {
		return prefix, time.Time{}, false
	}
	prefix = key[:stampAt-1]
	if checkPrefix(prefix) != "" {
		var none K
		return none, time.Time{}, false
	}
	return prefix, start, true
}

// DayFolder names the listing prefix ("<prefix>/YYYY/MM/DD/") of the UTC day that holds t. Playback lists by day: a whole
// day is one folder, and a role that may list days cannot enumerate cameras.
func DayFolder(prefix string, t time.Time) string { return folder(prefix, t, len("2006/01/02")) }

// HourFolder names the listing prefix ("<prefix>/YYYY/MM/DD/hh/") of the UTC hour that holds t.
func HourFolder(prefix string, t time.Time) string { return folder(prefix, t, len("2006/01/02/15")) }

// MinuteFolder names the listing prefix ("<prefix>/YYYY/MM/DD/hh/mm/") of the UTC minute that holds t.
func MinuteFolder(prefix string, t time.Time) string {
	return folder(prefix, t, len("2006/01/02/15/04"))
}

func folder(prefix string, t time.Time, stamp int) string {
	var b strings.Builder
	b.Grow(len(prefix) + stamp + 2)
	b.WriteString(prefix)
	b.WriteByte('/')
	var buf [stampLen]byte
	b.Write(appendStamp(buf[:0], t)[:stamp])
	b.WriteByte('/')
	return b.String()
}

// StartAfter returns the exclusive lower bound for a listing that is to begin with the segments starting at or after t:
// the key of the second before. S3's start-after is exclusive and has no counterpart for the end; the caller stops by
// itself at the first key that is not before its end.
func StartAfter(prefix string, t time.Time) string {
	t = t.UTC()
	second := t.Truncate(time.Second)
	if second.Equal(t) {
		second = second.Add(-time.Second)
	}
	return Key(prefix, second)
}
