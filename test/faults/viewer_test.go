// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
)

// viewer polls a camera's live playlist as a player does and takes each segment that it has not seen.
type viewer struct {
	camera string
	base   string // http://host:port
	client *http.Client

	// lost counts the times that the server may have lost what it knew of live windows: it was killed after it had not been able to write them down.
	// Then durations may change once, as documented, and numbers may jump; they must not go back all the same.
	lost *atomic.Int64

	mu       sync.Mutex
	judge    hlstest.Reloads
	at       int64 // lost, at the last poll
	first    int64 // media sequence number of the last playlist
	polls    int
	problems []string
	answers  map[string]int  // by status or kind of failure
	seen     map[string]body // what came whole, by key
}

func newViewer(camera, addr string, lost *atomic.Int64) *viewer {
	return &viewer{camera: camera, base: "http://" + addr, lost: lost, answers: map[string]int{}, seen: map[string]body{},
		client: &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 3 * time.Second}}}
}

// watch polls until ctx ends.
func (v *viewer) watch(ctx context.Context) {
	for {
		v.poll(ctx)
		select {
		case <-ctx.Done():
			v.client.CloseIdleConnections()
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (v *viewer) poll(ctx context.Context) {
	lost := v.lost.Load()
	text, ok := v.get(ctx, "/playlist.m3u8?camera_id="+url.QueryEscape(v.camera), "playlist")
	if !ok || v.lost.Load() != lost { // it may be of the server before or of the one after
		return
	}
	p, err := hls.Parse(text)
	if err != nil {
		v.problem("%v\n%s", err, text)
		return
	}
	v.mu.Lock()
	if lost != v.at {
		v.at = lost
		v.judge = hlstest.Reloads{}
	}
	if err := v.judge.AddPlaylist(p); err != nil {
		v.problems = append(v.problems, err.Error()+"\n"+string(text))
	}
	if p.MediaSequence < v.first {
		v.problems = append(v.problems, fmt.Sprintf("media sequence numbers go back from %d\n%s", v.first, text))
	}
	v.first = p.MediaSequence
	v.polls++
	v.mu.Unlock()
	for _, s := range p.Segments {
		key := strings.TrimPrefix(strings.TrimPrefix(s.URI, "/"), "segments/")
		if _, have := v.seen[key]; have || ctx.Err() != nil {
			continue
		}
		if data, ok := v.get(ctx, "/"+strings.TrimPrefix(s.URI, "/"), "segment"); ok {
			v.seen[key] = body{len(data), crc32.Checksum(data, castagnoli)}
			if len(data) == 0 || len(data)%188 != 0 {
				v.problem("%s came as %d bytes", key, len(data))
			}
		}
	}
}

func (v *viewer) problem(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

// get is true when an answer of status 200 came whole.
func (v *viewer) get(ctx context.Context, path, what string) ([]byte, bool) {
	count := func(kind string) { v.mu.Lock(); v.answers[what+" "+kind]++; v.mu.Unlock() }
	req, err := http.NewRequestWithContext(ctx, "GET", v.base+path, nil)
	if err != nil {
		v.problem("%v", err)
		return nil, false
	}
	resp, err := v.client.Do(req)
	if err != nil {
		count("not reached")
		return nil, false
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		count("cut")
	case resp.StatusCode != 200:
		count(fmt.Sprint(resp.StatusCode))
	default:
		count("200")
		return data, true
	}
	return nil, false
}
