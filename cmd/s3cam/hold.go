// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/httpapi"
	"github.com/s3cam/s3cam/internal/registry"
	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/state"
	"github.com/s3cam/s3cam/segment"
)

type holdCmd struct {
	Add    holdAddCmd    `cmd:"" help:"Keep a range of footage, whatever the limits say."`
	List   holdListCmd   `cmd:"" help:"List what is held, by whom and since when."`
	Remove holdRemoveCmd `cmd:"" help:"Let the limits apply again."`
}

// stateFlags say where rules and holds are kept.
type stateFlags struct {
	Data string `placeholder:"DIR" default:"s3cam-data" help:"Directory of the embedded store, as serve has it; of its --state, if that is given."`
}

func (f stateFlags) holds() (*state.File[retention.Holds], error) {
	if f.Data == "" {
		return nil, usage("--data: it is empty; name a directory")
	}
	if _, err := os.Stat(f.Data); errors.Is(err, fs.ErrNotExist) {
		return nil, hint.With(fmt.Errorf("--data: %w", err), "give the directory that serve has as --data, or as --state with --s3-url")
	}
	return state.Open[retention.Holds](filepath.Join(f.Data, retention.HoldsFile))
}

// noteState warns when a store's directory is one whose server keeps its state elsewhere: it looks for no holds and rules there.
func noteState(w io.Writer, dir string) {
	if stateElsewhere(dir) {
		fmt.Fprintf(w, "note: the server of %s seems to have its state elsewhere, where it looks for holds and limits: give the directory of its --state\n", dir)
	}
}

// stateElsewhere tells whether dir is the data of a server that has its state in another directory.
func stateElsewhere(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, registry.ServerFile)) // a server of a store writes it at each start, where its state is
	return errors.Is(err, fs.ErrNotExist) && exists(filepath.Join(dir, s3server.CredentialsFile))
}

func parseRange(start, end string) (from, to time.Time, err error) {
	if from, err = httpapi.ParseTime(start); err != nil {
		return from, to, usage("START: %v; write %s", err, httpapi.TimeForms)
	}
	if to, err = httpapi.ParseTime(end); err != nil {
		return from, to, usage("END: %v; write %s", err, httpapi.TimeForms)
	}
	return from, to, nil
}

type holdAddCmd struct {
	Camera string `arg:"" help:"Camera id, yard/* for all that begin so, or *."`
	Start  string `arg:"" help:"Begin of the range: UTC as \"2026-11-25 09:30:00\", RFC 3339 or Unix seconds."`
	End    string `arg:"" help:"End of the range, not before which footage may go. It may lie in the future."`
	Note   string `placeholder:"TEXT" help:"What it is for."`
	By     string `placeholder:"NAME" help:"Who holds it. Without it the user of this command."`
	JSON   bool   `help:"Print the hold as JSON on standard output."`
	stateFlags
}

func (holdAddCmd) Help() string {
	return `Footage of the range is neither deleted by age nor by size nor when the disk is full, and can be watched all the time. A running server
knows of the hold within a second. It does not bring back what is gone, and does not keep others from deleting by S3.

Examples:
  s3cam hold add door "2026-11-25 09:00:00" "2026-11-25 09:30:00" --note "case 17"
  s3cam hold add "yard/*" 2026-11-25T09:00:00+01:00 2026-11-26T09:00:00+01:00 --data /var/lib/s3cam`
}

func (c *holdAddCmd) Run(ctx context.Context, g *globals) error {
	start, end, err := parseRange(c.Start, c.End)
	if err != nil {
		return err
	}
	file, err := c.holds()
	if err != nil {
		return err
	}
	by := c.By
	if by == "" {
		by = userOf(g.env)
	}
	var hold retention.Hold
	err = file.Update(func(h *retention.Holds) error {
		var err error
		hold, err = h.Add(retention.Hold{Camera: c.Camera, Start: start, End: end, Note: c.Note, By: by, Made: time.Now().UTC().Truncate(time.Second)})
		return err
	})
	switch {
	case errors.Is(err, retention.ErrSameHold):
		fmt.Fprintf(g.err, "hold %d keeps it already\n", hold.ID)
	case errors.Is(err, segment.ErrPrefix):
		return kinded{err, errUsage}
	case err != nil:
		return err
	}
	noteState(g.err, c.Data)
	if c.JSON {
		return printJSON(g.out, hold)
	}
	fmt.Fprintf(g.out, "hold %d: %s from %s to %s\n", hold.ID, hold.Camera, stamp(hold.Start), stamp(hold.End))
	if n, first, last, err := c.footage(ctx, hold); err == nil && n == 0 {
		fmt.Fprintf(g.err, "note: %s has no footage in it now\n", hold.Camera)
	} else if err == nil {
		fmt.Fprintf(g.err, "it has %d segments, from %s to %s\n", n, stamp(first), stamp(last))
	}
	return nil
}

