// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// Deleter removes objects by key and returns how many there were, and of how many keys it knows what became. One that is not
// there is no error. *s3server.Bucket is one. An error may wrap *Refused, or ErrBusy.
type Deleter interface {
	DeleteKeys(ctx context.Context, keys []string) (removed, done int, err error)
}

// sweeper is an optional ability of a Deleter: clear the empty folders that a crash has left.
type sweeper interface {
	RemoveEmptyFolders(ctx context.Context, prefix, startAfter string) (int, error)
}

// Disk is the state of a file system.
type Disk struct {
	Total, Free        int64 // bytes; Free is what may be used without being root
	Inodes, FreeInodes int64 // 0 when the file system has no fixed number
	Block              int64 // bytes; sizes are rounded up to it
}

// Defaults and bounds of Config.
const (
	DefaultInterval   = 5 * time.Minute
	DefaultGuardEvery = 10 * time.Second
	DefaultMinAge     = 10 * time.Minute
	DefaultMaxSilence = 72 * time.Hour
	DefaultDoubt      = 24 * time.Hour
	DefaultMaxDeletes = 20000
	DefaultMaxRound   = 20 * time.Second
	DefaultRate       = 1000

	aheadMost   = day  // of a camera's clock before that of this machine
	inodeShare  = 0.01 // of all inodes are kept free, too
	batch       = 100  // default of Config.Batch, and of the disk guard
	afterMore   = time.Second
	afterError  = time.Minute
	complainAt  = time.Hour   // how often the same is logged
	guardSlack  = 10          // a tenth of the reserve is freed beyond it
	nothingWait = time.Minute // after which footage may have become old enough
	maxBackOff  = 10 * time.Minute
)

// ErrClock is returned by a round whose age limits were not applied because the clock of this machine and the newest footage
// disagree.
var ErrClock = errors.New("the clock does not agree with the footage")

// Config is what New needs.
type Config struct {
	Store  Store
	Delete Deleter

	Default Limits                 // of cameras without a rule
	Rules   func() (Rules, error)  // nil: none. Asked once per round
	Holds   func() ([]Hold, error) // nil: none. Asked before each batch, so it answers from memory

	// Reserve is kept free on the disk that Disk describes; nil Disk: no guard.
	Reserve Reserve
	Disk    func() (Disk, error)

	Interval   time.Duration // between rounds, give or take a tenth. Default DefaultInterval
	GuardEvery time.Duration // between looks at the disk. Default DefaultGuardEvery
	MinAge     time.Duration // before a camera's newest segment: never deleted for bytes or disk. Default DefaultMinAge
	MaxSilence time.Duration // see the package comment. Default DefaultMaxSilence
	Doubt      time.Duration // how long age limits rest after the clock has jumped ahead. Default DefaultDoubt
	MaxDeletes int           // per round. Default DefaultMaxDeletes
	MaxRound   time.Duration // longest round. Default DefaultMaxRound
	Batch      int           // deletes between two looks at the holds, at most. Default 100
	Rate       int           // deletes per second but for the disk guard. Default DefaultRate; negative: without pauses

	// Seen remembers the clock between two processes; nil: it is not known to have jumped while none ran.
	Seen SeenStore

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // nil discards
}

// Keeper applies the rules to one bucket. Its methods may be called from several goroutines; rounds come one after the other.
type Keeper struct {
	cfg   Config
	sweep sweeper

	turn   sync.Mutex // of rounds, and of what follows
	stocks map[string]*stock
	swept  bool
	resume string // camera at which the last round stopped
	guard  guardState
	fails  int // rounds in a row that have failed

	seenBefore  Seen // as the last round left it
	seenRead    bool
	seenWritten time.Time
	lastNow     time.Time // of the last round, with the reading of a clock that does not step

	mu       sync.Mutex // of what follows; held for moments
	stats    Stats
	seen     int64 // newest segment of which is known that its time agrees with the clock
	late     map[string]map[int64]struct{}
	counting bool
	edges    map[string]edge
	diskEdge edge
	said     map[string]time.Time
}

// Stats are counters since New, and the state after the last round.
type Stats struct {
	Rounds, Failed     int64
	Deleted            map[Reason]Count
	Refused            int64 // deletions that the store has refused; each is counted again when it is tried again
	FoldersRemoved     int64
	LastRound          time.Time // end of the last one that went through
	LastError          string    // of the last round; empty when it went through
	ClockRefused       bool      // age limits are not applied
	DiskTotal          int64
	DiskFree           int64
	DiskReserve        int64
	DiskLow            bool // less than the reserve is free
	NothingLeftToPrune bool // and nothing that may be deleted is left
}

// Count is a number of segments and their bytes.
type Count struct{ Segments, Bytes int64 }

// Reason says why a segment goes.
type Reason string

// The reasons.
const (
	ByAge   Reason = "age"
	ByBytes Reason = "bytes"
	ByDisk  Reason = "disk"
)

