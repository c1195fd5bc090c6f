// SPDX-License-Identifier: Apache-2.0

package demosite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/s3cam/s3cam/internal/webui"
	"github.com/s3cam/s3cam/s3"
)

const (
	markFolder = ".s3cam-site/"
	maxMarks   = 10_000
	atOnce     = 8 // requests
)

// markOf names the mark of a file; see the package comment. What is sent with the file counts as content.
func markOf(key string, f *webui.File) string {
	h := sha256.New()
	for _, part := range []string{f.ContentType, "\n", f.CacheControl, "\n"} {
		_, _ = h.Write([]byte(part)) // never fails
	}
	_, _ = h.Write(f.Body)
	return markFolder + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]) + "/" + key
}

// intentOf names the mark that a file has while it is written.
func intentOf(key string) string { return markFolder + "-/" + key }

// markedKey is the key of the file that a mark belongs to.
func markedKey(mark string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(mark, markFolder)
	if !ok {
		return "", false
	}
	_, key, ok = strings.Cut(rest, "/")
	return key, ok && key != "" && !strings.HasPrefix(key, markFolder)
}

// marks returns the marks in the bucket by the key of their file.
func marks(ctx context.Context, bucket *s3.Client) (map[string][]string, error) {
	found := map[string][]string{}
	n := 0
	err := bucket.List(ctx, markFolder, "", 0, func(key []byte, _ int64) bool {
		if file, ok := markedKey(string(key)); ok {
			found[file] = append(found[file], string(key))
		}
		n++
		return n <= maxMarks
	})
	if err == nil && n > maxMarks {
		err = fmt.Errorf("there are more than %d objects below %s, far more than this program writes", maxMarks, markFolder)
	}
	return found, err
}

// sizes returns the sizes of those files of the site that are in the bucket.
func sizes(ctx context.Context, bucket *s3.Client, path string, files []webui.File) (map[string]int64, error) {
	want := map[string]bool{}
	last := ""
	for i := range files {
		want[path+files[i].Name] = true
		last = max(last, path+files[i].Name)
	}
	found := map[string]int64{}
	err := bucket.List(ctx, path, "", 0, func(key []byte, size int64) bool {
		if want[string(key)] {
			found[string(key)] = size
		}
		return string(key) < last
	})
	return found, err
}

// writeSite makes the site in bucket what this release and p say.
func (i *Installer) writeSite(ctx context.Context, bucket *s3.Client, p properties) error {
	files, err := webui.Files(webui.Config{APIBase: p.ApiEndpoint, NoClips: true})
	if err != nil {
		return err
	}
	marked, err := marks(ctx, bucket)
	if err != nil {
		return err
	}
	there, err := sizes(ctx, bucket, p.Path, files)
	if err != nil {
		return err
	}
	var assets, rest []func() error
	for n := range files {
		f := &files[n]
		key := p.Path + f.Name
		old, mark := marked[key], markOf(key, f)
		delete(marked, key)
		if size, ok := there[key]; ok && size == int64(len(f.Body)) && len(old) == 1 && old[0] == mark {
			continue
		}
		write := func() error { return writeFile(ctx, bucket, key, f, old, mark) }
		if strings.HasPrefix(f.Name, "assets/") {
			assets = append(assets, write)
		} else {
			rest = append(rest, write)
		}
	}
	// Pages only after what they refer to.
	if err := together(assets); err != nil {
		return err
	}
	if err := together(rest); err != nil {
		return err
	}
	i.cfg.Logger.Info("demo site: web site installed", "bucket", bucket.Bucket(), "path", p.Path, "files", len(files), "written", len(assets)+len(rest))
	if err := removeMarked(ctx, bucket, marked); err != nil {
		i.cfg.Logger.Warn("demo site: old files of the web site stay for now", "bucket", bucket.Bucket(), "error", err)
	}
	return nil
}

// writeFile writes a file and its mark in the order that the package comment gives.
func writeFile(ctx context.Context, bucket *s3.Client, key string, f *webui.File, oldMarks []string, mark string) error {
	putMark := func(name string) error {
		_, err := bucket.Put(ctx, name, bytes.NewReader(nil), 0, s3.PutOptions{ContentType: "text/plain", CacheControl: "no-cache"})
		return err
	}
	intent := intentOf(key)
	if err := putMark(intent); err != nil {
		return err
	}
	for _, old := range oldMarks {
		if old == intent {
			continue
		}
		if err := bucket.Delete(ctx, old); err != nil {
			return err
		}
	}
	opts := s3.PutOptions{ContentType: f.ContentType, CacheControl: f.CacheControl}
	if _, err := bucket.Put(ctx, key, bytes.NewReader(f.Body), int64(len(f.Body)), opts); err != nil {
		return err
	}
	if err := putMark(mark); err != nil {
		return err
	}
	return bucket.Delete(ctx, intent)
}

// removeMarked removes files and then their marks.
func removeMarked(ctx context.Context, bucket *s3.Client, marked map[string][]string) error {
	var todo []func() error
	for key, marks := range marked {
		todo = append(todo, func() error {
			for _, k := range append([]string{key}, marks...) {
				if err := bucket.Delete(ctx, k); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return together(todo)
}

// removeSite removes everything that was written of sites in this bucket.
func (i *Installer) removeSite(ctx context.Context, bucket *s3.Client) error {
	marked, err := marks(ctx, bucket)
	if err != nil {
		return err
	}
	if err := removeMarked(ctx, bucket, marked); err != nil {
		return err
	}
	i.cfg.Logger.Info("demo site: web site removed", "bucket", bucket.Bucket(), "files", len(marked))
	return nil
}

// together calls all of todo, some at a time. After an error no further ones are begun.
func together(todo []func() error) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	next := 0
	for range min(atOnce, len(todo)) {
		wg.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				stop := n >= len(todo) || len(errs) > 0
				mu.Unlock()
				if stop {
					return
				}
				if err := todo[n](); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if len(errs) > 1 { // they are alike
		return fmt.Errorf("%w (and %d more)", errs[0], len(errs)-1)
	}
	return errors.Join(errs...)
}
