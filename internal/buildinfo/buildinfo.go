// SPDX-License-Identifier: Apache-2.0

// Package buildinfo tells which build of the program is running, from what the Go linker recorded: no version constant
// to keep up to date and no linker flags to pass. Pure but for reading that record; safe for concurrent use.
package buildinfo

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Info describes a build.
type Info struct {
	Version  string `json:"version"`            // module version ("v1.2.0"), or "devel" for a build from a working tree
	Revision string `json:"revision,omitempty"` // commit, empty when the build knew no repository
	Time     string `json:"time,omitempty"`     // commit time, RFC 3339
	Modified bool   `json:"modified"`           // the working tree differed from Revision
	Go       string `json:"go"`                 // toolchain
	Platform string `json:"platform"`           // GOOS/GOARCH
}

// Read returns the Info of the running program.
func Read() Info {
	b, _ := debug.ReadBuildInfo()
	return From(b)
}

// From reads the Info out of a build record, which may be nil.
func From(b *debug.BuildInfo) Info {
	i := Info{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if b == nil {
		return i
	}
	if b.GoVersion != "" {
		i.Go = b.GoVersion
	}
	if v := b.Main.Version; v != "" && v != "(devel)" {
		i.Version = v
	}
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Revision = s.Value
		case "vcs.time":
			i.Time = s.Value
		case "vcs.modified":
			i.Modified = s.Value == "true"
		}
	}
	return i
}

// String is one line: version, short revision, time, toolchain, platform.
func (i Info) String() string {
	var b strings.Builder
	b.WriteString(i.Version)
	if i.Revision != "" {
		fmt.Fprintf(&b, " (%.12s", i.Revision)
		if i.Modified {
			b.WriteString(", modified")
		}
		if i.Time != "" {
			b.WriteString(", " + i.Time)
		}
		b.WriteString(")")
	}
	return b.String() + " " + i.Go + " " + i.Platform
}
