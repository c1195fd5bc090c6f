// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
)

func TestParseTime(t *testing.T) {
	noon := time.Date(2021, 5, 1, 11, 0, 0, 0, time.UTC)
	tests := []struct {
		name, in string
		want     time.Time
	}{
		{"the manual's examples", "2021-05-01 11:00:00", noon},
		{"the manual's text", "2021-05-01 11-00-00", noon},
		{"a T between date and time, as forms send it", "2021-05-01T11:00:00", noon},
		{"RFC 3339 in UTC", "2021-05-01T11:00:00Z", noon},
		{"RFC 3339 in lower case", "2021-05-01t11:00:00z", noon},
		{"RFC 3339 east of Greenwich", "2021-05-01T19:00:00+08:00", noon},
		{"RFC 3339 whose plus became a space", "2021-05-01T19:00:00 08:00", noon},
		{"RFC 3339 west of Greenwich", "2021-05-01T04:00:00-07:00", noon},
		{"a space and a zone", "2021-05-01 19:00:00+08:00", noon},
		{"a fraction", "2021-05-01 11:00:00.250", noon.Add(250 * time.Millisecond)},
		{"a fraction and a zone", "2021-05-01T11:00:00.5Z", noon.Add(500 * time.Millisecond)},
		{"Unix seconds", "1619866800", noon},
		{"Unix seconds with a fraction", "1619866800.125", noon.Add(125 * time.Millisecond)},
		{"the epoch", "0", time.Unix(0, 0).UTC()},
		{"29 February of a leap year", "2024-02-29 00:00:00", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := httpapi.ParseTime(tt.in)
			if err != nil || !got.Equal(tt.want) || got.Location() != time.UTC {
				t.Errorf("ParseTime(%q) = %v, %v; want %v", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                       "",
		"a word":                        "yesterday",
		"a date alone":                  "2021-05-01",
		"a month 13":                    "2021-13-01 11:00:00",
		"30 February":                   "2021-02-30 11:00:00",
		"hour 24":                       "2021-05-01 24:00:00",
		"mixed separators":              "2021-05-01 11:00-00",
		"slashes in the date":           "2021/05/01 11:00:00",
		"a second zone":                 "2021-05-01T11:00:00Z+08:00",
		"milliseconds":                  "1619866800000",
		"a number beyond 64 bits":       "99999999999999999999",
		"a negative number":             "-5",
		"an exponent":                   "1e9",
		"a dot without digits":          "1619866800.",
		"a year before 1970":            "1969-12-31 23:59:59",
		"a year that a zone makes 1969": "1970-01-01T00:00:00+08:00",
		"text behind":                   "2021-05-01 11:00:00 and more",
		"a comma joined pair":           "2021-05-01 11:00:00,2021-05-01 12:00:00",
		"two kilobytes":                 strings.Repeat("2", 2048),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := httpapi.ParseTime(in)
			if err == nil {
				t.Fatalf("ParseTime(%q) = %v, want an error", in, got)
			}
			if len(err.Error()) > 300 {
				t.Errorf("the message has %d characters: %v", len(err.Error()), err)
			}
		})
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2021-05-01 11:00:00", "2021-05-01T19:00:00 08:00", "1619866800.5", "2021-05-01 11-00-00.1", "9999-12-31T23:59:59-23:59"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := httpapi.ParseTime(s)
		if err != nil {
			return
		}
		again, err := httpapi.ParseTime(got.Format(time.RFC3339Nano))
		if err != nil || !again.Equal(got) {
			t.Errorf("ParseTime(%q) = %v, which reads back as %v, %v", s, got, again, err)
		}
	})
}
