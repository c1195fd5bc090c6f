// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/uploader"
)

// putter stores segments by the S3 client of this module. It tries once per call; to try again is the uploader's.
type putter struct{ bucket *s3.Client }

func (p putter) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	r, err := p.bucket.PutOnce(ctx, o.Key, s3.NewParts(o.Parts[:]...), int64(o.Size), s3.PutOptions{
		ContentType: "video/mp2t", IfNoneMatch: true, CRC32C: &o.CRC32C, Tags: o.Tags,
	})
	var answer *s3.Error
	switch {
	case err == nil:
		return r.Date, nil
	case errors.Is(err, s3.ErrExists):
		err = fmt.Errorf("%w: %w", uploader.ErrExists, err)
	case errors.Is(err, s3.ErrClockSkew):
		err = fmt.Errorf("%w: %w", uploader.ErrClockSkew, err)
	case errors.Is(err, s3.ErrExpiredCredentials):
		err = fmt.Errorf("%w: %w", uploader.ErrExpiredCredentials, err)
	case ctx.Err() == nil && !s3.Retryable(err):
		err = fmt.Errorf("%w: %w", uploader.ErrRejected, err)
	}
	if errors.As(err, &answer) { // it has the right time, also when it complains about ours
		return answer.Date, err
	}
	return time.Time{}, err
}

// A camera's life: seven seconds at 25 pictures a second, a key frame each second, stored as segments of three.
func Example() {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // stands for S3
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"0"`)
		fmt.Println(r.Method, r.URL.Path)
	}))
	defer store.Close()
	bucket, err := s3.New(s3.Config{Endpoint: store.URL, PathStyle: true, Bucket: "video", Credentials: s3.Static("KEY", "SECRET", "")})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, err := uploader.New(uploader.Config{
		Prefix: "garden", // the camera id
		Putter: putter{bucket},
		Epoch:  time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC), // leave it out when the pictures are live
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	camera := encoder{fps: 25, gop: 25, size: 1000}
	for range 7 * 25 {
		if err := u.WriteVideo(camera.next()); err != nil { // uploader.AccessUnit{Data: annexB, PTS: sinceStart, DTS: sinceStart}
			fmt.Println(err)
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := u.Close(ctx); err != nil { // seals the open segment and waits until all is stored
		fmt.Println(err)
	}
	// Output:
	// PUT /video/garden/2026/11/25/09/30/00.ts
	// PUT /video/garden/2026/11/25/09/30/03.ts
	// PUT /video/garden/2026/11/25/09/30/06.ts
}
