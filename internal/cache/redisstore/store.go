// SPDX-License-Identifier: Apache-2.0

package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

// API is what a Store needs of a client; *redis.Client and *redis.ClusterClient satisfy it. A user of the server (ACL)
// needs the commands HMGET, GET, SET, EVALSHA, EVAL and, inside the script, TYPE, HGET, HMGET, DEL, HSET, HDEL, EXPIREAT on the
// keys that begin with Config.Prefix.
type API interface {
	redis.Scripter
	HMGet(ctx context.Context, key string, fields ...string) *redis.SliceCmd
	Get(ctx context.Context, key string) *redis.StringCmd
	SetArgs(ctx context.Context, key string, value any, a redis.SetArgs) *redis.StatusCmd
}

// Defaults of Config.
const (
	DefaultPrefix         = "s3cam:"
	DefaultAttempts       = 5
	DefaultAttemptTimeout = time.Second // a server in the same network answers within a millisecond
)

// Config is what New takes.
type Config struct {
	Prefix         string           // of all keys, so that several deployments can share a server; "" = DefaultPrefix
	Attempts       int              // most tries of one request; 0 = DefaultAttempts
	AttemptTimeout time.Duration    // longest wait for one answer; 0 = DefaultAttemptTimeout
	Logger         *slog.Logger     // nil discards
	Now            func() time.Time // default time.Now
}

// ErrUnavailable is wrapped by the errors of a Store when the server could not be reached or is not ready: later it may be.
var ErrUnavailable = errors.New("the store of live windows cannot be reached")

// Store keeps windows in a Redis or Valkey server (5 or newer) that all instances of a deployment share
// (playback.WindowStore). It may be used concurrently. A Load is one HMGET, a Save one script that compares and swaps; only an
// EVENT playlist of more than some 3 hours takes more (see parts). Each script touches one key, so that a cluster works too.
//
// Requests are repeated here, not in the client: when the connection was lost, the answer did not come, or the server is
// loading or changing its master. A Save whose answer was lost is recognised as its own when it is repeated.
//
// A window expires long after playback has given it up, by the rules of the DynamoDB store (see retain). What cannot be read
// is logged and answered as a window without entries, so that the next Save replaces it.
type Store struct {
	api   API
	cfg   Config
	parts *cache.Parts
	swap  *redis.Script
}

var _ playback.WindowStore = (*Store)(nil)

// Fields of the hash of a window: version "v", the JSON of playback.Window without what stands in parts "w", the names of
// the parts that hold its oldest entries "p" (separated by spaces), the numbers that the next window may not undercut "msn"
// and "dsn", and a random name of the Save that wrote it "by". A part is a string: the JSON of a window with nothing but entries.
const (
	fieldVersion = "v"
	fieldWindow  = "w"
	fieldParts   = "p"
	fieldMSN     = "msn"
	fieldDSN     = "dsn"
	fieldWriter  = "by"
)

// swapScript answers 1 when version ARGV[1] was replaced by what follows, or had been by this very Save before; else 0. What
// is no hash, or has no version that Save writes, counts as version 0.
const swapScript = `
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local have = redis.call('HMGET', KEYS[1], 'v', 'by')
local v = have[1]
if not v or not string.match(v, '^[1-9]%d*$') or #v > 18 then v = '0' end
if v ~= ARGV[1] then
  if have[2] == ARGV[7] then return 1 end
  return 0
end
redis.call('HSET', KEYS[1], 'v', ARGV[2], 'w', ARGV[3], 'p', ARGV[4], 'msn', ARGV[5], 'dsn', ARGV[6], 'by', ARGV[7])
redis.call('EXPIREAT', KEYS[1], ARGV[8])
return 1
`

