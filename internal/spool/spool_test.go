// SPDX-License-Identifier: Apache-2.0

package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3cam/s3cam/internal/spool"
	"github.com/s3cam/s3cam/uploader"
)

// footage returns n bytes and what describes them.
func footage(key string, n int) (uploader.SpoolItem, []byte) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(key))))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return uploader.SpoolItem{Key: key, Start: time.Unix(1773029106, 0).UTC(), Duration: 3 * time.Second, Frames: 75, Size: n,
		CRC32C: crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))}, data
}

func keyOf(n int) string { return fmt.Sprintf("cam1/2026/03/09/04/%02d/%02d.ts", n/60, n%60) }

func open(t testing.TB, cfg spool.Config) *spool.Spool {
	t.Helper()
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 1 << 30
	}
	s, err := spool.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *spool.Spool, it uploader.SpoolItem, data []byte) []uploader.SpoolItem {
	t.Helper()
	out, err := s.Put(it, [2][]byte{data[:len(data)/3], data[len(data)/3:]})
	if err != nil {
		t.Fatalf("Put(%s) = %v", it.Key, err)
	}
	return out
}

// drain takes everything out, oldest first, and returns the keys.
func drain(t testing.TB, s *spool.Spool) (keys []string) {
	t.Helper()
	for {
		it, ok := s.Oldest()
		if !ok {
			return keys
		}
		if _, err := s.Read(it, make([]byte, it.Size)); err != nil {
			t.Errorf("Read(%s) = %v", it.Key, err)
		}
		keys = append(keys, it.Key)
		if err := s.Delete(it); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsPutComesBackAfterARestart(t *testing.T) {
	tests := []struct {
		name string
		edit func(*uploader.SpoolItem)
	}{
		{"plain", func(*uploader.SpoolItem) {}},
		{"a start between two seconds", func(it *uploader.SpoolItem) { it.Start = it.Start.Add(123456789) }},
		{"the clock of 1970", func(it *uploader.SpoolItem) { it.Start = time.Unix(7, 5).UTC(); it.UnsureRun = 1<<64 - 1 }},
		{"the year 9999", func(it *uploader.SpoolItem) { it.Start = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC) }},
		{"a time before 1970", func(it *uploader.SpoolItem) { it.Start = time.Date(1901, 1, 1, 0, 0, 0, 1, time.UTC) }},
		{"perhaps stored", func(it *uploader.SpoolItem) { it.Maybe = true }},
		{"tags", func(it *uploader.SpoolItem) { it.Tags = "site=north&door=%E9%97%A8" }},
		{"as many tags as can be sent", func(it *uploader.SpoolItem) { it.Tags = strings.Repeat("t", 8<<10) }},
		{"the longest key", func(it *uploader.SpoolItem) { it.Key = strings.Repeat("k", 1002) + "2026/03/09/04/05/06.ts" }},
		{"a key of the bucket's root", func(it *uploader.SpoolItem) { it.Key = "2026/03/09/04/05/06.ts" }},
		{"no pictures, no duration", func(it *uploader.SpoolItem) { it.Frames, it.Duration = 0, 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cam")
			it, data := footage(keyOf(1), 100_000)
			tt.edit(&it)
			s := open(t, spool.Config{Dir: dir})
			put(t, s, it, data)
			for range 2 {
				if got, ok := s.Oldest(); !ok || got != it {
					t.Errorf("Oldest = %+v, %v\nwant     %+v", got, ok, it)
				}
				buf := make([]byte, len(data)+10)
				if n, err := s.Read(it, buf); err != nil || n != len(data) || !bytes.Equal(buf[:n], data) {
					t.Errorf("Read = %d, %v, or other bytes", n, err)
				}
				if items, n := s.Usage(); items != 1 || n != int64(len(data)) {
					t.Errorf("Usage = %d, %d, want 1, %d", items, n, len(data))
				}
				s.Close()
				s = open(t, spool.Config{Dir: dir})
			}
		})
	}
}

// Both runs began in 1970: the keys of the later one are not later, and two items have one key.
func TestTheOrderIsThatOfThePuts(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for run, keys := range [][]string{{keyOf(10), keyOf(13)}, {"cam1/1970/01/01/00/00/10.ts", "cam1/1970/01/01/00/00/13.ts"}, {"cam1/1970/01/01/00/00/10.ts"}} {
		s := open(t, spool.Config{Dir: dir})
		for n, key := range keys {
			it, data := footage(key, 1000+n)
			it.UnsureRun = uint64(run)
			put(t, s, it, data)
			want = append(want, key)
		}
		s.Close()
	}
	if got := drain(t, open(t, spool.Config{Dir: dir})); !slices.Equal(got, want) {
		t.Errorf("the items come as %q, want %q", got, want)
	}
}

func TestTheOldestLeaveWhenTheCapIsReached(t *testing.T) {
	s := open(t, spool.Config{Dir: t.TempDir(), MaxBytes: 5 * 16 << 10})
	var left []string
	for n := range 12 {
		it, data := footage(keyOf(n), 15_000) // four blocks with the header
		for _, o := range put(t, s, it, data) {
			left = append(left, o.Key)
			if want, _ := footage(o.Key, 15_000); o != want {
				t.Errorf("left: %+v, want %+v", o, want)
			}
		}
		if st := s.Stats(); st.Disk > 5*16<<10 {
			t.Errorf("%d bytes are occupied, %d may be", st.Disk, 5*16<<10)
		}
	}
	if len(left) != 7 || left[0] != keyOf(0) || left[6] != keyOf(6) {
		t.Errorf("left: %q, want the oldest 7", left)
	}
	it, data := footage(keyOf(60), 40_000) // needs three times as much
	if out := put(t, s, it, data); len(out) != 3 || out[0].Key != keyOf(7) {
		t.Errorf("for a large segment %d left", len(out))
	}
	if got := drain(t, s); !slices.Equal(got, []string{keyOf(10), keyOf(11), keyOf(60)}) {
		t.Errorf("what stayed: %q", got)
	}
	if st := s.Stats(); st.Items != 0 || st.Bytes != 0 || st.Disk != 0 {
		t.Errorf("an empty spool has %+v", st)
	}
}

func TestTheNumberOfItemsIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir, MaxItems: 40})
	for n := range 50 {
		it, data := footage(keyOf(n), 100)
		if out := put(t, s, it, data); len(out) != max(0, n/40) && n >= 40 {
			t.Errorf("item %d: %d left", n, len(out))
		}
	}
	s.Close()
	s = open(t, spool.Config{Dir: dir, MaxItems: 10})
	if st := s.Stats(); st.Items != 10 || st.FoundSurplus != 30 {
		t.Errorf("with a smaller bound: %+v, want 10 and 30 too many", st)
	}
	if got := drain(t, s); len(got) != 10 || got[0] != keyOf(40) || got[9] != keyOf(49) {
		t.Errorf("the newest 10 are to stay, there are %q", got)
	}
}

