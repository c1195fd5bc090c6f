// SPDX-License-Identifier: Apache-2.0

package s3delivery

import (
	"context"
	"errors"
	"net/http"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/s3"
)

// Objects streams segments from an S3 endpoint ([httpapi.Objects]).
type Objects struct{ Client *s3.Client }

// Open implements [httpapi.Objects].
func (r Objects) Open(ctx context.Context, key string, offset, n int64) (*httpapi.Object, error) {
	if n == 0 {
		return r.head(ctx, key)
	}
	o, err := r.Client.Get(ctx, key, s3.GetOptions{Offset: offset, Length: max(n, 0)})
	var e *s3.Error
	if errors.As(err, &e) && e.Status == http.StatusRequestedRangeNotSatisfiable {
		return r.head(ctx, key)
	}
	if err != nil {
		return nil, err
	}
	return &httpapi.Object{Body: o.Body, Size: o.Size, Modified: o.LastModified, ETag: o.ETag}, nil
}

func (r Objects) head(ctx context.Context, key string) (*httpapi.Object, error) {
	info, err := r.Client.Head(ctx, key)
	if err != nil {
		return nil, err
	}
	return &httpapi.Object{Size: info.Size, Modified: info.LastModified, ETag: info.ETag}, nil
}
