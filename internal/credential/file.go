// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/s3cam/s3cam/internal/sigv4"
)

const (
	maxFile = 64 << 10
	// recheck is how often a file is looked at.
	recheck = time.Second
	// settle is for how long a changed file must not have changed again before it replaces credentials that are still good: whoever writes it
	// in place may be in the middle of the token.
	settle = time.Second
	// reread is how often a file is read although it looks unchanged: two writes within one tick of the file system's clock (2 s on FAT), or a
	// copy that preserves times, can leave size and time as they were.
	reread = time.Minute
	// justNow: credentials younger than this are taken for an answer to a server that has refused the ones before.
	justNow = 10 * time.Second
)

// FileConfig says which file to read.
type FileConfig struct {
	Path    string
	Profile string           // section of the file; default "default"
	Now     func() time.Time // default time.Now
	Logger  *slog.Logger     // nil discards
}

// File is a provider that reads a file in the form of the AWS shared credentials file, see [ParseFile]. It is read again when its time, size
// or inode has changed and it has been quiet for a second, and once a minute in any case. One that is incomplete, or gone, leaves the last good credentials in use. It is
// best replaced by rename.
type File struct {
	cfg FileConfig

	mu      sync.Mutex
	checked time.Time
	seen    stamp     // of the content in use
	read    time.Time // when it was read
	last    stamp     // of the last look
	since   time.Time // when last was first seen
	warned  fs.FileMode
	has     bool
	c       sigv4.Credentials
	loaded  time.Time // when c became others
	err     error     // of the last look
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

// Retrieve implements [Provider]. It looks at the file once a second at most.
func (f *File) Retrieve(context.Context) (sigv4.Credentials, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.cfg.Now(); f.checked.IsZero() || !within(now, f.checked, recheck) {
		f.checked = now
		f.look(now, false)
	}
	if f.has {
		return f.c, nil
	}
	return sigv4.Credentials{}, f.err
}

// Refresh implements [Provider]: it reads the file at once, and succeeds when that has given other credentials than before, now or just
// before.
func (f *File) Refresh(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.cfg.Now()
	f.look(now, true)
	if f.err != nil {
		return f.err
	}
	if !within(now, f.loaded, justNow) {
		return fmt.Errorf("%s still has the credentials that the server calls expired", f.cfg.Path)
	}
	return nil
}

// within tells whether now is less than d after t. A clock that went back is not.
func within(now, t time.Time, d time.Duration) bool {
	age := now.Sub(t)
	return age >= 0 && age < d
}

// look reads the file if it has changed and is quiet, or if it must.
func (f *File) look(at time.Time, must bool) {
	info, err := os.Stat(f.cfg.Path)
	if err != nil {
		f.fail(err)
		return
	}
	if !info.Mode().IsRegular() { // opening a pipe may wait for ever
		f.fail(fmt.Errorf("%s is not a regular file", f.cfg.Path))
		return
	}
	now := stamp{info.ModTime(), info.Size(), info}
	if !f.last.same(now) {
		f.last, f.since = now, at
	}
	quiet := !within(at, f.since, settle) || !f.has && at.Sub(now.mod) >= settle
	if !must && f.seen.same(now) {
		if within(at, f.read, reread) {
			f.err = nil
			return
		}
	} else if !must && f.has && !quiet {
		return
	}
	if open := info.Mode().Perm() & 0o007; open != 0 && open != f.warned {
		f.warned = open
		f.cfg.Logger.Warn("credentials file can be used by everybody", "file", f.cfg.Path, "mode", info.Mode().Perm().String(), "hint", "chmod 600")
	}
	c, err := f.load(now, quiet)
	if err != nil {
		f.fail(err) // and look again next time: it may be half written
		return
	}
	f.seen, f.read = now, at
	if f.has && c != f.c {
		f.cfg.Logger.Info("credentials file has changed", "file", f.cfg.Path, "access_key", c.AccessKeyID)
	}
	if !f.has || c != f.c {
		f.loaded = at
	}
	f.c, f.has, f.err = c, true, nil
}

func (f *File) fail(err error) {
	f.seen = stamp{}
	err = fmt.Errorf("%w: %w", ErrNone, err)
	if f.has && (f.err == nil || f.err.Error() != err.Error()) {
		f.cfg.Logger.Warn("credentials file cannot be used, the last ones stay", "error", err)
	}
	f.err = err
}

// load reads the file, which has to be the one of s from the first byte to the last. One that is not quiet must end with a line end: a part
// of a secret looks like a whole one.
func (f *File) load(s stamp, quiet bool) (sigv4.Credentials, error) {
	r, err := os.Open(f.cfg.Path)
	if err != nil {
		return sigv4.Credentials{}, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return sigv4.Credentials{}, err
	}
	if info, err := r.Stat(); err != nil {
		return sigv4.Credentials{}, err
	} else if !s.same(stamp{info.ModTime(), info.Size(), info}) {
		return sigv4.Credentials{}, fmt.Errorf("%s changes while it is read", f.cfg.Path)
	}
	if len(b) > maxFile {
		return sigv4.Credentials{}, fmt.Errorf("%s has more than %d KiB: that is no credentials file", f.cfg.Path, maxFile>>10)
	}
	c, err := ParseFile(string(b), f.cfg.Profile)
	if err != nil {
		return sigv4.Credentials{}, fmt.Errorf("%s: %w", f.cfg.Path, err)
	}
	if !quiet && b[len(b)-1] != '\n' {
		return sigv4.Credentials{}, fmt.Errorf("%s: the last line has no line end: it may be half written", f.cfg.Path)
	}
	return c, nil
}
