// SPDX-License-Identifier: Apache-2.0

package playback_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

var errStore = errors.New("503 SlowDown")

func failing(ops ...string) func(string) error {
	return func(op string) error {
		for _, o := range ops {
			if o == op {
				return errStore
			}
		}
		return nil
	}
}

func TestBadCamerasAreRefusedBeforeAnythingIsAsked(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"", "/", "/cam1", "cam1/", "a//b", "..", "a/../b", "cam\n1", "cam\x00", "\xff", `a\b`, strings.Repeat("x", 2048)} {
		_, live := w.Live(t.Context(), id)
		_, replay := w.Replay(t.Context(), id, noon.Add(-time.Hour), noon)
		_, coverage := w.Coverage(t.Context(), id, noon.Add(-time.Hour), noon)
		for _, err := range []error{live, replay, coverage} {
			if !errors.Is(err, playback.ErrBadCamera) || len(err.Error()) > 400 {
				t.Errorf("%.20q: %v, want ErrBadCamera", id, err)
			}
		}
	}
	if lists, _, walks, reads := w.counts(); lists+walks+reads != 0 {
		t.Error("the store was asked")
	}
}

func TestBadRangesNameTheParameterAndTheLimit(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name       string
		start, end time.Time
		param, say string
	}{
		{"no start", time.Time{}, noon, "start", "missing"},
		{"before 1970", time.Unix(-1, 0), noon, "start", "1970"},
		{"beyond the year 9999", noon, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), "end", "9999"},
		{"start in the future", noon.Add(time.Hour), noon.Add(2 * time.Hour), "start", "future"},
		{"open range in the future", noon.Add(time.Hour), time.Time{}, "start", "future"},
		{"reversed", noon, noon.Add(-time.Hour), "end", "not after start"},
		{"empty", noon, noon, "end", "not after start"},
		{"longer than MaxReplay", noon.Add(-8 * 24 * time.Hour), noon, "end", "168h0m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.Replay(t.Context(), "cam1", tt.start, tt.end)
			var bad *playback.RangeError
			if !errors.As(err, &bad) || bad.Param != tt.param || !strings.Contains(bad.Reason, tt.say) {
				t.Errorf("%v, want a RangeError of %s that says %q", err, tt.param, tt.say)
			}
		})
	}
	if _, err := w.Replay(t.Context(), "cam1", noon.Add(-time.Hour), noon); !errors.Is(err, playback.ErrNoSegments) {
		t.Errorf("nothing recorded: %v, want ErrNoSegments", err)
	}
	if _, err := w.Live(t.Context(), "cam1"); !errors.Is(err, playback.ErrNoSegments) {
		t.Errorf("nothing recorded: %v, want ErrNoSegments", err)
	}
	if _, err := w.Coverage(t.Context(), "cam1", noon.Add(-time.Hour), noon.Add(-2*time.Hour)); !errors.As(err, new(*playback.RangeError)) {
		t.Errorf("coverage of a reversed range: %v", err)
	}
}

