// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/tls"
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

// Check says to w what the agent would do, and looks for what can be wrong without uploading anything. An error that matches [ErrUsage] is about
// settings with which it would not start. What is missing now but may come later (a card, a file with credentials) is a warning. With connect
// it also gets credentials and asks each server for the time, and warnings are errors.
func (a *Agent) Check(ctx context.Context, w io.Writer, connect bool) error {
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
	var problems, warnings []error
	if a.cfg.Exposed {
		fmt.Fprintln(w, "warning:       every user of this system can read the keys in it: chmod 600")
		warnings = append(warnings, fmt.Errorf("%s holds keys and can be read by every user of this system", a.cfg.File))
	}
	for _, name := range slices.Sorted(maps.Keys(cams)) {
		k := cams[name]
		fmt.Fprintf(w, "camera %s:\n", name)
		err := a.checkCamera(ctx, w, k, connect, func(err error) {
			fmt.Fprintf(w, "  warning      %v\n", err)
			warnings = append(warnings, fmt.Errorf("camera %s: %w", name, err))
		})
		if err != nil {
			problems = append(problems, fmt.Errorf("camera %s: %w", name, err))
		}
	}
	switch {
	case len(problems) > 0:
		return usageError{errors.Join(problems...)}
	case len(warnings) > 0 && connect:
		return errors.Join(warnings...)
	case len(warnings) > 0:
		fmt.Fprintln(w, "the settings are ok, but see the warnings")
	default:
		fmt.Fprintln(w, "ok")
	}
	return nil
}

func (a *Agent) checkCamera(ctx context.Context, w io.Writer, k CameraConfig, connect bool, warn func(error)) error {
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
			warn(fmt.Errorf("spool-dir: %w; make it, or mount the flash it should be on", err))
		} else if !info.IsDir() {
			warn(fmt.Errorf("spool-dir: %s is no folder", k.SpoolDir))
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
	switch {
	case p == nil:
		fmt.Fprintf(w, "  credentials  %s\n", firmware)
	case k.AccessKey == "" && k.IoTEndpoint != "" && !connect:
		fmt.Fprintf(w, "  credentials  AWS IoT, thing %s, role alias %s\n", k.IoTThing, k.IoTAlias)
		if _, err := tls.LoadX509KeyPair(k.IoTCert, k.IoTKey); err != nil {
			warn(fmt.Errorf("iot-cert, iot-key: %w", err))
		}
	default:
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		c, err := p.Retrieve(ctx)
		cancel()
		if c, ok := p.(interface{ Close() }); ok {
			c.Close()
		}
		if err != nil {
			warn(fmt.Errorf("credentials: %w", err))
			break
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
	client, err := s3put.New(s3put.Config{Endpoint: k.Endpoint, Region: k.Region, Bucket: k.Bucket, PathStyle: k.pathStyle(), BucketInHost: k.BucketInHost,
		RootCAs: roots, AnyCipher: k.AnyCipher, Now: a.now, TimeFloor: a.state.floor, ServerTime: k.ServerTime,
		Credentials: func(context.Context) (sigv4.Credentials, error) { return sigv4.Credentials{}, nil }})
	if err != nil || !connect {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	switch t, err := client.Time(ctx); {
	case err != nil:
		warn(fmt.Errorf("server: %w", err))
	case t.Sub(a.now()).Abs() <= clockTolerance:
		fmt.Fprintln(w, "  server       answers, and the clock of this device is right")
	default:
		fmt.Fprintf(w, "  server       answers; it is %s there, %v from the clock of this device: the agent corrects that\n", clock(t), t.Sub(a.now()).Round(time.Second))
	}
	return nil
}

// checkTimeout bounds how long a server is waited for.
const checkTimeout = 30 * time.Second
