// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

type playlistCmd struct {
	URL     string        `arg:"" optional:"" placeholder:"URL" help:"Address of an s3cam server, as http://127.0.0.1:8080. Without it the store is read directly."`
	Camera  string        `required:"" placeholder:"ID" help:"Camera id."`
	Start   string        `placeholder:"TIME" help:"Begin of a replay: \"2021-05-01 11:00:00\" (UTC), RFC 3339 or Unix seconds. Without it: the live playlist."`
	End     string        `placeholder:"TIME" help:"End of the replay. Without it the playlist goes up to now and stays open."`
	Presign time.Duration `placeholder:"DURATION" help:"List signed URLs that are valid this long, so that any player can play the output (store only)."`

	Keys  keyFlags      `embed:"" group:"store"`
	Store storeFlags    `embed:"" group:"store"`
	Play  playbackFlags `embed:"" group:"playback"`
}

func (playlistCmd) Help() string {
	return `Prints a playlist to standard output.

Examples:
  s3cam playlist --camera front-door http://127.0.0.1:8080
  s3cam playlist --camera demo --start "2021-01-01 00:00:00" --end "2021-01-01 00:01:00" http://127.0.0.1:8080
  s3cam playlist --camera garden --bucket my-video-bucket --presign 1h >garden.m3u8`
}

func (c *playlistCmd) Run(ctx context.Context, g *globals) error { return runPlaylist(ctx, g, c) }
