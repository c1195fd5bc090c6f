// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/cache/redisstore"
	"github.com/s3cam/s3cam/internal/polltest"
)

// miniServer is a Redis server in this process.
func miniServer(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	return miniredis.RunT(t)
}

// realServer starts the redis-server of this machine on a socket of its own.
func realServer(t testing.TB) *redis.Client {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("SKIPPED: a real Redis, because redis-server is not installed (apt-get install redis-server)")
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	client := redisClient(t, &redis.Options{Network: "unix", Addr: socket})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	polltest.Until(t, 30*time.Second, "redis-server answers", func() bool { return client.Ping(ctx).Err() == nil })
	return client
}

func redisClient(t testing.TB, o *redis.Options) *redis.Client {
	t.Helper()
	o.MaxRetries = -1
	client := redis.NewClient(o)
	t.Cleanup(func() { client.Close() })
	return client
}

func openRedis(t testing.TB, api redisstore.API) *redisstore.Store {
	t.Helper()
	r, err := redisstore.New(api, redisstore.Config{AttemptTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
