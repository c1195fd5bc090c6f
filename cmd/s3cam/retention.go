// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/internal/retention"
	"github.com/s3cam/s3cam/internal/s3server"
	"github.com/s3cam/s3cam/internal/standalone"
	"github.com/s3cam/s3cam/internal/state"
)

type retentionCmd struct {
	Run_  retentionRunCmd   `cmd:"" name:"run" default:"withargs" help:"Tell what the limits delete now, or delete it. What is meant by s3cam retention alone."`
	Set   retentionSetCmd   `cmd:"" help:"Give a camera limits of its own."`
	Unset retentionUnsetCmd `cmd:"" help:"Take the limits of its own from a camera."`
	List  retentionListCmd  `cmd:"" help:"List the limits of single cameras."`
}

func (f stateFlags) rules() (*state.File[retention.Rules], error) {
	if f.Data == "" {
		return nil, usage("--data: it is empty; name a directory")
	}
	return state.Open[retention.Rules](filepath.Join(f.Data, retention.RulesFile))
}

type retentionRunCmd struct {
	Data   string `placeholder:"DIR" default:"s3cam-data" help:"Directory of the embedded store. Not used with --s3-url."`
	State  string `placeholder:"DIR" help:"Directory of rules and holds, as serve has it. Default: that of --data, with --s3-url s3cam-state."`
	DryRun bool   `help:"Delete nothing, tell only. This is so without --apply too."`
	Apply  bool   `help:"Delete."`
	Force  bool   `help:"Apply limits by days although the clock of this machine does not agree with the footage."`
	List   bool   `help:"Print each key that goes, with size and reason, on standard output."`
	JSON   bool   `help:"Print the result as JSON on standard output."`

	keepFlags `group:"keep"`

	Keys  keyFlags   `embed:"" group:"store"`
	Store storeFlags `embed:"" group:"store"`
	Log   logFlags   `embed:"" prefix:"log-" group:"log"`
}

func (retentionRunCmd) Help() string {
	return `Applies the limits of the flags, of s3cam retention set and the holds once, as serve does all the time. Give the limits of the server
(S3CAM_RETENTION_DAYS and the like do for both). It works beside a running server.

Exit code 1 and a message about the clock mean that it has jumped ahead, or that the newest footage is days older than it says: then limits
by days are not applied, since a wrong clock would delete everything. If the clock is right, add --force. With --s3-url, --apply wants the
directory of the server's --state, where the holds are.

Examples:
  s3cam retention --dry-run --retention-days 30
  s3cam retention --dry-run --list --keep-free 10% --data /var/lib/s3cam
  s3cam retention --apply --retention-days 30`
}

func (c *retentionRunCmd) Run(ctx context.Context, g *globals) error {
	if c.DryRun && c.Apply {
		return usage("--dry-run and --apply exclude each other")
	}
	k, err := c.keeper(ctx, g)
	if err != nil {
		return err
	}
	opt := retention.Options{DryRun: !c.Apply, Force: c.Force}
	if c.List {
		opt.Each = func(d retention.Deletion) { fmt.Fprintf(g.out, "%s\t%d\t%s\n", d.Key, d.Size, d.Reason) }
	}
	rep, err := k.Round(ctx, opt)
	total := rep
	for err == nil && rep.More {
		rep, err = k.Round(ctx, opt)
		total = joined(total, rep)
	}
	if perr := c.print(g, total); perr != nil {
		return perr
	}
	switch {
	case ctx.Err() != nil:
		return interrupted()
	case errors.Is(err, retention.ErrClock):
		return hint.With(err, "correct the clock; if it is right, add --force")
	}
	return err
}

// joined adds a report to those before it.
func joined(a, b retention.Report) retention.Report {
	a.Total.Segments += b.Total.Segments
	a.Total.Bytes += b.Total.Bytes
	a.Folders += b.Folders
	a.Notes, a.More = b.Notes, b.More
	for _, g := range b.Groups {
		i := slices.IndexFunc(a.Groups, func(x retention.Group) bool { return x.Camera == g.Camera && x.Reason == g.Reason })
		if i < 0 {
			a.Groups = append(a.Groups, g)
			continue
		}
		a.Groups[i].Last = g.Last
		a.Groups[i].Segments += g.Segments
		a.Groups[i].Bytes += g.Bytes
	}
	return a
}

func (c *retentionRunCmd) keeper(ctx context.Context, g *globals) (*retention.Keeper, error) {
	log := c.Log.logger(g.err, slog.LevelWarn)
	r := c.retention()
	var cfg retention.Config
	var err error
	if c.Store.S3URL != "" {
		if (r.KeepFree != retention.Reserve{}) {
			return nil, usage("--keep-free is for the embedded store")
		}
		client, cerr := c.Store.client(ctx, c.Keys, log)
		if cerr != nil {
			return nil, cerr
		}
		dir := c.State
		if dir == "" {
			dir = standalone.DefaultState
			if c.Apply && !exists(dir) {
				return nil, usage("--apply: there is no %s here, so holds are not known and held footage could go; give the directory of the server's --state", dir)
			}
		}
		cfg, err = standalone.KeeperConfig(dir, r, standalone.RemoteBucket{Client: client})
	} else {
		name := c.Store.Bucket
		if name == "" {
			name = s3server.DefaultBucket
		}
		bucket, berr := s3server.OpenBucket(c.Data, name)
		if berr != nil {
			return nil, hint.With(berr, "--data and --bucket must be those of the server")
		}
		dir := c.State
		if dir == "" {
			dir = c.Data
			if c.Apply && stateElsewhere(dir) {
				return nil, usage("--apply: the server of %s seems to have its state elsewhere, and held footage could go; give the directory of its --state", dir)
			}
			noteState(g.err, dir)
		}
		if cfg, err = standalone.KeeperConfig(dir, r, bucket); err == nil && r.KeepFree != (retention.Reserve{}) {
			cfg.Disk = retention.DiskOf(bucket.Dir())
		}
	}
	if err != nil {
		return nil, err
	}
	cfg.Logger = log
	return retention.New(cfg)
}

