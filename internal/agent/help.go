// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/s3cam/s3cam/internal/hint"
	"github.com/s3cam/s3cam/uploader"
)

// Usage is the help text.
func Usage() string {
	var b strings.Builder
	b.WriteString(`s3cam-agent uploads a camera's H.264 and AAC to S3, in segments of a few seconds.

usage:
  s3cam-agent [run] --socket PATH [settings]    a daemon for firmware that connects
  s3cam-agent [run] --input FILE  [settings]    records a stream from a file, a FIFO or standard input (-)
  s3cam-agent --fd N              [settings]    how the C library starts it
  s3cam-agent check  [--connect] [settings]     looks for what is wrong with the settings; with --connect it also asks the servers. Uploads nothing
  s3cam-agent status [--json] [--socket PATH]   asks a running agent; exit code 1 when it is unhealthy
  s3cam-agent version

Settings come from flags (--ring 4MiB), the environment (S3CAM_RING=4MiB), the file given by --config FILE or S3CAM_CONFIG (lines
ring = 4MiB, sections [camera NAME] for several cameras), in this order. What firmware sets through the C library counts most.

settings (* may differ from camera to camera):
`)
	for _, s := range settings() {
		name := "--" + s.name
		if s.arg != "" {
			name += " " + s.arg
		}
		mark := " "
		if s.scope == perCamera {
			mark = "*"
		}
		help := s.help
		if s.def != "" && s.arg != "" && s.name != "fd" {
			help += " (" + s.def + ")"
		}
		if len(s.env) > 0 {
			help += " [also " + strings.Join(s.env, ", ") + "]"
		}
		fmt.Fprintf(&b, "%s %-26s %s\n", mark, name, help)
	}
	b.WriteString("\nexit codes: 0 ok, 1 failed or unhealthy, 2 wrong settings, 3 ended with footage that was not stored, 130 interrupted\n")
	return b.String()
}

// Reference is the table of settings of docs/ref/agent.md.
func Reference() string {
	var b strings.Builder
	b.WriteString("| setting | variable | default | per camera | meaning |\n|---|---|---|---|---|\n")
	for _, s := range settings() {
		env := ""
		if s.scope != flagOnly {
			env = "`" + strings.Join(append([]string{s.envName()}, s.env...), "`, `") + "`"
		}
		def, per := "", ""
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		if s.scope == perCamera {
			per = "yes"
		}
		help := strings.ReplaceAll(s.help, "|", `\|`)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.name, env, def, per, help)
	}
	return b.String()
}

// Hint is what to do about an error, "" when its text says it already.
func Hint(err error) string {
	own := hint.Of(err)
	switch {
	case own != "": // of the input
		return strings.ReplaceAll(own, "s3cam push", "s3cam-agent")
	case errors.Is(err, ErrUsage):
		return "s3cam-agent --help lists the settings"
	case errors.Is(err, uploader.ErrNotStored):
		return "give it more time with --drain, or flash to keep it with --spool-dir"
	case errors.Is(err, uploader.ErrNoParameterSets):
		return "the encoder must repeat SPS and PPS before IDR pictures"
	case errors.Is(err, uploader.ErrNoIDR):
		return "the encoder must make an IDR picture every few seconds"
	case errors.Is(err, fs.ErrPermission):
		return "run it as a user who may use that file or folder"
	}
	return ""
}
