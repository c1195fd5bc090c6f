// SPDX-License-Identifier: Apache-2.0

package standalone

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

// signers keeps the signers of the last dates. Making one derives a key; using one is cheap.
type signers struct {
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

func newSigners(c *s3.Client) *signers { return &signers{client: c, made: map[signing]*s3.Presigner{}} }

func (s *signers) get(ctx context.Context, at time.Time, expires time.Duration) (httpapi.Presigner, error) {
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

// origin returns scheme and host of the signed URLs: the page must be allowed to load from there.
func (s *signers) origin(ctx context.Context, now time.Time) (string, error) {
	p, err := s.get(ctx, now, time.Minute)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(string(p.AppendGet(nil, "x")))
	if err != nil {
		return "", errors.New("signed URLs cannot be parsed") // the parser's own text would show the signature
	}
	return u.Scheme + "://" + u.Host, nil
}
