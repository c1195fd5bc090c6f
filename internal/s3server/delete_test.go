// SPDX-License-Identifier: Apache-2.0

package s3server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3cam/s3cam/internal/s3server"
)

// bucketWith makes a bucket's directory with files and folders (ending in '/'), and opens it.
func bucketWith(t *testing.T, names ...string) *s3server.Bucket {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		path := filepath.Join(root, "video", name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "/") {
			if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := s3server.OpenBucket(root, "video")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDeleteKeysRemovesObjectsAndTheFoldersLeftEmpty(t *testing.T) {
	b := bucketWith(t, "a/1/x.ts", "a/1/y.ts", "a/2/x.ts", "a/2/keep", "b/3/4/x.ts", "a/9/", "c/.x.ts.sgwtmp.7", "c/x.ts")
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "x.ts"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"a/link": outside, "a/2/link.ts": filepath.Join(outside, "x.ts")} {
		if err := os.Symlink(to, filepath.Join(b.Dir(), link)); err != nil {
			t.Fatal(err)
		}
	}
	keys := []string{"a/1/x.ts", "a/1/y.ts", "a/1/none.ts", "a/2/x.ts", "a/2/link.ts", "a/link/x.ts", "b/3/4/x.ts", "b/../../x", "/a/2/keep",
		"a//2/keep", "a/2", "a/9", "a/9/", "", "none/x.ts", "c/x.ts", "c/.x.ts.sgwtmp.7", "a/2/keep/under"}
	removed, done, err := b.DeleteKeys(t.Context(), keys)
	if err != nil || removed != 5 || done != len(keys) {
		t.Errorf("removed %d, done %d, %v; want 5, %d", removed, done, err, len(keys))
	}
	want := []string{"a/2/keep", "a/2/link.ts", "a/9/", "a/link", "c/.x.ts.sgwtmp.7"}
	if got := filesIn(t, b.Dir()); !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
	if _, err := os.Stat(filepath.Join(outside, "x.ts")); err != nil {
		t.Errorf("a file behind a link was removed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if removed, _, err := b.DeleteKeys(ctx, []string{"a/2/keep"}); err == nil || removed != 0 {
		t.Errorf("with an ended context: %d, %v", removed, err)
	}
}

func TestRemoveEmptyFoldersStopsAtTheFirstObject(t *testing.T) {
	b := bucketWith(t, "cam/2026/01/01/00/", "cam/2026/01/02/03/04/", "cam/2026/01/02/05/06/00.ts", "cam/2026/02/01/", "other/2026/")
	n, err := b.RemoveEmptyFolders(t.Context(), "cam/", "")
	if err != nil || n != 4 { // 00, 01, 04, 03
		t.Errorf("removed %d, %v; want 4", n, err)
	}
	n, err = b.RemoveEmptyFolders(t.Context(), "cam/", "cam/2026/01/02/05/06/00.ts")
	if err != nil || n != 2 { // 02/01, 02
		t.Errorf("behind the object: removed %d, %v; want 2", n, err)
	}
	if got, want := filesIn(t, b.Dir()), []string{"cam/2026/01/02/05/06/00.ts", "other/2026/"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
	for _, prefix := range []string{"", "cam", "../", "cam/../other/"} {
		if n, err := b.RemoveEmptyFolders(t.Context(), prefix, ""); err == nil {
			t.Errorf("prefix %q: removed %d without an error", prefix, n)
		}
	}
}

func TestOpenBucketNeedsOne(t *testing.T) {
	for _, name := range []string{"none", "..", "a/b", ""} {
		if _, err := s3server.OpenBucket(t.TempDir(), name); err == nil {
			t.Errorf("bucket %q was opened", name)
		}
	}
}

// A PUT into a folder that is removed at the same time is stored, at the latest when it is repeated.
func TestDeleteKeysWhilePutsGoIntoTheSameFolder(t *testing.T) {
	cfg := config(t)
	s, stop := run(t, cfg)
	defer stop()
	tg := targetOf(t, s, rootAccess, rootSecret)
	b := s.Bucket()
	stored := make(chan string, 64)
	var puts sync.WaitGroup
	for w := range 4 {
		puts.Go(func() {
			for i := range 60 {
				key := fmt.Sprintf("cam/2026/01/02/03/%02d/%02d-%d.ts", i%3, i, w)
				put := func() error {
					_, err := tg.sdk.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &tg.bucket, Key: &key, Body: strings.NewReader("x")})
					return err
				}
				err := put()
				for try := 0; err != nil && strings.Contains(err.Error(), "StatusCode: 500") && try < 20; try++ {
					err = put() // as every client of s3cam does
				}
				if err != nil {
					t.Errorf("put %s: %v", key, err)
				}
				if _, err := tg.sdk.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &tg.bucket, Key: aws.String(key)}); err != nil {
					t.Errorf("put was acknowledged, but: head %s: %v", key, err)
				}
				stored <- key
			}
		})
	}
	go func() { puts.Wait(); close(stored) }()
	n := 0
	for key := range stored { // only after its writer has looked; the folders it shares are used by the others
		removed, _, err := b.DeleteKeys(t.Context(), []string{key})
		if err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
		n += removed
	}
	if n == 0 {
		t.Error("nothing was removed")
	}
	for _, left := range filesIn(t, b.Dir()) {
		if strings.HasSuffix(left, "/") {
			t.Errorf("an empty folder is left: %s", left)
		}
	}
}

func TestTLSByACallersCertificates(t *testing.T) {
	cfg := config(t)
	certFile, keyFile := writeCertificate(t, t.TempDir(), 7)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS10,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil }}
	s, stop := run(t, cfg)
	defer stop()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	res, err := client.Get(s.URL() + "/video/none")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.TLS == nil || res.TLS.PeerCertificates[0].SerialNumber.Int64() != 7 || res.ProtoMajor != 1 {
		t.Errorf("%s over %v", res.Proto, res.TLS)
	}
	if _, err := tls.Dial("tcp", strings.TrimPrefix(s.URL(), "https://"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	cfg = config(t)
	cfg.TLS, cfg.CertFile, cfg.KeyFile = &tls.Config{}, certFile, keyFile
	if _, err := s3server.New(cfg); err == nil {
		t.Error("TLS and CertFile together were accepted")
	}
}

// A listing meets folders that are being removed at the same moment, and goes on.
func TestListingsWhileFoldersAreRemoved(t *testing.T) {
	var names []string
	for i := range 400 {
		names = append(names, fmt.Sprintf("cam/2026/01/02/%02d/%02d/00.ts", i/60, i%60))
	}
	b := bucketWith(t, append(names, "cam/2026/01/03/00/00/00.ts")...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, name := range names {
			if _, _, err := b.DeleteKeys(t.Context(), []string{name}); err != nil {
				t.Errorf("delete: %v", err)
			}
		}
	}()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		last := ""
		err := b.List(t.Context(), "cam/", "", 0, func(key []byte, _ int64) bool {
			last = string(key)
			return true
		})
		if err != nil || last != "cam/2026/01/03/00/00/00.ts" {
			t.Fatalf("list: %v, last %q", err, last)
		}
		if err := b.ListFolders(t.Context(), "cam/2026/01/", func(string) bool { return true }); err != nil {
			t.Fatalf("list folders: %v", err)
		}
	}
}