func TestAFailingStoreIsAnErrorOnlyWhereNothingCanBeShown(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(c *playback.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	w.fail = failing("list")
	for name, call := range map[string]func() error{
		"live":     func() error { _, err := w.Live(t.Context(), "cam1"); return err },
		"replay":   func() error { _, err := w.Replay(t.Context(), "cam1", noon.Add(-time.Hour), noon); return err },
		"day":      func() error { _, err := w.Replay(t.Context(), "cam1", noon.Add(-24*time.Hour), noon); return err },
		"event":    func() error { _, err := w.Replay(t.Context(), "cam1", noon.Add(-time.Hour), time.Time{}); return err },
		"coverage": func() error { _, err := w.Coverage(t.Context(), "cam1", noon.Add(-time.Hour), noon); return err },
	} {
		if err := call(); !errors.Is(err, errStore) {
			t.Errorf("%s: %v, want the store's error", name, err)
		}
	}
	w.fail = failing("folders")
	if _, err := w.Cameras(t.Context()); !errors.Is(err, errStore) {
		t.Errorf("cameras: %v, want the store's error", err)
	}
	if _, err := w.Coverage(t.Context(), "cam1", noon.Add(-100*24*time.Hour), noon); !errors.Is(err, errStore) {
		t.Errorf("long coverage: %v, want the store's error", err)
	}

	w.fail = nil
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	want := text(w.live(t))
	w.fail = failing("list")
	for range 10 {
		c.record(3 * time.Second)
		if got := text(w.live(t)); got != want {
			t.Fatalf("while the store fails:\n%s\nwant the last playlist", got)
		}
	}
	if !strings.Contains(log.String(), "503 SlowDown") || !strings.Contains(log.String(), "camera=cam1") {
		t.Errorf("log: %s", log.String())
	}
	w.counts()
	for range 100 { // nobody hammers a store that fails
		w.add(10 * time.Millisecond)
		w.live(t)
	}
	if lists, _, _, _ := w.counts(); lists > 3 {
		t.Errorf("%d listings within a second of failure", lists)
	}
	w.fail = nil
	w.add(3 * time.Second)
	if got := text(w.live(t)); got == want {
		t.Error("the store is back, the playlist is not")
	}
}

func TestAFailingWindowStore(t *testing.T) {
	w := newWorld(t)
	c := w.camera(noon)
	for range 10 {
		c.record(3 * time.Second)
	}
	bad := &brokenWindows{WindowStore: cache.NewMemory(cache.MemoryConfig{Now: w.Now}), load: errStore}
	w.cfg.Windows = bad
	s := w.another(t)
	if _, err := s.Live(t.Context(), "cam1"); !errors.Is(err, errStore) {
		t.Errorf("load fails: %v", err)
	}
	bad.load, bad.save = nil, errStore
	if _, err := s.Live(t.Context(), "cam1"); !errors.Is(err, errStore) {
		t.Errorf("save fails: %v; a state that is not stored must not be shown", err)
	}
	bad.save = playback.ErrConflict
	if _, err := s.Live(t.Context(), "cam1"); !errors.Is(err, playback.ErrConflict) {
		t.Errorf("every race lost: %v", err)
	}
	bad.save = nil
	p, err := s.Live(t.Context(), "cam1")
	if err != nil {
		t.Fatal(err)
	}
	bad.save = errStore
	c.record(3 * time.Second)
	if again, err := s.Live(t.Context(), "cam1"); err != nil || text(again) != text(p) {
		t.Errorf("save fails later: %v\n%s\nwant the last playlist", err, text(again))
	}
}

type brokenWindows struct {
	playback.WindowStore
	load, save error
}

func (b *brokenWindows) Load(ctx context.Context, id string) (playback.Window, error) {
	if b.load != nil {
		return playback.Window{}, b.load
	}
	return b.WindowStore.Load(ctx, id)
}

func (b *brokenWindows) Save(ctx context.Context, w playback.Window) error {
	if b.save != nil {
		return b.save
	}
	return b.WindowStore.Save(ctx, w)
}

func TestUnreadableHeadsCostAccuracyAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Hour+100*time.Millisecond), 3200*time.Millisecond, 1120)
	w.fail = failing("read")
	for name, p := range map[string]hls.Playlist{"live": w.live(t), "replay": w.replay(t, noon.Add(-time.Hour), noon)} {
		for i, d := range durations(p) {
			if d < 3*time.Second || d > 4*time.Second {
				t.Errorf("%s: segment %d lasts %v", name, i, d)
			}
		}
	}
	if _, _, _, reads := w.counts(); reads != 0 {
		t.Errorf("%d reads succeeded", reads)
	}
	w.fail = nil
	if got := durations(w.replay(t, noon.Add(-time.Hour), noon))[5]; (got - 3200*time.Millisecond).Abs() > time.Microsecond {
		t.Errorf("heads are readable again: %v, want 3.2s", got)
	}
}

func TestOneReadableHeadDoesNotStandForAnUnevenRun(t *testing.T) {
	w := newWorld(t)
	w.every("cam1", noon.Add(-time.Hour+900*time.Millisecond), 3200*time.Millisecond, 20)
	delete(w.exact, w.keys[19]) // its PTS is not wall-clock
	p := w.replay(t, noon.Add(-time.Hour), noon)
	for i, d := range durations(p) { // 3, 3, 3, 3, 4 would be the distances of the keys
		if d < 3*time.Second || d > 3500*time.Millisecond {
			t.Errorf("segment %d lasts %v", i, d)
		}
		if p.Segments[i].Discontinuity {
			t.Errorf("segment %d: discontinuity", i)
		}
	}
}

// hang is a store whose listings and reads end only with their context.
type hang struct{ *bucket }

func (h hang) List(ctx context.Context, _, _ string, _ int, _ func([]byte, int64) bool) error {
	<-ctx.Done()
	return ctx.Err()
}

func (h hang) ListFolders(ctx context.Context, _ string, _ func(string) bool) error {
	<-ctx.Done()
	return ctx.Err()
}

