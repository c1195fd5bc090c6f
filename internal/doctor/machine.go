// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/s3cam/s3cam/internal/metrics"
)

// Limits of what is right.
const (
	leastFree    = int64(256 << 20) // below it a server says that it is not ready
	fewFree      = 0.05
	clockWarn    = 5 * time.Second
	clockFail    = 15 * time.Minute // S3 refuses signatures that are further off (RequestTimeTooSkewed)
	leastSockets = 1024
)

// secretFiles are those in a data directory that hold keys or hashes of passwords.
var secretFiles = [...]string{"s3-credentials.json", "access.json", "cameras.json", "server.json", "ca", "tls"}

// directory looks at the data directory and its disk.
func (d *doctor) directory() {
	dir := d.cfg.Dir
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.fail("rights", "name the directory with --data, or start the server once: it makes it", "%s does not exist", dir)
		return
	case err != nil:
		d.fail("rights", "run this as the user of the server, as sudo -u s3cam s3cam doctor", "%v", err)
		return
	case !st.IsDir():
		d.fail("rights", "name a directory with --data", "%s is a file", dir)
		return
	}
	free, size, err := metrics.DiskSpace(dir)
	switch {
	case err != nil:
		d.warn("disk", "look at it with df", "the room on the disk of %s is not known: %v", dir, err)
	case free < leastFree:
		d.fail("disk", "make room, or delete old footage: s3cam retention --help", "%s free of %s on the disk of %s", bytesText(free), bytesText(size), dir)
	case float64(free) < fewFree*float64(size):
		d.warn("disk", "shorten the retention, or set a reserve with --keep-free", "%s free of %s on the disk of %s", bytesText(free), bytesText(size), dir)
	default:
		d.ok("disk", "%s free of %s on the disk of %s", bytesText(free), bytesText(size), dir)
	}
	if err := writeProbe(dir); err != nil {
		advice := "give the directory to the user of the server (chown -R), or run this as that user"
		switch {
		case errors.Is(err, syscall.EROFS):
			advice = "the file system is read-only: look at dmesg for errors of the disk, then mount it anew"
		case errors.Is(err, syscall.ENOSPC):
			advice = "the disk is full (or has no more inodes, df -i): make room"
		}
		d.fail("rights", advice, "%s cannot be written: %v", dir, err)
	} else {
		d.ok("rights", "%s can be written and synced", dir)
		d.attributes(dir)
	}
	d.strangersFiles(dir)
	d.stateFiles(dir)
	d.secrets(dir)
}

// stateFiles looks whether the server will understand its own files. A running one goes on with what it read last, so that nobody notices
// before the next start.
func (d *doctor) stateFiles(dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return
	}
	good := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		switch {
		case err != nil:
			d.fail("files", "give it to the user of the server (chown), or run this as that user", "%v", err)
		case !json.Valid(text):
			d.fail("files", "correct it, or put the last backup in its place; the server does not start with it, and a running one does not take it", "%s is not JSON", name)
		default:
			good++
		}
	}
	if good > 0 && good == len(names) {
		d.ok("files", "the server's own files in %s are whole", dir)
	}
}

// strangersFiles looks for files of the server that belong to somebody else: what was copied back as root, or written with sudo.
func (d *doctor) strangersFiles(dir string) {
	top, err := os.Stat(dir)
	if err != nil {
		return
	}
	uid, known := ownerOf(top)
	if !known {
		return
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return
	}
	below, _ := filepath.Glob(filepath.Join(dir, "[ct][al]*", "*")) // of ca and tls
	var others []string
	for _, name := range append(names, below...) {
		if st, err := os.Lstat(name); err == nil {
			if own, ok := ownerOf(st); ok && own != uid && own == 0 {
				rel, _ := filepath.Rel(dir, name)
				others = append(others, rel)
			}
		}
	}
	if len(others) > 0 {
		d.fail("owner", fmt.Sprintf("give them to the user of the server: chown -R --reference=%[1]s %[1]s", dir), "the server cannot read or change %v in %s, which belong to root", others, dir)
	}
}

