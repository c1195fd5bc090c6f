// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/s3"
)

// past is a full hour that is over for good.
var past = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func TestLongReplaysFitIntoTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	const perHour = 1200 // segments of 3 s
	w.s3.disturb(endless("cam1", past, 7*24*perHour))
	path := func(d time.Duration) string {
		return query("/replay.m3u8", "camera_id", "cam1", "start", stamp(past), "end", stamp(past.Add(d)))
	}

	w.s3.take()
	hour := w.get("GET", path(time.Hour), acceptGzip)
	pages := count(w.s3.take(), "s3:ListBucket")
	if got := len(hour.playlist(t).Segments); got != perHour || pages > 3 {
		t.Errorf("1 h: %d segments, %d pages of LIST; want %d with at most 3", got, pages, perHour)
	}
	for _, days := range []int{1, 7} {
		d := time.Duration(days) * 24 * time.Hour
		begin := time.Now()
		r := w.get("GET", path(d), acceptGzip)
		calls := w.s3.take()
		p := r.playlist(t)
		if len(p.Segments) != days*24*perHour || p.Duration() != d {
			t.Errorf("%v: %d segments, %v long", d, len(p.Segments), p.Duration())
		}
		t.Logf("%v: %d segments, %d bytes compressed, %d plain, %d pages of LIST, %d other calls to S3, %.1f s", d, len(p.Segments), len(r.body), len(r.text(t)),
			count(calls, "s3:ListBucket"), len(calls)-count(calls, "s3:ListBucket"), time.Since(begin).Seconds())
	}
	// Without compression a week is more than Lambda carries: the viewer learns what to do instead of meeting "Internal Server Error".
	r := w.get("GET", path(7*24*time.Hour), nil)
	if r.status != http.StatusRequestEntityTooLarge || r.code(t) != "answer_too_large" || !strings.Contains(string(r.body), "gzip") {
		t.Errorf("7 d without gzip: %d %.500s", r.status, r.body)
	}
}

func TestSignedReplayOfADayFits(t *testing.T) {
	t.Parallel()
	// The manual's way, which a deployer may choose: an entry is some 1.5 kB. The service signs only what plays before its own
	// credentials may end, so a day comes with addresses that lead to signed ones.
	w := newWorld(t, options{parameters: map[string]string{"ReplaySegmentDelivery": "presign"}})
	w.s3.disturb(endless("cam1", past, 24*1200))
	for _, tt := range []struct {
		d      time.Duration
		signed bool
	}{{20 * time.Minute, true}, {24 * time.Hour, false}} {
		r := w.get("GET", query("/replay.m3u8", "camera_id", "cam1", "start", stamp(past), "end", stamp(past.Add(tt.d))), acceptGzip)
		p := r.playlist(t)
		if got := strings.Contains(p.Segments[0].URI, "X-Amz-Signature"); got != tt.signed || len(p.Segments) != int(tt.d/(3*time.Second)) {
			t.Errorf("%v: signed URLs %v, want %v; %d segments; %d bytes", tt.d, got, tt.signed, len(p.Segments), len(r.body))
		}
	}
}

func TestReplayOutlivesTheCredentialsThatServedIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{parameters: map[string]string{"TSClipDuration": "10"}, instances: 2})
	recorded := record(t, w.video, "cam1", past, 360, 10*time.Second)
	replay := w.functions["ReplayFunction"]
	first, ok := w.people.find(w.firstKey("ReplayFunction"))
	if !ok {
		t.Fatal("the function has no credentials")
	}

	// A viewer begins to watch an hour.
	p := w.get("GET", query("/replay.m3u8", "camera_id", "cam1", "start", stamp(past), "end", stamp(past.Add(time.Hour))), acceptGzip).playlist(t)
	location := fetch(t, "GET", w.resolve(p.Segments[0].URI), nil).header.Get("Location")
	if r := fetch(t, "GET", location, nil); r.status != http.StatusOK || string(r.body) != content(recorded[0]) {
		t.Fatalf("first segment: %d %.300s", r.status, r.body)
	}
	// And pauses for longer than a signed URL lives, and for longer than the function's session.
	if r := fetch(t, "GET", w.signedAt(t, first, recorded[1], -61*time.Second), nil); r.status != http.StatusForbidden {
		t.Errorf("a URL signed for 60 s, 61 s ago: %d %.300s", r.status, r.body)
	}
	w.people.expire(first.creds.AccessKeyID)
	replay.SetEnv(credentialsEnv(w.session("ReplayRole", nil)))
	replay.Recycle()
	if r := fetch(t, "GET", location, nil); r.status < 400 {
		t.Errorf("a URL signed with credentials that ended: %d", r.status)
	}

	// What the playlist lists still plays, all of it.
	var wg sync.WaitGroup
	work := make(chan int)
	for range 4 {
		wg.Go(func() {
			for i := range work {
				r := fetch(t, "GET", w.resolve(p.Segments[i].URI), nil)
				if r = fetch(t, "GET", r.header.Get("Location"), nil); r.status != http.StatusOK || string(r.body) != content(recorded[i]) {
					t.Errorf("segment %d: %d %.300s", i, r.status, r.body)
				}
			}
		})
	}
	for i := range p.Segments {
		work <- i
	}
	close(work)
	wg.Wait()
	if len(p.Segments) != len(recorded) || replay.Stats().Boots < 2 {
		t.Errorf("%d segments of %d, %d boots", len(p.Segments), len(recorded), replay.Stats().Boots)
	}
}

