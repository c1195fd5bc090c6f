// SPDX-License-Identifier: Apache-2.0

package redisstore

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/cache"
)

// attempt calls do until it succeeds, fails for good, or the attempts or ctx are used up. Each try has its own deadline.
func (r *Store) attempt(ctx context.Context, do func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	pause := cache.FirstPause
	for n := 1; ; n++ {
		try, cancel := context.WithTimeout(ctx, r.cfg.AttemptTimeout)
		err := do(try)
		cancel()
		var answer redis.Error
		refused := errors.As(err, &answer) // the server said no, in words
		passing := !refused || redisPasses(err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case errors.Is(err, redis.Nil), refused && !passing:
			return explainRedis(err)
		case n >= r.cfg.Attempts:
			return fmt.Errorf("%w, after %d attempts: %w", ErrUnavailable, n, explainRedis(err))
		}
		r.cfg.Logger.Debug("request to Redis is repeated", "attempt", n, "error", err)
		timer := time.NewTimer(time.Duration(mathrand.Int64N(int64(pause))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-timer.C:
		}
		pause = min(2*pause, cache.MaxPause)
	}
}

// redisPasses tells the answers that are about the moment: starting, another master, a long script, too many clients.
func redisPasses(err error) bool {
	for _, prefix := range [...]string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS", "ERR max number of clients"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// explainRedis adds to the refusals that an operator can end what he has to look at.
func explainRedis(err error) error {
	for prefix, hint := range map[string]string{
		"NOAUTH":    "the server wants a password: redis://:PASSWORD@HOST",
		"WRONGPASS": "the server refuses the user or the password",
		"NOPERM":    "the user's ACL must allow HMGET, GET, SET, EVALSHA and EVAL on the keys of s3cam",
		"OOM":       "the server's memory is used up (maxmemory)",
		"READONLY":  "this server is a replica; name the master",
		"MOVED":     "this server is part of a cluster; name a proxy of it or a server that stands alone",
		"MISCONF":   "the server cannot save to its disk",
	} {
		if redis.HasErrorPrefix(err, prefix) {
			return fmt.Errorf("%s: %w", hint, err)
		}
	}
	return err
}
