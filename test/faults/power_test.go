// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/s3"
)

// load is cameras that upload as fast as they can, and what they know.
type load struct {
	mu    sync.Mutex
	tried map[string]body
	acked map[string]body
}

func (l *load) snapshot() map[string]body {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked)
}

// run uploads from n cameras until ctx ends. Each key is used once; minutes, hours and days change often, so that folders are made all the time.
func (l *load) run(ctx context.Context, t *testing.T, endpoint string, n int, seed uint64) {
	client, err := s3.New(s3.Config{Endpoint: endpoint, Region: region, Bucket: bucket, PathStyle: true, Credentials: s3.Static(accessKey, secretKey, "")})
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	var wg sync.WaitGroup
	for cam := range n {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(cam)))
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i := 0; ctx.Err() == nil && i < mostSegments*6/5/n; i++ {
				key := fmt.Sprintf("cam%d/%s.ts", cam, at.Format("2006/01/02/15/04/05"))
				at = at.Add([]time.Duration{time.Second, time.Second, 3 * time.Second, time.Minute, time.Hour, 24 * time.Hour}[r.IntN(6)])
				data := make([]byte, 188*(1+r.IntN(400)))
				for j := range data {
					data[j] = byte(r.Uint32())
				}
				b := body{len(data), crc32.Checksum(data, castagnoli)}
				l.mu.Lock()
				l.tried[key] = b
				l.mu.Unlock()
				if _, err := client.PutOnce(ctx, key, bytes.NewReader(data), int64(len(data)), s3.PutOptions{IfNoneMatch: true, CRC32C: &b.crc}); err != nil {
					if ctx.Err() == nil {
						t.Errorf("PUT %s: %v", key, err)
					}
					return
				}
				l.mu.Lock()
				l.acked[key] = b
				l.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// afterCut looks at what a cut has left: each acknowledged segment with all its bytes, and nothing that is only a piece of one.
func (l *load) afterCut(dir string, acked map[string]body) (lost, torn []string, objects int) {
	for key, want := range acked {
		data, err := os.ReadFile(filepath.Join(dir, bucket, key))
		if err != nil {
			lost = append(lost, fmt.Sprintf("%s: %v", key, err))
		} else if got := (body{len(data), crcOf(data)}); got != want {
			lost = append(lost, fmt.Sprintf("%s is %+v, want %+v", key, got, want))
		}
	}
	l.mu.Lock()
	tried := maps.Clone(l.tried)
	l.mu.Unlock()
	filepath.WalkDir(filepath.Join(dir, bucket), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			torn = append(torn, err.Error())
			return nil
		}
		if d.IsDir() {
			if d.Name() == ".sgwtmp" {
				return fs.SkipDir
			}
			return nil
		}
		objects++
		key, _ := filepath.Rel(filepath.Join(dir, bucket), path)
		data, err := os.ReadFile(path)
		if got := (body{len(data), crcOf(data)}); err != nil || got != tried[key] {
			torn = append(torn, fmt.Sprintf("%s is %+v, was sent as %+v: %v", key, got, tried[key], err))
		}
		return nil
	})
	return lost, torn, objects
}

// TestPowerCuts cuts the power again and again while cameras upload to the real s3cam serve, beginning with its very first second on an empty disk. After each cut the
// disk is mounted as at the next boot: every segment that was acknowledged before is there with all its bytes.
func TestPowerCuts(t *testing.T) {
	programs(t)
	r := random(t)
	end := time.Now().Add(length(t, 12*time.Second) / 2)
	for round := 0; round == 0 || time.Now().Before(end) && !t.Failed(); round++ {
		t.Run(fmt.Sprintf("disk %d", round), func(t *testing.T) { powerCuts(t, r, end) })
	}
}

// mostSegments is what fits on the disk of a round.
const mostSegments = 3000

