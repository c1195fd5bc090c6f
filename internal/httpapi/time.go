// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// TimeForms is what [ParseTime] accepts, in words for messages.
const TimeForms = `UTC as "2021-05-01 11:00:00" or "2021-05-01 11-00-00", RFC 3339 as "2021-05-01T11:00:00Z", or Unix seconds`

// maxUnixSeconds is the last second of year 9999: keys have four digits for the year.
const maxUnixSeconds = 253402300799

// ParseTime reads a time as the playback API takes it, with or without fractions of a second:
//
//	2021-05-01 11:00:00        UTC; also with a T between date and time, as an HTML form sends it
//	2021-05-01 11-00-00        UTC, the form in the text of the original deployment manual
//	2021-05-01T13:00:00+02:00  RFC 3339; the plus sign may have become a space on its way through a query
//	1619866800                 seconds since 1970-01-01 UTC
//
// Years 1970 to 9999 are accepted. The result is in UTC. The error says what was wrong but does not repeat long input.
func ParseTime(s string) (time.Time, error) {
	if len(s) > 64 {
		return time.Time{}, fmt.Errorf("it has %d characters; write %s", len(s), TimeForms)
	}
	if t, ok, err := parseUnix(s); ok {
		return t, err
	}
	t, err := parseCivil(s)
	if err != nil {
		return time.Time{}, err
	}
	if t = t.UTC(); t.Unix() < 0 || t.Unix() > maxUnixSeconds {
		return time.Time{}, errors.New("it lies outside the years 1970 to 9999")
	}
	return t, nil
}

// parseUnix reports ok when s is a number at all, so that a bad number gets a message about numbers.
func parseUnix(s string) (t time.Time, ok bool, err error) {
	digits, fraction, dot := strings.Cut(s, ".")
	if digits == "" || strings.Trim(digits+fraction, "0123456789") != "" || dot && fraction == "" {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || seconds > maxUnixSeconds {
		return time.Time{}, true, errors.New("it is too large for Unix seconds (are these milliseconds?)")
	}
	var nanos int64
	if dot {
		f, _ := strconv.ParseFloat("0."+fraction, 64)
		nanos = min(int64(math.Round(f*1e9)), 999999999)
	}
	return time.Unix(seconds, nanos).UTC(), true, nil
}

func parseCivil(s string) (time.Time, error) {
	bad := fmt.Errorf("%q is not a time; write %s", s, TimeForms)
	if len(s) < len("2006-01-02 15:04:05") || (s[10] != ' ' && s[10] != 'T' && s[10] != 't') {
		return time.Time{}, bad
	}
	b := []byte(s)
	b[10] = 'T'
	switch {
	case b[13] == '-' && b[16] == '-':
		b[13], b[16] = ':', ':'
	case b[13] != ':' || b[16] != ':':
		return time.Time{}, bad
	}
	// A zone may follow the seconds and their fraction. Without one the time is UTC.
	zone := 19
	if zone < len(b) && b[zone] == '.' {
		for zone++; zone < len(b) && b[zone] >= '0' && b[zone] <= '9'; zone++ {
		}
	}
	switch {
	case zone == len(b):
		b = append(b, 'Z')
	case b[zone] == ' ' && len(b) == zone+len("+08:00"):
		b[zone] = '+'
	case b[zone] == 'z':
		b[zone] = 'Z'
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return time.Time{}, bad
	}
	return t, nil
}
