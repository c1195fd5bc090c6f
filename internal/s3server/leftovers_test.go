// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3cam/s3cam/internal/s3server"
)

// TestHookKeepsWhatItIsGiven: the front end's strings are views of buffers that the next request overwrites.
func TestHookKeepsWhatItIsGiven(t *testing.T) {
	var mu sync.Mutex
	var buckets, keys []string
	cfg := config(t)
	cfg.OnStored = func(bucket, key string, size int64) {
		mu.Lock()
		defer mu.Unlock()
		buckets, keys = append(buckets, bucket), append(keys, key)
	}
	s, _ := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	var want []string
	var wg sync.WaitGroup
	for cam := range 8 {
		for i := range 25 {
			want = append(want, fmt.Sprintf("cam%d/2026/01/02/03/04/%02d.ts", cam, i))
		}
		wg.Go(func() {
			for i := range 25 { // mostly on kept-alive connections
				_, err := tg.sdk.PutObject(t.Context(), &s3.PutObjectInput{
					Bucket: &tg.bucket, Key: aws.String(fmt.Sprintf("cam%d/2026/01/02/03/04/%02d.ts", cam, i)), Body: bytes.NewReader([]byte("x")),
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(keys)
	if !slices.Equal(keys, want) {
		right := 0
		for _, k := range want {
			if slices.Contains(keys, k) {
				right++
			}
		}
		t.Errorf("the hook was told of %d objects, %d of the %d keys are right", len(keys), right, len(want))
	}
	for _, b := range buckets {
		if b != "video" {
			t.Fatalf("the hook was told of bucket %q", b)
		}
	}
}

func TestStartRemovesLeftovers(t *testing.T) {
	cfg := config(t)
	s, stop := run(t, cfg)
	tg := targetOf(t, s, rootAccess, rootSecret)
	tg.put(t, segmentKey, "kept")
	up, err := tg.sdk.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &tg.bucket, Key: aws.String("recent")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tg.sdk.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &tg.bucket, Key: aws.String("old")}); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(s.Bucket().Dir(), ".sgwtmp")
	if err := os.WriteFile(filepath.Join(tmp, "0123abcd.456"), []byte("staged where the file system has no unnamed files"), 0o600); err != nil {
		t.Fatal(err)
	}
	uploads, err := filepath.Glob(filepath.Join(tmp, "multipart", "*", "*"))
	if err != nil || len(uploads) != 2 {
		t.Fatalf("uploads %q, %v", uploads, err)
	}
	for _, u := range uploads {
		if filepath.Base(u) != *up.UploadId {
			long := time.Now().Add(-8 * 24 * time.Hour)
			if err := os.Chtimes(u, long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, _ = run(t, cfg)
	tg = targetOf(t, s, rootAccess, rootSecret)
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 1 || left[0].Name() != "multipart" {
		t.Errorf("left %v, %v", left, err)
	}
	out, err := tg.sdk.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &tg.bucket})
	if err != nil || len(out.Uploads) != 1 || *out.Uploads[0].Key != "recent" {
		t.Errorf("uploads %v, %v", out, err)
	}
	if keys := tg.keys(t); !slices.Equal(keys, []string{segmentKey}) {
		t.Errorf("keys %q", keys)
	}
}

// TestEveryInterfaceHasAUsableURL: an address without a host listens everywhere and is named by one that works from here.
func TestEveryInterfaceHasAUsableURL(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "127.0.0.1:0", "localhost:0"} {
		cfg := config(t)
		cfg.Addr = addr
		s, err := s3server.New(cfg)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if url := s.URL(); len(url) < len("http://127.0.0.1:1") || url[:len("http://127.0.0.1:")] != "http://127.0.0.1:" {
			t.Errorf("%s: URL %s", addr, url)
		}
		_ = s.Close()
	}
}
