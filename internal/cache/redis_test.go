// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/cache/redisstore"
	"github.com/s3cam/s3cam/playback"
)

func TestTheConfigurationOfRedisIsCheckedAtOnce(t *testing.T) {
	_, err := redisstore.New(nil, redisstore.Config{Attempts: -1})
	for _, want := range []string{"client", "Attempts"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// hook stands between a store and its client: before and after each command it may fail.
type hook struct {
	calls  atomic.Int64
	before func(call int64) error
	after  func(call int64) error
}

func (h *hook) DialHook(next redis.DialHook) redis.DialHook { return next }
func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := cmd.Name(); name == "hello" || name == "client" || name == "select" {
			return next(ctx, cmd)
		}
		n := h.calls.Add(1)
		if h.before != nil {
			if err := h.before(n); err != nil {
				cmd.SetErr(err)
				return err
			}
		}
		err := next(ctx, cmd)
		if h.after != nil && err == nil {
			if err := h.after(n); err != nil {
				cmd.SetErr(err)
				return err
			}
		}
		return err
	}
}

func TestFailuresOfRedisAreRepeatedOrExplained(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		calls   int64 // of one Load
		want    string
		passing bool // the error says that it may pass
	}{
		{"a lost connection is repeated", io.ErrUnexpectedEOF, 3, "after 3 attempts", true},
		{"nobody listens: repeated", &net.OpError{Op: "dial", Err: errors.New("connection refused")}, 3, "after 3 attempts", true},
		{"a server that loads its data is asked again", redisAnswer("LOADING Redis is loading the dataset in memory"), 3, "after 3 attempts", true},
		{"so is a replica that may become the master", redisAnswer("READONLY You can't write against a read only replica."), 3, "name the master", true},
		{"a missing password is not", redisAnswer("NOAUTH Authentication required."), 1, "wants a password", false},
		{"a wrong one is not", redisAnswer("WRONGPASS invalid username-password pair"), 1, "refuses the user", false},
		{"missing rights are not", redisAnswer("NOPERM this user has no permissions"), 1, "ACL", false},
		{"full memory is not", redisAnswer("OOM command not allowed when used memory > 'maxmemory'."), 1, "maxmemory", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := redisClient(t, &redis.Options{Addr: miniServer(t).Addr()})
			h := &hook{before: func(int64) error { return tt.err }}
			client.AddHook(h)
			r, err := redisstore.New(client, redisstore.Config{Attempts: 3})
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range []func() error{
				func() error { _, err := r.Load(t.Context(), "a"); return err },
				func() error { return r.Save(t.Context(), window("a", 0, 1, now)) },
			} {
				h.calls.Store(0)
				err := op()
				if h.calls.Load() != tt.calls || err == nil || !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.want) ||
					errors.Is(err, playback.ErrConflict) || errors.Is(err, redisstore.ErrUnavailable) != tt.passing {
					t.Errorf("%d calls (want %d): %v", h.calls.Load(), tt.calls, err)
				}
			}
		})
	}
}

type redisAnswer string

func (e redisAnswer) Error() string { return string(e) }
func (redisAnswer) RedisError()     {}

func TestASaveWhoseAnswerWasLostIsItsOwn(t *testing.T) {
	server := miniServer(t)
	client := redisClient(t, &redis.Options{Addr: server.Addr()})
	r := openRedis(t, client)
	save(t, r, window("a", 0, 1, now)) // the script is known from here on
	lost := false
	client.AddHook(&hook{after: func(int64) error {
		if !lost {
			lost = true
			return io.EOF
		}
		return nil
	}})
	if err := r.Save(t.Context(), window("a", 1, 2, now)); err != nil || !lost {
		t.Errorf("lost %v: %v", lost, err)
	}
	if w := load(t, r, "a"); w.Version != 2 || len(w.Entries) != 2 {
		t.Errorf("%+v", w)
	}
	if err := r.Save(t.Context(), window("a", 1, 3, now)); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("another's: %v", err)
	}
}

func TestWhatCannotBeReadIsReplaced(t *testing.T) {
	tests := []struct {
		name    string
		spoil   func(c *redis.Client) error
		version int64
		msn     int64
	}{
		{"a string of somebody else's", func(c *redis.Client) error {
			c.Del(context.Background(), "s3cam:a")
			return c.Set(context.Background(), "s3cam:a", "x", 0).Err()
		}, 0, 0},
		{"a hash without a version", func(c *redis.Client) error {
			return c.HDel(context.Background(), "s3cam:a", "v").Err()
		}, 0, 0},
		{"a version that is no number", func(c *redis.Client) error { return c.HSet(context.Background(), "s3cam:a", "v", "1e3").Err() }, 0, 0},
		{"a version with a sign", func(c *redis.Client) error { return c.HSet(context.Background(), "s3cam:a", "v", "+1").Err() }, 0, 0},
		{"a damaged window", func(c *redis.Client) error { return c.HSet(context.Background(), "s3cam:a", "w", "{").Err() }, 1, 103},
		{"another's window", func(c *redis.Client) error { return c.HSet(context.Background(), "s3cam:a", "w", `{"ID":"b"}`).Err() }, 1, 103},
		{"a part that is gone", func(c *redis.Client) error { return c.HSet(context.Background(), "s3cam:a", "p", "gone").Err() }, 1, 103},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := redisClient(t, &redis.Options{Addr: miniServer(t).Addr()})
			var log bytes.Buffer
			r, err := redisstore.New(client, redisstore.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			w := window("a", 0, 3, now)
			w.MediaSequence = 100
			save(t, r, w)
			if err := tt.spoil(client); err != nil {
				t.Fatal(err)
			}
			got := load(t, r, "a")
			if got.Version != tt.version || got.MediaSequence != tt.msn || len(got.Entries) != 0 || !strings.Contains(log.String(), "cannot be read") {
				t.Errorf("%+v\n%s", got, &log)
			}
			w.Version = got.Version
			save(t, r, w)
			if got := load(t, r, "a"); got.Version != w.Version+1 || len(got.Entries) != 3 {
				t.Errorf("after it was replaced: %+v", got)
			}
		})
	}
}

func TestWindowsExpireInRedisLongAfterPlaybackGaveThemUp(t *testing.T) {
	server := miniServer(t)
	server.SetTime(now)
	client := redisClient(t, &redis.Options{Addr: server.Addr()})
	r, err := redisstore.New(client, redisstore.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	end := now.Add(10 * time.Minute)
	save(t, r, window("live", 0, 1, end))
	event := window("event\n1", 0, 1, end)
	event.Event = true
	save(t, r, event)
	save(t, r, window("old", 0, 1, now.Add(-365*24*time.Hour)))
	for key, want := range map[string]time.Duration{
		"s3cam:live": 10*time.Minute + 30*24*time.Hour, "s3cam:event\n1": 10*time.Minute + time.Hour, "s3cam:old": time.Hour,
	} {
		if got := server.TTL(key); got < want || got > want+2*time.Second {
			t.Errorf("%q goes after %v, want %v", key, got, want)
		}
	}
}

func TestDeploymentsShareAServerByPrefix(t *testing.T) {
	client := redisClient(t, &redis.Options{Addr: miniServer(t).Addr()})
	a, _ := redisstore.New(client, redisstore.Config{Prefix: "a:"})
	b, _ := redisstore.New(client, redisstore.Config{Prefix: "b:"})
	save(t, a, window("cam", 0, 2, now))
	if w := load(t, b, "cam"); w.Version != 0 {
		t.Errorf("%+v", w)
	}
}
