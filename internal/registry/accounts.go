// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/segment"
)

var _ s3server.Accounts = (*Registry)(nil)

// Lookup implements s3server.Accounts: it knows the key pairs of the cameras, and the session keys of [Registry.Issue].
// Those of a camera that is disabled or gone, of a certificate that was taken away, and those that have ended are unknown.
func (r *Registry) Lookup(accessKey, sessionToken string) (s3server.Account, error) {
	x := r.now()
	if sessionToken != "" {
		return r.lookupSession(x, accessKey, sessionToken)
	}
	e, ok := x.keys[accessKey]
	if !ok || ended(e.ends, r.cfg.Now()) {
		return s3server.Account{}, s3server.ErrUnknownKey
	}
	return r.account(x, e.camera, s3server.Secret(e.secret))
}

func (r *Registry) account(x *index, id string, secret s3server.Secret) (s3server.Account, error) {
	c := x.record(id)
	if c == nil || c.Disabled || secret == "" {
		return s3server.Account{}, s3server.ErrUnknownKey
	}
	l := c.limits()
	return s3server.Account{
		SecretKey: secret,
		Allow:     func(action, bucket, key string) bool { return r.allow(id, l, action, bucket, key) },
		PutOnly:   &s3server.PutOnly{Name: id, MaxBytes: l.MaxObject, MaxRequests: MaxUploads, Grace: l.Grace},
	}, nil
}

// allow is the whole rule of a camera. key is the one that the object would be stored under.
func (r *Registry) allow(id string, l Limits, action, bucket, key string) bool {
	if action != "s3:PutObject" && action != "s3:PutObjectTagging" || bucket != r.cfg.Bucket {
		return false
	}
	prefix, start, ok := segment.ParseKey(key)
	if !ok || prefix != id {
		return false
	}
	age := r.cfg.Now().Sub(start)
	return age <= l.BackFill && age >= -MaxAhead
}