// New returns a Keeper. It deletes nothing before Run or Round.
func New(cfg Config) (*Keeper, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if cfg.Store == nil || cfg.Delete == nil {
		bad("Store or Delete is missing")
	}
	if cfg.Default.Age < 0 || cfg.Default.Age > maxDays*day || cfg.Default.Bytes < 0 {
		bad("Default %+v: limits are 0 (none) or more, and at most %d days", cfg.Default, maxDays)
	}
	if cfg.Reserve.Bytes < 0 || !(cfg.Reserve.Share >= 0 && cfg.Reserve.Share <= 0.9) {
		bad("Reserve %+v: want bytes, or a share of 0 to 0.9", cfg.Reserve)
	}
	if (cfg.Reserve != Reserve{}) && cfg.Disk == nil {
		bad("Reserve needs Disk")
	}
	def := func(d *time.Duration, v time.Duration, name string) {
		if *d == 0 {
			*d = v
		}
		if *d < 0 {
			bad("%s is negative", name)
		}
	}
	def(&cfg.Interval, DefaultInterval, "Interval")
	def(&cfg.GuardEvery, DefaultGuardEvery, "GuardEvery")
	def(&cfg.MinAge, DefaultMinAge, "MinAge")
	def(&cfg.MaxSilence, DefaultMaxSilence, "MaxSilence")
	def(&cfg.Doubt, DefaultDoubt, "Doubt")
	def(&cfg.MaxRound, DefaultMaxRound, "MaxRound")
	if cfg.MaxDeletes == 0 {
		cfg.MaxDeletes = DefaultMaxDeletes
	}
	if cfg.Rate == 0 {
		cfg.Rate = DefaultRate
	}
	if cfg.Batch == 0 {
		cfg.Batch = batch
	}
	if cfg.Batch < 0 {
		bad("Batch is negative")
	}
	if cfg.Rules == nil {
		cfg.Rules = func() (Rules, error) { return Rules{}, nil }
	}
	if cfg.Holds == nil {
		cfg.Holds = func() ([]Hold, error) { return nil, nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("retention: %w", err)
	}
	k := &Keeper{cfg: cfg, stocks: map[string]*stock{}, late: map[string]map[int64]struct{}{}, edges: map[string]edge{}, said: map[string]time.Time{}}
	k.sweep, _ = cfg.Delete.(sweeper)
	return k, nil
}

// Run applies the rules until ctx ends, and returns nil then. What goes wrong is logged, counted and tried again.
func (k *Keeper) Run(ctx context.Context) error {
	next := k.cfg.Now().Add(time.Duration(rand.Int64N(int64(min(k.cfg.Interval, 20*time.Second)))))
	check := k.cfg.Now()
	for {
		now := k.cfg.Now()
		if k.cfg.Disk != nil && (k.cfg.Reserve != Reserve{}) && !now.Before(check) {
			check = k.cfg.Now().Add(k.guardRound(ctx))
		}
		if ctx.Err() == nil && !k.cfg.Now().Before(next) {
			next = k.cfg.Now().Add(k.ruleRound(ctx))
		}
		now = k.cfg.Now()
		wait := next.Sub(now)
		if k.cfg.Disk != nil && (k.cfg.Reserve != Reserve{}) {
			wait = min(wait, check.Sub(now))
		}
		// A clock that steps back would make the wait long.
		if err := sleep(ctx, min(max(wait, time.Millisecond), k.cfg.Interval+k.cfg.Interval/10)); err != nil {
			return nil
		}
		if back := k.cfg.Now(); back.Before(now) {
			next, check = back, back
		}
	}
}

// ruleRound runs a round and returns after how long the next one is due.
func (k *Keeper) ruleRound(ctx context.Context) time.Duration {
	rep, err := k.Round(ctx, Options{SkipDisk: true})
	switch {
	case ctx.Err() != nil:
		return afterError
	case err != nil:
		k.complain("round", err)
		if errors.Is(err, ErrClock) {
			break
		}
		if rep.Total.Segments > 0 {
			if k.fails = 0; rep.More { // the rest has not to wait for what was refused
				return afterMore
			}
		}
		// What is refused for good would otherwise have everything listed each minute, which is to be paid for.
		k.fails = min(k.fails+1, 20)
		return min(afterError<<(k.fails-1), k.cfg.Interval)
	default:
		k.fails = 0
	}
	if rep.More {
		return afterMore
	}
	tenth := int64(k.cfg.Interval / 10)
	return k.cfg.Interval - time.Duration(tenth) + time.Duration(rand.Int64N(2*tenth+1))
}

// complain logs an error, the same kind not more often than once an hour while it lasts.
func (k *Keeper) complain(kind string, err error) {
	now := k.cfg.Now()
	kind += rootOf(err)
	k.mu.Lock()
	last, said := k.said[kind]
	quiet := said && now.Sub(last) < complainAt && !now.Before(last)
	if !quiet {
		if len(k.said) > 100 {
			clear(k.said)
		}
		k.said[kind] = now
	}
	k.mu.Unlock()
	if !quiet {
		k.cfg.Logger.Error("footage is not deleted as it should be", "err", err)
	}
}

// rootOf is what is wrong in the end, without the keys and times around it.
func rootOf(err error) string {
	for {
		var next error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				next = all[0]
			}
		}
		if next == nil {
			return err.Error()
		}
		err = next
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Stats returns the counters.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.stats
	s.Deleted = make(map[Reason]Count, len(k.stats.Deleted))
	for r, c := range k.stats.Deleted {
		s.Deleted[r] = c
	}
	return s
}
