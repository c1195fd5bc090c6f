// SPDX-License-Identifier: Apache-2.0

package s3delivery

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/s3"
)

// redirectStep is the grid of dates of redirects: a signer then serves all of that time, and a URL loses at most this much
// of its validity.
const redirectStep = 5 * time.Second

// Signers keeps the signers of the last dates. Making one derives a key; using one is cheap.
type Signers struct {
	client *s3.Client
	mu     sync.Mutex
	made   map[signing]*s3.Presigner
}

type signing struct {
	at      int64 // Unix
	expires time.Duration
}

// maxSigners bounds the kept signers: one per minute of a live window, one for redirects.
const maxSigners = 64

// NewSigners returns Signers that sign for the bucket and with the credentials of c. They sign nothing before the first Get.
func NewSigners(c *s3.Client) *Signers { return &Signers{client: c, made: map[signing]*s3.Presigner{}} }

// Get is what [httpapi.Config.Presign] asks for: a signer whose URLs are dated at, floored to 5 s, and expire after expires.
// Temporary credentials may end before.
func (s *Signers) Get(ctx context.Context, at time.Time, expires time.Duration) (httpapi.Presigner, error) {
	at = at.Truncate(redirectStep)
	k := signing{at.Unix(), expires}
	s.mu.Lock()
	p := s.made[k]
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, err := s.client.Presigner(ctx, at, expires)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.made) >= maxSigners {
		clear(s.made)
	}
	s.made[k] = p
	return p, nil
}

// Origin returns scheme and host of the signed URLs: a page must be allowed to load from there.
func (s *Signers) Origin(ctx context.Context, now time.Time) (string, error) {
	p, err := s.Get(ctx, now, time.Minute)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(string(p.AppendGet(nil, "x")))
	if err != nil {
		return "", errors.New("signed URLs cannot be parsed") // the parser's own text would show the signature
	}
	return u.Scheme + "://" + u.Host, nil
}