func (h hang) ReadRange(ctx context.Context, _ string, _, _ int64) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestNothingHangsOnAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *playback.Config) { c.StoreTimeout = 4 * time.Second })
		w.cfg.Store = hang{w.bucket}
		s := w.another(t)
		for name, call := range map[string]func(ctx context.Context) error{
			"live": func(ctx context.Context) error { _, err := s.Live(ctx, "cam1"); return err },
			"replay": func(ctx context.Context) error {
				_, err := s.Replay(ctx, "cam1", noon.Add(-24*time.Hour), noon)
				return err
			},
			"event": func(ctx context.Context) error {
				_, err := s.Replay(ctx, "cam1", noon.Add(-time.Hour), time.Time{})
				return err
			},
			"coverage": func(ctx context.Context) error {
				_, err := s.Coverage(ctx, "cam1", noon.Add(-20*24*time.Hour), noon)
				return err
			},
			"cameras": func(ctx context.Context) error { _, err := s.Cameras(ctx); return err },
		} {
			began := time.Now()
			if err := call(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want DeadlineExceeded", name, err)
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("%s took %v, want at most StoreTimeout", name, took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				time.Sleep(time.Second)
				cancel()
			}()
			began = time.Now()
			if err := call(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s, cancelled: %v", name, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("%s, cancelled, took %v", name, took)
			}
		}
	})
}

func TestHangingReadsDelayAPlaylistButDoNotPreventIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *playback.Config) { c.StoreTimeout = 4 * time.Second })
		w.every("cam1", noon.Add(-time.Hour+100*time.Millisecond), 3200*time.Millisecond, 1120)
		w.cfg.Heads = hang{w.bucket}
		s := w.another(t)
		began := time.Now()
		p, err := s.Live(t.Context(), "cam1")
		if err != nil || p.Validate() != nil {
			t.Errorf("%v, %v", err, p.Validate())
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		c := w.camera(noon)
		for i := range 10 {
			seg := c.record(time.Duration(3300+i*i*137%1100) * time.Millisecond) // off the beat: would be read
			began := time.Now()
			p, err := s.Live(t.Context(), "cam1")
			if err != nil || p.Validate() != nil || p.Segments[len(p.Segments)-1].Key != seg.Key.Unix() {
				t.Errorf("%v, %v\n%s", err, p.Validate(), text(p))
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
		}
	})
}

func TestOneCallersCancellationDoesNotFailTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.every("cam1", noon.Add(-time.Minute), 3*time.Second, 19)
		slow := true
		w.before = func(op string) {
			if op == "list" && slow {
				time.Sleep(time.Second)
			}
		}
		first, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { _, err := w.Live(first, "cam1"); errs <- err }()
		synctest.Wait()
		go func() { _, err := w.Live(t.Context(), "cam1"); errs <- err }()
		synctest.Wait()
		cancel()
		got := []error{<-errs, <-errs}
		if !errors.Is(got[0], context.Canceled) || got[1] != nil {
			t.Errorf("%v; want the first caller's cancellation, then success", got)
		}
	})
}

func TestCallersWhoWaitedShareAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		calls := 0
		w.fail = func(op string) error {
			if op == "list" {
				calls++
				time.Sleep(3 * time.Second)
				return errStore
			}
			return nil
		}
		began := time.Now()
		errs := make(chan error)
		for range 20 {
			go func() { _, err := w.Live(t.Context(), "cam1"); errs <- err }()
		}
		for range 20 {
			if err := <-errs; !errors.Is(err, errStore) {
				t.Errorf("%v, want the store's error", err)
			}
		}
		if calls != 1 || time.Since(began) != 3*time.Second {
			t.Errorf("%d listings in %v, want 1 in 3s", calls, time.Since(began))
		}
	})
}

func TestAFolderThatIsNoCamerasIsNotReadForEver(t *testing.T) {
	w := newWorld(t)
	w.cfg.Store = endless{w.bucket}
	s := w.another(t)
	if _, err := s.Live(t.Context(), "cam1"); !errors.Is(err, playback.ErrTooManyKeys) {
		t.Errorf("%v, want ErrTooManyKeys", err)
	}
}

type endless struct{ *bucket }

func (e endless) List(_ context.Context, prefix, _ string, _ int, yield func([]byte, int64) bool) error {
	for yield([]byte(prefix+"junk"), 1000) {
	}
	return nil
}

func TestConfigReportsAllProblemsAtOnce(t *testing.T) {
	_, err := playback.New(playback.Config{ItemInPlaylist: -1, M3U8TargetDuration: 1000, MaxReplay: time.Millisecond, Retention: -1, Heads: newBucket(t)})
	for _, want := range []string{"Store is missing", "Windows is missing", "go together", "ItemInPlaylist is -1", "M3U8TargetDuration is 1000", "MaxReplay is 1ms", "Retention is -1ns"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want it to say %q", err, want)
		}
	}
}
