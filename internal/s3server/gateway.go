// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// ioBufferBytes is the copy buffer of one PUT under way; versitygw's own 1 MiB would be 1 GiB for MaxRequests of them.
const ioBufferBytes = 128 << 10

// gateway is the storage that versitygw's S3 front end works on. What it does not define answers NotImplemented, by the
// embedded BackendUnsupported. The rest goes to versitygw's posix store with the bucket replaced by its absolute path, so
// that neither side needs the working directory, and with the key checked by cleanKey.
type gateway struct {
	backend.BackendUnsupported
	posix *posix.Posix
	meta  meta.XattrMeta
	root  string // absolute
	owner string // root access key
	acl   []byte // of every bucket: owned by root, no grants
	log   *slog.Logger

	users   *iam    // the accounts besides root
	uploads uploads // of accounts that may only upload

	durability Durability
	dirs       *dirSyncer
	onStored   func(bucket, key string, size int64)
}

var _ backend.Backend = (*gateway)(nil)

func newGateway(cfg *Config) (*gateway, error) {
	g := &gateway{
		root: cfg.Dir, owner: cfg.AccessKey, log: cfg.Logger, users: &iam{accounts: cfg.Accounts},
		durability: cfg.Durability, dirs: newDirSyncer(), onStored: func(string, string, int64) {},
	}
	if tell := cfg.OnStored; tell != nil {
		// The names are views of the request's buffer, which fasthttp uses again; whoever is told may keep them.
		g.onStored = func(bucket, key string, size int64) { tell(strings.Clone(bucket), strings.Clone(key), size) }
	}
	if err := g.meta.Test(cfg.Dir); err != nil {
		return nil, fmt.Errorf("%s: %w (hint: use a directory on ext4, XFS or APFS)", cfg.Dir, err)
	}
	acl, err := json.Marshal(auth.ACL{Owner: cfg.AccessKey})
	if err != nil {
		return nil, err
	}
	g.acl = acl
	// posix.New enters the directory it is given, for the whole process. Given the one the process is in already, that does
	// nothing; the store itself is always handed absolute paths. The lock files below its root are switched off: New holds
	// the directory's own lock, and within one process its slots make conditional writes exclusive.
	wd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	g.posix, err = posix.New(wd, g.meta, posix.PosixOpts{
		ForceNoObjLockFile: true,
		DataIntegrityEtag:  true, // a 1.9 MB PUT costs 3.7-4.1 ms CPU instead of 6.1-6.7 with MD5
		IOBufferSize:       ioBufferBytes,
	})
	return g, err
}

func (g *gateway) Shutdown()      { g.posix.Shutdown() }
func (g *gateway) String() string { return "s3cam" }

// bucketDir returns the directory of a bucket that exists.
func (g *gateway) bucketDir(name *string) (string, error) {
	if name == nil || !bucketName(*name) {
		return "", s3err.GetBucketErr(s3err.ErrInvalidBucketName, str(name))
	}
	dir := filepath.Join(g.root, *name)
	fi, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !fi.IsDir():
		return "", s3err.GetBucketErr(s3err.ErrNoSuchBucket, *name)
	case err != nil:
		return "", g.fail("bucket", *name, err)
	}
	return dir, nil
}

// object returns the directory of the bucket and the key as stored.
func (g *gateway) object(bucket, key *string) (dir, clean string, err error) {
	if dir, err = g.bucketDir(bucket); err != nil {
		return "", "", err
	}
	clean, err = cleanKey(str(key))
	if err != nil {
		return "", "", s3err.APIError{Code: "InvalidArgument", Description: "Object key: " + err.Error() + ".", HTTPStatusCode: 400}
	}
	switch err := checkParents(dir, clean); {
	case errors.Is(err, errLinked):
		return "", "", s3err.GetAPIError(s3err.ErrObjectParentIsFile)
	case err != nil:
		return "", "", g.fail("parents", clean, err)
	}
	return dir, clean, nil
}

// fail turns an error of the store into what the client may see. S3 errors pass; a full disk is 507, a client that went away
// in mid-body is IncompleteBody; a read-only file system and anything else is logged and becomes 500 InternalError, which clients retry.
func (g *gateway) fail(op, name string, err error) error {
	var api s3err.S3Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, s3err.GetAPIError(s3err.ErrMethodNotAllowed)), errors.Is(err, syscall.EROFS):
		// versitygw's word for a read-only file system; without versions it has no other use for it. A 405 would tell a camera that trying
		// again is of no use, and file systems turn read-only when a disk fails, until somebody has mended it.
		g.log.Error("the file system is read-only", "op", op, "key", name)
		return s3err.GetAPIError(s3err.ErrInternalError)
	case errors.As(err, &api):
		return api
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		g.log.Error("no space left for S3 objects", "op", op, "key", name, "err", err)
		return s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ECONNRESET):
		g.log.Debug("S3 client went away", "op", op, "key", name, "err", err)
		return s3err.GetAPIError(s3err.ErrIncompleteBody)
	}
	g.log.Error("S3 request failed", "op", op, "key", name, "err", err)
	return s3err.GetAPIError(s3err.ErrInternalError)
}

