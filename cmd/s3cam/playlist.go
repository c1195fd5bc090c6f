// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/mpegts"
	"github.com/s3cam/s3cam/playback"
	"github.com/s3cam/s3cam/s3"
	"github.com/s3cam/s3cam/segment"
)

type playlistCmd struct {
	URL     string  `arg:"" optional:"" help:"Address of an s3cam server, as http://127.0.0.1:8080. Without it the store is read directly."`
	Camera  string  `required:"" placeholder:"ID" help:"Camera id."`
	Start   string  `placeholder:"TIME" help:"Begin of a replay: \"2021-05-01 11:00:00\" (UTC), RFC 3339 or Unix seconds. Without it: the live playlist."`
	End     string  `placeholder:"TIME" help:"End of the replay. Without it the playlist goes up to now and stays open."`
	Presign seconds `placeholder:"DURATION" help:"List signed URLs that are valid this long, so that any player can play the output (only without URL). Else object keys are listed."`

	Keys  keyFlags      `embed:"" group:"store"`
	Store storeFlags    `embed:"" group:"store"`
	Play  playbackFlags `embed:"" group:"playback"`
	Log   logFlags      `embed:"" prefix:"log-" group:"log"`
}

func (playlistCmd) Help() string {
	return `Prints a playlist to standard output.

Examples:
  s3cam playlist --camera front-door http://127.0.0.1:8080
  s3cam playlist --camera demo --start "2021-01-01 00:00:00" --end "2021-01-01 00:01:00" http://127.0.0.1:8080
  s3cam playlist --camera garden --bucket my-video-bucket --presign 1h >garden.m3u8`
}

// maxPlaylistBytes bounds what is read from a server: a week of 1 s segments with signed URLs is larger than any use.
const maxPlaylistBytes = 256 << 20

func (c *playlistCmd) Run(ctx context.Context, g *globals) error {
	camera, err := segment.CleanPrefix(c.Camera)
	if err != nil {
		return usage("--camera: %v", err)
	}
	var start, end time.Time
	for _, f := range []struct {
		flag, text string
		t          *time.Time
	}{{"--start", c.Start, &start}, {"--end", c.End, &end}} {
		if f.text == "" {
			continue
		}
		if *f.t, err = httpapi.ParseTime(f.text); err != nil {
			return usage("%s: %v", f.flag, err)
		}
	}
	switch {
	case start.IsZero() && !end.IsZero():
		return usage("--end needs --start")
	case !end.IsZero() && !end.After(start):
		return usage("--end must be after --start")
	case c.Presign != 0 && c.URL != "":
		return usage("--presign is for reading a store directly; a server signs as it is configured")
	case c.Presign != 0 && (c.Presign.d() < time.Second || c.Presign.d() > 7*24*time.Hour):
		return usage("--presign %v: S3 accepts 1s to 168h", c.Presign.d())
	}
	if c.URL != "" {
		return c.fromServer(ctx, g, camera, start, end)
	}
	return c.fromStore(ctx, g, camera, start, end)
}

func (c *playlistCmd) fromServer(ctx context.Context, g *globals, camera string, start, end time.Time) error {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return usage("%q is not the address of a server; write http://host:port", c.URL)
	}
	q := url.Values{"camera_id": {camera}}
	name := "playlist.m3u8"
	if !start.IsZero() {
		name = "replay.m3u8"
		q.Set("start", start.Format(time.RFC3339Nano))
	}
	if !end.IsZero() {
		q.Set("end", end.Format(time.RFC3339Nano))
	}
	u := base.JoinPath(name)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return usage("%q is not the address of a server: %v", c.URL, err)
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Do(req)
	if ctx.Err() != nil {
		return interrupted()
	}
	if err != nil {
		return hint.With(err, "check the address, and that the server is running")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPlaylistBytes))
	if err != nil {
		return fmt.Errorf("read the playlist: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return answerError(resp, body)
	}
	if !strings.HasPrefix(string(body), "#EXTM3U") {
		return hint.With(fmt.Errorf("%s answered something that is no playlist", base.Host), "give the address of an s3cam server without a path")
	}
	_, err = g.out.Write(body)
	return err
}

// answerError shows the error of an s3cam server, or the status of another.
func answerError(resp *http.Response, body []byte) error {
	var answer struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(body, &answer) == nil && answer.Error.Message != "" {
		return fmt.Errorf("%s (%s, %s)", printable(answer.Error.Message), printable(answer.Error.Code), resp.Status)
	}
	return hint.With(fmt.Errorf("%s answered %s", resp.Request.URL.Host, resp.Status), "give the address of an s3cam server without a path")
}

// printable keeps what a server says from steering a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func (c *playlistCmd) fromStore(ctx context.Context, g *globals, camera string, start, end time.Time) error {
	log := c.Log.logger(g.err, slog.LevelWarn)
	client, err := c.Store.client(ctx, c.Keys, log)
	if err != nil {
		return err
	}
	defer client.Close()
	p := c.Play
	service, err := playback.New(playback.Config{
		Store: client, Heads: client, FirstPTS: mpegts.FirstPTS, EndPTS: mpegts.EndPTS, Windows: cache.NewMemory(cache.MemoryConfig{Logger: log}), Logger: log,
		ItemInPlaylist: p.ItemInPlaylist, M3U8TargetDuration: p.M3U8TargetDuration, NearRealtimeReplayCachePeriod: p.NearRealtimeReplayCachePeriod.d(),
		NearRealtimeReplayPrecedingPeriod: p.NearRealtimeReplayPrecedingPeriod.d(), TSClipDuration: p.TSClipDuration.d(), MaxReplay: p.MaxReplay.d(),
	})
	if err != nil {
		return kinded{err, errUsage}
	}
	var list hls.Playlist
	if start.IsZero() {
		list, err = service.Live(ctx, camera)
	} else {
		list, err = service.Replay(ctx, camera, start, end)
	}
	switch {
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, playback.ErrNoSegments) && start.IsZero():
		return hint.With(fmt.Errorf("nothing is recorded of camera %s at present", camera), "check --camera; --start shows what was recorded earlier")
	case errors.Is(err, playback.ErrNoSegments):
		return hint.With(fmt.Errorf("nothing is recorded of camera %s then", camera), "check --camera and the times, which are UTC")
	case errors.As(err, new(*playback.RangeError)):
		return kinded{err, errUsage}
	case err != nil:
		return standalone.StoreError(client.Bucket(), err)
	}
	uri, err := c.uris(ctx, client, camera)
	if err != nil {
		return standalone.StoreError(client.Bucket(), err)
	}
	_, err = g.out.Write(list.AppendM3U8(nil, uri))
	return err
}

func (c *playlistCmd) uris(ctx context.Context, client *s3.Client, camera string) (func([]byte, *hls.Segment) []byte, error) {
	if c.Presign == 0 {
		path := string(hls.AppendPath(nil, camera))
		return func(dst []byte, s *hls.Segment) []byte { return playback.AppendKey(dst, path, s) }, nil
	}
	signer, err := client.Presigner(ctx, time.Now(), c.Presign.d())
	if err != nil {
		return nil, err
	}
	return func(dst []byte, s *hls.Segment) []byte {
		return signer.AppendGet(dst, string(playback.AppendKey(nil, camera, s)))
	}, nil
}
