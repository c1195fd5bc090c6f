// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/s3cam/s3cam/hls"
	"github.com/s3cam/s3cam/internal/cache"
	"github.com/s3cam/s3cam/playback"
)

// reportReplay measures what a replay of 24 h costs from request to compressed body: list 28,800 segments (29 pages, answered
// from memory), decide, render, gzip. Once with relative URLs, once with presigned ones and a 900-byte token.
func reportReplay(g *goals) error {
	const camera, segments = "front-door", 24 * 1200
	day := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	client, err := benchClient(newBucket(camera, day, segments))
	if err != nil {
		return err
	}
	service, err := playback.New(playback.Config{Store: client, Windows: cache.NewMemory(cache.MemoryConfig{})})
	if err != nil {
		return err
	}
	token := benchToken(900)
	signing, err := tokenClient(token)
	if err != nil {
		return err
	}
	presigner, err := signing.Presigner(context.Background(), day, 900*time.Second)
	if err != nil {
		return err
	}
	var plain []byte
	var packed bytes.Buffer
	var key []byte
	body := func(level int, uri func(dst []byte, s *hls.Segment) []byte) {
		p, err := service.Replay(context.Background(), camera, day, day.Add(24*time.Hour))
		if err != nil || len(p.Segments) != segments {
			panic(fmt.Sprint(len(p.Segments), err))
		}
		plain = p.AppendM3U8(plain[:0], uri)
		packed.Reset()
		z, err := gzip.NewWriterLevel(&packed, level)
		if err != nil {
			panic(err)
		}
		z.Write(plain)
		z.Close()
	}
	relative := func(dst []byte, s *hls.Segment) []byte {
		return playback.AppendKey(append(dst, "segments/"...), camera, s)
	}
	presigned := func(dst []byte, s *hls.Segment) []byte {
		key = playback.AppendKey(key[:0], camera, s)
		return presigner.AppendGet(dst, string(key))
	}
	sizes := map[string][2]int{}
	results := interleave(7, 1,
		candidate{"relative, gzip 6", func() { body(6, relative); sizes["relative, gzip 6"] = [2]int{len(plain), packed.Len()} }},
		candidate{"presigned, gzip 1", func() { body(1, presigned); sizes["presigned, gzip 1"] = [2]int{len(plain), packed.Len()} }},
		candidate{"presigned, gzip 6", func() { body(6, presigned); sizes["presigned, gzip 6"] = [2]int{len(plain), packed.Len()} }})
	fmt.Fprintf(g.out, "\nReplay of 24 h, %d segments: list, build, compress\n  %-20s %12s %14s %14s %14s\n", segments, "URLs", "CPU ms", "allocs", "bytes", "gzip bytes")
	for _, r := range results {
		fmt.Fprintf(g.out, "  %-20s %12.1f %14.0f %14d %14d\n", r.name, r.cpu.Seconds()*1e3, r.allocs, sizes[r.name][0], sizes[r.name][1])
	}
	g.atMost("replay 24 h, relative URLs: CPU", results[0].cpu.Seconds()*1e3, 25, "ms")
	g.atMost("replay 24 h, relative URLs: gzip bytes", float64(sizes["relative, gzip 6"][1])/1000, 100, "kB")
	g.atMost("replay 24 h, presigned: CPU", results[1].cpu.Seconds()*1e3, 160, "ms")
	return nil
}
