// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWarmPollIsOneReadOfTheTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	path := query("/playlist.m3u8", "camera_id", "cam1")
	step := 3 * time.Second
	next := time.Now().Truncate(time.Second).Add(-33 * step)
	next = next.Add(time.Duration(len(record(t, w.video, "cam1", next, 30, step))) * step)
	w.get("GET", path, nil).playlist(t)
	begin := time.Now()
	for attempt := 1; ; attempt++ {
		// A segment has just come, so the next one is not due for 3 s: nothing new can be there.
		for next.Before(time.Now().Add(-2 * step)) {
			next = next.Add(time.Duration(len(record(t, w.video, "cam1", next, 1, step))) * step)
		}
		before := w.get("GET", path, acceptGzip).playlist(t)
		time.Sleep(100 * time.Millisecond) // longer than one rendered playlist serves all viewers of an instance
		w.s3.take()
		w.db.take()
		after := w.get("GET", path, acceptGzip).playlist(t)
		s3, db := w.s3.take(), w.db.take()
		if len(s3) == 0 && len(db) == 1 && db[0].action == "dynamodb:GetItem" {
			if before.MediaSequence != after.MediaSequence || before.Segments[0].URI != after.Segments[0].URI {
				t.Errorf("the playlist changed: %d then %d", before.MediaSequence, after.MediaSequence)
			}
			break
		}
		if attempt == 20 || time.Since(begin) > 40*time.Second { // a machine that stalls for 3 s may spoil some
			t.Fatalf("a warm poll asked S3 for %v and DynamoDB for %v", s3, db)
		}
	}
	f := w.functions["PlaylistFunction"].Stats()
	if f.Boots != 1 {
		t.Errorf("%d boots", f.Boots)
	}
}

func TestColdStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	recordLive(t, w.video, "cam1", 3*time.Second)
	f := w.functions["PlaylistFunction"]
	var first, last response
	for i := range 8 {
		f.Recycle()
		last = w.get("GET", query("/playlist.m3u8", "camera_id", "cam1"), nil)
		if i == 0 {
			first = last
		}
	}
	a, b := first.playlist(t), last.playlist(t)
	if a.Segments[len(a.Segments)-1].ProgramDateTime.After(b.Segments[len(b.Segments)-1].ProgramDateTime) || a.MediaSequence > b.MediaSequence {
		t.Errorf("a fresh instance went back: MSN %d then %d", a.MediaSequence, b.MediaSequence)
	}
	inits := f.Stats().Inits
	slices.Sort(inits)
	if len(inits) != 8 || inits[0] > 5*time.Second {
		t.Errorf("inits %v", inits)
	}
	t.Logf("exec to the first question for an invocation, 8 boots: %v", inits)
}

// TestStoreFailures lets S3 fail in the ways in which it does.
func TestStoreFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	recordLive(t, w.video, "known", 3*time.Second)
	recordLive(t, w.video, "fresh", 3*time.Second)
	known := query("/playlist.m3u8", "camera_id", "known")
	was := w.get("GET", known, nil).playlist(t)
	tests := []struct {
		name, code string
		status     int // S3's
		want       int
		wantCode   string
	}{
		{"S3 is overloaded", "SlowDown", 503, 503, "storage_unavailable"},
		{"S3 fails", "InternalError", 500, 502, "storage_error"},
		{"the role lost its rights", "AccessDenied", 403, 502, "storage_refused"},
		{"the bucket is gone", "NoSuchBucket", 404, 502, "storage_refused"},
	}
	for _, tt := range tests {
		w.s3.disturb(func(rw http.ResponseWriter, _ *http.Request, _ call) bool {
			s3Error(rw, tt.status, tt.code, "as told")
			return true
		})
		var wg sync.WaitGroup // each function tries again for seconds before it gives up
		for _, path := range []string{
			query("/replay.m3u8", "camera_id", "fresh", "start", stamp(past), "end", stamp(past.Add(time.Minute))),
			query("/playlist.m3u8", "camera_id", "fresh"),
			"/cameras",
		} {
			wg.Go(func() {
				r := w.get("GET", path, nil)
				if r.status != tt.want || r.code(t) != tt.wantCode || strings.Contains(string(r.body), "as told") {
					t.Errorf("%s: %.20s: %d %s, want %d %s", tt.name, path, r.status, r.body, tt.want, tt.wantCode)
				}
			})
		}
		wg.Wait()
		// What is known is shown as it was.
		if p := w.get("GET", known, nil).playlist(t); p.MediaSequence != was.MediaSequence {
			t.Errorf("%s: the known camera's MSN went from %d to %d", tt.name, was.MediaSequence, p.MediaSequence)
		}
	}
	w.s3.disturb(nil)
	w.get("GET", query("/playlist.m3u8", "camera_id", "fresh"), nil).playlist(t)
}

