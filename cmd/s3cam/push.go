// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

type pushCmd struct {
	Camera  string        `required:"" placeholder:"ID" help:"Camera id: the prefix under which the segments are stored."`
	Input   string        `required:"" placeholder:"FILE" help:"H.264 (.h264, .264, Annex B) or MPEG-TS (.ts), told apart by their content; - reads standard input."`
	Audio   string        `placeholder:"FILE" help:"AAC in ADTS (.aac) that belongs to a raw H.264 input."`
	FPS     string        `placeholder:"RATE" help:"Pictures per second of raw H.264, as 25 or 30000/1001. Default: what the stream says, else 25."`
	Start   string        `placeholder:"TIME" help:"When the first picture was taken: \"2021-05-01 11:00:00\" (UTC), RFC 3339 or Unix seconds. Default: now."`
	Speed   string        `default:"realtime" enum:"realtime,max" help:"realtime: as a camera would; max: as fast as the store takes it."`
	Segment time.Duration `default:"3s" help:"Length of the segments, 1s to 60s. A segment ends at the first key frame from there on."`
	Ring    int           `default:"4" placeholder:"MIB" help:"Memory for segments that are not stored yet, in MiB: with realtime it bridges an outage of the store."`
	Tags    string        `placeholder:"K=V&..." help:"Object tags of each segment, encoded like a URL query."`

	Keys  keyFlags   `embed:"" group:"store"`
	Store storeFlags `embed:"" group:"store"`
}

// keyFlags are the credentials of the commands that talk to a store.
type keyFlags struct {
	S3AccessKey    string `name:"s3-access-key" placeholder:"KEY" help:"Access key. Without it credentials come from where AWS tools take them: AWS_* variables, profiles, roles."`
	S3SecretKey    string `name:"s3-secret-key" placeholder:"SECRET" help:"Its secret key. Prefer the variable: a command line can be read by others on the machine."`
	S3SessionToken string `name:"s3-session-token" placeholder:"TOKEN" help:"Session token of temporary credentials."`
}

func (pushCmd) Help() string {
	return `Cuts the input into segments and stores them as a camera would, with the same library. Progress and a summary go to
standard error. If footage of the same second is already there it is left alone, so a push can be repeated.

Examples:
  s3cam push --camera garden --input clip.h264 --fps 25 --s3-url http://127.0.0.1:9000 --bucket video
  s3cam push --camera garden --input clip.h264 --audio clip.aac --start "2021-05-01 11:00:00" --speed max ...
  ffmpeg -i rtsp://... -c copy -f mpegts - | s3cam push --camera garden --input - ...
  AWS_PROFILE=prod s3cam push --camera garden --input day.ts --speed max --bucket my-video-bucket`
}

func (c *pushCmd) Run(ctx context.Context, g *globals) error { return runPush(ctx, g, c) }
