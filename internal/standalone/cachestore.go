// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/cache/dynamostore"
	"github.com/s3cam/s3cam/internal/cache/redisstore"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/playback"
)

// CacheStore says where live windows are kept. The zero value keeps them in this process: right as long as one server serves a
// bucket. Servers that share a bucket behind one name have to share a store too, or a player that meets both sees numbers
// that do not fit together. At most one of the two is set.
type CacheStore struct {
	Redis *redis.Options // a server of Redis or Valkey

	DynamoDB dynamostore.API // with the table of the AWS deployment, which the functions there may use at the same time
	Table    string
}

// cacheCheck is how long the first question to a shared store may take.
const cacheCheck = 10 * time.Second

// cacheProbe is the id of a window that is never there; no camera can have that name.
const cacheProbe = "\ncheck"

// openWindows opens the store of live windows and asks it for one, so that a wrong address or password fails at the start.
func (s *server) openWindows(ctx context.Context) (playback.WindowStore, error) {
	c := s.cfg.Cache
	var store playback.WindowStore
	var err error
	switch {
	case c.Redis != nil && c.DynamoDB != nil:
		return nil, configError{errors.New("--cache: either Redis or DynamoDB")}
	case c.Redis != nil:
		o := *c.Redis
		o.MaxRetries = -1
		client := redis.NewClient(&o)
		s.ops.closers = append(s.ops.closers, client.Close)
		// Buckets of different deployments may have the same name; then they need different numbers of the database.
		store, err = redisstore.New(client, redisstore.Config{Prefix: redisstore.DefaultPrefix + s.client.Bucket() + ":", Now: s.cfg.Now, Logger: s.log})
	case c.DynamoDB != nil:
		store, err = dynamostore.New(c.DynamoDB, dynamostore.Config{Table: c.Table, Now: s.cfg.Now, Logger: s.log})
	default:
		return s.windows()
	}
	if err != nil {
		return nil, configError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, cacheCheck)
	defer cancel()
	if _, err := store.Load(ctx, cacheProbe); err != nil {
		return nil, hint.With(fmt.Errorf("the store of live windows (--cache) cannot be used: %w", err),
			"check the address, the password and the rights; --cache memory does without one as long as this is the only server of the bucket")
	}
	return store, nil
}
