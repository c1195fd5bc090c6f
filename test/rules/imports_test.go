// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/s3cam/s3cam/"

type pkg struct {
	ImportPath  string
	Standard    bool
	Imports     []string // direct, without those of tests
	Deps        []string // the closure
	TestImports []string
}

func list(t *testing.T, patterns ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Standard,Imports,Deps"}, patterns...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// may lists, for each package with a rule, which of our own packages its non-test code may import (directly), without
// the module path. Packages that are not named may import anything but cmd and test helpers.
var may = map[string][]string{
	"segment":             {},
	"hls":                 {},
	"internal/h264":       {},
	"internal/aac":        {},
	"internal/sigv4":      {},
	"internal/wire":       {},
	"internal/buildinfo":  {},
	"internal/hint":       {},
	"internal/s3rule":     {},
	"mpegts":              {"internal/h264", "internal/aac"},
	"s3":                  {"internal/sigv4", "internal/s3rule"},
	"uploader":            {"segment", "mpegts", "internal/h264", "internal/aac"},
	"playback":            {"segment", "hls"},
	"internal/http1":      {},
	"internal/s3put":      {"internal/sigv4", "internal/s3rule", "internal/http1"},
	"internal/credential": {"internal/sigv4", "internal/http1"},
	"internal/spool":      {"uploader", "segment"},
	"internal/agent": {"uploader", "segment", "mpegts", "internal/push", "internal/h264", "internal/aac", "internal/wire", "internal/s3put",
		"internal/http1", "internal/credential", "internal/sigv4", "internal/spool", "internal/buildinfo", "internal/hint"},
	"internal/mp4":               {"internal/h264", "internal/aac"},
	"internal/clip":              {"internal/mp4", "mpegts", "segment", "internal/h264", "internal/aac"},
	"internal/cache":             {"playback"},
	"internal/cache/dynamostore": {"internal/cache", "playback"},
	"internal/cache/redisstore":  {"internal/cache", "playback"},
	"internal/httpapi":           {"playback", "internal/clip", "segment", "hls", "internal/access/token"},
	"internal/webui":             {},
	"internal/state":             {},
	"internal/access/token":      {},
	"internal/access":            {"internal/access/token", "internal/state", "internal/httpapi", "segment"},
	"internal/s3server":          {"segment"},
	"internal/push":              {"internal/hint", "uploader", "mpegts", "internal/h264", "internal/aac"},
	"internal/simcam":            {"uploader", "internal/h264", "internal/aac"},
	"internal/awslambda":         {"internal/httpapi", "internal/access/token", "internal/cache", "internal/cache/dynamostore", "internal/demosite", "internal/buildinfo", "internal/sigv4", "playback", "s3", "segment", "mpegts", "internal/s3delivery"},
	"internal/s3delivery":        {"internal/httpapi", "s3"},
	"internal/demosite":          {"internal/s3rule", "internal/simcam", "internal/webui", "internal/sigv4", "internal/buildinfo", "uploader", "s3", "segment"},
	"internal/deploy":            {"internal/hint", "deploy/cloudformation", "internal/buildinfo"},
	"internal/provision":         {"internal/hint", "segment"},
	"internal/cost":              {},
	"internal/metrics":           {"internal/httpapi", "internal/buildinfo", "playback", "hls"},
	"internal/doctor":            {"internal/metrics", "internal/buildinfo", "internal/tlscert", "playback", "s3"},
	"internal/retention":         {"segment"},
	"internal/tlscert":           {"internal/hint"},
	"internal/registry":          {"internal/hint", "internal/s3server", "internal/state", "segment"},
	"internal/credserver":        {"internal/registry"},
}

// standardOnly lists the packages that end up in cameras: nothing but the standard library without net/http, and ours.
var standardOnly = []string{"segment", "mpegts", "uploader", "internal/h264", "internal/aac", "internal/sigv4", "internal/s3rule", "internal/hint", "internal/wire", "internal/http1",
	"internal/s3put", "internal/credential", "internal/spool", "internal/agent", "cmd/s3cam-agent"}

// joinsS3 lists who may join the device's and the playback's small interfaces to a concrete S3 client or engine.
var joinsS3 = []string{"cmd/", "internal/agent", "internal/standalone", "internal/awslambda", "internal/demosite"}

func TestImportRules(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list(t, "./...") {
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		seen[name] = true
		allowed, ruled := may[name]
		for _, imported := range p.Imports {
			dep, ok := strings.CutPrefix(imported, module)
			if !ok {
				continue
			}
			if ruled && !slices.Contains(allowed, dep) {
				t.Errorf("%s imports %s; it may import only %q of ours", name, dep, allowed)
			}
			if strings.HasPrefix(dep, "cmd/") {
				t.Errorf("%s imports %s; nothing imports cmd", name, dep)
			}
			if strings.HasSuffix(dep, "test") && !strings.HasSuffix(name, "test") {
				t.Errorf("%s imports the test helper %s outside its tests", name, dep)
			}
			if dep == "s3" || dep == "internal/s3put" {
				joins := slices.ContainsFunc(joinsS3, func(j string) bool { return strings.HasPrefix(name, j) })
				if !joins && !strings.HasSuffix(name, "test") && !slices.Contains(allowed, dep) {
					t.Errorf("%s imports %s; only %q join it to the rest", name, dep, joinsS3)
				}
			}
		}
	}
	for _, name := range standardOnly {
		if !seen[name] {
			t.Errorf("package %s of the rules does not exist", name)
		}
	}
}

// linksOnly lists what must not end up in a program that has no use for it, by the beginning of the import path.
var linksOnly = map[string][]string{
	"cmd/s3cam-lambda": {"github.com/redis/", module + "internal/s3server", module + "internal/standalone", "github.com/prometheus/"},
	"cmd/s3cam-agent":  {"github.com/"},
}

func TestProgramsLinkOnlyWhatTheyUse(t *testing.T) {
	for program, foreign := range linksOnly {
		for _, p := range list(t, "./"+program) {
			for _, f := range foreign {
				if strings.HasPrefix(p.ImportPath, f) && !(f == "github.com/" && strings.HasPrefix(p.ImportPath, module)) {
					t.Errorf("%s links %s", program, p.ImportPath)
				}
			}
		}
	}
}

func TestDevicePackagesNeedOnlyTheStandardLibrary(t *testing.T) {
	for _, name := range standardOnly {
		for _, p := range list(t, "./"+name) {
			switch {
			case p.ImportPath == "net/http":
				t.Errorf("%s needs net/http: 0.5 MB of flash on a camera (docs/design/dependencies.md)", name)
			case !p.Standard && !strings.HasPrefix(p.ImportPath, module):
				t.Errorf("%s needs %s, which is not the standard library", name, p.ImportPath)
			}
		}
	}
}
