// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/s3cam/s3cam/internal/deploy"
)

// deployProgress tells a person how a deployment goes, a line for each event.
type deployProgress struct {
	w        io.Writer
	terminal bool
	failed   bool // the first failure has been shown: it is the cause of those that follow
}

func newDeployProgress(w io.Writer) *deployProgress {
	return &deployProgress{w: w, terminal: isTerminal(w)}
}

func (p *deployProgress) note(format string, args ...any) {
	fmt.Fprintf(p.w, "note: "+format+"\n", args...)
}

func (p *deployProgress) event(e deploy.Event) {
	switch e.Kind {
	case deploy.Note:
		fmt.Fprintln(p.w, "note:", e.Text)
	case deploy.Warning:
		fmt.Fprintln(p.w, p.bold("warning:"), e.Text)
	case deploy.Change:
		fmt.Fprintln(p.w, "  change:", e.Text)
	case deploy.Resource:
		fmt.Fprintf(p.w, "  %s %-22s %s (%s)\n", e.Time.UTC().Format("15:04:05"), e.Status, e.Logical, e.Type)
	case deploy.Failed:
		line := fmt.Sprintf("%s %-22s %s (%s): %s", e.Time.UTC().Format("15:04:05"), e.Status, e.Logical, e.Type, e.Reason)
		if p.failed {
			fmt.Fprintln(p.w, " ", line)
			return
		}
		p.failed = true
		fmt.Fprintln(p.w, p.bold("! "+line))
	default:
		fmt.Fprintln(p.w, e.Text)
	}
}

func (p *deployProgress) bold(s string) string {
	if !p.terminal {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// printOutputs lists the outputs of a stack in columns.
func printOutputs(w io.Writer, s *deploy.Stack) {
	width := 0
	for name := range s.Outputs {
		width = max(width, len(name))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
		fmt.Fprintf(w, "%-*s  %s\n", width, name, s.Outputs[name])
	}
}

// nextSteps says what can be done with a stack, as commands to copy.
func nextSteps(w io.Writer, s *deploy.Stack, keys string) {
	where := fmt.Sprintf("--stack %s --region %s", s.Name, s.Region)
	var b strings.Builder
	b.WriteString("\nNext:\n")
	if u := s.Outputs["DemoReplayUrl"]; u != "" {
		fmt.Fprintf(&b, "  watch the demo:  %s\n", u)
	}
	fmt.Fprintf(&b, "  add a camera:    s3cam camera add NAME %s\n", where)
	if u := s.Outputs["ApiGatewayNearRealtimePlaylistRoute"]; u != "" {
		fmt.Fprintf(&b, "  watch it live:   %s?camera_id=NAME&token=TOKEN\n", u)
		fmt.Fprintf(&b, "  make a token:    s3cam token make --camera NAME --data %s\n", keys)
	}
	fmt.Fprintf(&b, "  take it away:    s3cam deploy down %s\n", where)
	_, _ = io.WriteString(w, b.String())
}