func powerCuts(t *testing.T, r *rand.Rand, end time.Time) {
	d := newCutDisk(t, 192)
	// The data directory does not exist yet, nor do the two above it.
	const below = "srv/s3cam/data"
	s := newServer(t, filepath.Join(d.dir, below))
	l := &load{tried: map[string]body{}, acked: map[string]body{}}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx, t, "http://"+s.s3, 6, r.Uint64()) })
	defer func() { stop(); running.Wait(); s.kill() }()
	polltest.Until(t, 30*time.Second, "a segment is acknowledged", func() bool { return len(l.snapshot()) > 0 })
	cuts, checked, kept, dropped, extra := 0, 0, 0, 0, 0
	image := filepath.Join(t.TempDir(), "cut.img")
	for ; (cuts < 8 || time.Now().Before(end)) && len(l.snapshot()) < mostSegments && !t.Failed(); cuts++ {
		acked := l.snapshot()
		k, n := d.cut(t, image, r)
		dir, done := openCut(t, image)
		lost, torn, objects := l.afterCut(filepath.Join(dir, below), acked)
		for _, what := range [][]string{lost, torn} {
			for _, line := range what[:min(len(what), 5)] {
				t.Errorf("cut %d, of %d acknowledged %d are lost, %d objects are wrong: %s", cuts, len(acked), len(lost), len(torn), line)
			}
		}
		done()
		checked, kept, dropped, extra = checked+len(acked), kept+k, dropped+n, extra+objects-len(acked)
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
	}
	stop()
	running.Wait()
	s.kill()
	acked := l.snapshot()
	d.cut(t, image, r)
	dir, done := openCut(t, image)
	defer done()
	again := newServer(t, filepath.Join(dir, below))
	for key, want := range acked {
		if checked++; checked%50 == 0 { // by the API too, of the server that is started on what the cut has left
			resp, err := http.Get("http://" + again.web + "/segments/" + key)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			_, err = b.ReadFrom(resp.Body)
			resp.Body.Close()
			if got := (body{b.Len(), crcOf(b.Bytes())}); err != nil || got != want {
				t.Errorf("%s after the last cut: %s %v %+v, want %+v", key, resp.Status, err, got, want)
			}
		}
	}
	again.kill()
	d.mu.Lock()
	defer d.mu.Unlock()
	t.Logf("%d cuts, %d segments acknowledged, looked for %d times: all there; of the writes after the last flush %d sectors were kept and %d dropped; up to %d objects more were there whole; %d writes, %d flushes of the block device",
		cuts+1, len(acked), checked, kept, dropped, extra, d.writes, d.flushes)
}

// volatileEnv makes the test binary a store that does not sync, in a directory.
const volatileEnv = "S3CAM_FAULTS_TEST_VOLATILE"

func volatileMain(dir string) error {
	s, err := s3server.New(s3server.Config{Dir: dir, Addr: "127.0.0.1:0", Region: region, Bucket: bucket, AccessKey: accessKey, SecretKey: secretKey, Durability: s3server.DurabilityNone})
	if err != nil {
		return err
	}
	fmt.Println("endpoint " + s.URL())
	return s.Run(context.Background())
}

// The test of the test: a store that does not sync loses acknowledged segments by a cut, and it is noticed.
func TestPowerCutsNoticeAStoreThatDoesNotSync(t *testing.T) {
	programs(t)
	r := random(t)
	d := newCutDisk(t, 64)
	endpoint := startVolatile(t, filepath.Join(d.dir, "data"))
	l := &load{tried: map[string]body{}, acked: map[string]body{}}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { l.run(ctx, t, endpoint, 2, r.Uint64()) })
	polltest.Until(t, 30*time.Second, "segments are acknowledged", func() bool { return len(l.snapshot()) > 100 })
	acked := l.snapshot()
	stop()
	running.Wait()
	image := filepath.Join(t.TempDir(), "cut.img")
	d.cut(t, image, r)
	dir, done := openCut(t, image)
	defer done()
	lost, _, _ := l.afterCut(filepath.Join(dir, "data"), acked)
	if len(lost) == 0 {
		t.Errorf("all of %d acknowledged segments are there although nothing was synced: the cut cuts nothing", len(acked))
	}
	t.Logf("%d of %d acknowledged segments are lost", len(lost), len(acked))
}
