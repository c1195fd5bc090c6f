// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	playlistFile = "playlist.m3u8"
	segmentFile  = "segment.ts"
	playlistPath = "/playlist.m3u8?camera_id=" + camera

	clipLength = 60 * time.Second

	slice = time.Second // short: what disturbs the machine then hits the servers of a round alike
)

// Config says what [Measure] runs.
type Config struct {
	S3cam string // the program
	Self  string // a program that runs [Bare] when called with the arguments -bare FOLDER
	Clip  string // raw H.264 of 60 s, at 5 Mbit/s
}

// Row is what one body costs.
type Row struct {
	Name               string
	Bytes              int           // of the body as sent
	Nginx, Bare, S3cam time.Duration // CPU per request, medians
	ToNginx            float64       // s3cam's to nginx's: the median over the rounds
}

// Measure starts the servers, loads them in turn and stops them. It takes about two minutes.
func Measure(ctx context.Context, cfg Config) ([]Row, error) {
	dir, err := os.MkdirTemp("", "s3cam-bench-serve-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	var g group
	defer func() {
		cancel()
		g.wait()
	}()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		return nil, err
	}
	ours, err := g.startS3cam(ctx, cfg.S3cam, dir, cfg.Clip)
	if err != nil {
		return nil, err
	}
	segmentPath, sizes, err := copyBodies(ctx, ours, root)
	if err != nil {
		return nil, err
	}
	nginx, err := g.startNginx(ctx, dir, root)
	if err != nil {
		return nil, err
	}
	bare, err := g.start(ctx, "net/http", nil, nil, cfg.Self, "-bare", root)
	if err != nil {
		return nil, err
	}
	if bare.url, err = bare.printed(ctx, `bare (\S+)\n`); err != nil {
		return nil, err
	}
	var rows []Row
	for i, b := range []struct {
		name, file, path string
		rounds           int
	}{
		{"live playlist, cached, gzip", playlistFile, playlistPath, 25},
		{"segment of 3 s", segmentFile, segmentPath, 7},
	} {
		row, err := compare(ctx, b.rounds, []*server{nginx, bare, ours}, []string{"/" + b.file, "/" + b.file, b.path})
		if err != nil {
			return nil, err
		}
		row.Name, row.Bytes = b.name, sizes[i]
		rows = append(rows, row)
	}
	return rows, nil
}

// copyBodies puts what s3cam serves where the others find it.
func copyBodies(ctx context.Context, ours *server, root string) (segmentPath string, sizes [2]int, err error) {
	packed, err := ours.answers(ctx, playlistPath)
	if err != nil {
		return "", sizes, err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", sizes, fmt.Errorf("the playlist came without gzip: %w", err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return "", sizes, err
	}
	for line := range strings.Lines(string(plain)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			segmentPath = "/" + line
		}
	}
	if segmentPath == "" {
		return "", sizes, errors.New("the playlist lists no segment")
	}
	segment, err := get(ctx, ours.url+segmentPath)
	if err != nil {
		return "", sizes, err
	}
	for name, body := range map[string][]byte{playlistFile: plain, playlistFile + ".gz": packed, segmentFile: segment} {
		if err := os.WriteFile(filepath.Join(root, name), body, 0o600); err != nil {
			return "", sizes, err
		}
	}
	return segmentPath, [2]int{len(packed), len(segment)}, nil
}

// compare loads nginx, the bare server and ours in turn. The answers must be of one size.
func compare(ctx context.Context, rounds int, servers []*server, paths []string) (Row, error) {
	var row Row
	sizes := make([]int, len(servers))
	for i, s := range servers {
		b, err := s.answers(ctx, paths[i])
		if err != nil {
			return row, err
		}
		sizes[i] = len(b)
		if _, err := load(ctx, s, paths[i], slice); err != nil {
			return row, err
		}
	}
	// The playlist moves on while we look, and may have a tag more where the past and the present meet.
	if d := slices.Max(sizes) - slices.Min(sizes); d*5 > sizes[0] {
		return row, fmt.Errorf("the servers send different bodies for %s: %d bytes", paths, sizes)
	}
	costs := make([][]time.Duration, len(servers))
	var toNginx []float64
	for round := range rounds {
		var cost [3]time.Duration
		for k := range servers {
			i := (round + k) % len(servers) // nobody is always the first
			c, err := load(ctx, servers[i], paths[i], slice)
			if err != nil {
				return row, err
			}
			cost[i] = c
			costs[i] = append(costs[i], c)
		}
		toNginx = append(toNginx, float64(cost[2])/float64(cost[0]))
	}
	row.Nginx, row.Bare, row.S3cam, row.ToNginx = median(costs[0]), median(costs[1]), median(costs[2]), median(toNginx)
	return row, nil
}

func median[T time.Duration | float64](v []T) T {
	slices.Sort(v)
	return v[len(v)/2]
}
