// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/standalone"
)

const description = `Records IP cameras straight into S3 and plays the footage back as HLS: no ingest server.

Start with "s3cam demo": two simulated cameras, an S3 store and the web page on this machine, nothing to install.

Each flag can also be given as an environment variable, named beside it; a flag wins over the variable.

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 done but some footage was dropped, 130 interrupted.`

var commands = []string{"demo", "serve", "push", "probe", "playlist", "cost", "deploy", "deploy up", "deploy status", "deploy down", "deploy template",
	"camera", "camera add", "camera list", "camera rotate", "camera disable", "camera enable", "camera remove", "user", "user add", "user list", "user remove", "user password",
	"token", "token make", "token keys", "token revoke",
	"hold", "hold add", "hold list", "hold remove", "retention", "retention run", "retention set", "retention unset", "retention list", "tls", "tls self-signed", "doctor", "version"}

var groups = []kong.Group{
	{Key: "store", Title: "S3 store:"},
	{Key: "playback", Title: "Playback:"},
	{Key: "web", Title: "Web:"},
	{Key: "keep", Title: "How long footage is kept:"},
	{Key: "tls", Title: "TLS:"},
	{Key: "parameters", Title: "Parameters of the stack:"},
	{Key: "operation", Title: "Operation:"},
	{Key: "log", Title: "Log:"},
}

