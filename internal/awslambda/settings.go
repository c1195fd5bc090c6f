// SPDX-License-Identifier: Apache-2.0

package awslambda

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/s3"
)

// The functions, as S3CAM_FUNCTION names them.
const (
	Playlist = "playlist" // GET|HEAD /playlist.m3u8
	Replay   = "replay"   // GET|HEAD /replay.m3u8, /segments/...
	Cameras  = "cameras"  // GET|HEAD /cameras, /coverage
	Demosite = "demosite" // custom resource of CloudFormation: installs the web site and the demo video
)

// Config is what [New] takes.
type Config struct {
	Function string // one of the constants

	Bucket string // of the video
	Table  string // cache of windows; not of cameras

	// Parameters of the stack under their names.
	ItemInPlaylist                    int
	M3U8TargetDuration                int // seconds
	NearRealtimeReplayCachePeriod     time.Duration
	NearRealtimeReplayPrecedingPeriod time.Duration
	TSClipDuration                    time.Duration
	VideoRetention                    time.Duration // 0 = never deleted
	LiveSegmentDelivery               httpapi.Delivery
	ReplaySegmentDelivery             httpapi.Delivery

	Access      Access   // of the API
	CORSOrigins []string // when it is not the gateway that answers for CORS

	Region           string
	Credentials      s3.Credentials // of the function's role; they stay the same for the life of the process
	S3Endpoint       string         // empty means AWS; else the bucket goes into the path
	DynamoDBEndpoint string         // empty means AWS
	IoTEndpoint      string         // likewise; demosite

	LogLevel slog.Level
	Logger   *slog.Logger     // nil discards
	Now      func() time.Time // default time.Now
}

// Settings reads a Config from the environment of a function; Logger and Now are left to the caller. The error names every
// variable that is missing or wrong, and no value that is secret. The demosite function needs S3CAM_FUNCTION and what Lambda
// itself sets; cameras neither S3CAM_CACHE_TABLE nor the deliveries.
//
//	S3CAM_FUNCTION                            playlist, replay, cameras or demosite
//	S3CAM_BUCKET                              video bucket
//	S3CAM_CACHE_TABLE                         DynamoDB table of windows
//	ITEM_IN_PLAYLIST                          3..100
//	M3U8_TARGET_DURATION                      1..60 s
//	NEAR_REALTIME_REPLAY_CACHE_PERIOD         60..3000 s
//	NEAR_REALTIME_REPLAY_PRECEDING_PERIOD     10..3600 s
//	TS_CLIP_DURATION                          1..60 s
//	VIDEO_RETENTION_DAYS                      0..3650, 0 = never deleted
//	S3CAM_LIVE_DELIVERY S3CAM_REPLAY_DELIVERY presign or redirect
//	S3CAM_CORS_ORIGINS                        comma-separated; default *
//	S3CAM_TOKEN_KEYS                          keys of playback tokens, id:base64 secret, comma-separated; default none
//	S3CAM_PUBLIC_CAMERAS                      cameras that everyone may see, comma-separated; default none
//	S3CAM_ANONYMOUS                           true: everyone may see everything; default false
//	S3CAM_LOG_LEVEL                           debug, info (default), warn, error
//	AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN          set by Lambda
//	AWS_ENDPOINT_URL, and before it AWS_ENDPOINT_URL_S3 _DYNAMODB _IOT            other servers, for tests
func Settings(getenv func(string) string) (Config, error) {
	e := environment{get: getenv}
	c := Config{Function: e.required("S3CAM_FUNCTION")}
	if c.Function != "" && !slices.Contains([]string{Playlist, Replay, Cameras, Demosite}, c.Function) {
		e.bad("S3CAM_FUNCTION", c.Function, "want playlist, replay, cameras or demosite")
	}
	if level := getenv("S3CAM_LOG_LEVEL"); level != "" {
		if c.LogLevel.UnmarshalText([]byte(level)) != nil {
			e.bad("S3CAM_LOG_LEVEL", level, "want debug, info, warn or error")
		}
	}
	c.Region = e.required("AWS_REGION")
	c.Credentials.AccessKeyID = e.required("AWS_ACCESS_KEY_ID")
	c.Credentials.SecretAccessKey = s3.Secret(e.required("AWS_SECRET_ACCESS_KEY"))
	c.Credentials.SessionToken = s3.Secret(getenv("AWS_SESSION_TOKEN"))
	c.S3Endpoint = e.endpoint("S3")
	if c.Function == Demosite {
		c.IoTEndpoint = e.endpoint("IOT")
	} else {
		e.playback(&c)
	}
	if err := errors.Join(e.problems...); err != nil {
		return c, fmt.Errorf("environment of the function: %w", err)
	}
	return c, nil
}

