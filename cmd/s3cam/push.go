// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/push"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

type pushCmd struct {
	Camera  string  `required:"" placeholder:"ID" help:"Camera id: the prefix under which the segments are stored."`
	Input   string  `required:"" placeholder:"FILE" help:"H.264 (.h264, .264, Annex B) or MPEG-TS (.ts), told apart by their content; - reads standard input."`
	Audio   string  `placeholder:"FILE" help:"AAC in ADTS (.aac) that belongs to a raw H.264 input."`
	FPS     string  `placeholder:"RATE" help:"Pictures per second of raw H.264, as 25 or 30000/1001. Default: what the stream says, else 25."`
	Start   string  `placeholder:"TIME" help:"When the first picture was taken: \"2021-05-01 11:00:00\" (UTC), RFC 3339 or Unix seconds. Default: now."`
	Speed   string  `default:"realtime" enum:"realtime,max,live" help:"realtime: at the pace of the clock; max: as fast as the store takes it; live: as it comes, from a camera's stream, timed by this machine's clock."`
	Segment seconds `default:"3s" help:"Length of the segments, 1s to 60s. A segment ends at the first key frame from there on."`
	Ring    int     `default:"32" help:"Memory for segments that are not stored yet, in MiB: with realtime it bridges an outage of the store, beyond it the oldest are dropped."`
	Tags    string  `placeholder:"K=V&..." help:"Object tags of each segment, encoded like a URL query."`

	Keys  keyFlags   `embed:"" group:"store"`
	Store storeFlags `embed:"" group:"store"`
	Log   logFlags   `embed:"" prefix:"log-" group:"log"`
}

// keyFlags are the credentials of the commands that talk to a store.
type keyFlags struct {
	S3AccessKey    string `name:"s3-access-key" placeholder:"KEY" help:"Access key. Without it credentials come from where AWS tools take them: AWS_* variables, profiles, roles; serve without --s3-url: of the embedded store, as in demo."`
	S3SecretKey    string `name:"s3-secret-key" placeholder:"SECRET" help:"Its secret key. Prefer the variable: a command line can be read by others on the machine."`
	S3SessionToken string `name:"s3-session-token" placeholder:"TOKEN" help:"Session token of temporary credentials."`
}

func (pushCmd) Help() string {
	return `Cuts the input into segments and stores them as a camera would, with the same library. Progress and a summary go to
standard error. If footage of the same second is already there it is left alone, so a push can be repeated.

Examples:
  s3cam push --camera garden --input clip.h264 --fps 25 --s3-url http://127.0.0.1:9000 --bucket video
  s3cam push --camera garden --input clip.h264 --audio clip.aac --start "2021-05-01 11:00:00" --speed max ...
  ffmpeg -i rtsp://... -c copy -f mpegts - | s3cam push --camera garden --input - --speed live ...
  AWS_PROFILE=prod s3cam push --camera garden --input day.ts --speed max --bucket my-video-bucket`
}

// silentLevel is above all levels.
const silentLevel = slog.Level(100)

func (c *pushCmd) Run(ctx context.Context, g *globals) error {
	cfg, in, err := c.parse(g)
	if err != nil {
		return err
	}
	log := c.Log.logger(g.err, silentLevel) // what matters is in the progress and the summary
	client, err := c.Store.client(ctx, c.Keys, log)
	if err != nil {
		return err
	}
	defer client.Close()
	closeFiles, err := c.open(g, &in)
	if err != nil {
		return err
	}
	defer closeFiles()
	source, err := await(ctx, func() (*push.Source, error) { return push.Open(in) })
	switch {
	case ctx.Err() != nil:
		return interrupted()
	case err != nil:
		return c.inputError(err)
	}

	cfg.Frames, cfg.ParameterSets = source, source.ParameterSets()
	cfg.Uploader.Putter, cfg.Uploader.Audio, cfg.Uploader.Logger = standalone.NewPutter(client), source.Info.Audio, log
	cfg.Exists = func(ctx context.Context, key string, size int64) bool {
		info, err := client.Head(ctx, key)
		return err == nil && info.Size == size
	}
	p := newPushProgress(g.err, cfg.Now, c.Input, source.Info, client.Bucket(), c.Camera)
	p.begin()
	cfg.Progress, cfg.Uploader.OnError = p.show, p.problem
	result, err := push.Run(ctx, cfg)
	p.end(result, source.Notes(), err)
	return c.verdict(ctx, client.Bucket(), result, err)
}

