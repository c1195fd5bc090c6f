// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/hls/hlstest"
	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/uploader"
)

// devicePutter joins the device's PUT to the uploader.
type devicePutter struct{ client *s3put.Client }

func (p devicePutter) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	return p.client.Put(ctx, &s3put.Object{Key: o.Key, Parts: o.Parts, Size: o.Size, CRC32C: o.CRC32C, Tags: o.Tags, Time: o.Time, Sent: o.Sent, Again: o.Again})
}

// TestManyViewersOfOneCamera lets 50 viewers poll two cameras that record meanwhile, through four instances of the function that
// share nothing but the table.
func TestManyViewersOfOneCamera(t *testing.T) {
	const viewers, instances = 50, 4
	length := 20 * time.Second
	if os.Getenv("S3CAM_TEST_LONG") != "" {
		length = 2 * time.Minute
	}
	w := newWorld(t, options{instances: instances, spread: true})
	cameras := map[string]time.Duration{"front-door": 3 * time.Second, "workshop": time.Second}
	w.film(t, cameras)

	w.s3.take()
	w.db.take()
	f, next := w.functions["PlaylistFunction"], credentialsEnv(w.session("PlaylistRole", nil))
	ends := time.Now().Add(length)
	names := slices.Sorted(maps.Keys(cameras))
	seen := make([]hlstest.Reloads, viewers)
	var wg sync.WaitGroup
	for i := range viewers {
		camera := names[i%len(names)]
		seen[i].IgnoreQuery = true // signed anew
		wg.Go(func() { w.watch(t, &seen[i], camera, cameras[camera], ends) })
	}
	// Half-way Lambda replaces all instances, and the new ones get other credentials.
	half := time.AfterFunc(length/2, func() { f.SetEnv(next); f.Recycle() })
	defer half.Stop()
	wg.Wait()

	// Every viewer saw a legal history; now whether all saw the same one.
	polls, changes := 0, 0
	for c, name := range names {
		history := map[int64]string{}
		for i := c; i < viewers; i += len(names) {
			v := &seen[i]
			polls, changes = polls+v.Count, changes+v.Changes
			if v.Jumps != 0 || v.Count < 4 || v.Changes < int(length/cameras[name])/3 {
				t.Errorf("viewer %d of %s: %d polls, %d changes, %d jumps", i, name, v.Count, v.Changes, v.Jumps)
			}
			uris, first := v.URIs()
			for n, uri := range uris {
				msn := first + int64(n)
				uri, _, _ = strings.Cut(uri, "?")
				if other, ok := history[msn]; ok && uri != "" && other != uri {
					t.Errorf("%s: segment %d is %s for one viewer and %s for viewer %d", name, msn, other, uri, i)
				}
				if uri != "" {
					history[msn] = uri
				}
			}
		}
		if len(history) < int(length/cameras[name])/2 {
			t.Errorf("%s: %d segments in all", name, len(history))
		}
	}
	s, s3, db := f.Stats(), w.s3.take(), w.db.take()
	if len(s.PerInstance) != 2*instances || slices.Min(s.PerInstance) < 5 {
		t.Errorf("invocations by instance: %v, want all of %d at work", s.PerInstance, 2*instances)
	}
	t.Logf("%v: %d polls, %d changes seen, by instance %v; DynamoDB: %d reads, %d writes; S3: %d lists, %d reads, %d segments stored",
		length, polls, changes, s.PerInstance, count(db, "dynamodb:GetItem"), count(db, "dynamodb:PutItem"), count(s3, "s3:ListBucket"), count(s3, "s3:GetObject"), count(s3, "s3:PutObject"))
}

// film switches cameras on, with credentials of their own, and waits until they can be watched. They stop at the end of the test.
func (w *world) film(t *testing.T, cameras map[string]time.Duration) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { stop(); wg.Wait() })
	clips := map[bool]simcam.Clip{true: simcam.FrontDoor(), false: simcam.Workshop()}
	for name, length := range cameras {
		client := newClients(t, w.s3.URL, w.stack.Region, w.video.Name(), w.device(name)).device
		camera, err := simcam.New(simcam.Config{Clip: clips[name == "front-door"], Uploader: uploader.Config{
			Prefix: name, SegmentDuration: length, Putter: devicePutter{client}, UploadJitter: -1,
			OnDrop: func(d uploader.Drop) { t.Errorf("%s lost a segment: %+v", name, d) },
		}})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := camera.Run(ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for name := range cameras {
		polltest.Until(t, time.Minute, name+" can be watched", func() bool {
			return w.get("GET", query("/playlist.m3u8", "camera_id", name), nil).status == http.StatusOK
		})
	}
}

// watch polls as players do: about every half target duration, no two in step.
func (w *world) watch(t *testing.T, seen *hlstest.Reloads, camera string, segment time.Duration, ends time.Time) {
	path := w.api.URL + query("/playlist.m3u8", "camera_id", camera)
	for time.Now().Before(ends) {
		r := fetch(t, "GET", path, acceptGzip)
		if r.status != http.StatusOK {
			t.Errorf("%s: status %d: %.300s", camera, r.status, r.body)
			return
		}
		text := r.text(t)
		if err := seen.Add([]byte(text)); err != nil {
			t.Errorf("%s: %v\n%s", camera, err, hideSignatures(text))
			return
		}
		time.Sleep(segment/4 + time.Duration(rand.Int64N(int64(segment)))) // 1.25 of a segment at most
	}
}

// hideSignatures leaves a playlist readable.
func hideSignatures(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i], _, _ = strings.Cut(l, "?")
	}
	return fmt.Sprintf("%.4000s", strings.Join(lines, "\n"))
}
