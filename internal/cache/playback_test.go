// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/segment"
)

// steady is a bucket with one camera that stores a segment of 3 s every 3 s, half a second after its end.
type steady struct {
	now   func() time.Time
	start time.Time
	lists int
}

func (s *steady) List(_ context.Context, prefix, startAfter string, _ int, yield func([]byte, int64) bool) error {
	s.lists++
	for at := s.start; !at.Add(3500 * time.Millisecond).After(s.now()); at = at.Add(3 * time.Second) {
		if key := segment.Key("cam", at); strings.HasPrefix(key, prefix) && key > startAfter && !yield([]byte(key), 188_000) {
			break
		}
	}
	return nil
}

func (s *steady) ListFolders(context.Context, string, func(string) bool) error { return nil }

// Eight servers share a table that throttles, loses answers and is damaged now and then. A viewer who meets them at random
// sees one history whose numbers never go back; a poll when nothing can be new is one read of the table and nothing else.
func TestServersThatShareATableShowOneHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	clock := now
	f := newTable(t)
	f.fail = func(_ context.Context, _ string, _ int, done bool) error {
		switch r.IntN(40) {
		case 0:
			if !done {
				return answerError("ThrottlingException", 400, "slow")
			}
		case 1:
			return answerError("InternalServerError", 500, "oops")
		}
		return nil
	}
	bucket := &steady{now: func() time.Time { return clock }, start: now.Add(-time.Hour)}
	var servers []*playback.Service
	for range 8 {
		s, err := playback.New(playback.Config{Store: bucket, Windows: openTable(t, f, "t"), Now: bucket.now})
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, s)
	}
	var seen hlstest.Reloads
	first, last, damaged := int64(-1), int64(-1), 0
	for i := range 600 {
		p, err := servers[r.IntN(len(servers))].Live(t.Context(), "cam")
		if err != nil {
			t.Fatalf("poll %d: %v", i, err)
		}
		if p.MediaSequence < last {
			t.Fatalf("poll %d: the number went back from %d to %d", i, last, p.MediaSequence)
		}
		if first < 0 {
			first = p.MediaSequence
		}
		last = p.MediaSequence
		if damaged == 0 { // afterwards the numbers may jump forward
			if err := seen.AddPlaylist(p); err != nil {
				t.Fatalf("poll %d: %v", i, err)
			}
		}
		clock = clock.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
		if i >= 400 && i%20 == 0 {
			f.items["cam"]["window"] = &types.AttributeValueMemberS{Value: "damaged"}
			damaged++
		}
	}
	if last-first < 150 || seen.Changes < 80 || damaged != 10 {
		t.Errorf("numbers %d to %d, %d changes, damaged %d times: the test tests nothing", first, last, seen.Changes, damaged)
	}

	f.fail = nil
	if _, err := servers[0].Live(t.Context(), "cam"); err != nil {
		t.Fatal(err)
	}
	f.reads, f.puts, bucket.lists = nil, nil, 0
	for range 8 {
		if _, err := servers[1].Live(t.Context(), "cam"); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.reads) != 8 || len(f.puts) != 0 || bucket.lists != 0 {
		t.Errorf("8 polls with a warm cache: %d reads, %d writes, %d listings; want 8, 0, 0", len(f.reads), len(f.puts), bucket.lists)
	}
}
