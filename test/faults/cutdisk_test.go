// SPDX-License-Identifier: Apache-2.0

//go:build linux

package faults_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/polltest"
)

// cutDisk is a disk with a volatile write cache whose power can be cut: a file in memory that this process serves by FUSE, a loop device over that file, and
// ext4 on the loop device. Every write of the kernel to the block device comes by here, and so does every flush; a write is on the
// platter when a flush has come after it, as with a real disk. What dm-log-writes would do, where the kernel has no device mapper.
type cutDisk struct {
	dir  string // where ext4 is mounted
	fuse int

	mu      sync.Mutex
	data    []byte
	pending []pendingWrite // since the last flush
	writes  int
	flushes int
}

type pendingWrite struct {
	at        int64
	old, data []byte
}

// newCutDisk skips the test, saying so, where it cannot be had.
func newCutDisk(t testing.TB, megabytes int) *cutDisk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED, NOT TESTED: power cuts, because FUSE and loop devices need root")
	}
	d := &cutDisk{dir: t.TempDir(), data: make([]byte, megabytes<<20)}
	var err error
	if d.fuse, err = syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: power cuts, because there is no FUSE: %v", err)
	}
	at := t.TempDir()
	if err := syscall.Mount("s3cam-cut", at, "fuse", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", d.fuse)); err != nil {
		syscall.Close(d.fuse)
		t.Skipf("SKIPPED, NOT TESTED: power cuts, because FUSE cannot be mounted: %v", err)
	}
	served := make(chan struct{})
	go func() { defer close(served); d.serve() }()
	t.Cleanup(func() {
		syscall.Unmount(at, syscall.MNT_DETACH)
		syscall.Close(d.fuse)
		<-served
	})
	loop, err := command("losetup", "-f", "--show", filepath.Join(at, "disk"))
	if err != nil {
		t.Skipf("SKIPPED, NOT TESTED: power cuts, because there are no loop devices: %v", err)
	}
	t.Cleanup(func() { command("losetup", "-d", loop) })
	// A commit interval of its own would sync behind our back; only what the server syncs shall count.
	if _, err := command("mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", loop); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount(loop, d.dir, "ext4", 0, "commit=600"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, d.dir) })
	syscall.Sync()
	return d
}

// unmounted waits for the kernel to close the files of processes that were killed.
func unmounted(dir string) (err error) {
	polltest.Within(5*time.Second, func() bool {
		err = syscall.Unmount(dir, 0)
		return !errors.Is(err, syscall.EBUSY)
	})
	return err
}

func unmount(t testing.TB, dir string) {
	t.Helper()
	if err := unmounted(dir); err != nil {
		t.Errorf("unmount: %v", err)
		syscall.Unmount(dir, syscall.MNT_DETACH)
	}
}