// playback reads what the functions of the API share.
func (e *environment) playback(c *Config) {
	c.Bucket = e.required("S3CAM_BUCKET")
	if c.Function != Cameras {
		c.Table = e.required("S3CAM_CACHE_TABLE")
		c.LiveSegmentDelivery = e.delivery("S3CAM_LIVE_DELIVERY")
		c.ReplaySegmentDelivery = e.delivery("S3CAM_REPLAY_DELIVERY")
	}
	c.ItemInPlaylist = e.number("ITEM_IN_PLAYLIST", 3, 100)
	c.M3U8TargetDuration = e.number("M3U8_TARGET_DURATION", 1, 60)
	seconds := func(name string, least, most int) time.Duration {
		return time.Duration(e.number(name, least, most)) * time.Second
	}
	c.NearRealtimeReplayCachePeriod = seconds("NEAR_REALTIME_REPLAY_CACHE_PERIOD", 60, 3000)
	c.NearRealtimeReplayPrecedingPeriod = seconds("NEAR_REALTIME_REPLAY_PRECEDING_PERIOD", 10, 3600)
	c.TSClipDuration = seconds("TS_CLIP_DURATION", 1, 60)
	c.VideoRetention = time.Duration(e.number("VIDEO_RETENTION_DAYS", 0, 3650)) * 24 * time.Hour
	if c.CORSOrigins = e.list("S3CAM_CORS_ORIGINS"); c.CORSOrigins == nil {
		c.CORSOrigins = []string{"*"}
	}
	c.Access = e.access()
	c.DynamoDBEndpoint = e.endpoint("DYNAMODB")
}

// environment collects what is wrong with it.
type environment struct {
	get      func(string) string
	problems []error
}

func (e *environment) bad(name, value, want string) {
	if len(value) > 64 {
		value = value[:64] + "..."
	}
	e.problems = append(e.problems, fmt.Errorf("%s is %q, %s", name, value, want))
}

func (e *environment) required(name string) string {
	v := e.get(name)
	if v == "" {
		e.problems = append(e.problems, fmt.Errorf("%s is not set", name))
	}
	return v
}

// list returns the items of a comma-separated list, nil for an empty one.
func (e *environment) list(name string) (items []string) {
	if v := e.get(name); v != "" {
		for item := range strings.SplitSeq(v, ",") {
			items = append(items, strings.TrimSpace(item))
		}
	}
	return items
}

func (e *environment) number(name string, least, most int) int {
	v := e.required(name)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		e.bad(name, v, fmt.Sprintf("want %d..%d", least, most))
	}
	return n
}

func (e *environment) delivery(name string) httpapi.Delivery {
	v := e.required(name)
	if v == "" {
		return httpapi.Redirect
	}
	d, err := httpapi.ParseDelivery(v)
	if err != nil || d == httpapi.Direct { // an answer of Lambda is too small for a segment
		e.bad(name, v, "want presign or redirect")
	}
	return d
}

// endpoint is the address of a service other than AWS's own, as the SDKs name it.
func (e *environment) endpoint(service string) string {
	for _, name := range []string{"AWS_ENDPOINT_URL_" + service, "AWS_ENDPOINT_URL"} {
		v := e.get(name)
		if v == "" {
			continue
		}
		if u, err := url.Parse(v); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			e.bad(name, v, "want http://host[:port] or https://host[:port]")
		}
		return v
	}
	return ""
}
