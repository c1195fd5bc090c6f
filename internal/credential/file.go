// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

const (
	maxFile = 64 << 10
	// recheck is how often a file is looked at: a stat per segment costs nothing, one per request in a loop would.
	recheck = time.Second
)

// FileConfig says which file to read.
type FileConfig struct {
	Path    string
	Profile string           // section of the file; default "default"
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger     // nil discards
}

// File is a provider that reads a file in the form of the AWS shared credentials file,
//
//	[default]
//	aws_access_key_id = ...
//	aws_secret_access_key = ...
//	aws_session_token = ...
//
// where the section may be missing. It is read again when its time, size or inode has changed; a file that is incomplete at that moment
// (somebody writes it) leaves the last good credentials in use.
type File struct {
	cfg FileConfig

	mu      sync.Mutex
	checked time.Time
	seen    stamp
	warned  bool
	has     bool
	c       sigv4.Credentials
	err     error
}

type stamp struct {
	mod  time.Time
	size int64
	info fs.FileInfo
}

func (s stamp) same(t stamp) bool {
	return s.info != nil && s.size == t.size && s.mod.Equal(t.mod) && os.SameFile(s.info, t.info)
}

// NewFile returns a File. It does not read it yet, so the file may come later.
func NewFile(cfg FileConfig) *File {
	if cfg.Profile == "" {
		cfg.Profile = "default"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &File{cfg: cfg}
}

// Retrieve implements [Provider].
func (f *File) Retrieve(context.Context) (sigv4.Credentials, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.cfg.Now(); f.checked.IsZero() || now.Sub(f.checked) >= recheck || now.Before(f.checked) {
		f.checked = now
		f.look()
	}
	if f.has {
		return f.c, nil
	}
	return sigv4.Credentials{}, f.err
}

// Refresh implements [Provider]: it succeeds when the file has other credentials than before.
func (f *File) Refresh(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.c
	f.seen = stamp{}
	f.look()
	if f.err != nil {
		return f.err
	}
	if f.c == before {
		return fmt.Errorf("%s still has the credentials that the server calls expired", f.cfg.Path)
	}
	return nil
}

// look reads the file if it has changed.
func (f *File) look() {
	info, err := os.Stat(f.cfg.Path)
	if err != nil {
		f.fail(err)
		return
	}
	now := stamp{info.ModTime(), info.Size(), info}
	if f.seen.same(now) {
		return
	}
	if !f.warned && info.Mode().Perm()&0o007 != 0 {
		f.warned = true
		f.cfg.Logger.Warn("credentials file can be read by everybody", "file", f.cfg.Path, "mode", info.Mode().Perm().String(), "hint", "chmod 600")
	}
	c, err := f.read()
	if err != nil {
		f.fail(err) // and look again next time: it may be half written
		return
	}
	f.seen = now
	if f.has && c != f.c {
		f.cfg.Logger.Info("credentials file has changed", "file", f.cfg.Path, "access_key", c.AccessKeyID)
	}
	f.c, f.has, f.err = c, true, nil
}

func (f *File) fail(err error) {
	f.seen = stamp{}
	if f.err == nil || f.err.Error() != err.Error() {
		if f.has {
			f.cfg.Logger.Warn("credentials file cannot be used, the last ones stay", "error", err)
		}
	}
	f.err = fmt.Errorf("%w: %w", ErrNone, err)
}

func (f *File) read() (sigv4.Credentials, error) {
	r, err := os.Open(f.cfg.Path)
	if err != nil {
		return sigv4.Credentials{}, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return sigv4.Credentials{}, err
	}
	if len(b) > maxFile {
		return sigv4.Credentials{}, fmt.Errorf("%s has more than %d KiB: that is no credentials file", f.cfg.Path, maxFile>>10)
	}
	c, err := ParseFile(string(b), f.cfg.Profile)
	if err != nil {
		return c, fmt.Errorf("%s: %w", f.cfg.Path, err)
	}
	return c, nil
}

// ParseFile reads credentials out of the text of a file, see [File]. Lines before the first section belong to every profile. Errors
// show no values.
func ParseFile(text, profile string) (sigv4.Credentials, error) {
	var c sigv4.Credentials
	in, found := true, false // in: the present lines count
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			in = ok && strings.TrimSpace(strings.TrimPrefix(name, "profile ")) == profile
			found = found || in
			continue
		}
		if !in {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "aws_access_key_id":
			c.AccessKeyID = value
		case "aws_secret_access_key":
			c.SecretAccessKey = sigv4.Secret(value)
		case "aws_session_token", "aws_security_token":
			c.SessionToken = sigv4.Secret(value)
		}
	}
	if c.AccessKeyID == "" && c.SecretAccessKey == "" && !found {
		return c, fmt.Errorf("there is neither a section [%s] nor aws_access_key_id", profile)
	}
	if !strings.HasSuffix(text, "\n") && c.SessionToken == "" && c.SecretAccessKey != "" && strings.HasSuffix(strings.TrimSpace(text), string(c.SecretAccessKey)) {
		return c, errors.New("the last line, with the secret access key, has no line end: it may be half written")
	}
	return c, Check(c)
}
