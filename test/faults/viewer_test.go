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
	"time"

	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/hls/hlstest"
)

// viewer polls a camera's live playlist as a player does and takes each segment that it has not seen.
type viewer struct {
	camera string
	base   string // http://host:port
	client *http.Client

	mu       sync.Mutex
	judge    hlstest.Reloads
	problems []string
	answers  map[string]int  // by status or kind of failure
	seen     map[string]body // what came whole, by key
}

func newViewer(camera, addr string) *viewer {
	return &viewer{camera: camera, base: "http://" + addr, answers: map[string]int{}, seen: map[string]body{},
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
	text, ok := v.get(ctx, "/playlist.m3u8?camera_id="+url.QueryEscape(v.camera), "playlist")
	if !ok {
		return
	}
	v.mu.Lock()
	if err := v.judge.Add(text); err != nil {
		v.problems = append(v.problems, err.Error()+"\n"+string(text))
	}
	v.mu.Unlock()
	p, err := hls.Parse(text)
	if err != nil {
		return
	}
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
