// SPDX-License-Identifier: Apache-2.0

package lambda

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/s3cam/s3cam/hls"
)

const (
	boots   = 15
	cameras = 40
	rounds  = 12
	pause   = 150 * time.Millisecond // longer than one rendered playlist serves all viewers of an instance
	replays = 5
)

// Result is what the program took, medians.
type Result struct {
	Init, InitLongest time.Duration // exec to the first question for an invocation, of 15 boots
	Poll              time.Duration // of a live playlist that is in the table and has nothing new
	PollReads         float64       // of the table, for a poll
	Replay            time.Duration // of 24 h: 28,800 segments, 29 pages of LIST
	FirstReplay       time.Duration // by a process that has done nothing before
	ReplayBytes       int           // as sent, gzip
}

// Measure runs the program. It takes some 10 s.
func Measure(program string) (r Result, err error) {
	s3 := newS3()
	defer s3.Close()
	t, dynamo := newTable()
	defer dynamo.Close()
	env := func(name string) []string {
		return []string{
			"S3CAM_FUNCTION=" + name, "S3CAM_BUCKET=video", "S3CAM_CACHE_TABLE=cache", "ITEM_IN_PLAYLIST=6", "M3U8_TARGET_DURATION=3",
			"NEAR_REALTIME_REPLAY_CACHE_PERIOD=600", "NEAR_REALTIME_REPLAY_PRECEDING_PERIOD=120", "TS_CLIP_DURATION=3", "VIDEO_RETENTION_DAYS=0",
			"S3CAM_LIVE_DELIVERY=presign", "S3CAM_REPLAY_DELIVERY=redirect", "S3CAM_LOG_LEVEL=error", "S3CAM_ANONYMOUS=true",
			"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=ASIABENCHBENCHBENCH0", "AWS_SECRET_ACCESS_KEY=benchbenchbenchbench", "AWS_SESSION_TOKEN=" + string(bytes.Repeat([]byte("token+/="), 112)),
			"AWS_ENDPOINT_URL_S3=" + s3.URL, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamo.URL,
		}
	}
	var inits, polls, again []time.Duration
	for range boots {
		f, took, err := boot(program, env("playlist"))
		if err != nil {
			return r, err
		}
		if err := f.close(); err != nil {
			return r, err
		}
		inits = append(inits, took)
	}
	r.Init, r.InitLongest = median(inits), slices.Max(inits)

	live, _, err := boot(program, env("playlist"))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, live.close()) }()
	before := 0
	for round := range rounds {
		if round == 2 { // everything is warm
			before = t.readCount()
		}
		for n := range cameras {
			_, took, err := live.get("/playlist.m3u8", fmt.Sprintf("camera_id=cam%d", n))
			if err != nil {
				return r, err
			}
			if round >= 2 {
				polls = append(polls, took)
			}
		}
		time.Sleep(pause)
	}
	r.Poll, r.PollReads = median(polls), float64(t.readCount()-before)/float64(len(polls))

	replay, _, err := boot(program, env("replay"))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, replay.close()) }()
	for n := range replays + 1 {
		body, took, err := replay.get("/replay.m3u8", fmt.Sprintf("camera_id=cam%d&start=2026-03-01T00:00:00Z&end=2026-03-02T00:00:00Z", n))
		if err != nil {
			return r, err
		}
		if n == 0 {
			r.FirstReplay, r.ReplayBytes = took, len(body)
			if err := checkDay(body); err != nil {
				return r, err
			}
			continue
		}
		again = append(again, took)
	}
	r.Replay = median(again)
	return r, nil
}

func checkDay(body []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	p, err := hls.Parse(text)
	if want := int(24 * time.Hour / every); err == nil && len(p.Segments) != want {
		err = fmt.Errorf("the replay has %d segments, want %d", len(p.Segments), want)
	}
	return err
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