func TestWhatCannotBeKeptIsRefusedAndCostsNothing(t *testing.T) {
	s := open(t, spool.Config{Dir: t.TempDir(), MaxBytes: 64 << 10})
	old, data := footage(keyOf(0), 10_000)
	put(t, s, old, data)
	for what, edit := range map[string]func(*uploader.SpoolItem, *[]byte){
		"larger than the spool": func(it *uploader.SpoolItem, d *[]byte) { *it, *d = footage(keyOf(1), 64<<10) },
		"another size":          func(it *uploader.SpoolItem, d *[]byte) { it.Size++ },
		"no key":                func(it *uploader.SpoolItem, d *[]byte) { it.Key = "" },
		"a key beyond S3's":     func(it *uploader.SpoolItem, d *[]byte) { it.Key = strings.Repeat("k", 1025) },
		"too many tags":         func(it *uploader.SpoolItem, d *[]byte) { it.Tags = strings.Repeat("t", 8<<10+1) },
		"a negative duration":   func(it *uploader.SpoolItem, d *[]byte) { it.Duration = -1 },
	} {
		it, data := footage(keyOf(1), 1000)
		edit(&it, &data)
		if out, err := s.Put(it, [2][]byte{data}); err == nil || len(out) > 0 {
			t.Errorf("%s: Put = %d left, %v; want an error alone", what, len(out), err)
		}
	}
	if got := drain(t, s); !slices.Equal(got, []string{keyOf(0)}) {
		t.Errorf("what is there: %q", got)
	}
}