// signedAt is a URL as the function's redirects have it, signed at another time.
func (w *world) signedAt(t *testing.T, who person, key string, offset time.Duration) string {
	t.Helper()
	client, err := s3.New(s3.Config{Endpoint: w.s3.URL, Region: w.stack.Region, Bucket: w.video.Name(), PathStyle: true,
		Credentials: s3.Static(who.creds.AccessKeyID, s3.Secret(who.creds.SecretAccessKey), s3.Secret(who.creds.SessionToken))})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := client.Presigner(t.Context(), time.Now().Add(offset), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return string(signer.AppendGet(nil, key))
}

func TestGrowingReplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{instances: 2, spread: true})
	start := time.Now().UTC().Truncate(time.Second).Add(-2 * time.Minute)
	record(t, w.video, "cam1", start, 20, 3*time.Second)
	path := query("/replay.m3u8", "camera_id", "cam1", "start", stamp(start))
	before := w.get("GET", path, nil).playlist(t)
	record(t, w.video, "cam1", start.Add(time.Minute), 20, 3*time.Second)
	var after hls.Playlist
	polltest.Until(t, 30*time.Second, "the playlist grows", func() bool { // when it is due to look again
		after = w.get("GET", path, nil).playlist(t) // of two instances in turn
		return len(after.Segments) > len(before.Segments)
	})
	if before.Type != hls.Event || after.Type != hls.Event || before.Ended || len(before.Segments) == 0 {
		t.Fatalf("types %v and %v, ended %v, %d segments", before.Type, after.Type, before.Ended, len(before.Segments))
	}
	for i, s := range before.Segments {
		if a := after.Segments[i]; a.URI != s.URI || a.Duration != s.Duration {
			t.Errorf("segment %d became %s %v, was %s %v", i, a.URI, a.Duration, s.URI, s.Duration)
		}
	}
	if n := len(w.functions["ReplayFunction"].Stats().PerInstance); n != 2 {
		t.Errorf("%d instances answered", n)
	}
}

func TestCrashedInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	recorded := record(t, w.video, "cam1", past, 20, 3*time.Second)
	path := query("/replay.m3u8", "camera_id", "cam1", "start", stamp(past), "end", stamp(past.Add(time.Minute)))
	if got := len(w.get("GET", path, nil).playlist(t).Segments); got != len(recorded) {
		t.Fatalf("%d segments", got)
	}
	f := w.functions["ReplayFunction"]
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	w.s3.disturb(func(http.ResponseWriter, *http.Request, call) bool { arrived <- struct{}{}; <-release; return false })
	answer := make(chan response, 1)
	go func() { answer <- w.get("GET", path, nil) }()
	<-arrived
	f.Crash()
	if r := <-answer; r.status != http.StatusInternalServerError || string(r.body) != `{"message":"Internal Server Error"}` {
		t.Errorf("the call during the crash: %d %s", r.status, r.body)
	}
	close(release)
	w.s3.disturb(nil)
	if got := len(w.get("GET", path, nil).playlist(t).Segments); got != len(recorded) {
		t.Errorf("after the crash: %d segments", got)
	}
	if s := f.Stats(); s.Boots != 2 {
		t.Errorf("%d boots, want 2", s.Boots)
	}
}