// cut writes to a file what is on the platter if the power fails now: everything before the last flush, and of what came after it nothing, or some of the
// writes in any combination, some of them torn between sectors.
func (d *cutDisk) cut(t testing.TB, file string, r *rand.Rand) (kept, dropped int) {
	t.Helper()
	d.mu.Lock()
	img := bytes.Clone(d.data)
	pending := append([]pendingWrite(nil), d.pending...)
	d.mu.Unlock()
	for i := len(pending) - 1; i >= 0; i-- {
		copy(img[pending[i].at:], pending[i].old)
	}
	share := []float64{0, 0.1, 0.5, 0.9, 1}[r.IntN(5)]
	tear := r.IntN(3) == 0
	for _, w := range pending {
		const sector = 512
		whole := r.Float64() < share
		for at := 0; at < len(w.data); at += sector {
			if tear && r.IntN(4) == 0 {
				whole = r.Float64() < share
			}
			if end := min(at+sector, len(w.data)); whole {
				copy(img[w.at+int64(at):], w.data[at:end])
				kept++
			} else {
				dropped++
			}
		}
	}
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const block = 64 << 10
	zero := make([]byte, block)
	for at := 0; at < len(img); at += block { // sparse
		if b := img[at : at+block]; !bytes.Equal(b, zero) {
			if _, err := f.WriteAt(b, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Truncate(int64(len(img))); err != nil {
		t.Fatal(err)
	}
	return kept, dropped
}

// openCut mounts what a cut has left; the journal is replayed, as at boot.
func openCut(t testing.TB, file string) (dir string, done func()) {
	t.Helper()
	loop, err := command("losetup", "-f", "--show", file)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := syscall.Mount(loop, dir, "ext4", 0, ""); err != nil {
		command("losetup", "-d", loop)
		t.Fatalf("mount after the cut: %v", err)
	}
	return dir, func() {
		unmount(t, dir)
		command("losetup", "-d", loop)
	}
}

// The part of the FUSE protocol (linux/fuse.h) that a file system of one file needs.
const (
	fuseLookup      = 1
	fuseForget      = 2
	fuseGetattr     = 3
	fuseSetattr     = 4
	fuseOpen        = 14
	fuseRead        = 15
	fuseWrite       = 16
	fuseStatfs      = 17
	fuseRelease     = 18
	fuseFsync       = 20
	fuseFlush       = 25
	fuseInit        = 26
	fuseInterrupt   = 36
	fuseDestroy     = 38
	fuseBatchForget = 42

	fuseHeader   = 40
	fuseMaxWrite = 128 << 10
	fuseNode     = 2 // of the file; 1 is the folder
)

// serve answers the kernel until the file system is unmounted.
func (d *cutDisk) serve() {
	buf := make([]byte, fuseMaxWrite+64<<10)
	le := binary.LittleEndian
	for {
		n, err := syscall.Read(d.fuse, buf)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.ENOENT) {
			continue
		}
		if err != nil || n < fuseHeader {
			return // unmounted
		}
		op, id, node := le.Uint32(buf[4:]), le.Uint64(buf[8:]), le.Uint64(buf[16:])
		out, errno := d.request(op, node, buf[fuseHeader:n])
		switch op {
		case fuseForget, fuseBatchForget, fuseInterrupt:
			continue
		}
		reply := le.AppendUint32(nil, uint32(16+len(out)))
		reply = le.AppendUint32(reply, uint32(-int32(errno)))
		reply = le.AppendUint64(reply, id)
		if _, err := syscall.Write(d.fuse, append(reply, out...)); err != nil && !errors.Is(err, syscall.ENOENT) {
			return
		}
	}
}

func (d *cutDisk) request(op uint32, node uint64, in []byte) (out []byte, errno syscall.Errno) {
	le := binary.LittleEndian
	u64 := le.AppendUint64
	d.mu.Lock()
	defer d.mu.Unlock()
	switch op {
	case fuseInit:
		const bigWrites, maxPages = 1 << 5, 1 << 22
		out = le.AppendUint32(le.AppendUint32(nil, 7), 31)
		out = le.AppendUint32(out, le.Uint32(in[8:]))                       // max_readahead
		out = le.AppendUint32(out, le.Uint32(in[12:])&(bigWrites|maxPages)) // flags
		out = le.AppendUint32(out, 16|12<<16)                               // max_background, congestion_threshold
		out = le.AppendUint32(le.AppendUint32(out, fuseMaxWrite), 1)        // max_write, time_gran
		out = le.AppendUint32(out, fuseMaxWrite/4096)                       // max_pages, map_alignment
		return append(out, make([]byte, 64-len(out))...), 0
	case fuseLookup:
		if string(bytes.TrimRight(in, "\x00")) != "disk" {
			return nil, syscall.ENOENT
		}
		out = u64(u64(u64(u64(nil, fuseNode), 0), 3600), 3600)
		return append(u64(out, 0), d.attr(fuseNode)...), 0
	case fuseGetattr, fuseSetattr:
		return append(u64(u64(nil, 3600), 0), d.attr(node)...), 0
	case fuseOpen:
		return make([]byte, 16), 0
	case fuseRead:
		at, size := int64(le.Uint64(in[8:])), int64(le.Uint32(in[16:]))
		at = min(at, int64(len(d.data)))
		return bytes.Clone(d.data[at:min(at+size, int64(len(d.data)))]), 0
	case fuseWrite:
		at, b := int64(le.Uint64(in[8:])), in[40:]
		if at < 0 || at+int64(len(b)) > int64(len(d.data)) {
			return nil, syscall.ENOSPC
		}
		d.pending = append(d.pending, pendingWrite{at, bytes.Clone(d.data[at : at+int64(len(b))]), bytes.Clone(b)})
		copy(d.data[at:], b)
		d.writes++
		return u64(nil, uint64(len(b))), 0
	case fuseFsync:
		d.pending = nil
		d.flushes++
		return nil, 0
	case fuseStatfs:
		return make([]byte, 80), 0
	case fuseFlush, fuseRelease, fuseDestroy:
		return nil, 0
	case fuseForget, fuseBatchForget, fuseInterrupt:
		return nil, 0
	}
	return nil, syscall.ENOSYS
}

// attr is a struct fuse_attr.
func (d *cutDisk) attr(node uint64) []byte {
	le := binary.LittleEndian
	mode, size, links := uint32(syscall.S_IFDIR|0o700), uint64(0), uint32(2)
	if node == fuseNode {
		mode, size, links = syscall.S_IFREG|0o600, uint64(len(d.data)), 1
	}
	b := le.AppendUint64(nil, node)
	b = le.AppendUint64(le.AppendUint64(b, size), size/512)
	b = append(b, make([]byte, 24+12)...) // times
	b = le.AppendUint32(le.AppendUint32(b, mode), links)
	b = append(b, make([]byte, 12)...) // uid, gid, rdev
	return le.AppendUint32(le.AppendUint32(b, 4096), 0)
}
