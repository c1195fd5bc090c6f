// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"net/http"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/s3"
)

// localObjects opens segments of the embedded store as files.
type localObjects struct{ bucket *s3server.Bucket }

func (l localObjects) Open(ctx context.Context, key string, _, _ int64) (*httpapi.Object, error) {
	f, err := l.bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &httpapi.Object{Body: f, Size: st.Size(), Modified: st.ModTime()}, nil
}

// remoteObjects streams segments from an S3 endpoint.
type remoteObjects struct{ client *s3.Client }

func (r remoteObjects) Open(ctx context.Context, key string, offset, n int64) (*httpapi.Object, error) {
	if n == 0 {
		return r.head(ctx, key)
	}
	o, err := r.client.Get(ctx, key, s3.GetOptions{Offset: offset, Length: max(n, 0)})
	var e *s3.Error
	if errors.As(err, &e) && e.Status == http.StatusRequestedRangeNotSatisfiable {
		return r.head(ctx, key)
	}
	if err != nil {
		return nil, err
	}
	return &httpapi.Object{Body: o.Body, Size: o.Size, Modified: o.LastModified, ETag: o.ETag}, nil
}

func (r remoteObjects) head(ctx context.Context, key string) (*httpapi.Object, error) {
	info, err := r.client.Head(ctx, key)
	if err != nil {
		return nil, err
	}
	return &httpapi.Object{Size: info.Size, Modified: info.LastModified, ETag: info.ETag}, nil
}
