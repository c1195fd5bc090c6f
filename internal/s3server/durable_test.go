// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3cam/s3cam/internal/s3server"
)

// syncs records what a server syncs, in order: "data" for a file that has no name yet, else the directory's path below the
// bucket ("." for the bucket itself).
type syncs struct {
	dir string // of the bucket

	mu    sync.Mutex
	seen  []string
	check func(what string) error // called for each; its error is fsync's
}

func (s *syncs) fsync(f *os.File) error {
	what := "data"
	if rel, err := filepath.Rel(s.dir, f.Name()); err == nil && !strings.HasPrefix(rel, "..") && !strings.HasPrefix(rel, ".sgwtmp/") {
		what = rel
	}
	s.mu.Lock()
	s.seen = append(s.seen, what)
	check := s.check
	s.mu.Unlock()
	if check != nil {
		if err := check(what); err != nil {
			return err
		}
	}
	return f.Sync()
}

func (s *syncs) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.seen
	s.seen = nil
	return got
}

func (s *syncs) onEach(check func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check = check
}

func durableServer(t *testing.T, d s3server.Durability) (*target, *syncs) {
	t.Helper()
	cfg := config(t)
	cfg.Durability = d
	s, err := s3server.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &syncs{dir: s.Bucket().Dir()}
	s.WatchSync(w.fsync)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return targetOf(t, s, rootAccess, rootSecret), w
}

func (t *target) putRaw(tb testing.TB, key, body string) rawResponse {
	tb.Helper()
	return t.do(tb, rawRequest{method: "PUT", path: t.path(key), body: body})
}

var wholeChain = []string{"data", "cam1/2026/01/02/03/04", "cam1/2026/01/02/03", "cam1/2026/01/02", "cam1/2026/01", "cam1/2026", "cam1", "."}

func TestSyncOrder(t *testing.T) {
	tg, w := durableServer(t, s3server.DurabilityFull)
	object := filepath.Join(w.dir, segmentKey)
	visible := func() bool { _, err := os.Stat(object); return err == nil }
	w.onEach(func(what string) error {
		if visible() != (what != "data") {
			t.Errorf("at the sync of %s: visible %v", what, visible())
		}
		return nil
	})
	expect := func(name string, want ...string) {
		t.Helper()
		if got := w.take(); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
	}
	tg.putRaw(t, segmentKey, "first")
	expect("the first PUT of a camera", wholeChain...)
	w.onEach(nil)
	tg.putRaw(t, segmentKey, "overwrite")
	expect("an overwrite", "data", "cam1/2026/01/02/03/04")
	tg.putRaw(t, "cam1/2026/01/02/03/04/08.ts", "x")
	expect("the next segment", "data", "cam1/2026/01/02/03/04")
	tg.putRaw(t, "cam1/2026/01/02/03/05/02.ts", "x")
	expect("the next minute", "data", "cam1/2026/01/02/03/05", "cam1/2026/01/02/03")
	tg.putRaw(t, "cam1/2026/01/02/04/00/02.ts", "x")
	expect("the next hour", "data", "cam1/2026/01/02/04/00", "cam1/2026/01/02/04", "cam1/2026/01/02")
	tg.putRaw(t, "top.ts", "x")
	expect("a key at top level", "data", ".")

	// Folders that were removed and made again are new ones, also when their inode number is used again.
	for range 3 {
		for _, key := range tg.keys(t) {
			tg.do(t, rawRequest{method: "DELETE", path: tg.path(key)})
		}
		w.take()
		tg.putRaw(t, segmentKey, "again")
		expect("after everything was deleted", wholeChain...)
	}
	if res := tg.do(t, rawRequest{method: "PUT", path: tg.path("cam1/x"), body: "x", headers: map[string]string{"if-none-match": "*", "x-amz-tagging": "a=b"}}); res.status != 200 {
		t.Errorf("%d %s", res.status, res.body)
	}
	expect("a conditional PUT with tags", "data", "cam1")
	tg.do(t, rawRequest{method: "PUT", path: tg.path(segmentKey), body: "x", headers: map[string]string{"if-none-match": "*"}})
	expect("a PUT that is told the object exists", "cam1/2026/01/02/03/04")
}

// A client whose PUT was answered by 500 tries again and is told that the object exists, which it takes for an acknowledgement: so that
// has to be as good as one.
func TestWhatIsSaidToExistSurvivesAPowerCut(t *testing.T) {
	tg, w := durableServer(t, s3server.DurabilityFull)
	again := func() rawResponse {
		return tg.do(t, rawRequest{method: "PUT", path: tg.path(segmentKey), body: "x", headers: map[string]string{"if-none-match": "*"}})
	}
	w.onEach(func(what string) error {
		if what == "cam1/2026" {
			return syscall.EIO
		}
		return nil
	})
	for i := range 3 {
		if res := again(); res.status != 500 {
			t.Errorf("try %d, with a directory that cannot be synced: %d %s", i, res.status, res.body)
		}
	}
	w.onEach(nil)
	w.take()
	if res := again(); res.status != 412 {
		t.Errorf("once it can: %d %s", res.status, res.body)
	}
	if got := w.take(); !slices.Equal(got, wholeChain[1:]) {
		t.Errorf("synced %q before the answer, want %q", got, wholeChain[1:])
	}
}

