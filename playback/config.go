// SPDX-License-Identifier: Apache-2.0

package playback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Store lists what is recorded. *s3.Client satisfies it. It must be safe for concurrent use and honour ctx.
type Store interface {
	// List yields the objects below prefix whose key is greater than startAfter ("" = all), in lexical order, following
	// continuation tokens until yield returns false. pageSize is the MaxKeys of each request (0 = the server's 1000).
	// key is valid only during the call of yield.
	List(ctx context.Context, prefix, startAfter string, pageSize int, yield func(key []byte, size int64) bool) error
	// ListFolders yields the names of the folders directly below prefix (which is empty or ends in a slash) in lexical
	// order, without the prefix and without a trailing slash.
	ListFolders(ctx context.Context, prefix string, yield func(name string) bool) error
}

// HeadReader reads n bytes of a segment from offset on: its beginning, for the exact time of its first frame, or its last
// bytes. *s3.Client satisfies it.
type HeadReader interface {
	ReadRange(ctx context.Context, key string, offset, n int64) ([]byte, error)
}

// WindowStore keeps one Window per id, shared by all servers of a deployment. Values are never modified in place: a store
// in memory may keep and hand out the slices as they are.
type WindowStore interface {
	// Load returns the window saved under id, or one with only its ID set (version 0) when there is none.
	Load(ctx context.Context, id string) (Window, error)
	// Save stores w as version w.Version+1 if the stored version is still w.Version (0: if there is none), atomically,
	// and answers an error wrapping ErrConflict otherwise. It may forget the entry some time after w.Expires.
	Save(ctx context.Context, w Window) error
}

// Defaults of Config, and fixed bounds.
const (
	DefaultItemInPlaylist                    = 6
	DefaultM3U8TargetDuration                = 9
	DefaultNearRealtimeReplayCachePeriod     = 600 * time.Second
	DefaultNearRealtimeReplayPrecedingPeriod = 120 * time.Second
	DefaultTSClipDuration                    = 3 * time.Second
	DefaultMaxReplay                         = 7 * 24 * time.Hour // the longest quick range of the original web site
	DefaultMaxCameras                        = 1000
	DefaultStoreTimeout                      = 10 * time.Second

	maxSegment     = 30 * time.Second // nothing longer is believed to be one segment
	minObjectBytes = 3 * 188          // PAT, PMT and one packet of video; less is a stray of the original SDK
	headBytes      = 8 << 10          // enough for tables, some audio, and the first video PES header
	maxLists       = 8                // concurrent listings of one request
	maxReads       = 8                // concurrent ranged reads of one request
	maxHeads       = 48               // ranged reads of one replay
	maxLiveHeads   = 16               // ranged reads of one live poll
	tailBytes      = 348 * 188        // 64 KiB in whole packets: the last pictures of nearly any camera
	maxTails       = 48               // ends of segments, each with the start of the next, that one replay reads besides
	maxLiveTails   = 16               // and one live poll
	maxLocal       = 4096             // cameras with state in this process
	maxPending     = 64               // segments told by Stored and not yet looked at, per camera
)

