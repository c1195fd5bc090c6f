// SPDX-License-Identifier: Apache-2.0

package buildinfo_test

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/s3cam/s3cam/internal/buildinfo"
)

func TestFrom(t *testing.T) {
	full := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v1.2.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"},
		{Key: "vcs.time", Value: "2026-11-25T01:00:00Z"},
		{Key: "vcs.modified", Value: "true"},
	}}
	tests := []struct {
		name string
		in   *debug.BuildInfo
		want string
	}{
		{"a release says its version, commit and state", full, "v1.2.0 (0123456789ab, modified, 2026-11-25T01:00:00Z) go1.26.8 "},
		{"go run has no version", &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}}, "devel go1.26.8 "},
		{"a program without a record", nil, "devel go"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := buildinfo.From(tt.in).String(); !strings.HasPrefix(got, tt.want) || !strings.Contains(got, "/") {
				t.Errorf("From().String() = %q, want %q and a platform", got, tt.want)
			}
		})
	}
	if got := buildinfo.Read(); got.Go == "" || got.Version == "" {
		t.Errorf("Read() = %+v, want a version and a toolchain", got)
	}
}
