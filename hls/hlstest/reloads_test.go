// SPDX-License-Identifier: Apache-2.0

package hlstest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
)

var t0 = time.Date(2026, 3, 9, 10, 0, 0, 0, time.UTC)

// window is a live window of 3 s segments first..first+n-1.
func window(first, n int) hls.Playlist {
	p := hls.Playlist{TargetDuration: 3, MediaSequence: int64(first)}
	for i := first; i < first+n; i++ {
		p.Segments = append(p.Segments, hls.Segment{URI: fmt.Sprint(i, ".ts"), Duration: 3 * time.Second})
	}
	p.Segments[0].ProgramDateTime = t0.Add(time.Duration(first) * 3 * time.Second)
	return p
}

func TestReloadsAcceptsAWindowThatRolls(t *testing.T) {
	var r hlstest.Reloads
	for _, first := range []int{5, 5, 6, 8, 8, 30} {
		p := window(first, 6)
		if err := r.Add(p.AppendM3U8(nil, nil)); err != nil {
			t.Errorf("window from %d: %v", first, err)
		}
	}
	if r.Count != 6 || r.Changes != 3 || r.Jumps != 1 {
		t.Errorf("counted %d playlists, %d changes, %d jumps; want 6, 3, 1", r.Count, r.Changes, r.Jumps)
	}
	if uris, first := r.URIs(); first != 5 || len(uris) != 9+6 || uris[0] != "5.ts" {
		t.Errorf("URIs() = %q from %d", uris, first)
	}
}

func TestReloadsFinds(t *testing.T) {
	tests := []struct {
		name   string
		change func(p *hls.Playlist) // of the second playlist, window(6, 6) after window(5, 6)
		want   string
	}{
		{"another target duration", func(p *hls.Playlist) { p.TargetDuration = 4 }, "target duration changed"},
		{"numbers that go back", func(p *hls.Playlist) { *p = window(4, 7) }, "media sequence went back"},
		{"a shorter end", func(p *hls.Playlist) { p.Segments = p.Segments[:4] }, "the end went back"},
		{"a number that names another segment", func(p *hls.Playlist) { p.Segments[0].URI = "other.ts" }, "number 6 was 6.ts and is other.ts"},
		{"a segment under two numbers", func(p *hls.Playlist) { p.Segments[5].URI = "7.ts" }, "7.ts is number 7 and number 11"},
		{"another EXTINF", func(p *hls.Playlist) { p.Segments[4].Duration++ }, "EXTINF of number 10"},
		{"another date", func(p *hls.Playlist) {
			p.Segments[0].ProgramDateTime = p.Segments[0].ProgramDateTime.Add(40 * time.Millisecond)
		}, "date of number 6"},
		{"a late discontinuity", func(p *hls.Playlist) {
			p.Segments[2].Discontinuity = true
			p.Segments[2].ProgramDateTime = t0.Add(24 * time.Second)
		}, "number 8: discontinuity was false"},
		{"another discontinuity sequence", func(p *hls.Playlist) { p.DiscontinuitySequence = 1 }, "had discontinuity sequence 0"},
		{"too little left", func(p *hls.Playlist) { *p = window(10, 2) }, "less than three target durations"},
		{"a type", func(p *hls.Playlist) { p.Type = hls.Event }, "changed (6.2.1)"},
		{"an invalid playlist", func(p *hls.Playlist) { p.Segments[0].ProgramDateTime = time.Time{} }, "no date"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r hlstest.Reloads
			if err := r.AddPlaylist(window(5, 6)); err != nil {
				t.Fatal(err)
			}
			p := window(6, 6)
			tt.change(&p)
			if err := r.AddPlaylist(p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestReloadsOfAnEventPlaylist(t *testing.T) {
	event := func(n int, ended bool) hls.Playlist {
		p := window(0, n)
		p.Type, p.Ended = hls.Event, ended
		return p
	}
	var r hlstest.Reloads
	for _, p := range []hls.Playlist{event(3, false), event(5, false), event(5, true), event(5, true)} {
		if err := r.AddPlaylist(p); err != nil {
			t.Error(err)
		}
	}
	if err := r.AddPlaylist(event(6, false)); err == nil || !strings.Contains(err.Error(), "after its end") {
		t.Errorf("growing after its end: %v", err)
	}
}
