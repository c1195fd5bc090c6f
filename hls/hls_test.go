// SPDX-License-Identifier: Apache-2.0

package hls_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
)

var t0 = time.Date(2026, 3, 9, 23, 59, 58, 123456789, time.UTC)

func playlistText(p hls.Playlist) string { return string(p.AppendM3U8(nil, nil)) }

func TestAppendM3U8(t *testing.T) {
	tests := []struct {
		name string
		p    hls.Playlist
		want string
	}{
		{"live: both counters, no type, no end", hls.Playlist{TargetDuration: 3, MediaSequence: 195_000_017, Independent: true, Segments: []hls.Segment{
			{URI: "a.ts", Duration: 3 * time.Second, ProgramDateTime: t0},
			{URI: "b.ts", Duration: 3200 * time.Millisecond},
			{URI: "c.ts", Duration: 3*time.Second + time.Nanosecond, Discontinuity: true, ProgramDateTime: t0.Add(time.Hour).In(time.FixedZone("CST", 8*3600))},
		}}, `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:3
#EXT-X-MEDIA-SEQUENCE:195000017
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-PROGRAM-DATE-TIME:2026-03-09T23:59:58.123Z
#EXTINF:3,
a.ts
#EXTINF:3.2,
b.ts
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-03-10T00:59:58.123Z
#EXTINF:3.000000001,
c.ts
`},
		{"VOD that starts inside its first segment", hls.Playlist{TargetDuration: 4, Type: hls.VOD, Ended: true, HasStart: true, StartOffset: 1300 * time.Millisecond,
			Segments: []hls.Segment{{URI: "a.ts", Duration: 3_600_011 * time.Microsecond, ProgramDateTime: t0}}}, `#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-START:TIME-OFFSET=1.3,PRECISE=YES
#EXT-X-PROGRAM-DATE-TIME:2026-03-09T23:59:58.123Z
#EXTINF:3.600011,
a.ts
#EXT-X-ENDLIST
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := playlistText(tt.p)
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err := tt.p.Validate(); err != nil {
				t.Errorf("Validate: %v", err)
			}
			back, err := hls.Parse([]byte(got))
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if again := playlistText(back); again != got {
				t.Errorf("parsed and written again\n%s\nwant\n%s", again, got)
			}
			crlf, err := hls.Parse([]byte(strings.ReplaceAll(got, "\n", "\r\n")))
			if err != nil || !reflect.DeepEqual(crlf, back) {
				t.Errorf("with CRLF: %+v, %v; want the same playlist", crlf, err)
			}
		})
	}
}

func TestAppendM3U8AllocatesNothingIntoALargeBuffer(t *testing.T) {
	p := hls.Playlist{TargetDuration: 3, Type: hls.VOD, Ended: true, HasStart: true, StartOffset: 1, Segments: make([]hls.Segment, 1000)}
	for i := range p.Segments {
		p.Segments[i] = hls.Segment{Key: int64(i), Duration: 3*time.Second + time.Duration(i)*time.Microsecond, ProgramDateTime: t0}
	}
	uri := func(dst []byte, s *hls.Segment) []byte { return hls.AppendPath(dst, "segments/cam 1/é.ts") }
	dst := make([]byte, 0, 1<<20)
	if n := testing.AllocsPerRun(10, func() { dst = p.AppendM3U8(dst[:0], uri) }); n != 0 {
		t.Errorf("AppendM3U8 of 1000 segments: %v allocations, want 0", n)
	}
	if got, err := hls.Parse(dst); err != nil || len(got.Segments) != 1000 || got.Segments[999].URI != "segments/cam%201/%C3%A9.ts" {
		t.Errorf("read back: %d segments, %v", len(got.Segments), err)
	}
}

func TestSecondsAreExactDecimals(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0"}, {1, "0.000000001"}, {time.Second, "1"}, {90 * time.Minute, "5400"}, {3003 * time.Millisecond, "3.003"},
		{100 * time.Millisecond, "0.1"}, {-1500 * time.Millisecond, "-1.5"}, {999_999_999, "0.999999999"}, {10*time.Second + 10, "10.00000001"},
	} {
		got := string(hls.AppendSeconds(nil, tt.d))
		if got != tt.want {
			t.Errorf("AppendSeconds(%d) = %q, want %q", tt.d, got, tt.want)
		}
		if back, err := hls.ParseSeconds(got); err != nil || back != tt.d {
			t.Errorf("ParseSeconds(%q) = %d, %v; want %d", got, back, err, tt.d)
		}
	}
	for _, s := range []string{"", ".5", "1.", "+1", "1e3", "--1", "1.1234567890", "1234567890", "0x10", "1 ", "١"} {
		if d, err := hls.ParseSeconds(s); err == nil {
			t.Errorf("ParseSeconds(%q) = %v, want an error", s, d)
		}
	}
}

func TestAppendPathEscapesWhatAPathMayNotHold(t *testing.T) {
	for in, want := range map[string]string{
		"cam1/2026/03/09/10/00/00.ts": "cam1/2026/03/09/10/00/00.ts",
		"front door#1?%+\"é":          "front%20door%231%3F%25%2B%22%C3%A9",
		"a:b@c=d,e;f~g":               "a:b@c=d,e;f~g",
	} {
		if got := string(hls.AppendPath(nil, in)); got != want {
			t.Errorf("AppendPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRoundedSeconds(t *testing.T) {
	for d, want := range map[time.Duration]int{0: 0, 499 * time.Millisecond: 0, 3499_999_999: 3, 3500 * time.Millisecond: 4, 9499 * time.Millisecond: 9} {
		if got := hls.RoundedSeconds(d); got != want {
			t.Errorf("RoundedSeconds(%v) = %d, want %d", d, got, want)
		}
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	seg := func(d time.Duration, pdt time.Time) hls.Segment {
		return hls.Segment{URI: "a.ts", Duration: d, ProgramDateTime: pdt}
	}
	good := seg(3*time.Second, t0)
	tests := []struct {
		name string
		p    hls.Playlist
		want []string
	}{
		{"nothing set", hls.Playlist{}, []string{"target duration 0", "no segment"}},
		{"three at once", hls.Playlist{TargetDuration: 2, Type: hls.VOD, Version: 2, MediaSequence: -1, Segments: []hls.Segment{good}},
			[]string{"version 2", "media sequence -1", "VOD without ENDLIST", "rounds above the target duration 2"}},
		{"live that ended", hls.Playlist{TargetDuration: 3, Ended: true, Segments: []hls.Segment{good}}, []string{"live window with ENDLIST"}},
		{"no date at the front", hls.Playlist{TargetDuration: 3, Segments: []hls.Segment{seg(3*time.Second, time.Time{})}}, []string{"no date"}},
		{"no date after a discontinuity", hls.Playlist{TargetDuration: 3, Segments: []hls.Segment{good, {URI: "b", Duration: 1, Discontinuity: true}}}, []string{"segment 1: no date"}},
		{"dates overlap by a second", hls.Playlist{TargetDuration: 3, Segments: []hls.Segment{good, {URI: "b", Duration: 1, Discontinuity: true, ProgramDateTime: t0.Add(2 * time.Second)}}}, []string{"dated 1s before"}},
		{"a date that the sum of durations does not give", hls.Playlist{TargetDuration: 3, Segments: []hls.Segment{good, seg(1, t0.Add(3100*time.Millisecond))}}, []string{"off by 100ms"}},
		{"zero duration", hls.Playlist{TargetDuration: 3, Segments: []hls.Segment{seg(0, t0)}}, []string{"duration 0s"}},
		{"a line break in a URI", hls.Playlist{TargetDuration: 3, Segments: []hls.Segment{{URI: "a\n#EXT-X-ENDLIST", Duration: 1, ProgramDateTime: t0}}}, []string{"control character"}},
		{"a start behind the end", hls.Playlist{TargetDuration: 3, Type: hls.Event, HasStart: true, StartOffset: time.Minute, Segments: []hls.Segment{good}}, []string{"EXT-X-START at 1m0s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.p.Validate()
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Validate = %v, want it to say %q", err, want)
				}
			}
			if err != nil && len(strings.Split(err.Error(), "\n")) != len(tt.want) {
				t.Errorf("Validate = %q, want %d problems", err, len(tt.want))
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n"
	for name, text := range map[string]string{
		"nothing":                               "",
		"no header":                             "#EXT-X-VERSION:3\n",
		"a byte order mark":                     "\ufeff" + head,
		"no target duration":                    "#EXTM3U\n#EXTINF:3,\na.ts\n",
		"a URI without EXTINF":                  head + "a.ts\n",
		"an EXTINF without URI":                 head + "#EXTINF:3,\n",
		"an EXTINF without comma":               head + "#EXTINF:3\na.ts\n",
		"two EXTINF":                            head + "#EXTINF:3,\n#EXTINF:3,\na.ts\n",
		"a negative EXTINF":                     head + "#EXTINF:-3,\na.ts\n",
		"an exponent":                           head + "#EXTINF:3e0,\na.ts\n",
		"decimals in version 2":                 "#EXTM3U\n#EXT-X-VERSION:2\n#EXT-X-TARGETDURATION:3\n#EXTINF:3.0,\na.ts\n",
		"a repeated tag":                        head + "#EXT-X-TARGETDURATION:3\n#EXTINF:3,\na.ts\n",
		"the media sequence behind a segment":   head + "#EXTINF:3,\na.ts\n#EXT-X-MEDIA-SEQUENCE:1\n",
		"the discontinuity sequence behind one": head + "#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXTINF:3,\na.ts\n",
		"a VOD without end":                     head + "#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:3,\na.ts\n",
		"another type":                          head + "#EXT-X-PLAYLIST-TYPE:LIVE\n#EXTINF:3,\na.ts\n",
		"text behind the end":                   head + "#EXTINF:3,\na.ts\n#EXT-X-ENDLIST\n#EXTINF:3,\nb.ts\n",
		"a control character":                   head + "#EXTINF:3,\na\x00.ts\n",
		"bytes that are not UTF-8":              head + "#EXTINF:3,\na\xff.ts\n",
		"a negative media sequence":             head + "#EXT-X-MEDIA-SEQUENCE:-1\n#EXTINF:3,\na.ts\n",
		"a media sequence beyond 64 bits":       head + "#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n#EXTINF:3,\na.ts\n",
		"a date without zone":                   head + "#EXT-X-PROGRAM-DATE-TIME:2026-03-09T23:59:58\n#EXTINF:3,\na.ts\n",
		"a start without offset":                head + "#EXT-X-START:PRECISE=YES\n#EXTINF:3,\na.ts\n",
		"a multivariant playlist":               head + "#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n",
		"a line too long":                       head + "#EXTINF:3,\n" + strings.Repeat("a", hls.MaxLine+1) + "\n",
		"a discontinuity at the end":            head + "#EXTINF:3,\na.ts\n#EXT-X-DISCONTINUITY\n",
	} {
		if p, err := hls.Parse([]byte(text)); !errors.Is(err, hls.ErrSyntax) {
			t.Errorf("%s: %+v, %v; want ErrSyntax", name, p, err)
		}
	}
	if p, err := hls.Parse([]byte(head + "#EXT-X-UNKNOWN:1\n# comment\n\n#EXTINF:3,title\na.ts")); err != nil || len(p.Segments) != 1 {
		t.Errorf("unknown tags, comments, empty lines, a title, no last line feed: %+v, %v", p, err)
	}
}

func FuzzParse(f *testing.F) {
	p := hls.Playlist{TargetDuration: 4, MediaSequence: 7, DiscontinuitySequence: 2, Type: hls.Event, Independent: true, HasStart: true, StartOffset: 1500 * time.Millisecond,
		Segments: []hls.Segment{{URI: "a.ts", Duration: 3200 * time.Millisecond, ProgramDateTime: t0}, {URI: "b.ts", Duration: 1, Discontinuity: true}}}
	f.Add([]byte(playlistText(p)))
	p.Type, p.Ended = hls.VOD, true
	f.Add([]byte(playlistText(p)))
	f.Add([]byte("#EXTM3U\r\n#EXT-X-TARGETDURATION:1\r\n#EXTINF:1,x\r\nu\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := hls.Parse(text)
		if err != nil {
			if !errors.Is(err, hls.ErrSyntax) {
				t.Fatalf("error %v does not wrap ErrSyntax", err)
			}
			return
		}
		_ = p.Validate() // must not panic
		once := playlistText(p)
		again, err := hls.Parse([]byte(once))
		if err != nil {
			t.Fatalf("written again it does not parse: %v\n%s", err, once)
		}
		if twice := playlistText(again); twice != once {
			t.Fatalf("not stable:\n%s\n%s", once, twice)
		}
	})
}

func ExamplePlaylist_AppendM3U8() {
	p := hls.Playlist{TargetDuration: 3, Type: hls.VOD, Ended: true, Segments: []hls.Segment{
		{Key: 1609459200, Duration: 3 * time.Second, ProgramDateTime: time.Unix(1609459200, 0)},
	}}
	fmt.Print(string(p.AppendM3U8(nil, func(dst []byte, s *hls.Segment) []byte {
		return time.Unix(s.Key, 0).UTC().AppendFormat(dst, "segments/demo/2006/01/02/15/04/05.ts")
	})))
	// Output:
	// #EXTM3U
	// #EXT-X-VERSION:3
	// #EXT-X-TARGETDURATION:3
	// #EXT-X-MEDIA-SEQUENCE:0
	// #EXT-X-PLAYLIST-TYPE:VOD
	// #EXT-X-PROGRAM-DATE-TIME:2021-01-01T00:00:00.000Z
	// #EXTINF:3,
	// segments/demo/2021/01/01/00/00/00.ts
	// #EXT-X-ENDLIST
}