// TestTableFailures lets DynamoDB fail.
func TestTableFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	recordLive(t, w.video, "cam1", 3*time.Second)
	path := query("/playlist.m3u8", "camera_id", "cam1")
	w.get("GET", path, nil).playlist(t)
	for _, tt := range []struct {
		status int
		kind   string
	}{
		{400, "ProvisionedThroughputExceededException"}, {500, "InternalServerError"}, {400, "AccessDeniedException"}, {400, "ResourceNotFoundException"},
	} {
		w.db.disturb(func(rw http.ResponseWriter, _ *http.Request, _ call) bool {
			rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
			rw.WriteHeader(tt.status)
			_, _ = rw.Write([]byte(`{"__type":"com.amazonaws.dynamodb.v20120810#` + tt.kind + `","message":"as told"}`))
			return true
		})
		r := w.get("GET", path, nil)
		if r.status < 500 || r.code(t) == "" || strings.Contains(string(r.body), "as told") {
			t.Errorf("%s: %d %s; want an error of the API that does not show what is inside", tt.kind, r.status, r.body)
		}
		t.Logf("%s: %d %s", tt.kind, r.status, r.code(t))
	}
	w.db.disturb(nil)
	w.get("GET", path, nil).playlist(t)
	if boots := w.functions["PlaylistFunction"].Stats().Boots; boots != 1 {
		t.Errorf("%d boots: the process must survive all this", boots)
	}
}

// TestHangingStores shows that a viewer hears of a store that does not answer before Lambda kills the function.
func TestHangingStores(t *testing.T) {
	t.Parallel()
	replay := query("/replay.m3u8", "camera_id", "cam1", "start", stamp(past), "end", stamp(past.Add(time.Hour)))
	live := query("/playlist.m3u8", "camera_id", "cam1")
	tests := []struct {
		name, path, function string
		table                bool // DynamoDB hangs, else S3
		timeout              time.Duration
	}{
		{"S3 below a replay", replay, "ReplayFunction", false, 0},
		{"S3 below a replay with little time", replay, "ReplayFunction", false, 3 * time.Second},
		{"S3 below the list of cameras", "/cameras", "CamerasFunction", false, 0},
		{"S3 below a live playlist", live, "PlaylistFunction", false, 0},
		{"DynamoDB below a live playlist", live, "PlaylistFunction", true, 0},
		{"DynamoDB below a live playlist with little time", live, "PlaylistFunction", true, 3 * time.Second},
	}
	var wg sync.WaitGroup // at once: each waits for seconds
	for _, tt := range tests {
		w := newWorld(t, options{timeout: tt.timeout})
		recordLive(t, w.video, "cam1", 3*time.Second)
		g := w.s3
		if tt.table {
			g = w.db
		}
		release := make(chan struct{})
		g.disturb(func(http.ResponseWriter, *http.Request, call) bool { <-release; return false })
		wg.Go(func() {
			r := w.get("GET", tt.path, nil)
			if r.status != http.StatusGatewayTimeout || r.code(t) != "storage_timeout" {
				t.Errorf("%s: %d %s", tt.name, r.status, r.body)
			}
			close(release)
			g.disturb(nil)
			if r := w.get("GET", tt.path, nil); r.status >= 500 {
				t.Errorf("%s: afterwards %d %s", tt.name, r.status, r.body)
			}
			if s := w.functions[tt.function].Stats(); s.Boots != 1 {
				t.Errorf("%s: %d boots, so the function was killed", tt.name, s.Boots)
			}
		})
	}
	wg.Wait()
}

// TestFunctionThatCannotStart shows what a wrong environment looks like from outside and in the log.
func TestFunctionThatCannotStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{env: map[string]string{"ITEM_IN_PLAYLIST": "many", "TS_CLIP_DURATION": "-1"}})
	r := w.get("GET", query("/playlist.m3u8", "camera_id", "cam1"), nil)
	if r.status != http.StatusInternalServerError || string(r.body) != `{"message":"Internal Server Error"}` {
		t.Errorf("got %d %s", r.status, r.body)
	}
	logs := w.functions["PlaylistFunction"].Logs()
	if !strings.Contains(logs, "ITEM_IN_PLAYLIST") || !strings.Contains(logs, "TS_CLIP_DURATION") {
		t.Errorf("the log does not name both variables: %s", logs)
	}
}
