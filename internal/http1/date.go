// SPDX-License-Identifier: Apache-2.0

package http1

import "time"

// parseDate reads the fixed form of RFC 9110, 5.6.7, the only one that servers may write; zero time for all else.
//
//	Sun, 06 Nov 1994 08:49:37 GMT
//	0    5  8   12   17 20 23 26
func parseDate(b []byte) time.Time {
	const form = "Sun, 06 Nov 1994 08:49:37 GMT"
	if len(b) != len(form) || string(b[3:5]) != ", " || b[7] != ' ' || b[11] != ' ' || b[16] != ' ' || b[19] != ':' || b[22] != ':' || string(b[25:]) != " GMT" {
		return time.Time{}
	}
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	month := 0
	for i := 0; i < len(months); i += 3 {
		if string(b[8:11]) == months[i:i+3] {
			month = i/3 + 1
		}
	}
	ok := month > 0
	number := func(b []byte) (n int) {
		for _, c := range b {
			c -= '0'
			ok = ok && c <= 9
			n = n*10 + int(c)
		}
		return n
	}
	day, year, hour, minute, second := number(b[5:7]), number(b[12:16]), number(b[17:19]), number(b[20:22]), number(b[23:25])
	t := time.Date(year, time.Month(month), day, hour, minute, min(second, 59), 0, time.UTC) // 60 is a leap second
	if !ok || hour > 23 || minute > 59 || second > 60 || t.Day() != day {
		return time.Time{}
	}
	return t
}
