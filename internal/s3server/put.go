// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// tagAttribute is the extended attribute that versitygw keeps an object's tags in, as a JSON object of strings. Its own
// PutObject sets it after the object is visible; writing it to the staged file makes tags and object appear together.
const tagAttribute = "X-Amz-Tagging"

const maxTags = 10 // S3's limit for one object

// PutObject stores an object. versitygw receives the body into an unnamed file and, after staged has run, links that file to
// its name; the directories are synced afterwards. What fails before the link leaves no trace.
func (g *gateway) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	bucket := str(in.Bucket)
	dir, key, err := g.object(in.Bucket, in.Key)
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	rules, err := g.beginPut(ctx, dir, key, &in)
	if err != nil {
		return s3response.PutObjectOutput{}, g.vouched(dir, key, err)
	}
	defer rules.end()
	ctx = context.WithoutCancel(ctx) // fasthttp cancels the contexts of all requests under way when a shutdown begins
	tags, err := parseTags(str(in.Tagging))
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	in.Bucket, in.Key, in.Tagging = &dir, &key, nil
	if _, chunked := in.Body.(middlewares.ChecksumReader); !chunked && in.ContentLength != nil && in.Body != nil {
		in.Body = &exactReader{r: in.Body, left: *in.ContentLength}
	}

	var size int64
	var reached bool
	staged := func(f *os.File) error {
		reached = true
		st, err := f.Stat()
		if err != nil {
			return err
		}
		if size = st.Size(); in.ContentLength != nil && size != *in.ContentLength {
			return s3err.GetAPIError(s3err.ErrIncompleteBody)
		}
		if len(tags) > 0 {
			b, err := json.Marshal(tags)
			if err != nil {
				return err
			}
			if err := g.meta.StoreAttribute(f, dir, key, tagAttribute, b); err != nil {
				return err
			}
		}
		if err := g.syncData(f); err != nil {
			return err
		}
		return rules.allows()
	}
	out, err := g.posix.PutObjectWithPostFunc(ctx, in, staged)
	if err != nil {
		if reached { // the parent directories were made already
			removeEmptyParents(dir, key)
		}
		return out, g.vouched(dir, key, g.putError(dir, key, err))
	}
	err = g.syncParents(dir, key)
	g.onStored(bucket, key, size) // it is there, although perhaps not after a power cut
	return out, g.fail("put", key, err)
}

// vouched makes an object durable before a client is told that it exists (412). The client takes that for the answer to an
// earlier try of its own, whose 200 it did not get: then the entries of the directories may not be on disk, because their sync failed or
// the server was killed before it.
func (g *gateway) vouched(dir, key string, err error) error {
	var api s3err.S3Error
	if !errors.As(err, &api) || api.StatusCode() != http.StatusPreconditionFailed {
		return err
	}
	if serr := g.syncParents(dir, key); serr != nil {
		return g.fail("put", key, serr)
	}
	return err
}

// parseTags parses an x-amz-tagging header and holds it to S3's limit, which versitygw does not check there.
func parseTags(header string) (map[string]string, error) {
	tags, err := backend.ParseObjectTags(header)
	if err == nil && len(tags) > maxTags {
		err = s3err.GetAPIError(s3err.ErrObjectTaggingLimited)
	}
	return tags, err
}

// putError corrects one answer of versitygw: it reports every failure to make a directory or link the file as "existing object
// is a directory", a 409 that no client would retry.
func (g *gateway) putError(dir, key string, err error) error {
	if !errors.Is(err, s3err.GetAPIError(s3err.ErrExistingObjectIsDirectory)) {
		return g.fail("put", key, err)
	}
	if fi, serr := os.Lstat(filepath.Join(dir, key)); serr == nil && fi.IsDir() {
		return err
	}
	for p := filepath.Dir(key); p != "."; p = filepath.Dir(p) {
		if fi, serr := os.Lstat(filepath.Join(dir, p)); serr == nil && !fi.IsDir() {
			return s3err.GetAPIError(s3err.ErrObjectParentIsFile)
		}
	}
	g.log.Error("S3 object could not be linked into its directory", "key", key)
	return s3err.GetAPIError(s3err.ErrInternalError)
}

// exactReader fails with IncompleteBody when a body ends early. versitygw takes the short body for the object when nothing
// else vouches for it (UNSIGNED-PAYLOAD without a checksum header).
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	return n, err
}

// removeEmptyParents removes the directories above a key that hold nothing. A PUT that needs one of them at that moment makes
// it again: versitygw's link retries.
func removeEmptyParents(bucketDir, key string) {
	for p := filepath.Dir(key); p != "."; p = filepath.Dir(p) {
		if os.Remove(filepath.Join(bucketDir, p)) != nil {
			return
		}
	}
}