// parse checks the flags that have a form of their own.
func (c *pushCmd) parse(g *globals) (cfg push.Config, in push.Input, err error) {
	cfg = push.Config{Now: time.Now}
	switch c.Speed {
	case "realtime":
		cfg.Pace = push.Realtime
	case "live":
		if cfg.Pace = push.Live; c.Start != "" {
			return cfg, in, usage("--start cannot be used with --speed live: the present is its time")
		}
	}
	prefix, err := segment.CleanPrefix(c.Camera)
	if err != nil {
		return cfg, in, usage("--camera: %v", err)
	}
	c.Camera = prefix
	if d := c.Segment.d(); d < uploader.MinSegmentDuration || d > uploader.MaxSegmentDuration {
		return cfg, in, usage("--segment %v: want %v to %v", c.Segment.d(), uploader.MinSegmentDuration, uploader.MaxSegmentDuration)
	}
	if c.Ring < 1 || c.Ring > uploader.MaxRingBytes>>20 {
		return cfg, in, usage("--ring %d: want 1 to %d MiB", c.Ring, uploader.MaxRingBytes>>20)
	}
	if c.FPS != "" {
		if in.Rate, err = h264.ParseRate(c.FPS); err != nil {
			return cfg, in, usage("--fps: %v", err)
		}
	}
	if c.Start != "" {
		if cfg.Start, err = httpapi.ParseTime(c.Start); err != nil {
			return cfg, in, usage("--start: %v", err)
		}
	}
	if err := s3.ValidateTags(c.Tags); err != nil {
		return cfg, in, usage("--tags: %v", err)
	}
	cfg.Uploader = uploader.Config{Prefix: prefix, SegmentDuration: c.Segment.d(), RingBytes: c.Ring << 20, Tags: c.Tags}
	return cfg, in, nil
}

// open opens the input and its audio. Standard input is left open.
func (c *pushCmd) open(g *globals, in *push.Input) (func(), error) {
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			f.Close()
		}
	}
	open := func(flag, name string) (io.Reader, error) {
		if name == "-" {
			return g.in, nil
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		files = append(files, f)
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, hint.With(fmt.Errorf("%s: %s is a directory", flag, name), "name one file; push several one after the other with --start")
		}
		return f, nil
	}
	var err error
	if in.Video, err = open("--input", c.Input); err == nil && c.Audio != "" {
		if c.Audio == "-" && c.Input == "-" {
			err = usage("--input and --audio cannot both be standard input")
		} else {
			in.Audio, err = open("--audio", c.Audio)
		}
	}
	if err != nil {
		closeAll()
		return nil, err
	}
	return closeAll, nil
}

// verdict turns what became of the push into the program's error.
func (c *pushCmd) verdict(ctx context.Context, bucket string, r push.Result, err error) error {
	dropped := r.Stats.Dropped()
	switch {
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, push.ErrInput):
		return c.inputError(err)
	case err != nil:
		return standalone.StoreError(bucket, err)
	case dropped.Segments > 0:
		return kinded{hint.With(fmt.Errorf("%d of %d segments (%v of video) were dropped", dropped.Segments, r.Stats.Begun, dropped.Duration.Round(time.Millisecond)),
			"%s", dropHint(r)), errPartial}
	case r.Skipped > 0:
		return partial("%d frames were broken and left out, the first because of: %v", r.Skipped, r.Problem)
	}
	return nil
}

func dropHint(r push.Result) string {
	switch {
	case r.Stats.DroppedTooLarge.Segments > 0:
		return "a segment must fit into the ring; raise --ring"
	case r.Stats.DroppedCollision.Segments > 0:
		return "other footage is in their place; choose another --camera or --start"
	}
	return "the store was too slow or out of reach; raise --ring to bridge longer outages"
}

// inputError names the input that an error is about.
func (c *pushCmd) inputError(err error) error {
	name := c.Input
	if errors.Is(err, push.ErrAudio) {
		name = c.Audio
	}
	if name == "-" {
		name = "standard input"
	}
	return fmt.Errorf("%s: %w", name, err)
}
