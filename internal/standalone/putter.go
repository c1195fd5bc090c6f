// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/uploader"
)

// NewPutter stores an uploader's segments through a client. It tries once per call: retrying is the uploader's.
func NewPutter(c *s3.Client) uploader.Putter { return putter{c} }

type putter struct{ client *s3.Client }

func (p putter) Put(ctx context.Context, o *uploader.Object) (time.Time, error) {
	crc := o.CRC32C
	res, err := p.client.PutOnce(ctx, o.Key, s3.NewParts(o.Parts[:]...), int64(o.Size), s3.PutOptions{
		ContentType: "video/mp2t", Tags: o.Tags, IfNoneMatch: true, CRC32C: &crc,
	})
	if err == nil {
		return res.Date, nil
	}
	var answer *s3.Error
	if errors.As(err, &answer) { // the answer that complains about our clock has the right time too
		return answer.Date, uploadError(err)
	}
	return time.Time{}, uploadError(err)
}

// uploadError adds the class on which the uploader acts. Everything without one is tried again after a while.
func uploadError(err error) error {
	var class error
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, s3.ErrExists):
		class = uploader.ErrExists
	case errors.Is(err, s3.ErrClockSkew):
		class = uploader.ErrClockSkew
	case errors.Is(err, s3.ErrExpiredCredentials):
		class = uploader.ErrExpiredCredentials
	case errors.As(err, &op) && op.Op == "dial", errors.As(err, &cert), errors.As(err, &plain):
		class = uploader.ErrNotSent
	case !s3.Retryable(err):
		class = uploader.ErrRejected
	default:
		return err
	}
	return fmt.Errorf("%w: %w", class, err)
}
