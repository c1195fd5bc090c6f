// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/simcam"
	"github.com/s3cam/s3cam/internal/standalone"
)

type demoCmd struct {
	Data      string  `placeholder:"DIR" help:"Keep the recordings in this directory. Without it they lie in a temporary one that is removed at the end."`
	For       seconds `placeholder:"DURATION" help:"Stop by itself after this time, as 30s or 5m."`
	Segment   seconds `default:"3s" help:"Length of the segments that the cameras cut, 1s to 30s. Shorter means less delay and more requests."`
	HTTP      string  `name:"http" placeholder:"ADDR" group:"web" help:"Address of the page and the API. Without it 127.0.0.1:8080, or a free port when that is taken."`
	Anonymous bool    `group:"web" help:"Allow --http beyond this machine although anyone who reaches it can watch."`
	S3        string  `name:"s3" placeholder:"ADDR" group:"store" help:"Address of the S3 store. Without it 127.0.0.1:9000, or a free port when that is taken."`

	Engine engineFlags `embed:"" group:"store"`
	Log    logFlags    `embed:"" prefix:"log-" group:"log"`
}

// engineFlags hold the key pair of the embedded store.
type engineFlags struct {
	S3AccessKey string `name:"s3-access-key" placeholder:"KEY" help:"Access key of the embedded store. Without it a key pair is made once and kept in the data directory."`
	S3SecretKey string `name:"s3-secret-key" placeholder:"SECRET" help:"Its secret key. Prefer the variable: a command line can be read by others on the machine."`
}

func (demoCmd) Help() string {
	return `Starts two simulated cameras that upload to an S3 store in this process, puts a recording of a third camera, "demo",
at 2021-01-01 00:00:00 UTC, and serves the web page. Everything listens on this machine only. It runs until Ctrl-C.

Examples:
  s3cam demo
  s3cam demo --segment 1s                 about two seconds less delay
  s3cam demo --data ./recordings          keep what is recorded
  s3cam demo --http 127.0.0.1:8888 --for 10m`
}

// What the demo shows.
const (
	demoCameraSound  = "front-door"
	demoCameraSilent = "workshop"
	demoRecording    = "demo" // as the deployment manual names it
	demoLength       = 5 * time.Minute

	demoHTTP = "127.0.0.1:8080"
	demoS3   = "127.0.0.1:9000"
)

func demoStart() time.Time { return time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC) }

func (c *demoCmd) Run(ctx context.Context, g *globals) error {
	if c.Segment.d() < time.Second || c.Segment.d() > 30*time.Second {
		return usage("--segment %v: want 1s to 30s", c.Segment.d())
	}
	if c.For < 0 {
		return usage("--for %v: want a positive duration", c.For.d())
	}
	dir := c.Data
	if dir == "" {
		temp, err := os.MkdirTemp("", "s3cam-demo-")
		if err != nil {
			return fmt.Errorf("temporary directory: %w", err)
		}
		defer os.RemoveAll(temp)
		dir = temp
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For.d())
		defer cancel()
	}
	sound := standalone.Camera{ID: demoCameraSound, Clip: simcam.FrontDoor(), Segment: c.Segment.d()}
	recording := sound
	recording.ID, recording.Segment = demoRecording, 0
	return configured(standalone.Run(ctx, standalone.Config{
		Engine: &standalone.Engine{
			Dir: dir, Addr: or(c.S3, demoS3), Fallback: c.S3 == "", AccessKey: c.Engine.S3AccessKey, SecretKey: c.Engine.S3SecretKey,
			Volatile: c.Data == "",
		},
		Web:       standalone.Web{Addr: or(c.HTTP, demoHTTP), Fallback: c.HTTP == "", Anonymous: c.Anonymous},
		Access:    standalone.Access{LoopbackOnly: true},
		Playback:  standalone.Playback{TSClipDuration: c.Segment.d()},
		Cameras:   []standalone.Camera{sound, {ID: demoCameraSilent, Clip: simcam.Workshop(), Segment: c.Segment.d()}},
		Recording: &standalone.Recording{Camera: recording, Start: demoStart(), Duration: demoLength},
		Ready:     func(a standalone.Addresses) { c.welcome(g.out, a) },
		Logger:    c.Log.logger(g.err, slog.LevelWarn),
	}))
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// welcome tells what to open.
func (c *demoCmd) welcome(w io.Writer, a standalone.Addresses) {
	start := strings.ReplaceAll(demoStart().Format(time.DateTime), " ", "%20")
	end := strings.ReplaceAll(demoStart().Add(demoLength).Format(time.DateTime), " ", "%20")
	until := "until Ctrl-C"
	if c.For > 0 {
		until = fmt.Sprintf("for %v, or until Ctrl-C", c.For.d())
	}
	fmt.Fprintf(w, `
s3cam demo: two cameras are recording into an S3 store on this machine, %s.

  Open in a browser
    all cameras   %[2]s/#/
    live          %[2]s/#/live/%[3]s   (with sound)
                  %[2]s/#/live/%[4]s
    recording     %[2]s/#/play/%[5]s/%[6]s

  For any HLS player (first segments take %[8]v)
    live          %[2]s/playlist.m3u8?camera_id=%[3]s
    replay        %[2]s/replay.m3u8?camera_id=%[5]s&start=%[6]s&end=%[7]s

`, until, a.Web, demoCameraSound, demoCameraSilent, demoRecording, start, end, 2*c.Segment.d())
	storeBlock(w, a)
	where := "in a temporary directory, removed at the end; --data DIR keeps them"
	if c.Data != "" {
		where = "in " + c.Data
	}
	fmt.Fprintf(w, "  Recordings lie %s.\n\n", where)
}

// storeBlock tells how to reach the embedded store.
func storeBlock(w io.Writer, a standalone.Addresses) {
	fmt.Fprintf(w, `  S3 store for your own cameras
    endpoint      %s
    bucket        %s   (region %s)
    access key    %s
`, a.S3, a.Bucket, a.Region, a.AccessKey)
	secret := a.SecretKey
	if a.KeyFile == "" {
		secret = "as given"
	}
	fmt.Fprintf(w, "    secret key    %s\n", secret)
	switch {
	case a.KeyMade:
		fmt.Fprintf(w, "                  (made now, kept in %s)\n", a.KeyFile)
	case a.KeyFile != "":
		fmt.Fprintf(w, "                  (from %s)\n", a.KeyFile)
	}
	fmt.Fprintln(w)
}