// Config is what New takes. The zero value of each optional field means its default. The names follow the twelve stack
// parameters of the deployment manual.
type Config struct {
	Store   Store       // required
	Windows WindowStore // required; internal/cache.Memory for one process

	// Heads and FirstPTS, both or neither: with them the exact start of a segment is read where keys are not enough.
	// FirstPTS finds the first video PTS in the first bytes of a segment (mpegts.FirstPTS).
	Heads    HeadReader
	FirstPTS func(head []byte) (pts90k int64, ok bool)

	// EndPTS finds the end of the last picture in the last bytes of a segment (mpegts.EndPTS). It goes with Heads and may be
	// nil. With it a segment that is longer than usual is told from a gap, and the last one before a gap or of a
	// recording lasts as long as it does, not as long as usual. Segments at the usual distance cost no reading.
	EndPTS func(tail []byte) (end90k int64, ok bool)

	// Announced promises that Stored is called in this process for every segment of every camera, as the embedded engine
	// can: then live polls need no listing but the first.
	Announced bool

	// DayFoldersOnly keeps listings of playlists to folders of days of this century, because the role may list nothing else
	// (s3:prefix "*/20??/??/??/*"). It costs a listing per day without footage in replays of more than two days. Cameras, and
	// Coverage of long ranges, need more rights.
	DayFoldersOnly bool

	Now func() time.Time // default time.Now

	ItemInPlaylist                    int           // least number of segments in a live window
	M3U8TargetDuration                int           // seconds; ceiling of the announced target duration
	NearRealtimeReplayCachePeriod     time.Duration // a live window that nobody asked for this long is given up
	NearRealtimeReplayPrecedingPeriod time.Duration // how far back a first poll looks, and how wrong a camera's clock may be
	TSClipDuration                    time.Duration // length of a segment where nothing else is known
	MaxReplay                         time.Duration // longest range of one replay
	Retention                         time.Duration // segments are deleted at this age; 0 = never
	MaxCameras                        int           // most cameras that Cameras lists
	StoreTimeout                      time.Duration // longest wait for the store within one request; a third more for each further day of a replay

	// Expiry, when set, goes before Retention: what retention is about to delete of a camera. It is asked once or twice per
	// request, so it answers from memory.
	Expiry func(camera string, now time.Time) Expiry

	Logger *slog.Logger // nil discards
}

// Service answers what to play. All methods may be called concurrently. It starts no goroutine that outlives a call.
type Service struct {
	cfg   Config
	local locals
	heads headCache // starts of segments
	tails headCache // ends of segments

	folders folderCache
}

// New checks cfg, all of it, and returns a working service.
func New(cfg Config) (*Service, error) {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if cfg.Store == nil {
		bad("Store is missing")
	}
	if cfg.Windows == nil {
		bad("Windows is missing")
	}
	if (cfg.Heads == nil) != (cfg.FirstPTS == nil) {
		bad("Heads and FirstPTS go together")
	}
	if cfg.EndPTS != nil && cfg.Heads == nil {
		bad("EndPTS goes with Heads")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	setInt := func(name string, v *int, def, max int) {
		if *v == 0 {
			*v = def
		}
		if *v < 1 || *v > max {
			bad("%s is %d, want 1..%d", name, *v, max)
		}
	}
	setDuration := func(name string, v *time.Duration, def, min, max time.Duration) {
		if *v == 0 {
			*v = def
		}
		if *v < min || *v > max {
			bad("%s is %v, want %v..%v", name, *v, min, max)
		}
	}
	setInt("ItemInPlaylist", &cfg.ItemInPlaylist, DefaultItemInPlaylist, 1000)
	setInt("M3U8TargetDuration", &cfg.M3U8TargetDuration, DefaultM3U8TargetDuration, 600)
	setInt("MaxCameras", &cfg.MaxCameras, DefaultMaxCameras, 1_000_000)
	setDuration("NearRealtimeReplayCachePeriod", &cfg.NearRealtimeReplayCachePeriod, DefaultNearRealtimeReplayCachePeriod, 10*time.Second, 12*time.Hour)
	setDuration("NearRealtimeReplayPrecedingPeriod", &cfg.NearRealtimeReplayPrecedingPeriod, DefaultNearRealtimeReplayPrecedingPeriod, time.Second, 12*time.Hour)
	setDuration("TSClipDuration", &cfg.TSClipDuration, DefaultTSClipDuration, 100*time.Millisecond, maxSegment)
	setDuration("MaxReplay", &cfg.MaxReplay, DefaultMaxReplay, time.Second, 366*24*time.Hour)
	setDuration("StoreTimeout", &cfg.StoreTimeout, DefaultStoreTimeout, time.Millisecond, 10*time.Minute)
	if cfg.Retention < 0 {
		bad("Retention is %v, want 0 (never) or more", cfg.Retention)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("playback: %w", err)
	}
	return &Service{cfg: cfg}, nil
}
