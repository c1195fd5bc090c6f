// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	fleet "github.com/s3cam/s3cam/bench/load"
)

// reportLoad puts many cameras and viewers on one `s3cam serve`.
func reportLoad(g *goals, cfg fleet.Config) error {
	mbits := func(body int) float64 { return float64(body) * 8 / cfg.Segment.Seconds() / 1e6 }
	fmt.Fprintf(g.out, "\nLoad: %d cameras, a segment of %v each %v (%.2f Mbit/s, %.0f MB/s together), %d live viewers, %v\n",
		cfg.Cameras, cfg.Body, cfg.Segment, mbits(cfg.Body), mbits(cfg.Body)*float64(cfg.Cameras)/8, cfg.Viewers, cfg.For)
	if cfg.S3cam == "" {
		fmt.Fprintln(g.out, "  SKIPPED: no -s3cam program was given")
		return nil
	}
	r, err := fleet.Run(context.Background(), cfg)
	if err != nil {
		return err
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	fmt.Fprintf(g.out, "  %-24s %10s %10s %10s %10s %10s\n", "", "count", "p50 ms", "p95 ms", "p99 ms", "longest")
	for _, row := range []struct {
		name string
		l    *fleet.Latency
	}{{"PUT, stored durably", r.Put}, {"live playlist", r.Playlist}, {"segment, whole", r.Segment}} {
		fmt.Fprintf(g.out, "  %-24s %10d %10.1f %10.1f %10.1f %10.1f\n", row.name, row.l.Count(), ms(row.l.Quantile(0.5)), ms(row.l.Quantile(0.95)), ms(row.l.Quantile(0.99)), ms(row.l.Quantile(1)))
	}
	fmt.Fprintf(g.out, "  cores: server %.2f (%d MB at most), cameras and viewers %.2f, others on this machine %.2f, waiting for the disk %.2f; load average %s\n",
		r.CPU, r.PeakRSS>>20, r.SelfCPU, r.OtherCPU, r.DiskWait, r.LoadAverage)
	fmt.Fprintf(g.out, "  %d segments acknowledged, all audited; %d requests repeated\n", r.Stored, r.Retries)
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(r.Troubles)) {
		fmt.Fprintf(g.out, "  TROUBLE: %s: %d\n", kind, r.Troubles[kind])
		total += r.Troubles[kind]
	}
	for _, err := range r.First {
		fmt.Fprintf(g.out, "    %.300s\n", err)
	}
	g.atMost("load: lost, dropped, refused, late or illegal", float64(total), 0, "")
	return nil
}
