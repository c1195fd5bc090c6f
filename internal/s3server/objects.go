// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// existing is object for requests on an object that should be there: a key that cannot be stored is simply not there, and
// what lookup does not see is not there either.
func (g *gateway) existing(bucket, key *string) (dir, clean string, err error) {
	if dir, err = g.bucketDir(bucket); err != nil {
		return "", "", err
	}
	if clean, err = cleanKey(str(key)); err != nil {
		return "", "", s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	if _, err = lookup(dir, clean); errors.Is(err, fs.ErrNotExist) {
		return "", "", s3err.GetAPIError(s3err.ErrNoSuchKey)
	} else if err != nil {
		return "", "", g.fail("look up", clean, err)
	}
	return dir, clean, nil
}

func (g *gateway) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	dir, key, err := g.existing(in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	p := *in
	p.Bucket, p.Key = &dir, &key
	out, err := g.posix.GetObject(context.WithoutCancel(ctx), &p)
	return out, g.fail("get", key, err)
}

func (g *gateway) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	dir, key, err := g.existing(in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	p := *in
	p.Bucket, p.Key = &dir, &key
	out, err := g.posix.HeadObject(context.WithoutCancel(ctx), &p)
	return out, g.fail("head", key, err)
}

func (g *gateway) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	if err := g.notPutOnly(ctx); err != nil {
		return nil, err
	}
	dir, key, err := g.existing(in.Bucket, in.Key)
	if err != nil {
		if errors.Is(err, s3err.GetAPIError(s3err.ErrNoSuchKey)) {
			return &s3.DeleteObjectOutput{}, nil // as S3: deleting what is not there succeeds
		}
		return nil, err
	}
	p := *in
	p.Bucket, p.Key = &dir, &key
	out, err := g.posix.DeleteObject(context.WithoutCancel(ctx), &p)
	return out, g.fail("delete", key, err)
}

func (g *gateway) GetObjectTagging(ctx context.Context, bucket, object, version string) (map[string]string, error) {
	dir, key, err := g.existing(&bucket, &object)
	if err != nil {
		return nil, err
	}
	tags, err := g.posix.GetObjectTagging(context.WithoutCancel(ctx), dir, key, version)
	return tags, g.fail("get tags", key, err)
}

func (g *gateway) PutObjectTagging(ctx context.Context, bucket, object, version string, tags map[string]string) error {
	if err := g.notPutOnly(ctx); err != nil {
		return err
	}
	dir, key, err := g.existing(&bucket, &object)
	if err != nil {
		return err
	}
	return g.fail("put tags", key, g.posix.PutObjectTagging(context.WithoutCancel(ctx), dir, key, version, tags))
}

func (g *gateway) DeleteObjectTagging(ctx context.Context, bucket, object, version string) error {
	return g.PutObjectTagging(ctx, bucket, object, version, nil)
}

func (g *gateway) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	dir, err := g.bucketDir(in.Bucket)
	if err != nil {
		return s3response.ListObjectsResult{}, err
	}
	p := *in
	p.Bucket = &dir
	out, err := g.posix.ListObjectsParametrized(context.WithoutCancel(ctx), &p, g.listed)
	out.Name = in.Bucket
	return out, g.fail("list", str(in.Prefix), err)
}

func (g *gateway) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	dir, err := g.bucketDir(in.Bucket)
	if err != nil {
		return s3response.ListObjectsV2Result{}, err
	}
	p := *in
	p.Bucket = &dir
	out, err := g.posix.ListObjectsV2Parametrized(context.WithoutCancel(ctx), &p, g.listed)
	out.Name = in.Bucket
	return out, g.fail("list", str(in.Prefix), err)
}

// listed makes the entries of a listing. Directories are not objects here, which saves a system call for each; links, and the
// temporary names that a crash in mid-overwrite leaves behind, are passed over. Owners are not reported.
func (g *gateway) listed(dir string, _ bool) backend.GetObjFunc {
	entry := g.posix.FileToObj(dir, false)
	return func(key string, d fs.DirEntry) (s3response.Object, error) {
		if !d.Type().IsRegular() || reserved(path.Base(key)) {
			return s3response.Object{}, backend.ErrSkipObj
		}
		return entry(key, d)
	}
}
