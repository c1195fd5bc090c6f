// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/s3cam/s3cam/internal/h264"
	"github.com/s3cam/s3cam/internal/push"
	"github.com/s3cam/s3cam/uploader"
)

const (
	reopenMin = 250 * time.Millisecond
	reopenMax = 10 * time.Second
)

// stream records from a file, a FIFO or standard input until ctx ends or, for a file and standard input, until there is no more. A FIFO that
// ends is opened again: its writer, the encoder's program, has been restarted. One that a configuration file names is waited for: at boot
// that program may come later.
func (a *Agent) stream(ctx context.Context, k CameraConfig) error {
	info, err := os.Stat(k.Input)
	again := k.Input != "-" && (err == nil && info.Mode()&fs.ModeNamedPipe != 0 || errors.Is(err, fs.ErrNotExist) && a.cfg.File != "")
	if k.Input != "-" && err != nil && !again {
		return Usagef("input: %w", err)
	}
	rate, err := parseRate(k.FPS)
	if err != nil {
		return Usagef("fps: %w", err)
	}
	cam, err := a.newCamera(k)
	if err != nil {
		return err
	}
	a.mu.Lock()
	double := a.cameras[cam.id] != nil
	if !double {
		a.cameras[cam.id] = cam
	}
	a.mu.Unlock()
	if double {
		_ = cam.close(ctx)
		return Usagef("input %s: another camera records to %s/%s already", k.Input, k.Bucket, k.Prefix)
	}
	cam.start()
	a.notify("READY=1")
	pause := reopenMin
	if k.Input == "-" { // a read of standard input knows no deadline: it is left behind when the agent ends
		ended := make(chan error, 1)
		go func() { ended <- a.streamOnce(ctx, cam, rate, false) }()
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
	}
	for ctx.Err() == nil {
		began := time.Now()
		err := a.streamOnce(ctx, cam, rate, again)
		if info, serr := os.Stat(k.Input); !again || serr == nil && info.Mode().IsRegular() {
			return err
		}
		if err != nil {
			cam.log.Warn("input", "error", err)
			a.streamTrouble(k.label(), err.Error())
		}
		if time.Since(began) > reopenMax {
			pause = reopenMin
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, reopenMax)
	}
	return nil
}

func (a *Agent) streamOnce(ctx context.Context, cam *camera, rate h264.Rate, again bool) error {
	f := os.Stdin
	if cam.cfg.Input != "-" {
		var err error
		if f, err = openInput(ctx, cam.cfg.Input); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("input: %w", err)
		}
		defer f.Close()
	}
	stop := context.AfterFunc(ctx, func() {
		if f.SetReadDeadline(time.Unix(1, 0)) != nil && f != os.Stdin {
			f.Close() // ends a read that knows no deadline
		}
	})
	defer stop()
	src, err := push.Open(push.Input{Video: f, Rate: rate})
	if err != nil {
		if ctx.Err() != nil || again && errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("input %s: %w", cam.cfg.Input, err)
	}
	cam.log.Info("input", "file", cam.cfg.Input, "format", src.Info.Format.String(), "width", src.Info.Width, "height", src.Info.Height, "audio", src.Info.Audio)
	a.streamTrouble(cam.cfg.label(), "")
	if sets := src.ParameterSets(); len(sets) > 0 {
		_ = cam.write(push.Frame{Video: true, Data: sets}) // known before the first picture
	}
	err = cam.feed(ctx, src)
	_ = cam.up.Flush()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// openInput opens a file, or a FIFO without waiting for its writer in a way that nothing can end.
func openInput(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	ch := make(chan opened, 1)
	go func() {
		f, err := os.Open(path)
		ch <- opened{f, err}
	}()
	select {
	case o := <-ch:
		return o.f, o.err
	case <-ctx.Done():
		if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil { // lets the other end's open return
			w.Close()
		}
		if o := <-ch; o.f != nil {
			o.f.Close()
		}
		return nil, ctx.Err()
	}
}

// feed writes frames as they come, timed by our clock, from a source in real time; a file is slowed down to real time.
func (c *camera) feed(ctx context.Context, src *push.Source) error {
	begun := time.Now()
	regular := false
	if info, err := os.Stat(c.cfg.Input); c.cfg.Input != "-" && err == nil {
		regular = info.Mode().IsRegular()
	}
	for {
		f, err := src.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if wait := f.DTS - time.Since(begun); regular && wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil
			}
		}
		if err := c.write(f); errors.Is(err, uploader.ErrClosed) {
			return nil
		} else if err != nil {
			c.log.Warn("a frame of the input was refused", "error", err)
		}
	}
}

// write hands one frame of a stream to the uploader.
func (c *camera) write(f push.Frame) error {
	if !f.Video {
		return c.up.WriteAudio(uploader.AudioFrame{Data: f.Data, PTS: f.PTS})
	}
	c.sawFrame()
	return c.up.WriteVideo(uploader.AccessUnit{Data: f.Data, PTS: f.PTS, DTS: f.DTS})
}

func parseRate(s string) (r h264.Rate, err error) {
	if s == "" {
		return r, nil
	}
	num, den, fraction := strings.Cut(s, "/")
	n, err := strconv.ParseUint(num, 10, 31)
	d := uint64(1)
	if fraction && err == nil {
		d, err = strconv.ParseUint(den, 10, 31)
	}
	if err != nil || n == 0 || d == 0 || n/d > 1000 {
		return r, fmt.Errorf("%q is no frame rate such as 25 or 30000/1001", s)
	}
	return h264.Rate{Num: uint32(n), Den: uint32(d)}, nil
}

// streamTrouble notes what is wrong with an input, "" nothing.
func (a *Agent) streamTrouble(label, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if text == "" {
		delete(a.streams, label)
	} else {
		a.streams[label] = text
	}
}

func (a *Agent) streamTroubles() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for label, text := range a.streams {
		all = append(all, label+": "+text)
	}
	slices.Sort(all)
	return all
}
