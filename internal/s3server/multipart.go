// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// abandonedAfter is the age at which an unfinished multipart upload is removed when the engine starts.
const abandonedAfter = 7 * 24 * time.Hour

func (g *gateway) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	if err := g.notPutOnly(ctx); err != nil {
		return s3response.InitiateMultipartUploadResult{}, err
	}
	bucket := str(in.Bucket)
	dir, key, err := g.object(in.Bucket, in.Key)
	if err != nil {
		return s3response.InitiateMultipartUploadResult{}, err
	}
	if _, err := parseTags(str(in.Tagging)); err != nil {
		return s3response.InitiateMultipartUploadResult{}, err
	}
	in.Bucket, in.Key = &dir, &key
	out, err := g.posix.CreateMultipartUpload(context.WithoutCancel(ctx), in)
	out.Bucket = bucket
	return out, g.fail("create upload", key, err)
}

func (g *gateway) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	if err := g.notPutOnly(ctx); err != nil {
		return nil, err
	}
	dir, key, err := g.object(in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	p := *in
	p.Bucket, p.Key = &dir, &key
	if _, chunked := p.Body.(middlewares.ChecksumReader); !chunked && p.ContentLength != nil && p.Body != nil {
		p.Body = &exactReader{r: p.Body, left: *p.ContentLength}
	}
	out, err := g.posix.UploadPartWithPostFunc(context.WithoutCancel(ctx), &p, func(f *os.File) error {
		st, err := f.Stat()
		if err == nil && p.ContentLength != nil && st.Size() != *p.ContentLength {
			err = s3err.GetAPIError(s3err.ErrIncompleteBody)
		}
		return err // parts are not synced: the object made of them is
	})
	return out, g.fail("upload part", key, err)
}

// CompleteMultipartUpload joins the parts in an unnamed file, synced before it gets its name, like PutObject.
func (g *gateway) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	if err := g.notPutOnly(ctx); err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	dir, key, err := g.object(in.Bucket, in.Key)
	if err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	p := *in
	p.Bucket, p.Key = &dir, &key
	var syncErr error
	join := func(from, to *os.File) (bool, error) {
		// versitygw copies by itself what this function failed to copy, so an error must leave no half part behind.
		at, err := to.Seek(0, io.SeekCurrent)
		if err == nil {
			_, err = io.Copy(to, from) // copy_file_range
		}
		if err != nil {
			return true, errors.Join(err, to.Truncate(at), rewind(from))
		}
		syncErr = errors.Join(syncErr, g.syncData(to))
		return true, nil
	}
	out, version, err := g.posix.CompleteMultipartUploadWithCopy(context.WithoutCancel(ctx), &p, join)
	if err != nil {
		return out, version, g.fail("complete upload", key, err)
	}
	out.Bucket = in.Bucket
	if err := errors.Join(syncErr, g.syncParents(dir, key)); err != nil {
		return out, version, g.fail("complete upload", key, err)
	}
	st, err := os.Lstat(filepath.Join(dir, key))
	if err == nil {
		g.onStored(str(in.Bucket), key, st.Size())
	}
	return out, version, nil
}

func rewind(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func (g *gateway) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	dir, key, err := g.object(in.Bucket, in.Key)
	if err != nil {
		return err
	}
	p := *in
	p.Bucket, p.Key = &dir, &key
	return g.fail("abort upload", key, g.posix.AbortMultipartUpload(context.WithoutCancel(ctx), &p))
}

func (g *gateway) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	dir, err := g.bucketDir(in.Bucket)
	if err != nil {
		return s3response.ListMultipartUploadsResult{}, err
	}
	p := *in
	p.Bucket = &dir
	out, err := g.posix.ListMultipartUploads(context.WithoutCancel(ctx), &p)
	out.Bucket = str(in.Bucket)
	return out, g.fail("list uploads", "", err)
}

func (g *gateway) ListParts(ctx context.Context, in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	dir, key, err := g.object(in.Bucket, in.Key)
	if err != nil {
		return s3response.ListPartsResult{}, err
	}
	p := *in
	p.Bucket, p.Key = &dir, &key
	out, err := g.posix.ListParts(context.WithoutCancel(ctx), &p)
	out.Bucket = str(in.Bucket)
	return out, g.fail("list parts", key, err)
}

// sweep removes what an earlier process left in a bucket's temporary directory: staged files that never got a name (only where
// the file system has no unnamed files) and multipart uploads older than abandonedAfter. The caller holds the directory lock.
func sweep(bucketDir string, now time.Time) error {
	tmp := filepath.Join(bucketDir, posix.MetaTmpDir)
	entries, err := os.ReadDir(tmp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var errs []error
	for _, e := range entries {
		if e.Type().IsRegular() {
			errs = append(errs, os.Remove(filepath.Join(tmp, e.Name())))
		}
	}
	uploads, globErr := filepath.Glob(filepath.Join(bucketDir, posix.MetaTmpMultipartDir, "*", "*"))
	errs = append(errs, err, globErr)
	for _, u := range uploads {
		if st, err := os.Lstat(u); err == nil && now.Sub(st.ModTime()) > abandonedAfter {
			errs = append(errs, os.RemoveAll(u))
			_ = os.Remove(filepath.Dir(u)) // stays while other uploads of the same key are in it
		}
	}
	return errors.Join(errs...)
}
