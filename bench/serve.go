// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/s3cam/s3cam/bench/serve"
)

// Goals of serving, ratios to nginx. Net/http alone takes 1.5 of nginx for the playlist, so there is little room, and a busy
// machine takes it: a goal counts as missed when several attempts missed it.
const (
	playlistGoal  = 1.6
	segmentGoal   = 1.1
	serveAttempts = 3
)

// reportServe compares what a request costs `s3cam serve` with nginx.
func reportServe(g *goals, dir, s3cam string) error {
	fmt.Fprintf(g.out, "\nServing over loopback, wrk -t1 -c64, CPU per request\n")
	for _, tool := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(g.out, "  SKIPPED: %s is missing\n", tool)
			return nil
		}
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		fmt.Fprintln(g.out, "  SKIPPED: CPU time of other processes is read from /proc, which this system lacks")
		return nil
	}
	if s3cam == "" {
		fmt.Fprintln(g.out, "  SKIPPED: no -s3cam program was given")
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	hi := profiles[0]
	if _, err := load(dir, hi); err != nil { // leaves the clip in dir
		return err
	}
	cfg := serve.Config{S3cam: s3cam, Self: self, Clip: filepath.Join(dir, hi.name+".h264")}
	us := func(d time.Duration) float64 { return d.Seconds() * 1e6 }
	for attempt := 1; ; attempt++ {
		rows, err := serve.Measure(context.Background(), cfg)
		if err != nil {
			return err
		}
		fmt.Fprintf(g.out, "  %-30s %10s %10s %12s %10s %10s\n", "body", "bytes", "nginx us", "net/http us", "s3cam us", "to nginx")
		for _, r := range rows {
			fmt.Fprintf(g.out, "  %-30s %10d %10.1f %12.1f %10.1f %10.2f\n", r.Name, r.Bytes, us(r.Nginx), us(r.Bare), us(r.S3cam), r.ToNginx)
		}
		playlist, segment := rows[0].ToNginx, rows[1].ToNginx
		if met := playlist <= playlistGoal && segment <= segmentGoal; !met && attempt < serveAttempts {
			fmt.Fprintln(g.out, "  missed; other work on the machine costs a server of many threads more than nginx, so once again")
			continue
		}
		g.atMost("serving a cached live playlist: CPU against nginx", playlist, playlistGoal, "x")
		g.atMost("serving a segment: CPU against nginx", segment, segmentGoal, "x")
		return nil
	}
}
