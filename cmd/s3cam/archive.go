// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/s3cam/s3cam/internal/deploy"
	"github.com/s3cam/s3cam/internal/hint"
)

// archiveFinder looks for the zip with the functions.
type archiveFinder struct {
	dir  string // --assets
	say  func(format string, args ...any)
	errs io.Writer // for the output of a build

	executable string // default os.Executable
	here       string // default the working directory
}

// find returns the path of the zip for an architecture: from --assets, beside the program, from build/lambda, or built.
func (f archiveFinder) find(ctx context.Context, architecture string) (string, error) {
	name := deploy.ArchiveName(architecture)
	if f.dir != "" {
		path := filepath.Join(f.dir, name)
		if _, err := os.Stat(path); err != nil {
			return "", kinded{hint.With(fmt.Errorf("--assets: %w", err), "it must be the directory with %s", name), errUsage}
		}
		return path, nil
	}
	if f.executable == "" {
		f.executable, _ = os.Executable() // when it is not known the other places are left
	}
	if f.here == "" {
		f.here = "."
	}
	source := sourceTree(f.here)
	places := []string{filepath.Join(filepath.Dir(f.executable), name), filepath.Join(f.here, "build", "lambda", name)}
	if source != "" {
		places = append(places, filepath.Join(source, "build", "lambda", name))
	}
	for _, path := range places {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if source != "" {
			f.say("the functions are those that were built at %s; make lambda builds them anew", info.ModTime().UTC().Format(time.DateTime+" UTC"))
		}
		return path, nil
	}
	get := "download " + name + " of this release and put it beside the program, or name its directory with --assets"
	if source == "" {
		return "", hint.With(fmt.Errorf("the functions, %s, are neither beside this program nor in build/lambda", name), "%s; in the source tree with Go installed they are built", get)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return "", hint.With(fmt.Errorf("the functions, %s, are not built, and there is no Go on PATH to build them", name), "install Go, or %s", get)
	}
	f.say("building the functions with scripts/lambda-build.sh")
	cmd := exec.CommandContext(ctx, filepath.Join(source, "scripts", "lambda-build.sh"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = source, f.errs, f.errs
	if err := cmd.Run(); err != nil {
		return "", hint.With(fmt.Errorf("scripts/lambda-build.sh: %w", err), "%s", get)
	}
	path := filepath.Join(source, "build", "lambda", name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("scripts/lambda-build.sh did not make %s", path)
	}
	return path, nil
}

// sourceTree returns the root of our source tree when dir lies in it, else "".
func sourceTree(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	for {
		if isModule(filepath.Join(dir, "go.mod")) {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

func isModule(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name) == "github.com/s3cam/s3cam"
		}
	}
	return false
}
