// SPDX-License-Identifier: Apache-2.0

package uploader_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3cam/s3cam/uploader"
)

// flash is a Spool in memory that checks what it is given. fail, when set, decides before each call.
type flash struct {
	t    testing.TB
	cap  int64                   // bytes
	fail func(call string) error // "put", "read", "delete"
	slow time.Duration           // of each put

	inside atomic.Int32
	items  []uploader.SpoolItem
	data   [][]byte
	puts   []string
	gone   []string // evicted
	kept   []string // could not be deleted
}

var errNoSpace = errors.New("no space left on device")

func (f *flash) enter(call string) error {
	if f.inside.Add(1) != 1 {
		f.t.Error("two calls of the spool at a time")
	}
	if f.fail != nil {
		return f.fail(call)
	}
	return nil
}

func (f *flash) leave() { f.inside.Add(-1) }

func (f *flash) Put(it uploader.SpoolItem, parts [2][]byte) (out []uploader.SpoolItem, err error) {
	defer f.leave()
	err = f.enter("put")
	data := join(parts[0], parts[1])
	time.Sleep(f.slow)
	if !bytes.Equal(data, join(parts[0], parts[1])) {
		f.t.Errorf("%s changes while it is being spooled", it.Key)
	}
	if len(data) != it.Size || crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) != it.CRC32C {
		f.t.Errorf("%s is spooled with another size or checksum than it says", it.Key)
	}
	if err != nil {
		return nil, err
	}
	if f.cap > 0 {
		if int64(it.Size) > f.cap {
			return nil, errNoSpace
		}
		for _, n := f.Use(); n+int64(it.Size) > f.cap; _, n = f.Use() {
			out = append(out, f.items[0])
			f.gone = append(f.gone, f.items[0].Key)
			f.items, f.data = f.items[1:], f.data[1:]
		}
	}
	f.items, f.data, f.puts = append(f.items, it), append(f.data, data), append(f.puts, it.Key)
	return out, nil
}

func (f *flash) Oldest() (uploader.SpoolItem, bool) {
	defer f.leave()
	_ = f.enter("oldest")
	if len(f.items) == 0 {
		return uploader.SpoolItem{}, false
	}
	return f.items[0], true
}

func (f *flash) find(it uploader.SpoolItem) int {
	return slices.IndexFunc(f.items, func(x uploader.SpoolItem) bool { return x == it })
}

func (f *flash) Read(it uploader.SpoolItem, dst []byte) (int, error) {
	defer f.leave()
	if err := f.enter("read"); err != nil {
		return 0, err
	}
	i := f.find(it)
	if i < 0 {
		return 0, fmt.Errorf("%w: gone", uploader.ErrSpoolCorrupt)
	}
	n := copy(dst, f.data[i])
	if crc32.Checksum(dst[:n], crc32.MakeTable(crc32.Castagnoli)) != it.CRC32C {
		return n, fmt.Errorf("%w: checksum", uploader.ErrSpoolCorrupt)
	}
	return n, nil
}

func (f *flash) Delete(it uploader.SpoolItem) error {
	defer f.leave()
	if err := f.enter("delete"); err != nil {
		f.kept = append(f.kept, it.Key)
		return err
	}
	i := f.find(it)
	if i < 0 {
		f.t.Errorf("%s is deleted from the spool and is not there", it.Key)
		return nil
	}
	f.items, f.data = slices.Delete(f.items, i, i+1), slices.Delete(f.data, i, i+1)
	return nil
}

func (f *flash) Usage() (int, int64) {
	defer f.leave()
	_ = f.enter("usage")
	return f.Use()
}

// Use is Usage for tests.
func (f *flash) Use() (items int, n int64) {
	for _, it := range f.items {
		n += int64(it.Size)
	}
	return len(f.items), n
}