func TestDeleteTakesTheItemAndNoOther(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir})
	var items []uploader.SpoolItem
	for n := range 4 {
		it, data := footage(keyOf(7), 1000) // same key and bytes
		it.UnsureRun = uint64(n)
		put(t, s, it, data)
		items = append(items, it)
	}
	for range 2 { // the second time it is not there
		if err := s.Delete(items[2]); err != nil {
			t.Errorf("Delete = %v", err)
		}
	}
	if _, err := s.Read(items[2], make([]byte, 1000)); !errors.Is(err, uploader.ErrSpoolCorrupt) {
		t.Errorf("Read of a deleted item = %v", err)
	}
	if _, err := s.Read(items[3], make([]byte, 1000)); err != nil {
		t.Errorf("Read of the one after it = %v", err)
	}
	s.Close()
	s = open(t, spool.Config{Dir: dir})
	for _, want := range []uploader.SpoolItem{items[0], items[1], items[3]} {
		if got, ok := s.Oldest(); !ok || got != want {
			t.Errorf("Oldest = %+v, want %+v", got, want)
		}
		if err := s.Delete(want); err != nil {
			t.Error(err)
		}
	}
}

func segFiles(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".seg") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
}

func edit(t testing.TB, file string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadNoticesEveryKindOfDamage(t *testing.T) {
	for what, damage := range map[string]func(t *testing.T, file string){
		"a bit of the segment": func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { b[len(b)/2] ^= 4; return b }) },
		"the last byte":        func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { b[len(b)-1] ^= 1; return b }) },
		"cut off":              func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { return b[:len(b)-1] }) },
		"grown":                func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { return append(b, 0) }) },
		"empty":                func(t *testing.T, f string) { edit(t, f, func(b []byte) []byte { return nil }) },
		"deleted":              func(t *testing.T, f string) { os.Remove(f) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, spool.Config{Dir: dir})
			it, data := footage(keyOf(1), 5000)
			put(t, s, it, data)
			next, data := footage(keyOf(2), 5000)
			put(t, s, next, data)
			damage(t, segFiles(t, dir)[0])
			old, ok := s.Oldest()
			if !ok || old.Size != it.Size || old.Key != it.Key && old.Key != "" {
				t.Errorf("Oldest = %+v, %v", old, ok)
			}
			if _, err := s.Read(old, make([]byte, old.Size)); !errors.Is(err, uploader.ErrSpoolCorrupt) {
				t.Errorf("Read = %v, want ErrSpoolCorrupt", err)
			}
			if err := s.Delete(old); err != nil {
				t.Errorf("Delete = %v", err)
			}
			if got := drain(t, s); !slices.Equal(got, []string{next.Key}) {
				t.Errorf("after that there is %q", got)
			}
			if left := segFiles(t, dir); len(left) != 0 {
				t.Errorf("files left: %q", left)
			}
		})
	}
}

func TestReadWantsRoomForTheWhole(t *testing.T) {
	s := open(t, spool.Config{Dir: t.TempDir()})
	it, data := footage(keyOf(1), 5000)
	put(t, s, it, data)
	if _, err := s.Read(it, make([]byte, 4999)); !errors.Is(err, io.ErrShortBuffer) || errors.Is(err, uploader.ErrSpoolCorrupt) {
		t.Errorf("Read = %v, want io.ErrShortBuffer", err)
	}
}

func TestTheStartClearsUpAndLeavesStrangersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cam")
	s := open(t, spool.Config{Dir: dir})
	for n := range 7 {
		it, data := footage(keyOf(n), 9000)
		put(t, s, it, data)
	}
	s.Close()
	f := segFiles(t, dir)
	edit(t, f[0], func(b []byte) []byte { return b[:100] })                       // the length is wrong
	edit(t, f[1], func(b []byte) []byte { return nil })                           // empty
	edit(t, f[2], func(b []byte) []byte { b[20] ^= 1; return b })                 // header
	edit(t, f[3], func(b []byte) []byte { copy(b, "GIF89a  "); return b })        // something else
	edit(t, f[4], func(b []byte) []byte { b[8] = 2; return b })                   // a newer version
	edit(t, f[5], func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, 9) }) // erased flash
	write := func(name string, b string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("new.tmp", "half a segment")
	write("holiday.jpg", "not ours")
	write("00000000000000FF.seg", "capital letters")
	write("1.seg", "too short a name")
	if err := os.Mkdir(filepath.Join(dir, "00000000000000ff.seg"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "00000000000000fe.seg")); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s = open(t, spool.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	want := spool.Stats{Items: 1, Bytes: 9000, Disk: 12288, FoundItems: 1, FoundTemporary: 1, FoundDamaged: 5, FoundForeign: 6}
	if got := s.Stats(); got != want {
		t.Errorf("Stats = %+v\nwant    %+v", got, want)
	}
	for n, file := range f[:6] {
		if removed := !strings.Contains(strings.Join(segFiles(t, dir), " "), file); removed != (n != 4) {
			t.Errorf("%s: removed = %v", filepath.Base(file), removed)
		}
		if !strings.Contains(log.String(), filepath.Base(file)) {
			t.Errorf("nothing is logged about %s", filepath.Base(file))
		}
	}
	it, data := footage(keyOf(60), 1000)
	put(t, s, it, data)
	if _, err := os.Stat(filepath.Join(dir, "0000000000000100.seg")); err != nil {
		t.Errorf("the next file does not come after all others: %v", err)
	}
	if got := drain(t, s); !slices.Equal(got, []string{keyOf(6), keyOf(60)}) {
		t.Errorf("what is there: %q", got)
	}
	for _, name := range []string{"holiday.jpg", "1.seg", "00000000000000ff.seg", "00000000000000fe.seg", filepath.Base(f[4])} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestOnlyOneHasTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cam")
	s := open(t, spool.Config{Dir: dir})
	if _, err := spool.New(spool.Config{Dir: dir, MaxBytes: 1 << 20}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second New = %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	open(t, spool.Config{Dir: dir})
	it, data := footage(keyOf(1), 100)
	if _, err := s.Put(it, [2][]byte{data}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Put after Close = %v", err)
	}
	if _, err := s.Read(it, data); !errors.Is(err, fs.ErrClosed) || errors.Is(err, uploader.ErrSpoolCorrupt) {
		t.Errorf("Read after Close = %v", err)
	}
	if err := s.Delete(it); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Delete after Close = %v", err)
	}
	if _, ok := s.Oldest(); ok {
		t.Error("Oldest after Close has something")
	}
}

func TestNobodyElseMayReadTheFootage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cam")
	s := open(t, spool.Config{Dir: dir})
	it, data := footage(keyOf(1), 100)
	put(t, s, it, data)
	for path, want := range map[string]fs.FileMode{dir: 0o700, segFiles(t, dir)[0]: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	s.Close()
	os.Chmod(dir, 0o755)
	var log bytes.Buffer
	open(t, spool.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "chmod 700") {
		t.Errorf("nothing is said about a folder that everybody can enter: %s", log.String())
	}
}

func TestNewSaysWhatIsWrongWithTheFolder(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		cfg  spool.Config
		want string
	}{
		"the card is not mounted": {spool.Config{Dir: filepath.Join(base, "card", "cam"), MaxBytes: 1}, "mount the flash"},
		"a slash at the end":      {spool.Config{Dir: filepath.Join(base, "card", "cam") + "/", MaxBytes: 1}, "the folder " + filepath.Join(base, "card") + " for spools"},
		"it is a file":            {spool.Config{Dir: file, MaxBytes: 1}, "is a file"},
		"below a file":            {spool.Config{Dir: filepath.Join(file, "cam"), MaxBytes: 1}, "not a directory"},
		"no folder":               {spool.Config{MaxBytes: 1}, "needs a folder"},
		"no size":                 {spool.Config{Dir: base}, "needs a folder and a size"},
	} {
		if s, err := spool.New(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: New = %v, %v; want %q in it", name, s, err, tt.want)
		}
	}
}

func TestSeveralGoroutinesMayUseIt(t *testing.T) {
	s := open(t, spool.Config{Dir: t.TempDir(), MaxBytes: 20 * 4096})
	var writers, readers sync.WaitGroup
	for g := range 3 {
		writers.Go(func() {
			for n := range 40 {
				it, data := footage(keyOf(g*100+n), 3000+g)
				if _, err := s.Put(it, [2][]byte{data}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			buf := make([]byte, 4000)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if it, ok := s.Oldest(); ok {
					if n, err := s.Read(it, buf); err == nil && crc32.Checksum(buf[:n], crc32.MakeTable(crc32.Castagnoli)) != it.CRC32C {
						t.Error("other bytes than described")
					}
					if err := s.Delete(it); err != nil {
						t.Error(err)
					}
				}
				s.Usage()
				s.Stats()
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	drain(t, s)
	if st := s.Stats(); st.Items != 0 || st.Disk != 0 || st.Bytes != 0 {
		t.Errorf("in the end: %+v", st)
	}
}
