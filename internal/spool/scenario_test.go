// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/s3cam/s3cam/segment"
	"github.com/s3cam/s3cam/uploader"
)

// item returns segment n of a camera and its bytes, which are the same each time.
func item(n int) (uploader.SpoolItem, []byte) {
	start := time.Date(2026, 3, 9, 4, 5, 6, 123456789, time.UTC).Add(time.Duration(n) * 3 * time.Second)
	r := rand.New(rand.NewPCG(uint64(n), 1))
	data := make([]byte, 9000+n%5*700)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return uploader.SpoolItem{
		Key: segment.Key("shop/door", start), Start: start, Duration: 3 * time.Second, Frames: 75, Size: len(data), CRC32C: crc32.Checksum(data, castagnoli()),
		Tags: "site=north", UnsureRun: uint64(n % 3), Maybe: n%2 == 1,
	}, data
}

// itemDisk is what an item occupies, header included.
const itemDisk = 3 * blockBytes

// crashConfig leaves room for four items.
func crashConfig(dir string) Config { return Config{Dir: dir, MaxBytes: 4*itemDisk + 100} }

// work uses a spool as an uploader does through an outage: items from number first on go in, more than fit, and some are sent. It calls acked
// after each Put with the number of the file that has the item.
func work(s *Spool, first int, acked func(seq uint64, n int)) error {
	for n := first; n < first+8; n++ {
		it, data := item(n)
		out, err := s.Put(it, [2][]byte{data[:n%100*7], data[n%100*7:]})
		if err != nil {
			return err
		}
		for _, o := range out {
			if o.Key == "" || o == it {
				return fmt.Errorf("Put(%s) = %+v as left", it.Key, o)
			}
		}
		acked(s.files[len(s.files)-1].seq, n)
		if n%3 != 0 {
			continue
		}
		old, ok := s.Oldest()
		if !ok {
			return errors.New("nothing is the oldest")
		}
		if _, err := s.Read(old, make([]byte, old.Size)); err != nil {
			return err
		}
		if err := s.Delete(old); err != nil {
			return err
		}
	}
	return nil
}

// reporter is a *testing.T, or one that only listens.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// check looks at a spool that was opened after a crash: each item is whole and one that was put; each that was acknowledged is there unless
// its file was removed on purpose; nothing unfinished is left; the next Put keeps the cap.
func check(t reporter, s *Spool, fsys fileSystem, acked map[uint64]int, removed map[uint64]bool, put map[string]int) {
	t.Helper()
	there := map[uint64]bool{}
	for _, e := range s.files {
		there[e.seq] = true
	}
	for seq, n := range acked {
		if !there[seq] && !removed[seq] {
			t.Errorf("item %d, acknowledged as %s, is gone", n, name(seq))
		}
	}
	if err := fsys.list(func(n string) error {
		if n == temp {
			t.Errorf("a temporary file is left")
		}
		return nil
	}); err != nil {
		t.Errorf("list: %v", err)
	}
	if s.stats.FoundDamaged > 0 {
		t.Errorf("%d damaged files under final names", s.stats.FoundDamaged)
	}
	var last uint64
	for len(s.files) > 0 {
		seq := s.files[0].seq
		if seq <= last {
			t.Errorf("files out of order: %d after %d", seq, last)
		}
		last = seq
		it, found := s.Oldest()
		n, known := put[it.Key]
		if !found || !known {
			t.Errorf("%s holds %+v, which was never put", name(seq), it)
			return
		}
		want, data := item(n)
		if it != want {
			t.Errorf("%s describes %+v, want %+v", name(seq), it, want)
		}
		if a, was := acked[seq]; was && a != n {
			t.Errorf("%s has item %d, want %d", name(seq), n, a)
		}
		got := make([]byte, it.Size)
		if _, err := s.Read(it, got); err != nil || string(got) != string(data) {
			t.Errorf("%s: Read = %v; the bytes are right: %v", name(seq), err, string(got) == string(data))
		}
		if err := s.Delete(it); err != nil {
			t.Errorf("Delete: %v", err)
			return
		}
	}
}

func testLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// openOn is New on another file system.
func openOn(f fileSystem, cfg Config) (*Spool, error) {
	cfg.Logger = testLogger()
	return open(cfg, f)
}
