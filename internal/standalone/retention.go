// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/state"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
)

// Retention says how long footage is kept. Rules for single cameras and holds are in files of the state directory.
type Retention struct {
	Default  retention.Limits  // of cameras without a rule; zero: without a limit
	KeepFree retention.Reserve // of the embedded store's disk; zero: no guard
	Interval time.Duration     // between rounds; zero: 5 min, on an external store an hour
	Off      bool              // delete nothing, whatever the files say: another server on the same bucket does
}

func (r *Retention) problem(embedded bool) error {
	switch {
	case !embedded && r.KeepFree != retention.Reserve{}:
		return hint.With(errors.New("--keep-free is for the embedded store: how much room another store has cannot be asked"), "limit each camera with --retention-bytes")
	case r.Off && (r.Default != retention.Limits{} || r.KeepFree != retention.Reserve{}):
		return errors.New("--no-retention and limits exclude each other")
	}
	return nil
}

// KeeperConfig joins package retention to the files in a state directory and to a store; bucket or client is nil.
func KeeperConfig(dir string, r Retention, store interface {
	retention.Store
	retention.Deleter
}) (retention.Config, error) {
	rules, err := state.Open[retention.Rules](filepath.Join(dir, retention.RulesFile))
	if err != nil {
		return retention.Config{}, err
	}
	holds, err := state.Open[retention.Holds](filepath.Join(dir, retention.HoldsFile))
	if err != nil {
		return retention.Config{}, err
	}
	seen, err := state.Open[retention.Seen](filepath.Join(dir, retention.SeenFile), state.Disposable())
	if err != nil {
		return retention.Config{}, err
	}
	var last atomic.Int64
	cfg := retention.Config{
		Store: store, Delete: store, Default: r.Default, Reserve: r.KeepFree, Interval: r.Interval,
		Rules: rules.Get,
		Holds: func() ([]retention.Hold, error) {
			h, err := holds.Get()
			if err == nil {
				err = sinceSeen(h, seen, &last)
			}
			return h.Holds, err
		},
		Seen: seen,
	}
	if _, remote := store.(RemoteBucket); remote {
		cfg.Rate, cfg.Batch, cfg.MaxRound, cfg.MaxDeletes = externalRate, externalBatch, externalMaxRound, externalMaxDeletes
		if cfg.Interval == 0 {
			cfg.Interval = externalInterval
		}
	}
	return cfg, nil
}

// sinceSeen refuses holds that are older than those that were there once, and remembers new ones, each with one try; last is that of the
// last try.
func sinceSeen(h retention.Holds, seen *state.File[retention.Seen], last *atomic.Int64) error {
	was, err := seen.Get()
	switch {
	case err != nil:
		return err
	case h.Last <= was.Holds:
		return h.Since(was.Holds)
	}
	if last.Swap(int64(h.Last)) == int64(h.Last) {
		return nil
	}
	// On a full disk they are not remembered, and something has to go all the same.
	_ = seen.Update(func(s *retention.Seen) error {
		s.Holds = max(s.Holds, h.Last)
		return nil
	})
	return nil
}

// Bounds of deleting from an external store. A round lists the folders of all cameras, which takes longer there than here and is paid for.
const (
	externalInterval   = time.Hour
	externalRate       = 1500 // deletes per second; 450 cameras with segments of 3 s need 150
	externalBatch      = s3.MaxDeleteKeys
	externalMaxRound   = 10 * time.Minute
	externalMaxDeletes = 500_000
)

// RemoteBucket is an external store that deletes many keys at a time.
type RemoteBucket struct{ *s3.Client }

// DeleteKeys deletes keys. S3 does not say whether there was an object.
func (b RemoteBucket) DeleteKeys(ctx context.Context, keys []string) (removed, done int, err error) {
	res, err := b.DeleteObjects(ctx, keys)
	done = res.Done
	if err != nil {
		if len(res.Refused) > 0 {
			done = min(done, res.Refused[0].Index)
		}
		if errors.Is(err, s3.ErrThrottled) {
			err = fmt.Errorf("%w: %w", retention.ErrBusy, err)
		}
		return done, done, err
	}
	if len(res.Refused) == 0 {
		return done, done, nil
	}
	refused := &retention.Refused{Keys: make(map[int]error, len(res.Refused)), Err: &res.Refused[0]}
	busy := 0
	for i := range res.Refused {
		r := &res.Refused[i]
		refused.Keys[r.Index] = r
		if errors.Is(r, s3.ErrThrottled) {
			busy++
		}
	}
	if busy == len(keys) {
		return 0, 0, fmt.Errorf("%w: %w", retention.ErrBusy, refused.Err)
	}
	return done - len(res.Refused), done, refused
}

// keeping is what is running of it.
type keeping struct {
	keeper *retention.Keeper
	group  group
}

// openRetention reads the rules and lets playback know what is about to go.
func (s *server) openRetention(pc *playback.Config) error {
	r := s.cfg.Retention
	if r.Off {
		return nil
	}
	dir := s.cfg.StateDir()
	var cfg retention.Config
	var err error
	if s.bucket != nil {
		if cfg, err = KeeperConfig(dir, r, s.bucket); err == nil && r.KeepFree != (retention.Reserve{}) {
			cfg.Disk = retention.DiskOf(s.bucket.Dir())
		}
	} else {
		cfg, err = KeeperConfig(dir, r, RemoteBucket{s.client})
	}
	if err != nil {
		return dataError(dir, err)
	}
	cfg.Now, cfg.Logger = s.cfg.Now, s.log
	if s.keeping.keeper, err = retention.New(cfg); err != nil {
		return configError{err}
	}
	pc.Expiry = func(camera string, now time.Time) playback.Expiry {
		edge, held := s.keeping.keeper.Expiry(camera, now)
		e := playback.Expiry{Edge: edge}
		for _, h := range held {
			e.Held = append(e.Held, playback.HeldRange(h))
		}
		return e
	}
	return nil
}

// stored tells the keeper of a segment.
func (k *keeping) stored(camera string, start time.Time) {
	if k.keeper != nil {
		k.keeper.Stored(camera, start)
	}
}

// startRetention begins to delete.
func (s *server) startRetention(ctx context.Context) {
	if s.keeping.keeper != nil {
		s.keeping.group.run(ctx, s.failed, s.keeping.keeper.Run)
	}
}
