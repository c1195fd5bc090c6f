// SPDX-License-Identifier: Apache-2.0

package segment_test

import (
	"errors"
	"math/rand"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/segment"
)

func date(y int, mo time.Month, d, h, mi, s, ns int) time.Time {
	return time.Date(y, mo, d, h, mi, s, ns, time.UTC)
}

func TestKey(t *testing.T) {
	tests := []struct {
		name   string
		prefix string
		in     time.Time
		want   string
	}{
		{"all fields zero padded, UTC", "cam1", date(2026, 3, 9, 4, 5, 6, 0), "cam1/2026/03/09/04/05/06.ts"},
		{"floored to the second, not rounded", "cam1", date(2026, 3, 9, 4, 5, 6, 999999999), "cam1/2026/03/09/04/05/06.ts"},
		{"another zone is converted", "cam1", time.Date(2026, 1, 1, 7, 30, 0, 0, time.FixedZone("CST", 8*3600)), "cam1/2025/12/31/23/30/00.ts"},
		{"slashes inside the prefix", "shop/door 1", date(1999, 12, 31, 23, 59, 59, 0), "shop/door 1/1999/12/31/23/59/59.ts"},
		{"year zero", "c", date(0, 1, 1, 0, 0, 0, 0), "c/0000/01/01/00/00/00.ts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := segment.Key(tt.prefix, tt.in)
			if got != tt.want {
				t.Errorf("Key(%q, %v) = %q, want %q", tt.prefix, tt.in, got, tt.want)
			}
			prefix, start, ok := segment.ParseKey(got)
			if want := tt.in.UTC().Truncate(time.Second); !ok || prefix != tt.prefix || !start.Equal(want) {
				t.Errorf("ParseKey(%q) = %q, %v, %v; want %q, %v", got, prefix, start, ok, tt.prefix, want)
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	for name, key := range map[string]string{
		"an empty key":                   "",
		"no prefix":                      "2026/03/09/04/05/06.ts",
		"an empty prefix":                "/2026/03/09/04/05/06.ts",
		"a leading slash":                "/cam1/2026/03/09/04/05/06.ts",
		"a doubled slash":                "a//b/2026/03/09/04/05/06.ts",
		"a dot-dot element":              "a/../b/2026/03/09/04/05/06.ts",
		"another suffix":                 "cam1/2026/03/09/04/05/06.mp4",
		"30 February":                    "cam1/2026/02/30/04/05/06.ts",
		"29 February of a common year":   "cam1/2026/02/29/04/05/06.ts",
		"hour 24":                        "cam1/2026/03/09/24/00/00.ts",
		"second 60":                      "cam1/2026/03/09/04/05/60.ts",
		"month 13":                       "cam1/2026/13/09/04/05/06.ts",
		"letters in the time":            "cam1/2026/03/09/04/05/ab.ts",
		"a space for a digit":            "cam1/2026/03/09/04/05/ 6.ts",
		"a seven digit year (original)":  "cam1/2989665/01/01/00/00/00.ts",
		"fields that are not padded":     "cam1/2026/3/9/4/5/6.ts",
		"a control byte in the prefix":   "cam\x01/2026/03/09/04/05/06.ts",
		"a prefix that is not UTF-8":     "cam\xff/2026/03/09/04/05/06.ts",
		"more than 1024 bytes":           strings.Repeat("a", 1002) + "/2026/03/09/04/05/06.ts",
		"a temporary file of the engine": "cam1/2026/03/09/04/05/.06.ts.sgwtmp.1",
	} {
		t.Run(name, func(t *testing.T) {
			if p, s, ok := segment.ParseKey(key); ok {
				t.Errorf("ParseKey(%q) = %q, %v, true; want it refused", key, p, s)
			}
		})
	}
}

func TestCheckPrefix(t *testing.T) {
	good := []string{"cam1", "shop/door", "a b", "камера/前门", "...", ".a", "a..b", "2026", strings.Repeat("x", segment.MaxPrefixBytes)}
	for _, p := range good {
		if err := segment.CheckPrefix(p); err != nil {
			t.Errorf("CheckPrefix(%q) = %v, want nil", p, err)
		}
	}
	bad := map[string]string{"": "empty", "/a": "slash", "a/": "slash", "a//b": "slash", ".": `"."`, "a/..": `".."`, "../a": `".."`,
		"a\nb": "control", "a\x7f": "control", `a\b`: "backslash", "a\xff": "UTF-8", strings.Repeat("x", segment.MaxPrefixBytes+1): "at most"}
	for p, want := range bad {
		err := segment.CheckPrefix(p)
		if !errors.Is(err, segment.ErrPrefix) || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckPrefix(%q) = %v, want ErrPrefix that says %q", p, err, want)
		}
	}
	if got, err := segment.CleanPrefix("/cam1/"); got != "cam1" || err != nil {
		t.Errorf("CleanPrefix(/cam1/) = %q, %v; want cam1, as the original SDK stored it", got, err)
	}
}

// Lexical order of keys is time order: the property that listing rests on.
func TestKeyOrderIsTimeOrder(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	var times []time.Time
	for range 2000 {
		times = append(times, time.Unix(rng.Int63n(8e9), 0).UTC())
	}
	slices.SortFunc(times, time.Time.Compare)
	keys := make([]string, len(times))
	for i, tm := range times {
		keys[i] = segment.Key("cam", tm)
	}
	if !sort.StringsAreSorted(keys) {
		t.Error("keys of rising times are not in lexical order")
	}
	for i, tm := range times {
		for _, folder := range []string{segment.DayFolder("cam", tm), segment.HourFolder("cam", tm), segment.MinuteFolder("cam", tm)} {
			if !strings.HasPrefix(keys[i], folder) {
				t.Fatalf("%q is not in its folder %q", keys[i], folder)
			}
		}
		if after := segment.StartAfter("cam", tm); after >= keys[i] || segment.Key("cam", tm.Add(-time.Second)) > after {
			t.Fatalf("StartAfter(%v) = %q excludes %q or lets the second before in", tm, after, keys[i])
		}
	}
}

func TestNamesDoNotAllocate(t *testing.T) {
	key := []byte("shop/door/2026/03/09/04/05/06.ts")
	at := date(2026, 3, 9, 4, 5, 6, 0)
	buf := make([]byte, 0, 128)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, ok := segment.ParseKey(key); !ok {
			t.Fatal("refused")
		}
		buf = segment.AppendKey(buf[:0], "shop/door", at)
	}); n != 0 {
		t.Errorf("parsing and making a key allocates %v times, want 0", n)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("cam1/2026/03/09/04/05/06.ts")
	f.Add("a/../b/2026/03/09/04/05/06.ts")
	f.Add("/2026/02/29/24/60/60.ts")
	f.Fuzz(func(t *testing.T, key string) {
		prefix, start, ok := segment.ParseKey(key)
		if !ok {
			return
		}
		if again := segment.Key(prefix, start); again != key {
			t.Errorf("Key(ParseKey(%q)) = %q", key, again)
		}
		if err := segment.CheckPrefix(prefix); err != nil {
			t.Errorf("ParseKey(%q) let through %v", key, err)
		}
	})
}