// writeProbe stores a byte as the store does: file, sync, name, sync of the folder.
func writeProbe(dir string) error {
	f, err := os.CreateTemp(dir, ".s3cam-doctor-*")
	if err != nil {
		return err
	}
	name := f.Name()
	defer os.Remove(name)
	_, err = f.Write([]byte{'\n'})
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// secrets looks who can read keys.
func (d *doctor) secrets(dir string) {
	var open []string
	for _, name := range secretFiles {
		if st, err := os.Lstat(filepath.Join(dir, name)); err == nil && st.Mode().Perm()&0o077 != 0 {
			open = append(open, name)
		}
	}
	if st, err := os.Stat(dir); err == nil && st.Mode().Perm()&0o077 == 0 {
		open = nil // nobody else comes that far
	}
	if len(open) > 0 {
		d.warn("secrets", fmt.Sprintf("chmod -R go= %s", dir), "other users of this machine can read %v in %s", open, dir)
		return
	}
	d.ok("secrets", "nobody else can read the keys in %s", dir)
}

// limits looks at the open files that a process here may have.
func (d *doctor) limits() {
	if d.cfg.Connections == 0 {
		return
	}
	most, ok := openFiles()
	if !ok {
		return
	}
	want := uint64(2*d.cfg.Connections + leastSockets)
	const advice = "raise it: LimitNOFILE= in the systemd unit, ulimit -n in a shell"
	switch {
	case most < leastSockets:
		d.fail("limits", advice, "%d files may be open, too few for a server", most)
	case most < want:
		d.warn("limits", advice+"; or lower --max-connections", "%d files may be open; %d connections want up to %d", most, d.cfg.Connections, want)
	default:
		d.ok("limits", "%d files may be open", most)
	}
}

// clock compares this machine's clock with whom it can ask without NTP.
func (d *doctor) clock(ctx context.Context) {
	if synced, known := clockSynced(); known && !synced {
		d.warn("clock.sync", "run an NTP client: timedatectl set-ntp true", "the kernel says that nobody keeps this machine's clock right")
	} else if known {
		d.ok("clock.sync", "this machine's clock is kept right")
	}
	if d.cfg.TimeURL == "" {
		return
	}
	before := d.cfg.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, d.cfg.TimeURL, nil)
	if err != nil {
		d.warn("clock.web", "give a URL, as https://example.org", "--time-url: %v", err)
		return
	}
	resp, err := d.web.Do(req)
	if err != nil {
		d.warn("clock.web", "check the address and the network", "%s does not answer: %v", d.cfg.TimeURL, short(err))
		return
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		d.warn("clock.web", "ask another server", "%s does not say what time it is", d.cfg.TimeURL)
		return
	}
	d.compareClock("clock.web", d.cfg.TimeURL, date, before, d.cfg.Now())
}

// compareClock judges a date that somebody wrote between two moments by our clock. Dates have whole seconds.
func (d *doctor) compareClock(check, who string, date, before, after time.Time) {
	var off time.Duration // ours minus theirs
	switch {
	case after.Before(date):
		off = after.Sub(date)
	case before.After(date.Add(time.Second)):
		off = before.Sub(date.Add(time.Second))
	}
	off = off.Round(time.Second)
	const advice = "set the clock (NTP): footage is named after it, and signatures are refused beyond 15 minutes"
	switch {
	case off.Abs() >= clockFail:
		d.fail(check, advice, "this machine's clock is %v off from %s", off, who)
	case off.Abs() >= clockWarn:
		d.warn(check, advice, "this machine's clock is %v off from %s", off, who)
	default:
		d.ok(check, "this machine's clock agrees with %s", who)
	}
}

func bytesText(n int64) string {
	f := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB"} {
		if f < 1000 || unit == "TB" {
			return fmt.Sprintf("%.3g %s", f, unit)
		}
		f /= 1000
	}
	return ""
}
