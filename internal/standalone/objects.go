// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3server"
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