// NormalizeObjectKey is the key that permissions are checked for. A key that cannot be stored stays as it is: no rule of ours
// names such a key, and the request is refused after the check.
func (g *gateway) NormalizeObjectKey(_, object string) string {
	if clean, err := cleanKey(object); err == nil {
		return clean
	}
	return object
}

func (g *gateway) ListBuckets(_ context.Context, in s3response.ListBucketsInput) (s3response.ListAllMyBucketsResult, error) {
	res := s3response.ListAllMyBucketsResult{Owner: s3response.CanonicalUser{ID: in.Owner}, Prefix: in.Prefix}
	entries, err := os.ReadDir(g.root)
	if err != nil {
		return res, g.fail("list buckets", "", err)
	}
	buckets := res.Buckets.Bucket
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() || !strings.HasPrefix(name, in.Prefix) || name <= in.ContinuationToken || !bucketName(name) {
			continue
		}
		if len(buckets) == int(in.MaxBuckets) {
			res.ContinuationToken = buckets[len(buckets)-1].Name
			break
		}
		fi, err := e.Info()
		if err != nil {
			continue // just deleted
		}
		buckets = append(buckets, s3response.ListAllMyBucketsEntry{Name: name, CreationDate: fi.ModTime()})
	}
	res.Buckets.Bucket = buckets
	return res, nil
}

func (g *gateway) HeadBucket(_ context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	_, err := g.bucketDir(in.Bucket)
	return &s3.HeadBucketOutput{}, err
}

func (g *gateway) CreateBucket(_ context.Context, in *s3.CreateBucketInput, _ []byte) error {
	name := str(in.Bucket)
	err := g.makeBucket(name)
	if errors.Is(err, fs.ErrExist) {
		return s3err.GetBucketErr(s3err.ErrBucketAlreadyOwnedByYou, name)
	}
	return g.fail("create bucket", name, err)
}

// makeBucket makes the directory of a bucket and, in it, the one for objects under way, which makes the bucket's own empty
// file slots (O_TMPFILE) usable from the first PUT on.
func (g *gateway) makeBucket(name string) error {
	if !bucketName(name) {
		return s3err.GetBucketErr(s3err.ErrInvalidBucketName, name)
	}
	dir := filepath.Join(g.root, name)
	if err := os.Mkdir(dir, 0o700); err != nil { // footage is for nobody else on the machine
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, posix.MetaTmpDir), 0o700); err != nil {
		return err
	}
	if g.durability != DurabilityFull {
		return nil
	}
	return syncDir(g.root)
}

func (g *gateway) DeleteBucket(ctx context.Context, bucket string) error {
	dir, err := g.bucketDir(&bucket)
	if err != nil {
		return err
	}
	return g.rename(g.fail("delete bucket", bucket, g.posix.DeleteBucket(ctx, dir)), bucket)
}

// rename puts the bucket's name back into an error that carries its path.
func (g *gateway) rename(err error, bucket string) error {
	var b s3err.BucketError
	if errors.As(err, &b) {
		b.BucketName = bucket
		return b
	}
	return err
}

// The front end asks these before it serves a request. Their answers are fixed: buckets belong to root, nobody else has
// anything by policy or ACL, and there are no versions, locks, tags or CORS rules on buckets (CORS is done in front.go).

func (g *gateway) GetBucketAcl(ctx context.Context, in *s3.GetBucketAclInput) ([]byte, error) {
	if _, err := g.bucketDir(in.Bucket); err != nil {
		return nil, err
	}
	return g.acl, g.checkDeletion(ctx)
}

func (g *gateway) GetBucketPolicy(_ context.Context, bucket string) ([]byte, error) {
	if _, err := g.bucketDir(&bucket); err != nil {
		return nil, err
	}
	return nil, s3err.GetAPIError(s3err.ErrNoSuchBucketPolicy)
}

func (g *gateway) GetBucketCors(context.Context, string) ([]byte, error) {
	return nil, s3err.GetAPIError(s3err.ErrNoSuchCORSConfiguration)
}

func (g *gateway) GetBucketVersioning(context.Context, string) (s3response.GetBucketVersioningOutput, error) {
	return s3response.GetBucketVersioningOutput{}, nil
}

func (g *gateway) GetObjectLockConfiguration(context.Context, string) ([]byte, error) {
	return nil, s3err.GetAPIError(s3err.ErrObjectLockConfigurationNotFound)
}

func (g *gateway) GetBucketTagging(context.Context, string) (map[string]string, error) {
	return nil, s3err.GetAPIError(s3err.ErrBucketTaggingNotFound)
}

func str(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