// New returns a store in the server behind api, which is not asked yet. The client's own repeating should be off
// (MaxRetries: -1).
func New(api API, cfg Config) (*Store, error) {
	var problems []error
	if api == nil {
		problems = append(problems, errors.New("no client"))
	}
	if cfg.Attempts < 0 || cfg.AttemptTimeout < 0 {
		problems = append(problems, errors.New("negative Attempts or AttemptTimeout"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("windows in Redis: %w", errors.Join(problems...))
	}
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = DefaultAttempts
	}
	if cfg.AttemptTimeout == 0 {
		cfg.AttemptTimeout = DefaultAttemptTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Store{api: api, cfg: cfg, parts: cache.NewParts(), swap: redis.NewScript(swapScript)}, nil
}

func (r *Store) key(id string) string { return r.cfg.Prefix + id }

// Load implements playback.WindowStore. An expired window is still answered: its numbers must not be undercut.
func (r *Store) Load(ctx context.Context, id string) (playback.Window, error) {
	w, err := r.load(ctx, id)
	if errors.Is(err, cache.ErrUnreadable) {
		r.cfg.Logger.Error("a window in Redis cannot be read; it will be replaced", "window", id, slog.Any("error", err))
		err = nil
	}
	if err != nil {
		return playback.Window{}, fmt.Errorf("read window %q in Redis: %w", id, err)
	}
	return w, nil
}

// load returns what could be read beside an error that wraps cache.ErrUnreadable.
func (r *Store) load(ctx context.Context, id string) (playback.Window, error) {
	w := playback.Window{ID: id}
	var fields []any
	err := r.attempt(ctx, func(ctx context.Context) (err error) {
		fields, err = r.api.HMGet(ctx, r.key(id), fieldVersion, fieldWindow, fieldParts, fieldMSN, fieldDSN).Result()
		return err
	})
	switch {
	case err != nil && redis.HasErrorPrefix(err, "WRONGTYPE"):
		return w, fmt.Errorf("%w: somebody else wrote it: %w", cache.ErrUnreadable, err)
	case err != nil:
		return w, err
	case len(fields) != 5:
		return w, fmt.Errorf("%w: %d fields of 5", cache.ErrUnreadable, len(fields))
	}
	var text [5]string
	missing := 0
	for i, f := range fields {
		s, ok := f.(string)
		if !ok {
			missing++
		}
		text[i] = s
	}
	if missing == len(fields) {
		return w, nil // there is none
	}
	version, err := strconv.ParseInt(text[0], 10, 64)
	if err != nil || version < 1 || len(text[0]) > 18 || strconv.FormatInt(version, 10) != text[0] {
		return w, fmt.Errorf("%w: its version is none of s3cam, somebody else wrote it", cache.ErrUnreadable)
	}
	w.Version = version
	w.MediaSequence, w.DiscontinuitySequence = count(text[3], cache.MaxVersion), count(text[4], math.MaxInt32)
	var got playback.Window
	if err := json.Unmarshal([]byte(text[1]), &got); err != nil {
		return w, fmt.Errorf("%w: %w", cache.ErrUnreadable, err)
	}
	refs := strings.Fields(text[2])
	switch {
	case got.ID != id:
		return w, fmt.Errorf("%w: it holds the window of %q", cache.ErrUnreadable, got.ID)
	case got.MediaSequence < 0 || got.DiscontinuitySequence < 0 || got.TargetDuration < 0:
		return w, fmt.Errorf("%w: it has numbers that no window has", cache.ErrUnreadable)
	case len(refs) > cache.MostParts:
		return w, fmt.Errorf("%w: it names %d parts", cache.ErrUnreadable, len(refs))
	}
	older, err := r.parts.Load(id, refs, func(pk string) (*cache.Part, error) { return r.getPart(ctx, pk) })
	if err != nil {
		return w, err
	}
	got.Version = version
	if len(older) > 0 {
		got.Entries = append(older, got.Entries...)
	}
	return got, nil
}

// count reads a number of 0 to most; 0 when it is none.
func count(s string, most int64) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > most {
		return 0
	}
	return n
}

func (r *Store) getPart(ctx context.Context, pk string) (*cache.Part, error) {
	var text string
	err := r.attempt(ctx, func(ctx context.Context) (err error) {
		text, err = r.api.Get(ctx, r.key(pk)).Result()
		return err
	})
	switch {
	case errors.Is(err, redis.Nil):
		return nil, fmt.Errorf("%w: part %q of it is missing", cache.ErrUnreadable, pk)
	case err != nil && redis.HasErrorPrefix(err, "WRONGTYPE"):
		return nil, fmt.Errorf("%w: part %q: %w", cache.ErrUnreadable, pk, err)
	case err != nil:
		return nil, err
	}
	var w playback.Window
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return nil, fmt.Errorf("%w: part %q: %w", cache.ErrUnreadable, pk, err)
	}
	x := &cache.Part{Key: pk, Entries: w.Entries} // its end is not known: a Save of this process writes it again, once
	r.parts.Put(x)
	return x, nil
}

// Save implements playback.WindowStore.
func (r *Store) Save(ctx context.Context, w playback.Window) error {
	if err := r.save(ctx, w); err != nil {
		return fmt.Errorf("write window %q in Redis: %w", w.ID, err)
	}
	return nil
}

func (r *Store) save(ctx context.Context, w playback.Window) error {
	if w.ID == "" || w.Version < 0 {
		return fmt.Errorf("no id or a negative version %d", w.Version)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	refs, rest, err := r.parts.Save(w, func(x *cache.Part, text string) error {
		end := time.Unix(max(x.Expires, r.endOf(&w)+cache.PartMargin), 0) // never before the window that names it
		err := r.attempt(ctx, func(ctx context.Context) error {
			return r.api.SetArgs(ctx, r.key(x.Key), text, redis.SetArgs{ExpireAt: end}).Err()
		})
		if err == nil {
			r.parts.Put(x)
		}
		return err
	})
	if err != nil {
		return err
	}
	msn, dsn := cache.NextNumbers(&w)
	was := w.Version
	w.Version++
	w.Entries = rest
	text, err := json.Marshal(w)
	if err != nil {
		return err
	}
	args := []any{was, w.Version, text, strings.Join(refs, " "), msn, dsn, cache.Nonce(), r.endOf(&w)}
	var won int64
	err = r.attempt(ctx, func(ctx context.Context) (err error) {
		won, err = r.swap.Run(ctx, r.api, []string{r.key(w.ID)}, args...).Int64()
		return err
	})
	switch {
	case err != nil:
		return err
	case won != 1:
		return fmt.Errorf("%w: version %d is not there any more", playback.ErrConflict, was)
	}
	return nil
}

// endOf is when Redis deletes the window, Unix seconds. One that would be gone at once stays for an hour: a Save must be seen.
func (r *Store) endOf(w *playback.Window) int64 {
	return max(cache.ExpiresAt(w), r.cfg.Now().Add(cache.RetainEvent).Unix())
}
