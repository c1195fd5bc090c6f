// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/s3put"
	"github.com/s3cam/s3cam/internal/sigv4"
)

// Check says to w what the agent would do, and looks for everything that can be wrong without uploading anything: certificates that may vouch,
// credentials, folders. The configuration itself is fine already.
func (a *Agent) Check(ctx context.Context, w io.Writer) error {
	defer a.hurry()
	if a.cfg.File != "" {
		fmt.Fprintf(w, "configuration: %s\n", a.cfg.File)
	}
	if a.cfg.Socket != "" {
		fmt.Fprintf(w, "socket:        %s (mode %#o)\n", a.cfg.Socket, a.cfg.SocketMode)
	}
	if now := a.now(); now.Before(a.state.floor) {
		fmt.Fprintf(w, "clock:         %s is in the past: at least %s has passed. Set it (NTP), or see server-time\n", clock(now), clock(a.state.floor))
	}
	cams := map[string]CameraConfig{"(any)": a.cfg.Camera}
	if len(a.cfg.Cameras) > 0 {
		cams = a.cfg.Cameras
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(cams)) {
		k := cams[name]
		fmt.Fprintf(w, "camera %s:\n", name)
		if err := a.checkCamera(ctx, w, k); err != nil {
			problems = append(problems, fmt.Errorf("camera %s: %w", name, err))
		}
	}
	if len(problems) > 0 {
		return usageError{errors.Join(problems...)}
	}
	fmt.Fprintln(w, "ok")
	return nil
}

func (a *Agent) checkCamera(ctx context.Context, w io.Writer, k CameraConfig) error {
	or := func(s, other string) string {
		if s == "" {
			return other
		}
		return s
	}
	const firmware = "(from the firmware)"
	server := k.Endpoint
	if server == "" {
		server = "AWS " + or(k.Region, "(region from the firmware)")
	}
	fmt.Fprintf(w, "  into         %s/%s at %s\n", or(k.Bucket, firmware), or(strings.Trim(k.Prefix, "/"), firmware), server)
	fmt.Fprintf(w, "  memory       %d KiB ring, segments of %v\n", k.RingBytes>>10, k.Segment)
	if k.SpoolDir != "" {
		fmt.Fprintf(w, "  flash        %s, %d MiB at most\n", k.SpoolDir, k.SpoolBytes>>20)
		if info, err := os.Stat(k.SpoolDir); err != nil {
			return fmt.Errorf("spool-dir: %w; make it, or mount the flash it should be on", err)
		} else if !info.IsDir() {
			return fmt.Errorf("spool-dir: %s is no folder", k.SpoolDir)
		}
	}
	roots, err := a.roots(k.CAFile)
	if err != nil {
		return err
	}
	p, err := a.provider(&k, roots, a.log)
	if err != nil {
		return err
	}
	if p == nil {
		fmt.Fprintf(w, "  credentials  %s\n", firmware)
	} else {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		c, err := p.Retrieve(ctx)
		cancel()
		if err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		until := ""
		if !c.Expires.IsZero() {
			until = ", until " + clock(c.Expires)
		}
		fmt.Fprintf(w, "  credentials  %s%s\n", c.AccessKeyID, until)
	}
	if k.Bucket == "" && !k.BucketInHost || k.Region == "" && k.Endpoint == "" {
		return nil
	}
	_, err = s3put.New(s3put.Config{Endpoint: k.Endpoint, Region: k.Region, Bucket: k.Bucket, PathStyle: k.pathStyle(), BucketInHost: k.BucketInHost,
		RootCAs: roots, Credentials: func(context.Context) (sigv4.Credentials, error) { return sigv4.Credentials{}, nil }})
	return err
}