// TestSyncDoesNotRelyOnAnotherPut: a folder that another PUT has just made and not yet synced is not on disk.
func TestSyncDoesNotRelyOnAnotherPut(t *testing.T) {
	tg, w := durableServer(t, s3server.DurabilityFull)
	entered, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	w.onEach(func(what string) error {
		if what != "data" {
			block := false
			first.Do(func() { block = true })
			if block {
				close(entered)
				<-release
			}
		}
		return nil
	})
	done := make(chan rawResponse, 1)
	go func() { done <- tg.putRaw(t, segmentKey, "slow") }()
	<-entered // its folders exist now, and none is synced
	w.take()
	if res := tg.putRaw(t, "cam1/2026/01/02/03/04/08.ts", "quick"); res.status != 200 {
		t.Fatalf("%d %s", res.status, res.body)
	}
	if got := w.take(); !slices.Equal(got, wholeChain) {
		t.Errorf("the second PUT synced %q, want %q", got, wholeChain)
	}
	close(release)
	if res := <-done; res.status != 200 {
		t.Errorf("first PUT: %d", res.status)
	}
}

func TestOtherDurabilities(t *testing.T) {
	for d, want := range map[s3server.Durability][]string{s3server.DurabilityData: {"data"}, s3server.DurabilityNone: nil} {
		tg, w := durableServer(t, d)
		if res := tg.putRaw(t, segmentKey, "x"); res.status != 200 {
			t.Errorf("%s: %d", d, res.status)
		}
		if got := w.take(); !slices.Equal(got, want) {
			t.Errorf("%s: synced %q, want %q", d, got, want)
		}
	}
}

func TestFailingDisk(t *testing.T) {
	tg, w := durableServer(t, s3server.DurabilityFull)
	for _, tt := range []struct {
		name   string
		err    error
		on     string
		status int
		stored bool
	}{
		{"an I/O error of the data", syscall.EIO, "data", 500, false},
		{"a full disk", syscall.ENOSPC, "data", 507, false},
		{"an I/O error of a directory", syscall.EIO, "cam1/2026/01/02/03/04", 500, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.onEach(func(what string) error {
				if what == tt.on {
					return tt.err
				}
				return nil
			})
			defer w.onEach(nil)
			if res := tg.putRaw(t, segmentKey, "x"); res.status != tt.status {
				t.Errorf("%d %s, want %d", res.status, res.body, tt.status)
			}
			if left := filesIn(t, w.dir); len(left) > 0 != tt.stored {
				t.Errorf("left %q, want an object: %v", left, tt.stored)
			}
		})
	}
}

func TestMultipartIsDurable(t *testing.T) {
	tg, w := durableServer(t, s3server.DurabilityFull)
	ctx := t.Context()
	var done []types.CompletedPart
	up, err := tg.sdk.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &tg.bucket, Key: aws.String(segmentKey)})
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range []string{randomBytes(5<<20, 1), "end"} {
		n := aws.Int32(int32(i + 1))
		out, err := tg.sdk.UploadPart(ctx, &s3.UploadPartInput{Bucket: &tg.bucket, Key: aws.String(segmentKey), UploadId: up.UploadId, PartNumber: n, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, types.CompletedPart{ETag: out.ETag, PartNumber: n})
	}
	w.take()
	w.onEach(func(what string) error {
		if _, err := os.Stat(filepath.Join(w.dir, segmentKey)); (err == nil) != (what != "data") {
			return fmt.Errorf("at the sync of %s: %w", what, err)
		}
		return nil
	})
	if _, err := tg.sdk.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &tg.bucket, Key: aws.String(segmentKey), UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	}); err != nil {
		t.Fatal(err)
	}
	if got, want := w.take(), append([]string{"data"}, wholeChain...); !slices.Equal(got, want) { // once per part
		t.Errorf("synced %q, want %q", got, want)
	}
}

// TestTagsAppearWithTheObject: versitygw itself tags an object after it is visible.
func TestTagsAppearWithTheObject(t *testing.T) {
	tg, w := durableServer(t, s3server.DurabilityFull)
	w.onEach(func(what string) error {
		if what == "cam1" {
			out, err := tg.sdk.GetObjectTagging(context.Background(), &s3.GetObjectTaggingInput{Bucket: &tg.bucket, Key: aws.String("cam1/x")})
			if err != nil || len(out.TagSet) != 1 || *out.TagSet[0].Value != "motion" {
				t.Errorf("before the answer: %v, %v", out, err)
			}
		}
		return nil
	})
	if res := tg.do(t, rawRequest{method: "PUT", path: tg.path("cam1/x"), body: "x", headers: map[string]string{"x-amz-tagging": "event=motion"}}); res.status != 200 {
		t.Errorf("%d %s", res.status, res.body)
	}
}
