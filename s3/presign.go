// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

// Presigner makes presigned GET URLs with one signing time and life. It holds a signing key: keep it no longer than its
// URLs may be handed out. Safe for use by several goroutines.
type Presigner struct {
	p       *sigv4.Presigner
	expires time.Time
}

// Presigner prepares presigned GET URLs that are signed at time at (by Config.Now; the learned clock offset is added) and
// valid for expires, at most 7 days. The credentials are those of now: URLs end with them, whatever expires says.
func (c *Client) Presigner(ctx context.Context, at time.Time, expires time.Duration) (*Presigner, error) {
	cred, err := c.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("s3: presign: credentials: %w", err)
	}
	a := c.target.Load()
	offset := c.ClockOffset()
	p, err := c.signer.NewPresigner(&cred, sigv4.PresignOptions{
		BaseURL: a.baseURL(), Region: a.region, Time: at.Add(offset), Expires: expires,
	})
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	end := p.Expires().Add(-offset)
	if !cred.Expires.IsZero() && cred.Expires.Before(end) {
		end = cred.Expires
	}
	return &Presigner{p, end}, nil
}

// AppendGet appends the URL of the object key to dst. It allocates only to grow dst. Whoever has the URL can read the
// object until it expires, so it must not be logged.
func (p *Presigner) AppendGet(dst []byte, key string) []byte { return p.p.Append(dst, key) }

// Expires returns when the URLs end: by their own date or with the credentials, whichever comes first.
func (p *Presigner) Expires() time.Time { return p.expires }