func (c *retentionRunCmd) print(g *globals, rep retention.Report) error {
	if c.JSON {
		return printJSON(g.out, reportJSON(rep, !c.Apply))
	}
	out := g.out
	if c.List {
		out = g.err // the keys have standard output to themselves
	}
	verb := "would go"
	if c.Apply {
		verb = "deleted"
	}
	printGroups(out, rep.Groups)
	for _, n := range rep.Notes {
		fmt.Fprintf(g.err, "note: %s\n", n)
	}
	fmt.Fprintf(out, "%d segments, %s %s\n", rep.Total.Segments, retention.SizeText(rep.Total.Bytes), verb)
	return nil
}

func printGroups(out io.Writer, groups []retention.Group) {
	if len(groups) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CAMERA\tFROM\tTO\tSEGMENTS\tSIZE\tWHY")
	for _, x := range groups {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", x.Camera, stamp(x.First), stamp(x.Last), x.Segments, retention.SizeText(x.Bytes), x.Why)
	}
	w.Flush()
}

func reportJSON(rep retention.Report, dry bool) map[string]any {
	groups := []map[string]any{}
	for _, x := range rep.Groups {
		groups = append(groups, map[string]any{"camera": x.Camera, "reason": string(x.Reason), "why": x.Why, "first": x.First.Format(time.RFC3339),
			"last": x.Last.Format(time.RFC3339), "segments": x.Segments, "bytes": x.Bytes})
	}
	notes := rep.Notes
	if notes == nil {
		notes = []string{}
	}
	return map[string]any{"dry_run": dry, "cameras": rep.Cameras, "groups": groups, "segments": rep.Total.Segments, "bytes": rep.Total.Bytes, "notes": notes}
}

type retentionSetCmd struct {
	Camera string     `arg:"" help:"Camera id, yard/* for all that begin so, or * for all."`
	Days   *ageValue  `placeholder:"DAYS" help:"Delete footage of this age, as 7 or 7d for days, or 36h; 0: never."`
	Bytes  *sizeValue `placeholder:"SIZE" help:"Delete the oldest when the camera has more than this, as 500GB; 0: never."`
	stateFlags
}

func (retentionSetCmd) Help() string {
	return `The rule of a camera goes before that of the longest folder that it is in, that before the one of *, and that before the flags of serve: days
and bytes each. A running server takes it in its next round.

Examples:
  s3cam retention set door --days 90
  s3cam retention set "yard/*" --days 7 --bytes 200GB
  s3cam retention set vault --days 0                   (for ever)`
}

func (c *retentionSetCmd) Run(g *globals) error {
	if c.Days == nil && c.Bytes == nil {
		return usage("give --days, --bytes or both")
	}
	if err := retention.CheckPattern(c.Camera); err != nil {
		return kinded{err, errUsage}
	}
	if _, err := os.Stat(c.Data); err != nil {
		return hint.With(fmt.Errorf("--data: %w", err), "give the directory that serve has as --data, or as --state with --s3-url")
	}
	file, err := c.rules()
	if err != nil {
		return err
	}
	err = file.Update(func(r *retention.Rules) error {
		if r.Cameras == nil {
			r.Cameras = map[string]retention.Rule{}
		}
		rule := r.Cameras[c.Camera]
		if c.Days != nil {
			days := time.Duration(*c.Days).Hours() / 24
			rule.Days = &days
		}
		if c.Bytes != nil {
			n := int64(*c.Bytes)
			rule.Bytes = &n
		}
		r.Cameras[c.Camera] = rule
		return r.Check()
	})
	if err != nil {
		return err
	}
	noteState(g.err, c.Data)
	fmt.Fprintf(g.err, "what it deletes: s3cam retention --dry-run --data %s, with the limits of the server\n", c.Data)
	return nil
}

type retentionUnsetCmd struct {
	Camera string `arg:"" help:"Camera id or pattern, as it was given to retention set."`
	stateFlags
}

func (c *retentionUnsetCmd) Run(g *globals) error {
	file, err := c.rules()
	if err != nil {
		return err
	}
	return file.Update(func(r *retention.Rules) error {
		if _, ok := r.Cameras[c.Camera]; !ok {
			return hint.With(fmt.Errorf("%s has no limits of its own", c.Camera), "`s3cam retention list` shows them; is --data the server's?")
		}
		delete(r.Cameras, c.Camera)
		return nil
	})
}

type retentionListCmd struct {
	JSON bool `help:"Print the rules as JSON on standard output."`
	stateFlags
}

func (c *retentionListCmd) Run(g *globals) error {
	file, err := c.rules()
	if err != nil {
		return err
	}
	rules, err := file.Get()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(g.out, rules)
	}
	if len(rules.Cameras) == 0 {
		fmt.Fprintln(g.err, "no camera has limits of its own")
		return nil
	}
	w := tabwriter.NewWriter(g.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CAMERA\tDAYS\tBYTES")
	for _, name := range slices.Sorted(maps.Keys(rules.Cameras)) {
		rule := rules.Cameras[name]
		days, bytes := "as others", "as others"
		if rule.Days != nil {
			days = strconv.FormatFloat(*rule.Days, 'f', -1, 64)
			if *rule.Days == 0 {
				days = "for ever"
			}
		}
		if rule.Bytes != nil {
			bytes = retention.SizeText(*rule.Bytes)
			if *rule.Bytes == 0 {
				bytes = "any"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, days, bytes)
	}
	return w.Flush()
}