var errNotCounted = errors.New("not counted")

// footage counts what a hold on one camera of the embedded store covers.
func (c *holdAddCmd) footage(ctx context.Context, hold retention.Hold) (n int, first, last time.Time, err error) {
	if strings.HasSuffix(hold.Camera, "*") || hold.End.Sub(hold.Start) > 31*24*time.Hour {
		return 0, first, last, errNotCounted
	}
	b, err := s3server.OpenBucket(c.Data, s3server.DefaultBucket)
	if err != nil {
		return 0, first, last, err
	}
	for day := hold.Start.Truncate(24 * time.Hour); day.Before(hold.End); day = day.AddDate(0, 0, 1) {
		err = b.ListKeys(ctx, segment.DayFolder(hold.Camera, day), segment.StartAfter(hold.Camera, hold.Start), func(key []byte) bool {
			prefix, at, ok := segment.ParseKey(key)
			if !ok || string(prefix) != hold.Camera {
				return true
			}
			if !at.Before(hold.End) {
				return false
			}
			if last = at; n == 0 {
				first = at
			}
			n++
			return true
		})
		if err != nil {
			return 0, first, last, err
		}
	}
	return n, first, last, nil
}

func userOf(env map[string]string) string {
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME", "USERNAME"} {
		if env[name] != "" {
			return env[name]
		}
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.DateTime) }

type holdListCmd struct {
	Camera string `arg:"" optional:"" help:"Only holds that cover this camera."`
	JSON   bool   `help:"Print the holds as JSON on standard output."`
	stateFlags
}

func (c *holdListCmd) Run(g *globals) error {
	file, err := c.holds()
	if err != nil {
		return err
	}
	all, err := file.Get()
	if err != nil {
		return err
	}
	holds := []retention.Hold{}
	for _, h := range all.Holds {
		if c.Camera == "" || h.Covers(c.Camera) {
			holds = append(holds, h)
		}
	}
	if c.JSON {
		return printJSON(g.out, holds)
	}
	if len(holds) == 0 {
		fmt.Fprintln(g.err, "nothing is held")
		return nil
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tCAMERA\tFROM\tTO\tSINCE\tBY\tNOTE")
	for _, h := range holds {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", h.ID, h.Camera, stamp(h.Start), stamp(h.End), stamp(h.Made), oneLine(h.By), oneLine(h.Note))
	}
	return w.Flush()
}

// oneLine keeps control characters of a note away from the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

type holdRemoveCmd struct {
	Camera string `arg:"" optional:"" help:"Camera, as it was given to hold add."`
	Start  string `arg:"" optional:"" help:"Begin of the range, as it was given."`
	End    string `arg:"" optional:"" help:"End of the range, as it was given."`
	ID     int    `name:"id" placeholder:"N" help:"The hold of this number instead (s3cam hold list)."`
	stateFlags
}

func (holdRemoveCmd) Help() string {
	return `The footage stays until the next round of the limits, which may be at once.

Examples:
  s3cam hold remove door "2026-11-25 09:00:00" "2026-11-25 09:30:00"
  s3cam hold remove --id 3`
}

func (c *holdRemoveCmd) Run(g *globals) error {
	if (c.ID != 0) == (c.Camera != "") || c.Camera != "" && c.End == "" {
		return usage("give either CAMERA START END or --id N")
	}
	var start, end time.Time
	var err error
	if c.ID == 0 {
		if start, end, err = parseRange(c.Start, c.End); err != nil {
			return err
		}
	}
	file, err := c.holds()
	if err != nil {
		return err
	}
	var hold retention.Hold
	err = file.Update(func(h *retention.Holds) error {
		var err error
		if c.ID != 0 {
			hold, err = h.RemoveID(c.ID)
		} else {
			hold, err = h.Remove(c.Camera, start, end)
		}
		return err
	})
	if errors.Is(err, retention.ErrNoHold) {
		return hint.With(err, "`s3cam hold list` shows them; is --data the server's?")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(g.out, "hold %d is gone: %s from %s to %s\n", hold.ID, hold.Camera, stamp(hold.Start), stamp(hold.End))
	return nil
}