// cli is the command line: the one table behind flags, environment variables, help and docs/ref/config.md.
type cli struct {
	Demo      demoCmd      `cmd:"" help:"Run everything on this machine: two simulated cameras, an S3 store, live view and replay."`
	Serve     serveCmd     `cmd:"" help:"Run the store, the playback API and the web page for real cameras."`
	Push      pushCmd      `cmd:"" help:"Upload a video file or stream as a camera."`
	Probe     probeCmd     `cmd:"" help:"Check MPEG-TS files strictly and tell what is in them."`
	Playlist  playlistCmd  `cmd:"" help:"Print the live or a replay playlist of a camera."`
	Cost      costCmd      `cmd:"" help:"Estimate what cameras cost per month on AWS."`
	Deploy    deployCmd    `cmd:"" help:"Put the stack into AWS, look at it, take it away."`
	Camera    cameraCmd    `cmd:"" help:"Make cameras known and take their access away."`
	User      userCmd      `cmd:"" help:"Say who can log in to the standalone server."`
	Token     tokenCmd     `cmd:"" help:"Make links for people without a login."`
	Hold      holdCmd      `cmd:"" help:"Keep ranges of footage whatever the limits say."`
	Retention retentionCmd `cmd:"" help:"Tell what the limits of footage delete, and change them."`
	TLS       tlsCmd       `cmd:"" name:"tls" help:"Make a certificate for a local network."`
	Doctor    doctorCmd    `cmd:"" help:"Look at what a server needs, and say what is wrong and what to do."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// seconds is a duration that may be written as Go does (3s, 1m30s) or as CloudFormation does: a number of seconds.
type seconds time.Duration

func (s seconds) d() time.Duration { return time.Duration(s) }

func (s *seconds) UnmarshalText(text []byte) error {
	if n, err := strconv.ParseFloat(string(text), 64); err == nil && math.Abs(n) < 1e9 {
		*s = seconds(n * float64(time.Second))
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration; write 3s or 1m30s, or a number of seconds", text)
	}
	*s = seconds(d)
	return nil
}

type logFlags struct {
	Level  string `default:"auto" enum:"auto,debug,info,warn,error" help:"Least severe level to log: debug, info, warn or error; auto is info for serve and warn for the others. Debug shows each request and each segment."`
	Format string `default:"text" enum:"text,json" help:"Form of the log on standard error: text or json."`
}

// logger returns the log on standard error; auto is the level of the command. Times are in UTC, like everything else.
func (l logFlags) logger(w io.Writer, auto slog.Level) *slog.Logger {
	level := auto
	if l.Level != "auto" {
		if err := level.UnmarshalText([]byte(l.Level)); err != nil {
			level = auto
		}
	}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			a.Value = slog.StringValue(a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		return a
	}}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// storeFlags choose the S3 store of the commands that talk to one.
type storeFlags struct {
	S3URL     string `name:"s3-url" placeholder:"URL" help:"Endpoint of the S3 store, as http://127.0.0.1:9000, or aws. Default: aws, or what AWS_ENDPOINT_URL_S3 says; serve: the embedded store."`
	Bucket    string `placeholder:"NAME" help:"Bucket with the video (CloudFormation: S3VideoBucketName)."`
	Region    string `placeholder:"NAME" help:"Region to sign for. Without it: AWS_REGION, the AWS profile, else us-east-1."`
	PathStyle string `default:"auto" enum:"auto,yes,no" help:"Bucket in the path (yes) or in the host name (no); auto is yes for a given endpoint and no for AWS."`
	DualStack bool   `help:"Use the AWS endpoints that answer on IPv4 and IPv6."`
}

// playbackFlags are the playback parameters of the deployment manual, under the same names everywhere.
type playbackFlags struct {
	ItemInPlaylist                    int     `default:"6" help:"Segments in the live window (CloudFormation: ItemInPlaylist). It grows when three target durations would not fit."`
	M3U8TargetDuration                int     `name:"m3u8-target-duration" default:"9" help:"Largest EXT-X-TARGETDURATION in seconds (CloudFormation: M3U8TargetDuration)."`
	NearRealtimeReplayCachePeriod     seconds `default:"600s" help:"How long an idle live window is kept and a presigned URL stays the same (CloudFormation: NearRealtimeReplayCachePeriod)."`
	NearRealtimeReplayPrecedingPeriod seconds `default:"120s" help:"How far back a first poll looks, also the tolerance for a wrong camera clock (CloudFormation: NearRealtimeReplayPrecedingPeriod)."`
	TSClipDuration                    seconds `name:"ts-clip-duration" default:"3s" help:"Length of a segment where nothing else is known (CloudFormation: TSClipDuration)."`
	MaxReplay                         seconds `default:"168h" help:"Longest range of one replay playlist."`
}

// deliveryFlags choose how players get segments from serve.
type deliveryFlags struct {
	Delivery       string `default:"direct" enum:"direct,redirect,presign" help:"How players get the segments of live playlists. direct: from this server; redirect: it answers with a signed URL of the store; presign: the playlist lists signed URLs."`
	ReplayDelivery string `default:"auto" enum:"auto,direct,redirect,presign" help:"The same for replays. auto is as for live, but redirect instead of presign: signed URLs expire while somebody pauses."`
}

// playback returns the parameters for package standalone.
func (f *playbackFlags) playback() standalone.Playback {
	return standalone.Playback{
		ItemInPlaylist: f.ItemInPlaylist, M3U8TargetDuration: f.M3U8TargetDuration,
		NearRealtimeReplayCachePeriod: f.NearRealtimeReplayCachePeriod.d(), NearRealtimeReplayPrecedingPeriod: f.NearRealtimeReplayPrecedingPeriod.d(),
		TSClipDuration: f.TSClipDuration.d(), MaxReplay: f.MaxReplay.d(),
	}
}

// apply sets the deliveries; the names have been checked by the enums.
func (f *deliveryFlags) apply(p *standalone.Playback) error {
	live, err := httpapi.ParseDelivery(f.Delivery)
	if err != nil {
		return kinded{err, errUsage}
	}
	p.Live, p.Replay = live, live
	switch {
	case f.ReplayDelivery != "auto":
		if p.Replay, err = httpapi.ParseDelivery(f.ReplayDelivery); err != nil {
			return kinded{err, errUsage}
		}
	case live == httpapi.Presign:
		p.Replay = httpapi.Redirect
	}
	return nil
}
