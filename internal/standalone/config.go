// SPDX-License-Identifier: Apache-2.0

package standalone

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

// Config says what [Run] runs. Either Store is set or Engine is.
type Config struct {
	Store  *s3.Client // an external store
	Engine *Engine    // the embedded one

	Web      Web
	Playback Playback
	Cache    CacheStore
	Metrics  Metrics
	Limits   Limits
	Access   Access
	State    string // directory of people, keys and the like; empty: see StateDir

	CameraKeys CameraKeys
	Retention  Retention
	TLS        TLS

	Cameras   []Camera   // simulated; need Engine
	Recording *Recording // put into the store at the start unless it is there; needs Engine

	Listeners Listeners
	AccessLog bool // log each request of the web server

	// Ready is called once, when everything can be reached.
	Ready func(Addresses)

	Now    func() time.Time // default time.Now
	Logger *slog.Logger     // nil discards
}

// Engine configures the embedded store.
type Engine struct {
	Dir                  string // of the objects and of the key pair; made when missing
	Addr                 string // host:port
	Fallback             bool   // take a free port when that of Addr is in use
	Region, Bucket       string // defaults as s3server
	AccessKey, SecretKey string // both or none: then a pair is kept in Dir
	Volatile             bool   // nothing needs to survive a power cut: do not sync to disk
}

// Web configures the page and the API.
type Web struct {
	Addr        string
	Fallback    bool     // take a free port when that of Addr is in use
	Anonymous   bool     // everyone who reaches the address may watch
	Hosts       []string // further host names under which a server on loopback answers
	CORSOrigins []string
	Zone        string            // time zone of the cameras, an IANA name; empty: not known
	CameraZones map[string]string // that of single ones, by id
}

// Playback has the parameters of the deployment manual; zero means the default of package playback.
type Playback struct {
	Live, Replay                      httpapi.Delivery
	ItemInPlaylist                    int
	M3U8TargetDuration                int
	NearRealtimeReplayCachePeriod     time.Duration
	NearRealtimeReplayPrecedingPeriod time.Duration
	TSClipDuration                    time.Duration
	MaxReplay                         time.Duration

	MaxClips int           // clips that are made at a time; zero: DefaultMaxClips, negative: none are offered
	MaxClip  time.Duration // longest range of one; zero: 24 h
}

// DefaultMaxClips bounds clips: each has three segments in memory and keeps the disk and the line busy.
const DefaultMaxClips = 4

// Camera is a simulated camera.
type Camera struct {
	ID      string
	Clip    simcam.Clip
	Segment time.Duration // zero: 3 s
}

// Recording is footage that a simulated camera has recorded in the past.
type Recording struct {
	Camera   Camera
	Start    time.Time
	Duration time.Duration
}

// Addresses tells where everything is.
type Addresses struct {
	Web   string // base URL of the page and the API
	Setup string // URL of the page that makes the first admin, a secret; empty when there are people or nobody has to log in

	Metrics string // URL of the metrics' own address, empty without one

	S3                   string // endpoint URL of the embedded store, empty for an external one
	Bucket, Region       string
	AccessKey, SecretKey string // of the embedded store
	Redirect             string // URL of the listener that sends browsers to https, empty when there is none
	Credentials          string // host:port of the credential endpoint, empty when there is none
	KeyFile              string // where that pair is kept, empty when it was given
	KeyMade              bool   // just now
}

// ErrConfig is wrapped by the errors of [Run] about what it was told to do: repeating it cannot help.
var ErrConfig = errors.New("configuration")

type configError struct{ error }

func (e configError) Unwrap() []error { return []error{e.error, ErrConfig} }

func (c *Config) check() error {
	if err := c.problem(); err != nil {
		return configError{err}
	}
	return nil
}

func (c *Config) problem() error {
	var errs []error
	if (c.Store == nil) == (c.Engine == nil) {
		errs = append(errs, errors.New("either an embedded or an external store is needed"))
	}
	if c.Engine == nil && (len(c.Cameras) > 0 || c.Recording != nil) {
		errs = append(errs, errors.New("simulated cameras need the embedded store"))
	}
	cameras := c.Cameras
	if c.Recording != nil {
		cameras = append(cameras[:len(cameras):len(cameras)], c.Recording.Camera)
	}
	for _, cam := range cameras {
		if err := segment.CheckPrefix(cam.ID); err != nil {
			errs = append(errs, err)
		}
	}
	loopback, err := onLoopback(c.Web.Addr, "--http")
	if err != nil {
		return err
	}
	if err := c.Access.problem(c.Web, loopback); err != nil {
		errs = append(errs, err)
	}
	if err := c.CameraKeys.problem(c.Engine != nil); err != nil {
		errs = append(errs, err)
	}
	if err := c.Retention.problem(c.Engine != nil); err != nil {
		errs = append(errs, err)
	}
	if err := c.TLS.problem(); err != nil {
		errs = append(errs, err)
	}
	if err := c.Metrics.problem(); err != nil {
		errs = append(errs, err)
	}
	if e := c.Engine; e != nil {
		if _, err := onLoopback(e.Addr, "--s3"); err != nil {
			return err
		}
		if e.Dir == "" {
			errs = append(errs, errors.New("--data: it is empty; name a directory"))
		}
		if e.Bucket == "" {
			e.Bucket = s3server.DefaultBucket
		}
		if err := s3server.CheckBucket(e.Bucket); err != nil {
			errs = append(errs, fmt.Errorf("--bucket: %w", err))
		}
		if (e.AccessKey == "") != (e.SecretKey == "") {
			errs = append(errs, errors.New("--s3-access-key and --s3-secret-key (S3CAM_S3_ACCESS_KEY and S3CAM_S3_SECRET_KEY) belong together"))
		}
	}
	return errors.Join(errs...)
}
